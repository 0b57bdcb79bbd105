"""Cut an input into packets, the same every time."""

import random
from zlib import crc32


def packets(data: bytes, longest: int = 40) -> list[bytes]:
    """Cut ``data`` at places that follow from it."""
    chance = random.Random(crc32(data))
    if chance.random() < 0.2:
        longest = 1
    cut = []
    at = 0
    while at < len(data):
        size = chance.randint(1, longest)
        cut.append(data[at : at + size])
        at += size
    return cut

"""Inputs made of others by chance: the same ones for the same seed."""

import random
from collections.abc import Iterator, Sequence

_NUMBERS = (0, 1, 127, 128, 255)
_LONGEST = 8192


def inputs(seeds: Sequence[bytes], tokens: Sequence[bytes], seed: int = 0) -> Iterator[bytes]:
    """Yield the seeds as they are, and then mutations of them without end.

    Args:
        seeds: What to begin with.
        tokens: What means something to who is tried, and is put in here and there.
        seed: Of the chance.
    """
    yield b""
    yield from seeds
    chance = random.Random(seed)
    pool = [*seeds, b""]
    while True:
        data = bytearray(chance.choice(pool))
        for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
            _mutate(chance, data, pool, tokens)
        yield bytes(data[:_LONGEST])


def _mutate(
    chance: random.Random, data: bytearray, pool: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    at = chance.randint(0, len(data))
    length = chance.choice((1, 1, 2, 4, 8, 30))
    match chance.randrange(9):
        case 0 | 1 | 2:
            data[at:at] = chance.choice(tokens)
        case 3:
            token = chance.choice(tokens)
            data[at : at + len(token)] = token
        case 4:
            del data[at : at + length]
        case 5:
            # What is there once more, now and then very often.
            data[at:at] = data[at : at + length] * chance.choice((1, 1, 2, 50))
        case 6:
            other = chance.choice(pool)
            start = chance.randint(0, len(other))
            data[at : at + length] = other[start : start + chance.choice((4, 40, 400))]
        case 7 if at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        case _:
            data[at : at + 1] = bytes([chance.choice((*_NUMBERS, chance.randrange(256)))])

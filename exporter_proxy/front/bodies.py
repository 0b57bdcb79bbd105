"""Bodies of small requests: of a length that is told before, or in chunks; packed, or not.

As with heads, what is read is a strict part of RFC 9112 (section 7.1): chunks without extensions
and trailers, and not many of them. All else is for the HTTP server.
"""

import re

from exporter_proxy.front.heads import LARGEST_BODY, Block
from exporter_proxy.payload.compression import unpack_small

_SIZE = re.compile(rb"([0-9a-fA-F]{1,5})\r\n")
_SIZE_BEGUN = re.compile(rb"[0-9a-fA-F]{0,5}\r?")
_LINE_END = b"\r\n"
_END = b"0\r\n\r\n"
# Each packet has all chunks of its request looked at again.
_MOST_CHUNKS = 32


Body = tuple[bytes, int]
"""A body, unpacked, and where it ends in what came. No named tuple: there is one for each push."""


class UnusualError(Exception):
    """The server has to look at a body."""


def read_body(block: Block, data: bytes, start: int) -> Body | int:
    """Return a request's body, or with how many bytes of ``data`` it may be whole, at least.

    Args:
        block: What its head says of it.
        data: What came.
        start: Where its head ends.

    Raises:
        UnusualError: It is not small, or not what its head says, or unusual.
    """
    if block.length is None:
        found = _chunks(data, start)
    else:
        end = start + block.length
        found = end if end > len(data) else (data[start:end], end)
    if not block.packed or isinstance(found, int):
        return found
    content = unpack_small(found[0], LARGEST_BODY)
    if content is None:
        raise UnusualError
    return content, found[1]


def _chunks(data: bytes, start: int) -> Body | int:
    parts: list[bytes] = []
    size = 0
    for _ in range(_MOST_CHUNKS):
        line = _SIZE.match(data, start)
        if line is None:
            if not _SIZE_BEGUN.fullmatch(data, start):
                raise UnusualError
            return max(len(data) + 1, start + len(_END))
        length = int(line[1], 16)
        end = line.end() + length
        size += length
        if size > LARGEST_BODY or not _LINE_END.startswith(data[end : end + len(_LINE_END)]):
            raise UnusualError
        start = end + len(_LINE_END)
        if not length:
            return start if start > len(data) else (b"".join(parts), start)
        if start > len(data):
            return start + len(_END)
        parts.append(data[line.end() : end])
    raise UnusualError

"""How far a file was read, told by its content: it is found again under any name. Pure."""

from collections.abc import Callable
from typing import NamedTuple

HEAD_BYTES = 1024
TAIL_BYTES = 128

ReadAt = Callable[[int, int], bytes]
"""Reads so many bytes (the second number) at an offset (the first); fewer at the end of a file."""


class Mark(NamedTuple):
    """A place in a file, and what stands before it.

    Attributes:
        offset: Where it is, in bytes; all before it was read.
        head: The first bytes of the file, of those that were read.
        tail: The last bytes before the offset.
    """

    offset: int = 0
    head: bytes = b""
    tail: bytes = b""

    def moved(self, data: bytes | memoryview) -> "Mark":
        """Return the mark after ``data``, which stands right behind this one."""
        head = self.head
        if len(head) == self.offset and len(head) < HEAD_BYTES:
            head = (head + bytes(data[:HEAD_BYTES]))[:HEAD_BYTES]
        tail = bytes(data[-TAIL_BYTES:])
        if len(tail) < TAIL_BYTES:
            tail = (self.tail + tail)[-TAIL_BYTES:]
        return Mark(self.offset + len(data), head, tail)

    def is_in(self, read_at: ReadAt) -> bool:
        """Tell whether a file has what was read before the mark; any file has nothing."""
        if read_at(0, len(self.head)) != self.head:
            return False
        return read_at(self.offset - len(self.tail), len(self.tail)) == self.tail


def mark_at(offset: int, read_at: ReadAt) -> Mark:
    """Return a mark for a place in a file of which nothing was read.

    If the file is shorter by now, it is one for the end of its first bytes.
    """
    head = read_at(0, min(HEAD_BYTES, offset))
    if offset <= HEAD_BYTES:
        return Mark(len(head), head, head[-TAIL_BYTES:])
    tail = read_at(offset - TAIL_BYTES, TAIL_BYTES)
    if len(tail) < TAIL_BYTES:
        return Mark(len(head), head, head[-TAIL_BYTES:])
    return Mark(offset, head, tail)

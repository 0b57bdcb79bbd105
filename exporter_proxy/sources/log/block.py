"""Lines of one file, read from where it was left."""

from typing import NamedTuple

from exporter_proxy.sources.log.lines import cut_lines
from exporter_proxy.sources.log.mark import Mark
from exporter_proxy.sources.log.names import is_compressed
from exporter_proxy.sources.log.stream import Stream

BLOCK_BYTES = 2**20


class Block(NamedTuple):
    """Lines of a file, to be counted, and where it was read up to when they are.

    Attributes:
        stream: Whose.
        lines: Whole lines; may be empty.
        mark: Where reading goes on.
        skipping: That is within a line of which enough was taken.
        carry: What is left of the stream's ``carry``.
        cut: How many of the lines were shortened.
        lane: The path at which the stream is or was.
    """

    stream: Stream
    lines: bytes
    mark: Mark
    skipping: bool
    carry: bytes
    cut: int
    lane: str = ""

    def accept(self) -> None:
        """Take note that the lines were counted."""
        self.stream.mark = self.mark
        self.stream.skipping = self.skipping
        self.stream.carry = self.carry


def read_block(stream: Stream, max_line: int, *, final: bool = False) -> Block | None:
    """Return the next lines of a file; None: there are none now, or it was truncated.

    Args:
        stream: The file, which is open.
        max_line: Bytes of a line; of a longer one the first are taken.
        final: What stands after the last newline is a line.

    Raises:
        OSError: It can't be read.
    """
    assert stream.file is not None
    mark = stream.mark
    before = len(mark.tail)
    count = before + _count(max_line)
    data = stream.file.read_at(mark.offset - before, count)
    if data[:before] != mark.tail or not (mark.offset or stream.begins_as_seen(data)):
        stream.truncated = True
        return None
    full = len(data) == count
    # without a copy: it is long
    fresh = memoryview(data)[before:]
    if not full and not is_compressed(stream.path):
        stream.size = mark.offset + len(fresh)
    carry = stream.carry
    cut = cut_lines(
        b"".join((carry, fresh)) if carry else data,
        max_line,
        start=0 if carry else before,
        skipping=stream.skipping,
        final=final and not full,
    )
    if not cut.used:
        return None
    used = max(0, cut.used - len(carry))
    moved = mark.moved(fresh[:used])
    return Block(stream, cut.lines, moved, cut.skipping, carry[cut.used :], cut.cut)


def take_rest(stream: Stream, max_line: int) -> bytes:
    """Return what stands behind the last line that was read, when there are no more.

    It counts as read.

    Raises:
        OSError: It can't be read.
    """
    assert stream.file is not None
    rest = stream.file.read_at(stream.mark.offset, _count(max_line))
    carry, stream.carry = stream.carry, b""
    stream.mark = stream.mark.moved(rest)
    return carry + rest


def _count(max_line: int) -> int:
    return max(BLOCK_BYTES, 2 * max_line)

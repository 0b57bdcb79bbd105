"""Bytes of a file -> whole lines of bounded length. Pure."""

from typing import Final, NamedTuple

from exporter_proxy.log_metrics.newlines import count_newlines

MOST_LINES: Final = 2_048
"""Of a slice: a line costs a microsecond or several, even if there is nothing in it."""
_NEWLINE = b"\n"
_NUL = b"\0"


class Cut(NamedTuple):
    r"""What became of some bytes.

    Attributes:
        lines: Whole lines, each ending in ``\n``.
        used: How many of the bytes need not be looked at again.
        skipping: They end within a line of which enough was taken.
        cut: How many lines were longer than the limit.
    """

    lines: bytes
    used: int
    skipping: bool
    cut: int


def cut_lines(
    data: bytes, max_line: int, *, start: int = 0, skipping: bool, final: bool = False
) -> Cut:
    r"""Cut bytes of a file into lines.

    NUL bytes are left out: a file that was truncated under a writer that doesn't append begins with
    as many of them as it was long, and after a crash there may be some in its middle.

    Args:
        data: Bytes; the work is linear in them.
        max_line: Of a longer line only as many bytes are taken.
        start: Where in ``data`` the last cut ended; what is before is left out of all counts.
        skipping: What the last cut said: it ended within such a line.
        final: Nothing will follow: what stands after the last newline is a line.
    """
    size = len(data) - start
    begin = start
    if skipping:
        begin = data.find(_NEWLINE, start) + 1
        if not begin:
            return Cut(b"", size, not final, 0)
    end = max(data.rfind(_NEWLINE, begin) + 1, begin)
    lines, cut = _bounded(_without_nuls(data[begin:end]), max_line)
    rest = data[end:]
    if rest[:1] == _NUL:
        rest = rest.lstrip(_NUL)
    if len(rest) > max_line:
        lines += _without_nuls(rest[:max_line]) + _NEWLINE
        return Cut(lines, size, not final, cut + 1)
    if final and rest:
        return Cut(lines + _without_nuls(rest) + _NEWLINE, size, skipping=False, cut=cut)
    return Cut(lines, size - len(rest), skipping=False, cut=cut)


def slice_end(lines: bytes, start: int, size: int) -> tuple[int, int]:
    """Return where a slice of lines ends that are counted in one go, and how many they are.

    Args:
        lines: Whole lines.
        start: Where the slice begins; they don't end there.
        size: Bytes that it has at most, unless it is one line alone; and :data:`MOST_LINES` lines.
    """
    while True:
        end = lines.rfind(_NEWLINE, start, start + size) + 1
        if not end:
            return lines.index(_NEWLINE, start) + 1, 1
        count = count_newlines(lines[start:end])
        if count <= MOST_LINES:
            return end, count
        size = (end - start) // 2


def _without_nuls(data: bytes) -> bytes:
    return data.replace(_NUL, b"") if _NUL in data else data


def _bounded(lines: bytes, limit: int) -> tuple[bytes, int]:
    """Shorten lines that are too long; return how many were.

    It leaps from one newline to the last one within reach, so that blocks of short lines cost next
    to nothing.
    """
    pieces: list[bytes] = []
    cut = taken = position = 0
    while len(lines) - position > limit:
        newline = lines.rfind(_NEWLINE, position, position + limit + 1)
        if newline >= 0:
            position = newline + 1
            continue
        pieces.append(lines[taken : position + limit])
        cut += 1
        taken = lines.index(_NEWLINE, position + limit)
        position = taken + 1
    if not cut:
        return lines, 0
    pieces.append(lines[taken:])
    return b"".join(pieces), cut

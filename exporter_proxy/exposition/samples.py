"""Counting the samples of a payload, without a step of Python for each of them."""

import re
from collections.abc import Iterator

WINDOW = 1_048_576
"""Bytes looked at in one step: at most some milliseconds."""

# A line break and the line after it, if that is blank or a comment. The next line break is not
# consumed, as it begins the next match. No two branches can match the same bytes: linear time.
_NO_SAMPLE = re.compile(rb"\n[ \t\r]*(?:#|(?=\n))")
_FIRST_NO_SAMPLE = re.compile(rb"[ \t\r]*(?:#|\n)")
# What only a payload with indented or blank lines has; without them counting is a matter of
# searching for fixed bytes.
_UNUSUAL = (b"\n\n", b"\n ", b"\n\t", b"\n\r")


def count_samples(text: bytes) -> Iterator[int]:
    """Count the lines of ``text`` that are neither blank nor comments, window by window.

    Args:
        text: Exposition text; its last line may lack the newline.

    Yields:
        The samples of the next window; their sum is the number sought.
    """
    start = 0
    closed = text.rfind(b"\n") + 1
    while start < closed:
        # A window ends where a line does, so that what it begins with is a line.
        end = text.find(b"\n", min(start + WINDOW, closed) - 1) + 1
        yield _count(text, start, end)
        start = end
    last = text[closed:].strip(b" \t\r")
    if last and not last.startswith(b"#"):
        yield 1


def _count(text: bytes, start: int, end: int) -> int:
    lines = text.count(b"\n", start, end)
    first = 1 if _FIRST_NO_SAMPLE.match(text, start, end) else 0
    if any(text.find(mark, start, end) != -1 for mark in _UNUSUAL):
        return lines - first - len(_NO_SAMPLE.findall(text, start, end))
    return lines - first - text.count(b"\n#", start, end)

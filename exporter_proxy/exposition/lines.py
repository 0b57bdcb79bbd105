r"""Lines of samples as readers write them: ``name{a="b"} 1``, ``name 1``, ``{"my.name",a="b"} 1``.

After the value may stand a timestamp, and in OpenMetrics an exemplar. Patterns are possessive: they
take linear time on any bytes.
"""

import re
from collections.abc import Iterator

WINDOW = 1_048_576
"""Bytes changed in one step: some milliseconds."""

_STRING = rb'"(?:[^"\\\n]|\\.)*+"'
_SERIES = rb'[^{ "\n]*+(?:\{(?:[^"}\n]|' + _STRING + rb")*+\})?+"

HEAD = re.compile(rb'(?m)^([^{ "\n]*+)(?:\{((?:[^"}\n]|' + _STRING + rb")*+)\})?+")
"""A line up to the value: the name (empty: it stands in quotes) and what is in braces."""
ITEM = re.compile(rb"(" + _STRING + rb'|[^=,"\n]++)(=' + _STRING + rb")?+")
"""What is in braces, one by one: a label's name and the rest of it; no rest: the metric's name."""

# Two words without a quote in them at the end of a line are a value and a timestamp: before the
# value stands a name, which no blank precedes, or a brace, which a quote precedes.
_STAMP = re.compile(rb'( [^ "\n]++) [^ "\n]++\n')
# The end of an exemplar looks alike.
_STAMP_EXACTLY = re.compile(rb"(?m)^(" + _SERIES + rb" [^ \n]++) [^ #\n]++(?=\n| # )")
_MAYBE_EXEMPLAR = b" # {"
_SERIES_START = re.compile(_SERIES)


def windows(block: bytes, size: int = WINDOW) -> Iterator[bytes]:
    """Yield ``block`` in pieces of about ``size`` bytes that end where a line does."""
    if len(block) <= size:
        yield block
        return
    start = 0
    while start < len(block):
        end = block.find(b"\n", start + size) + 1 or len(block)
        yield block[start:end]
        start = end


def without_timestamps(block: bytes) -> bytes:
    """Return ``block`` without the timestamps of its samples; those of exemplars stay."""
    if _MAYBE_EXEMPLAR in block:
        return _STAMP_EXACTLY.sub(rb"\1", block)
    return _STAMP.sub(rb"\1\n", block) if _STAMP.search(block) else block


def add_latest(block: bytes, latest: dict[bytes, bytes]) -> None:
    """Put each line of ``block`` under its series, in the place of a line of the same series."""
    for line in block.split(b"\n"):
        if line:
            found = _SERIES_START.match(line)
            assert found is not None
            latest[found[0]] = line + b"\n"

"""The reader of exposition text: both of its ways agree, in a bounded number of steps."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from exporter_proxy.exposition.model import Exposition, Format
from exporter_proxy.exposition.reader import read, shapes
from tests.exposition.reading import NOW_MS, everything, page
from tests.fuzz.targets import Check

TOKENS = [
    b"# HELP a Text.\n",
    b"# TYPE a ",
    b"counter\n",
    b"gauge\n",
    b"histogram\n",
    b"summary\n",
    b"untyped\n",
    b"info\n",
    b"stateset\n",
    b"gaugehistogram\n",
    b"# UNIT a seconds\n",
    b"# EOF\n",
    b'a{x="1"} 1\n',
    b'a_bucket{le="+Inf"} 2\n',
    b"a_count 2\n",
    b"a_sum 1.5\n",
    b"a_total 1\n",
    b"a_created 1\n",
    b'{"q.n"} 1\n',
    b' # {trace="1"} 0.5 1\n',
    b" 1700000000000\n",
    b"NaN",
    b"-Inf",
    b"1e999",
    b"0x1p3",
    b"\\n",
    b"\\\\",
    b'\\"',
    b'"',
    b"{",
    b"}",
    b",",
    b"=",
    b"\r\n",
    b"\t",
    b"\xe2\x82\xac",
    b"\xff",
    b"\0",
    b"\xef\xbb\xbf",
]
# Functions of Python called for each byte, and for a payload of none: what a reader that looks at
# each byte a bounded number of times stays well below.
_CALLS_A_BYTE = 40
_CALLS = 4_000


@contextmanager
def target() -> Iterator[Check]:
    """Read what comes fast and slowly, and again what was made of it."""
    before = shapes.WORTH_COMPILING
    # An automaton for each shape, however seldom it is seen.
    shapes.WORTH_COMPILING = 0
    try:
        yield _check
    finally:
        shapes.WORTH_COMPILING = before


def _check(data: bytes) -> None:
    declared: Format | None = (None, None, "text", "openmetrics")[len(data) % 4]
    payload = _pieces(data)
    calls = _Calls()
    with calls:
        fast = read(payload, format=declared, now_ms=NOW_MS)
    assert calls.count <= _CALLS + _CALLS_A_BYTE * len(data), f"{calls.count} calls"
    slow = read(payload, format=declared, now_ms=NOW_MS, fast=False)
    assert everything(slow) == everything(fast)
    _look_at_page(fast)


def _look_at_page(exposition: Exposition) -> None:
    text = page(exposition).decode()
    samples = sum(len(family.samples) for family in text_string_to_metric_families(text))
    assert samples == exposition.samples
    names = [family.name for family in exposition.families]
    assert len(set(names)) == len(names)


def _pieces(data: bytes) -> tuple[bytes, ...]:
    """Cut a payload in two, after a line, as large ones are."""
    cut = data.find(b"\n", len(data) // 2) + 1
    return tuple(piece for piece in (data[:cut], data[cut:]) if piece)


class _Calls:
    """Counts calls of functions that are written in Python."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        sys.setprofile(self._note)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            self.count += 1

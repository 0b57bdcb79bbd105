"""The first bytes: whatever they are, they tell the wire, and never change their mind."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from exporter_proxy.payload.detect import Wire, detect, wrong_wire
from tests.fuzz.targets import Check

TOKENS = [
    b"{",
    b"\xef\xbb\xbf",
    b" \t\r\n",
    b"GET ",
    b"POST / HTTP/1.1\r\n",
    b"PRI * HTTP/2.0",
    b"\x16\x03\x01",
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"\xff\xfe",
    b"\xfe\xff",
    b"{\0",
    b"\0\0\0\0",
    b"\xff\x01\0\0",
    b"\xe2\x82\xac",
    b"# TYPE",
]


# What may stand in front.
_BEFORE = (b" ", b"\t", b"\r", b"\n", b"\xef\xbb\xbf")


@contextmanager
def target() -> Iterator[Check]:
    """Look at every beginning of what comes."""
    yield _check


def _check(data: bytes) -> None:
    wires = [detect(data[:end]) for end in range(min(len(data), 64) + 1)]
    told = [wire for wire in wires if wire is not None]
    if not data.startswith(_BEFORE):
        # However it was cut into packets, the first answer is the one of all that follows.
        assert len(set(told)) <= 1, told
        assert all(wire is not None for wire in wires[8:])
    elif len(data.lstrip(b" \t\r\n\xef\xbb\xbf")) >= 8:
        # What may stand in front of JSON is handed to its reader, which refuses what isn't any.
        assert told
    last = detect(data, final=True)
    assert last in get_args(Wire)
    line = str(wrong_wire(last, "JSON", data))
    assert line.isprintable()
    assert len(line) < 300

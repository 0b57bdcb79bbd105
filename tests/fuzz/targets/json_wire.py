"""The JSON wire: both readers and the reference agree, however it is cut into packets."""

from collections.abc import Iterator
from contextlib import contextmanager

from exporter_proxy.payload.json_reader import JsonReader
from exporter_proxy.payload.json_stream import JsonStream
from tests.fuzz.packets import packets
from tests.fuzz.targets import Check
from tests.payload.reading import read
from tests.payload.reference import read_all

TOKENS = [
    b'{"a":"b"}',
    b"}\n{",
    b'"ttl":"5s",',
    b'"metrics":"y",',
    b'"a":',
    b'["x 1","y 2"]',
    b"null",
    b"true",
    b"-0",
    b"1e5",
    b"00",
    b"NaN",
    b"\\u0000",
    b"\\ud83d\\ude00",
    b"\\ud800",
    b"\\n",
    b"\\\\",
    b'\\"',
    b"\\/",
    b"\xe2\x82\xac",
    b"\xf0\x9f\x98\x80",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\xef\xbb\xbf",
    b"[[[[[[[[",
    b'{"a":{"a":{"a":',
    b"\x00",
    b"\x0b",
]
_LIMIT = 10_000


@contextmanager
def target() -> Iterator[Check]:
    """Read what comes in every way there is."""
    yield _check


def _check(data: bytes) -> None:
    expected, complete = read_all(data)
    outcomes = [
        read(reader(_LIMIT), division)
        for reader in (JsonReader, JsonStream)
        for division in ([data], packets(data))
    ]
    if len(data) <= _LIMIT:
        assert outcomes[0].messages == expected
        assert complete == (outcomes[0].reason is None and outcomes[0].buffered == 0)
    for outcome in outcomes[1:]:
        assert outcome == outcomes[0]
    assert outcomes[0].buffered <= _LIMIT

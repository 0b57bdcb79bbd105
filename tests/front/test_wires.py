"""Which connections to the scrape port are HTTP, which are for a receiver, which for nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.front.wires import Kind, head_end, not_http, tell
from tests.payload.reading import capnp_message

HEADS: list[tuple[bytes, Kind]] = [
    (b"GET / HTTP/1.1\r\n\r\n", "http"),
    (b"PUT /metrics/job/x HTTP/1.1\r\n\r\n", "http"),
    (b"PROPFIND / HTTP/1.1\r\n\r\n", "http"),
    (b"M-SEARCH * HTTP/1.1\r\n\r\n", "http"),
    (b"BREW https://x/ HTTP/1.1\r\n\r\n", "http"),
    (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", "http"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http"),
    (b'{"a": "x 1\\n"}', "other"),
    (b' \n\t{"a": "x 1\\n"}', "other"),
    (b'\xef\xbb\xbf{"a": "x 1\\n"}', "other"),
    (capnp_message("a", "x 1\n"), "other"),
    (b"\x16\x03\x01\x01\x36\x01\x00\x01\x32", "tls"),
    (b"UP 1\nDOWN 2\n", "other"),
    (b"ERRORS_TOTAL 1\n", "other"),
    (b"up 1\n", "other"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "other"),
    (b"get / http/1.1\r\n\r\n", "other"),
    (b"\xff\xff\xff\xff\xff\xff\xff\xff", "other"),
    (b"A" * 40, "other"),
]


@pytest.mark.parametrize(("head", "kind"), HEADS, ids=[repr(head[:20]) for head, _ in HEADS])
def test_tells(head: bytes, kind: Kind):
    """From all of it; wherever it is cut, nothing else is told, and what is told stays."""
    assert tell(head) == kind
    told = [tell(head[:end]) for end in range(1, len(head) + 1)]
    first = next(place for place, each in enumerate(told) if each is not None)
    assert set(told[:first]) <= {None}
    assert set(told[first:]) == {kind}


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes(head: bytes):
    """At the end of a connection all is told, and what blanks there may be are bounded."""
    assert tell(head, final=True) is not None
    if len(head) > 90:
        assert tell(head) is not None


@given(st.binary(min_size=1, max_size=60), st.integers(1, 59))
def test_what_was_told_stays(head: bytes, cut: int):
    """More bytes never make another thing of it."""
    before = tell(head[:cut])
    assert before is None or tell(head) == before


@pytest.mark.parametrize(
    ("head", "end"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 18),
        (b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody\r\n\r\n", 24),
        (b"GET / HTTP/1.0\n\n", 16),
        (b"\r\n\r\nGET / HTTP/1.1\r\n\r\nx", 22),
        (b"GET / HTTP/1.1\r\n", -1),
        (b"\r\n\r\nGET / HTTP/1.1\r\n", -1),
    ],
)
def test_end_of_a_head(head: bytes, end: int):
    """However it comes, and however much of it was searched before."""
    assert head_end(head) == end
    searched = 0
    for size in range(1, len(head) + 1):
        found = head_end(head[:size], searched)
        assert found == (end if 0 < end <= size else -1)
        if found != -1:
            break
        searched = size


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b'{"a": "x"}', "JSON came; with receiver.receive_on_scrape_port it would be taken here"),
        (b"\0\0\0\0\x01\0\0\0", "Cap'n Proto came; with receiver.receive_on_scrape_port"),
        (b"\x1f\x8b\x08\0", "something else came: gzip"),
        (b"up 1\n", 'something else came: "up 1\\n"'),
    ],
)
def test_not_http(head: bytes, found: str):
    """A line says what came, and what would help."""
    assert found in not_http(head)

"""Which wire a connection's first bytes are taken for."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.detect import Wire, detect, wrong_wire
from tests.payload.reading import capnp_message

# A TLS hello as openssl begins it: handshake, version 3.1, length.
TLS_HELLO = b"\x16\x03\x01\x01\x36\x01\x00\x01\x32\x03\x03"

HEADS = [
    pytest.param(b'{"a":"x 1"}', "json", id="json"),
    pytest.param(b"{\n  ", "json", id="pretty_json"),
    pytest.param(b'\xef\xbb\xbf{"a":"x"}', "json", id="byte_order_mark"),
    pytest.param(b'\xef\xbb\xbf \n{"a":"x"}', "json", id="byte_order_mark_and_blanks"),
    pytest.param(b" \r\n\t  {", "json", id="blanks"),
    pytest.param(b"          ", "json", id="blanks_alone"),
    pytest.param(b"{}{}", "json", id="empty_object"),
    pytest.param(capnp_message("a", "x"), "capnp", id="capnp"),
    pytest.param(b"\x7b\x00\x00\x00\x01\x00\x00\x00", "capnp", id="capnp_of_124_segments"),
    pytest.param(b"\x7b\x01\x00\x00\x01\x00\x00\x00", "capnp", id="capnp_of_380_segments"),
    pytest.param(struct.pack("<II", 511, 1), "capnp", id="most_segments"),
    pytest.param(b"\x00\x00\x00\x00", "capnp", id="one_segment"),
    pytest.param(TLS_HELLO, "tls", id="tls"),
    pytest.param(b"GET / HTTP/1.1\r\n", "http", id="get"),
    pytest.param(b"POST /push HTTP/1.1\r\n", "http", id="post"),
    pytest.param(b"OPTIONS * HTTP/1.1\r\n", "http", id="longest_method"),
    pytest.param(b"\r\nGET / HTTP/1.1\r\n", "http", id="blank_line_before_http"),
    pytest.param(b"PRI * HTTP/2.0\r\n", "http", id="http2"),
    pytest.param(b"HELLO WORLD", "other", id="no_method"),
    pytest.param(b"GETTING", "other", id="begins_like_a_method"),
    pytest.param(b"get / HTTP/1.1", "other", id="lower_case"),
    pytest.param(b"SSH-2.0-OpenSSH", "other", id="ssh"),
    pytest.param(b"up 1\nup 2", "other", id="exposition"),
    pytest.param(b"[1, 2]", "other", id="array"),
    pytest.param(b"}}}}", "other", id="braces"),
    pytest.param(b"\xff\xff\xff\xff\xff\xff\xff\xff", "other", id="too_many_segments"),
]


@pytest.mark.parametrize(("head", "wire"), HEADS)
def test_detects(head: bytes, wire: Wire):
    """From all of it, and no shorter beginning is taken for something else."""
    assert detect(head, final=True) == wire or not head.strip()
    told = [detect(head[:end]) for end in range(1, len(head) + 1)]
    assert set(told) <= {wire, None}
    assert told[-1] == wire or len(head) < 8


@pytest.mark.parametrize("head", [b"", b" ", b"\n\n", b"\xef\xbb\xbf"], ids=repr)
def test_nothing_at_all(head: bytes):
    """A connection that ends before it said anything says nothing that has a name."""
    assert detect(head) is None
    assert detect(head, final=True) == "other"


@given(st.binary(max_size=12))
def test_any_bytes_are_told_by_eight_of_them(head: bytes):
    """No connection stays undecided after 8 bytes, and at its end none is."""
    assert detect(head, final=True) is not None
    if len(head) >= 8:
        assert detect(head) is not None


@given(st.integers(0, 511))
def test_every_header_of_capnp(last: int):
    """Any number of segments that is taken is told from the other wires."""
    head = struct.pack("<II", last, 1)
    assert detect(head) == "capnp"
    assert detect(head[:4]) == "capnp"


@pytest.mark.parametrize(
    ("wire", "expected", "reason", "line"),
    [
        ("tls", "JSON", "tls", "a TLS hello came, but this port does not speak TLS"),
        (
            "http",
            "JSON or Cap'n Proto",
            "http",
            (
                "an HTTP request came, but this port takes JSON or Cap'n Proto; "
                "/metrics and /apps are on exporter.scrape_expose_endpoint"
            ),
        ),
        ("json", "Cap'n Proto", "wrong_format", "this receiver takes Cap'n Proto, but JSON came"),
        ("capnp", "JSON", "wrong_format", "this receiver takes JSON, but Cap'n Proto came"),
        ("other", "JSON", "wrong_format", "this receiver takes JSON, but something else came"),
    ],
)
def test_wrong_wire(wire: Wire, expected: str, reason: str, line: str):
    """Each has a line that says what to do."""
    error = wrong_wire(wire, expected)
    assert isinstance(error, PayloadError)
    assert (error.reason, str(error)) == (reason, line)

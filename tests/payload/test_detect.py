"""Which wire a connection's first bytes are taken for."""

import gzip
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
    pytest.param(b"HELLO WORLD", "text", id="no_method"),
    pytest.param(b"GETTING", "text", id="begins_like_a_method"),
    pytest.param(b"get / HTTP/1.1", "text", id="lower_case"),
    pytest.param(b"SSH-2.0-OpenSSH", "text", id="ssh"),
    pytest.param(b"up 1\nup 2", "text", id="exposition"),
    pytest.param(b"[1, 2]", "text", id="array"),
    pytest.param(b"}}}}", "text", id="braces"),
    pytest.param("é€😀 1".encode(), "text", id="not_ascii"),
    pytest.param("x😀".encode(), "text", id="character_cut_after_four_bytes"),
    pytest.param(b"\xff\xff\xff\xff\xff\xff\xff\xff", "binary", id="no_size_of_a_segment"),
    pytest.param(b"\x01\x02\x03\x04\x05\x06\x07\x08", "binary", id="control_characters"),
    pytest.param(b"PK\x03\x04\x14\x01\x01\x01", "binary", id="zip"),
    pytest.param(b"\xe9t\xe9 = 1\n", "binary", id="latin_1"),
    pytest.param(struct.pack("<II", 10**9 - 1, 1), "capnp", id="a_billion_segments"),
    pytest.param(struct.pack("<II", 512, 1), "capnp", id="one_segment_too_many"),
    pytest.param(gzip.compress(b'{"a":"x"}'), "gzip", id="gzip"),
    pytest.param(b"\x28\xb5\x2f\xfd\x24\x09\x49\x00", "zstd", id="zstd"),
    *(
        pytest.param('{"a":"x"}'.encode(code), "utf16", id=code)
        for code in ("utf-16", "utf-16-le", "utf-16-be")
    ),
    pytest.param(b"\xfe\xff" + '{"a":"x"}'.encode("utf-16-be"), "utf16", id="big_endian_mark"),
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
    assert detect(head, final=True) == "text"


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
        (
            "text",
            "Cap'n Proto",
            "wrong_format",
            'this receiver takes Cap\'n Proto, but something else came: "up 1\\n"',
        ),
        (
            "binary",
            "JSON or Cap'n Proto",
            "wrong_format",
            'this receiver takes JSON or Cap\'n Proto, but something else came: "up 1\\n"',
        ),
        (
            "gzip",
            "JSON",
            "wrong_format",
            "looks like gzip, but this receiver takes JSON: send it uncompressed",
        ),
        (
            "zstd",
            "Cap'n Proto",
            "wrong_format",
            "looks like zstd, but this receiver takes Cap'n Proto: send it uncompressed",
        ),
        (
            "utf16",
            "JSON",
            "wrong_format",
            "looks like UTF-16, but this receiver takes JSON: send it as UTF-8",
        ),
    ],
)
def test_wrong_wire(wire: Wire, expected: str, reason: str, line: str):
    """Each has a line that says what to do."""
    error = wrong_wire(wire, expected, b"up 1\n")
    assert isinstance(error, PayloadError)
    assert (error.reason, str(error)) == (reason, line)

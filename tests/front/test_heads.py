"""Heads that have one meaning, and all others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.front.heads import LARGEST_BODY, Block, Heads

TOP = b"PUT /metrics/job/x HTTP/1.1\r\n"
REST = b"Host: x\r\nContent-Length: 4\r\n\r\n"


def test_reads_what_clients_send():
    """Names are in lower case, values without the blanks around them; twice the same."""
    heads = Heads()
    written = b"Host: x\r\nUser-Agent:  a b\tc \r\nX-Empty:\r\ncontent-length:10\r\n\r\n"
    for target in (b"/metrics/job/x", b"/push/a%20b?ttl=1m"):
        head = heads.read(b"POST " + target + b" HTTP/1.1\r\n" + written)
        assert head is not None
        assert (head.method, head.target, head.authorization) == ("POST", target.decode(), None)
        headers = {"host": "x", "user-agent": "a b\tc", "x-empty": ""}
        assert head.block == Block(headers, 10, packed=False, closes=False)


@pytest.mark.parametrize(
    ("line", "block"),
    [
        pytest.param(b"Content-Encoding: GZIP\r\n", (4, True, False), id="packed"),
        pytest.param(b"Content-Encoding: identity\r\n", (4, False, False), id="not_packed"),
        pytest.param(b"Connection: Close\r\n", (4, False, True), id="close"),
        pytest.param(b"connection: keep-alive\r\n", (4, False, False), id="keep_alive"),
    ],
)
def test_reads_how_a_body_comes(line: bytes, block: tuple[int, bool, bool]):
    """What it says is no header for those who take the body."""
    head = Heads().read(TOP + line + REST)
    assert head is not None
    assert (head.block.length, head.block.packed, head.block.closes) == block
    assert not head.block.headers.keys() & {"content-encoding", "content-length"}


def test_reads_of_chunks():
    head = Heads().read(TOP + b"Host: x\r\nTransfer-Encoding: Chunked\r\n\r\n")
    assert head is not None
    assert head.block == Block({"host": "x"}, None, packed=False, closes=False)


@pytest.mark.parametrize(
    "line", [b"Authorization: Basic YTpi\r\n", b"AUTHORIZATION:Basic YTpi\r\n"]
)
@pytest.mark.parametrize("first", [True, False])
def test_credentials_are_not_kept(line: bytes, first: bool):  # noqa: FBT001
    heads = Heads()
    head = heads.read(TOP + (line + REST if first else b"A: b\r\n" + line + REST))
    assert head is not None
    assert head.authorization == "Basic YTpi"
    assert "authorization" not in head.block.headers
    assert b"YTpi" not in b"".join(heads._kept)
    assert "YTpi" not in str(heads._kept)


def test_what_looks_like_credentials_within_a_value():
    """It is part of that value."""
    head = Heads().read(TOP + b"A: authorization: Basic YTpi\r\n" + REST)
    assert head is not None
    assert head.authorization is None
    assert head.block.headers["a"] == "authorization: Basic YTpi"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET / HTTP/1.1\r\n" + REST, id="method"),
        pytest.param(b"put / HTTP/1.1\r\n" + REST, id="lower_case"),
        pytest.param(b"PUT / HTTP/1.0\r\n" + REST, id="version"),
        pytest.param(b"PUT  / HTTP/1.1\r\n" + REST, id="two_blanks"),
        pytest.param(b"PUT /a b HTTP/1.1\r\n" + REST, id="blank_in_path"),
        pytest.param(b"PUT /\xc3\xa9 HTTP/1.1\r\n" + REST, id="not_ascii_in_path"),
        pytest.param(b"PUT /a#b HTTP/1.1\r\n" + REST, id="fragment"),
        pytest.param(b"PUT http://x/ HTTP/1.1\r\n" + REST, id="absolute"),
        pytest.param(b"PUT / HTTP/1.1\n" + REST, id="bare_line_feed"),
        pytest.param(b"\r\nPUT / HTTP/1.1\r\n" + REST, id="empty_line_before"),
        pytest.param(TOP + b"Content-Length: 4\r\n\r\n", id="no_host"),
        pytest.param(TOP + b"Host: x\r\n\r\n", id="no_length"),
        pytest.param(TOP + b"Host: y\r\n" + REST, id="two_hosts"),
        pytest.param(TOP + b"Content-Length: 4\r\n" + REST, id="two_lengths"),
        pytest.param(TOP + b"content-length: 5\r\n" + REST, id="two_other_lengths"),
        pytest.param(TOP + b"Transfer-Encoding: chunked\r\n" + REST, id="both_lengths"),
        pytest.param(TOP + b"Transfer-Encoding : chunked\r\n" + REST, id="blank_before_colon"),
        pytest.param(TOP + b"A: b\r\n Transfer-Encoding: chunked\r\n" + REST, id="folded"),
        pytest.param(TOP + b"A: b\nTransfer-Encoding: chunked\r\n" + REST, id="line_feed_within"),
        pytest.param(TOP + b"A: b\rTransfer-Encoding: chunked\r\n" + REST, id="return_within"),
        pytest.param(TOP + b"A: \0\r\n" + REST, id="nul"),
        pytest.param(TOP + b"A: \xe9\r\n" + REST, id="not_ascii"),
        pytest.param(TOP + b"A\r\n" + REST, id="no_colon"),
        pytest.param(TOP + b": a\r\n" + REST, id="no_name"),
        pytest.param(TOP + b"Expect: 100-continue\r\n" + REST, id="expect"),
        pytest.param(TOP + b"Connection: close, x\r\n" + REST, id="connection"),
        pytest.param(TOP + b"Authorization: a\r\n" * 2 + REST, id="two_credentials"),
        pytest.param(TOP + b"Authorization:\r\n" + REST, id="no_credentials"),
        pytest.param(TOP + b"Authorization: a  b\r\n" + REST, id="odd_credentials"),
        pytest.param(TOP + b"A: b\nAuthorization: a\r\n" + REST, id="credentials_in_a_value"),
        pytest.param(TOP + b"Origin: http://x\r\n" + REST, id="origin"),
        pytest.param(TOP + b"Upgrade: h2c\r\n" + REST, id="upgrade"),
        pytest.param(TOP + b"Content-Encoding: snappy\r\n" + REST, id="snappy"),
        pytest.param(TOP + b"Content-Encoding: gzip, gzip\r\n" + REST, id="packed_twice"),
        *(
            pytest.param(
                TOP + b"Host: x\r\nTransfer-Encoding: %b\r\n\r\n" % coding, id=f"{coding!r}"
            )
            for coding in (b"", b"gzip, chunked", b"chunked, chunked", b"identity", b"xchunked")
        ),
        *(
            pytest.param(TOP + b"Host: x\r\nContent-Length: %b\r\n\r\n" % length, id=f"{length!r}")
            for length in (b"", b"+4", b"-1", b"4,4", b"0x4", b"4 4", b"%d" % (LARGEST_BODY + 1))
        ),
    ],
)
def test_leaves_to_the_server(head: bytes):
    """Whatever is unusual, or could be understood in two ways."""
    assert Heads().read(head) is None


@given(st.lists(st.binary(max_size=30), max_size=4), st.integers(0, 9999))
def test_any_lines(lines: list[bytes], length: int):
    """What is read never has another length than the one it names, in one header."""
    head = TOP + b"\r\n".join([*lines, b"Host: x", b"Content-Length: %d" % length, b"", b""])
    read = Heads().read(head)
    if read is not None:
        assert read.block.length == length
        assert head.lower().count(b"\r\ncontent-length") == 1
        assert b"\r\ntransfer-encoding" not in head.lower()


def test_what_is_kept_is_bounded():
    heads = Heads()
    for number in range(1000):
        assert heads.read(TOP + b"A: %d\r\n" % number + REST) is not None
    assert len(heads._kept) <= 256

"""Heads that have one meaning, and all others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.front.heads import LARGEST_BODY, Heads

TOP = b"PUT /metrics/job/x HTTP/1.1\r\n"
REST = b"Host: x\r\nContent-Length: 4\r\n\r\n"


def test_reads_what_clients_send():
    """Names are in lower case, values without the blanks around them; twice the same."""
    heads = Heads()
    written = b"Host: x\r\nUser-Agent:  a b\tc \r\nX-Empty:\r\ncontent-length:10\r\n\r\n"
    for target in (b"/metrics/job/x", b"/push/a%20b?ttl=1m"):
        head = heads.read(b"POST " + target + b" HTTP/1.1\r\n" + written)
        assert head is not None
        assert (head.method, head.target, head.length) == ("POST", target.decode(), 10)
        assert head.headers == {
            "host": "x",
            "user-agent": "a b\tc",
            "x-empty": "",
            "content-length": "10",
        }


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
        pytest.param(TOP + b"Connection: close\r\n" + REST, id="close"),
        pytest.param(TOP + b"Authorization: Bearer x\r\n" + REST, id="credentials"),
        pytest.param(TOP + b"Origin: http://x\r\n" + REST, id="origin"),
        pytest.param(TOP + b"Upgrade: h2c\r\n" + REST, id="upgrade"),
        pytest.param(TOP + b"Content-Encoding: gzip\r\n" + REST, id="compressed"),
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
        assert read.length == length
        assert head.lower().count(b"\r\ncontent-length") == 1
        assert "transfer-encoding" not in read.headers


def test_what_is_kept_is_bounded():
    heads = Heads()
    for number in range(1000):
        assert heads.read(TOP + b"A: %d\r\n" % number + REST) is not None
    assert len(heads._kept) <= 256

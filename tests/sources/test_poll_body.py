import gzip
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import PollError
from exporter_proxy.payload.text import PIECE_BYTES
from exporter_proxy.sources.poll.body import STEP, Body, Encoding
from exporter_proxy.table import Payload

MIB = 2**20


def read(
    data: bytes, *, cut: int = 65_536, max_size: int = 64 * MIB, encoding: Encoding = "identity"
) -> Payload:
    """Return the payload of ``data`` that comes ``cut`` bytes at a time."""
    body = Body(max_size, encoding)
    for start in range(0, len(data), cut):
        for _ in body.feed(data[start : start + cut]):
            pass
    return body.close()


def refusal(data: bytes, **settings: Any) -> tuple[str, str]:
    with pytest.raises(PollError) as caught:
        read(data, **settings)
    return caught.value.reason, str(caught.value)


PAGES = [
    pytest.param(b"", (), id="empty"),
    pytest.param(b"a 1\nb 2\n", (b"a 1\nb 2\n",), id="plain"),
    pytest.param(b"a 1", (b"a 1",), id="no-final-newline"),
    pytest.param(b"a 1\n# EOF\n", (b"a 1\n# EOF\n",), id="openmetrics-end"),
    pytest.param(b"a 1\r\n", (b"a 1\r\n",), id="crlf-as-it-came"),
    pytest.param(b'"1_a 1",\n\n', (b'"1_a 1",\n\n',), id="quoted-lines-as-they-came"),
    pytest.param(b"a   1 1395066363000\n", (b"a   1 1395066363000\n",), id="old-timestamp"),
    pytest.param(
        '\ufeffä{b="€𝄞"} 1\n'.encode(), ('\ufeffä{b="€𝄞"} 1\n'.encode(),), id="utf-8-with-bom"
    ),
]


@pytest.mark.parametrize("cut", [1, 2, 3, 65_536])
@pytest.mark.parametrize(("data", "payload"), PAGES)
def test_serves_what_came(data: bytes, payload: Payload, cut: int):
    """The page is made fit for other payloads later, the table has what came."""
    assert read(data, cut=cut) == payload


@pytest.mark.parametrize("cut", [1, 7, 65_536])
@pytest.mark.parametrize(("data", "payload"), PAGES)
def test_unpacks_gzip(data: bytes, payload: Payload, cut: int):
    assert read(gzip.compress(data), cut=cut, encoding="gzip") == payload


@given(st.text(alphabet="aé€𝄞\n\r #EOF", max_size=200), st.integers(1, 9))
def test_any_cut_gives_the_same(text: str, cut: int):
    assert read(text.encode(), cut=cut) == read(text.encode())


@given(st.binary(max_size=60), st.integers(1, 9))
def test_any_bytes_give_a_payload_or_a_poll_error(data: bytes, cut: int):
    """A payload is valid UTF-8 and has no NUL."""
    try:
        payload = read(data, cut=cut)
    except PollError as exc:
        assert exc.reason in {"invalid_utf8", "nul_byte"}  # noqa: PT017, either outcome is right
        return
    assert b"".join(payload) == data
    assert b"\0" not in b"".join(payload).decode().encode()


@pytest.mark.parametrize("cut", [1, 5, 65_536])
def test_unpacks_several_gzip_members(cut: int):
    """RFC 1952, section 2.2: a file is a series of members."""
    data = gzip.compress(b"a 1\n") + gzip.compress(b"") + gzip.compress(b"b 2\n")

    assert read(data, cut=cut, encoding="gzip") == (b"a 1\nb 2\n",)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_large_body_is_cut_after_newlines(encoding: Encoding):
    """Long ones are pieces of about the same size, all ending a line."""
    line = b'requests_total{path="/api/%06d"} 1\n'
    text = b"".join(line % number for number in range(150_000))
    data = gzip.compress(text, 1) if encoding == "gzip" else text

    payload = read(data, encoding=encoding)

    assert b"".join(payload) == text
    assert len(payload) > 3
    assert all(piece.endswith(b"\n") for piece in payload)
    assert all(PIECE_BYTES <= len(piece) <= 1.5 * PIECE_BYTES + STEP for piece in payload[:-1])


def test_short_body_is_one_piece():
    text = b"x 12345\n" * (PIECE_BYTES // 8 - 1)

    assert read(text) == (text,)


def test_a_long_line_stays_whole():
    text = b"# " + b"x" * (3 * MIB) + b"\na 1\n"

    payload = read(text)

    assert b"".join(payload) == text
    assert payload[0].startswith(b"# x")
    assert len(payload[0]) > 3 * MIB


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_event_loop_is_served_between_steps(encoding: Encoding):
    """A fed megabyte is worked off in steps, a small body in one."""
    text = b"x 12345\n" * (MIB // 8)

    def steps(text: bytes) -> int:
        data = gzip.compress(text) if encoding == "gzip" else text
        return sum(1 for _ in Body(64 * MIB, encoding).feed(data))

    assert steps(text) >= 3
    assert steps(text[:80_000]) == 0


@pytest.mark.parametrize("cut", [1, 65_536])
def test_the_limit_is_exact(cut: int):
    text = b"a 1\n" * 25

    assert read(text, cut=cut, max_size=100) == (text,)
    assert refusal(text + b"\n", cut=cut, max_size=100) == (
        "body_too_large",
        "the body is larger than 100 bytes (max_body_size)",
    )


def test_a_gzip_bomb_is_refused_in_bounded_memory():
    """A hundred megabytes in a hundred kilobytes: never more than a step beyond the limit."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\n" * MIB) for _ in range(100)) + packer.flush()
    tracemalloc.start()
    try:
        reason, _ = refusal(bomb, max_size=2 * MIB, encoding="gzip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert reason == "body_too_large"
    assert peak < 6 * MIB


def test_the_limit_holds_for_packed_bytes_too():
    """Members that unpack to nothing are bytes all the same."""
    data = gzip.compress(b"") * 100

    assert refusal(data, max_size=1000, encoding="gzip")[0] == "body_too_large"


@pytest.mark.parametrize(
    ("data", "reason", "message"),
    [
        pytest.param(b"a 1\n\0", "nul_byte", "NUL at byte 4 of the body", id="nul"),
        pytest.param(b"a 1\n\xff\n", "invalid_utf8", "not UTF-8 at byte 4 of the body", id="byte"),
        pytest.param(
            "é\n".encode() + b"\xe2\x82\n",
            "invalid_utf8",
            "not UTF-8 at byte 3 of the body",
            id="cut-character",
        ),
        pytest.param(
            b"a\xed\xa0\x80\n", "invalid_utf8", "not UTF-8 at byte 1 of the body", id="surrogate"
        ),
        pytest.param(b"a 1\n\xe2\x82", "invalid_utf8", "not UTF-8 at byte 4 of the body", id="end"),
    ],
)
@pytest.mark.parametrize("cut", [1, 2, 65_536])
def test_refuses_what_is_no_text(data: bytes, reason: str, message: str, cut: int):
    assert refusal(data, cut=cut) == (reason, message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "the gzip body ends too early", id="nothing"),
        pytest.param(gzip.compress(b"a 1\n")[:-3], "the gzip body ends too early", id="cut-off"),
        pytest.param(b"a 1\nb 2\nc 3\nd 4\n", "the body is not valid gzip", id="plain"),
        pytest.param(
            gzip.compress(b"a 1\n") + b"trailing bytes, no member",
            "the body is not valid gzip",
            id="trailing",
        ),
        pytest.param(
            gzip.compress(b"a 1\n")[:-5] + b"!" + gzip.compress(b"a 1\n")[-4:],
            "the body is not valid gzip",
            id="checksum",
        ),
    ],
)
@pytest.mark.parametrize("cut", [1, 65_536])
def test_refuses_broken_gzip(data: bytes, message: str, cut: int):
    assert refusal(data, cut=cut, encoding="gzip") == ("malformed_http", message)

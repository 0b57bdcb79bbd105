"""Bodies that are read at once, and those that the server has to look at."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.front.bodies import UnusualError, read_body
from exporter_proxy.front.heads import LARGEST_BODY, Block

CHUNKED = Block({}, None, packed=False, closes=False)


def block(length: int | None, *, packed: bool = False) -> Block:
    return Block({}, length, packed=packed, closes=False)


def in_chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


def test_reads_a_body_of_a_length():
    assert read_body(block(3), b"headabcPUT", 4) == (b"abc", 7)
    assert read_body(block(3), b"headab", 4) == 7
    assert read_body(block(0), b"head", 4) == (b"", 4)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.binary(max_size=10))
def test_reads_chunks(parts: list[bytes], rest: bytes):
    """Cut anywhere: what is told to be needed is never more than there is to come."""
    written = in_chunks(*parts)

    assert read_body(CHUNKED, b"head" + written + rest, 4) == (b"".join(parts), 4 + len(written))
    for cut in range(len(written)):
        needed = read_body(CHUNKED, b"head" + written[:cut], 4)
        assert isinstance(needed, int)
        assert cut < needed - 4 <= len(written)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(b"x\r\n", id="no_number"),
        pytest.param(b"\r\n", id="nothing"),
        pytest.param(b"+1\r\na\r\n0\r\n\r\n", id="sign"),
        pytest.param(b"0x1\r\na\r\n0\r\n\r\n", id="prefix"),
        pytest.param(b" 1\r\na\r\n0\r\n\r\n", id="blank_before"),
        pytest.param(b"1 \r\na\r\n0\r\n\r\n", id="blank_behind"),
        pytest.param(b"1;a=b\r\na\r\n0\r\n\r\n", id="extension"),
        pytest.param(b"1\na\r\n0\r\n\r\n", id="line_feed"),
        pytest.param(b"1\rxa", id="return"),
        pytest.param(b"1\r\nab\r\n", id="longer"),
        pytest.param(b"1\r\na\n", id="line_feed_behind"),
        pytest.param(b"1\r\na\rx", id="return_behind"),
        pytest.param(b"0\r\nA: b\r\n\r\n", id="trailer"),
        pytest.param(b"0\r\nA", id="trailer_begun"),
        pytest.param(b"000001\r\n", id="long_number"),
        pytest.param(b"20001\r\n", id="too_large"),
        pytest.param(b"10001\r\n" + b"a" * 65537 + b"\r\n10000\r\n", id="too_large_together"),
        pytest.param(in_chunks(*[b"a"] * 32), id="too_many"),
    ],
)
def test_leaves_unusual_chunks_to_the_server(written: bytes):
    with pytest.raises(UnusualError):
        read_body(CHUNKED, b"head" + written, 4)


def test_unpacks():
    packed = gzip.compress(b"a 1\n")

    assert read_body(block(len(packed), packed=True), b"head" + packed + b"PUT", 4) == (
        b"a 1\n",
        4 + len(packed),
    )
    assert read_body(block(None, packed=True), b"head" + in_chunks(packed), 4) == (
        b"a 1\n",
        4 + len(in_chunks(packed)),
    )
    assert read_body(block(len(packed), packed=True), b"head" + packed[:-1], 4) == 4 + len(packed)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"a 1\n", id="not_packed"),
        pytest.param(zlib.compress(b"a 1\n"), id="zlib"),
        pytest.param(gzip.compress(b"a 1\n")[:-1], id="cut"),
        pytest.param(gzip.compress(b"a 1\n")[:-8] + bytes(8), id="wrong_checksum"),
        pytest.param(gzip.compress(b"a 1\n") + b"x", id="more"),
        pytest.param(gzip.compress(b"a 1\n") * 2, id="two_members"),
        pytest.param(gzip.compress(bytes(LARGEST_BODY + 1)), id="large"),
        pytest.param(gzip.compress(bytes(50_000_000)), id="bomb"),
    ],
)
def test_leaves_what_is_not_small_gzip_to_the_server(packed: bytes):
    """It unpacks in steps, and says what is wrong."""
    with pytest.raises(UnusualError):
        read_body(block(len(packed), packed=True), packed, 0)


def test_unpacks_as_much_as_is_small():
    packed = gzip.compress(bytes(LARGEST_BODY))

    assert read_body(block(len(packed), packed=True), packed, 0) == (
        bytes(LARGEST_BODY),
        len(packed),
    )

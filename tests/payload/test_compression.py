"""Bodies are unpacked within bounds, whole, and in steps."""

import gzip
import zlib
from importlib.machinery import ModuleSpec

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload import compression
from exporter_proxy.payload.compression import unpack_in_steps
from exporter_proxy.steps import all_at_once
from tests.step_sizes import calls_of_steps

LIMIT = 5 << 20
PACK = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "GZIP ": gzip.compress,
    "deflate": zlib.compress,
    "snappy": lambda data: bytes(cramjam.snappy.compress(data)),
    "Snappy": lambda data: bytes(cramjam.snappy.compress_raw(data)),
}


def unpack(body: bytes, encoding: str, limit: int = LIMIT) -> bytes:
    return all_at_once(unpack_in_steps(body, encoding, limit))


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("data", [b"", b"a 1\n", b"a 1\n" * 1_000_000], ids=["no", "few", "many"])
def test_round_trip(encoding: str, data: bytes) -> None:
    assert unpack(PACK[encoding](data), encoding) == data


def test_members_of_gzip_follow_one_another() -> None:
    assert unpack(gzip.compress(b"a 1\n") + gzip.compress(b"b 2\n"), "gzip") == b"a 1\nb 2\n"


@pytest.mark.parametrize(
    "encoding", [each for each in PACK if each.strip().lower() not in {"", "identity"}]
)
def test_more_than_the_limit(encoding: str) -> None:
    """A bomb costs no more than the limit."""
    with pytest.raises(PayloadError, match="larger than 5242880 bytes") as caught:
        unpack(PACK[encoding](b"\0" * (LIMIT + 1)), encoding)
    assert caught.value.reason == "message_too_large"
    assert len(unpack(PACK[encoding](b"\0" * LIMIT), encoding)) == LIMIT


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "Snappy", "snappy"])
def test_cut_off(encoding: str) -> None:
    """However much of it came: what is missing is missed."""
    whole = PACK[encoding](bytes(range(256)) * 10)
    # Of snappy's frames nothing says which is the last.
    start = 11 if encoding == "snappy" else 1
    for end in range(start, len(whole)):
        with pytest.raises(PayloadError) as caught:
            unpack(whole[:end], encoding)
        assert caught.value.reason == "bad_encoding"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_something_behind_the_end(encoding: str) -> None:
    with pytest.raises(PayloadError, match="the body is not"):
        unpack(PACK[encoding](b"a 1\n") + b"a 1\n", encoding)


@pytest.mark.parametrize(
    ("spec", "taken"), [(cramjam.__spec__, "gzip, deflate and snappy"), (None, "gzip and deflate")]
)
def test_unknown_encoding(
    monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None, taken: str
) -> None:
    """It is told what can be read as the proxy is installed."""
    monkeypatch.setattr(compression, "find_spec", {"cramjam": spec}.get)
    with pytest.raises(PayloadError) as caught:
        unpack(b"a 1\n", "br")
    assert caught.value.reason == "unsupported_encoding"
    assert str(caught.value) == f'can\'t read Content-Encoding "br": takes {taken}'


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "snappy"]), st.booleans())
def test_any_bytes(body: bytes, encoding: str, framed: bool) -> None:  # noqa: FBT001
    """They are data or an error, whatever they are."""
    if framed:
        body = b"\xff\x06\x00\x00sNaPpY" + body
    data, reason = b"", "bad_encoding"
    try:
        data = unpack(body, encoding, 1000)
    except PayloadError as error:
        reason = error.reason

    assert len(data) <= 1000
    assert reason in {"bad_encoding", "message_too_large"}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "snappy"])
def test_no_step_unpacks_much(encoding: str) -> None:
    """However well it is packed, and however many pieces it is packed in."""
    data = b"a 1\n" * (8 << 20 >> 2)

    unpacked, calls = calls_of_steps(unpack_in_steps(PACK[encoding](data), encoding, 16 << 20))

    assert unpacked == data
    assert len(calls) >= 8
    tiny = PACK[encoding](b"a 1\n") * 10_000
    unpacked, calls = calls_of_steps(unpack_in_steps(tiny, encoding, 16 << 20))
    assert unpacked == b"a 1\n" * 10_000
    assert max(calls) < 20_000


def test_frames_of_snappy_that_hold_no_data() -> None:
    """They are passed over, wherever they stand and however long they are."""
    stream = PACK["snappy"](b"a 1\n")
    padding = b"\xfe\x03\x00\x00abc" + b"\x80\x00\x00\x10" + bytes(0x100000)

    assert unpack(stream + padding + stream[10:] + padding, "snappy") == b"a 1\na 1\n"


def test_frame_of_snappy_that_is_too_long() -> None:
    with pytest.raises(PayloadError, match="not snappy"):
        unpack(b"\xff\x06\x00\x00sNaPpY" + b"\x01\x05\x00\x01" + bytes(0x10005), "snappy")

"""Messages are parsed in pieces, and come to what they are as a whole."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.payload import protobuf_fields
from exporter_proxy.payload.metric_family_schema import message_class
from exporter_proxy.payload.protobuf_fields import (
    PIECE_BYTES,
    PIECE_FIELDS,
    TooLongError,
    WireError,
    merge_in_steps,
)
from exporter_proxy.steps import all_at_once

NUMBERS = st.floats(allow_nan=False)
TEXTS = st.text(max_size=20)
METRICS = st.fixed_dictionaries(
    {},
    optional={
        "label": st.lists(st.fixed_dictionaries({"name": TEXTS, "value": TEXTS}), max_size=5),
        "gauge": st.fixed_dictionaries({"value": NUMBERS}),
        "histogram": st.fixed_dictionaries(
            {"sample_count": st.integers(0, 2**64 - 1)},
            optional={
                "bucket": st.lists(st.fixed_dictionaries({"upper_bound": NUMBERS}), max_size=5),
                "positive_span": st.lists(
                    st.fixed_dictionaries({"offset": st.integers(-9, 9)}), max_size=3
                ),
            },
        ),
        "timestamp_ms": st.integers(-(2**63), 2**63 - 1),
    },
)


def merged(data: bytes, longest: int = 1 << 20) -> Any:
    message = message_class()()
    all_at_once(merge_in_steps(message, data, 0, len(data), longest))
    return message


def bytes_field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


@given(name=TEXTS, metrics=st.lists(METRICS, max_size=10), piece=st.integers(0, 30))
def test_pieces_come_to_the_whole(name: str, metrics: list[dict[str, object]], piece: int) -> None:
    """However they are cut, with what stands before and behind the message left alone."""
    message = message_class()(name=name, type=4, metric=metrics)
    data = message.SerializeToString()
    parsed = message_class()()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protobuf_fields, "PIECE_BYTES", piece)
        steps = merge_in_steps(parsed, b"\xff" + data + b"\xff", 1, 1 + len(data), 1 << 20)
        all_at_once(steps)

    assert parsed == message


@given(st.binary(max_size=60), st.integers(0, 10))
def test_any_bytes(data: bytes, piece: int) -> None:
    """Are refused, or come to what the library makes of them."""
    parsed, whole = message_class()(), message_class()()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protobuf_fields, "PIECE_BYTES", piece)
        try:
            all_at_once(merge_in_steps(parsed, data, 0, len(data), 1 << 20))
        except Exception:  # noqa: BLE001 - of the library, whatever it raises
            return
    whole.MergeFromString(data)
    parsed.DiscardUnknownFields()
    whole.DiscardUnknownFields()
    assert parsed == whole


class Recording:
    """Stands for a message that has no fields that are known, and takes note of its pieces."""

    def __init__(self) -> None:
        self.DESCRIPTOR = SimpleNamespace(fields_by_number={})
        self.pieces: list[bytes] = []

    def MergeFromString(self, data: bytes) -> None:  # noqa: N802 - the library's name
        self.pieces.append(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x18\x01" * 100_000,
        bytes_field(4, b"x" * 1_000) * 2_000,
        bytes_field(4, b"x" * PIECE_BYTES) * 10,
        b"\x19" + b"12345678" + b"\x1d" + b"1234",
    ],
    ids=["tiny", "short", "piece", "numbers"],
)
def test_no_step_parses_much(data: bytes) -> None:
    """Neither bytes nor fields."""
    message = Recording()
    steps = merge_in_steps(message, data, 0, len(data), 1 << 20)
    taken = 0
    for _ in steps:
        assert len(message.pieces) <= taken + 1
        taken = len(message.pieces)

    assert b"".join(message.pieces) == data
    assert max(map(len, message.pieces)) <= 2 * PIECE_BYTES + 10
    assert max(piece.count(b"\x18\x01") for piece in message.pieces) <= PIECE_FIELDS


def test_long_field_that_nobody_knows_is_not_kept() -> None:
    message = Recording()
    data = b"\x18\x01" + bytes_field(15, b"x" * (PIECE_BYTES + 1)) + b"\x18\x02"

    all_at_once(merge_in_steps(message, data, 0, len(data), 1))

    assert message.pieces == [b"\x18\x01", b"\x18\x02"]


def test_long_text() -> None:
    data = bytes_field(1, b"x" * (PIECE_BYTES + 1))

    assert merged(data, PIECE_BYTES + 1).name == "x" * (PIECE_BYTES + 1)
    with pytest.raises(TooLongError):
        merged(data, PIECE_BYTES)


@pytest.mark.parametrize(
    "data",
    [b"\x0a\x05ab", b"\x0a", b"\x80", b"\x19123", b"\x1d123", b"\x18", b"\x0b\x0c", b"\xff" * 11],
    ids=["text", "length", "tag", "long", "short", "varint", "group", "endless"],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(WireError):
        merged(data)

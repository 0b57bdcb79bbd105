"""Where the text of a large message is, and that it is read as it would be in a small one."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from exporter_proxy.payload import capnp_framer, capnp_reader
from exporter_proxy.payload.capnp_large import LargeFrame, Range, find_text
from exporter_proxy.payload.capnp_reader import CapnpReader
from tests.payload.reading import Outcome, capnp_message, cut, raw_capnp_message, read, schema

# What a frame of the tests has before it is called large: more than any header.
LARGE = 2_100
TEXT = b"some_metric 1\n" * 40


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (capnp_framer, capnp_reader):
        monkeypatch.setattr(module, "LARGE_BYTES", LARGE)


def text_first(app: str, text: str) -> bytes:
    """Return a message whose writer has set the name last."""
    message = schema().new_message()
    message.data = text
    message.appName = app
    data: bytes = message.to_bytes()
    return data


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(capnp_message("a", TEXT.decode()), id="one_segment"),
        pytest.param(
            capnp_message("a", TEXT.decode(), num_first_segment_words=1), id="a_segment_each"
        ),
        pytest.param(capnp_message("a", TEXT.decode(), num_first_segment_words=8), id="two"),
        pytest.param(capnp_message("a", "x 1\n" * 100_000), id="too_long_for_the_first"),
        pytest.param(text_first("a", TEXT.decode()), id="text_first"),
        pytest.param(raw_capnp_message(b"a\0", TEXT + b"\0"), id="by_hand"),
    ],
)
def test_text_is_found(message: bytes):
    """By the first bytes, as soon as all that leads to it is there, and never anywhere else."""
    found = find_text(message)
    assert found is not None
    text = message[found.start : found.end]
    assert text[-1:] == b"\0"
    assert text[:-1] in {TEXT, b"x 1\n" * 100_000}
    assert find_text(message[: found.start]) == found
    for end in range(found.start):
        assert find_text(message[:end]) in {None, found}


def pointer(kind: int, offset: int, high: int) -> int:
    """Return a pointer whose target is so many words behind it."""
    return kind | (offset & 0x3FFF_FFFF) << 2 | high << 32


BYTES_16 = 2 | 16 << 3


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([0], id="null"),
        pytest.param([pointer(0, 0, 0), 0, 0], id="no_pointers"),
        pytest.param([pointer(0, 0, 1 << 16), pointer(1, 1, BYTES_16), 0, 0, 0], id="one_pointer"),
        pytest.param([pointer(1, 0, BYTES_16), 0, 0], id="root_is_a_list"),
        pytest.param([pointer(0, -9, 2 << 16), 0, 0], id="before_the_frame"),
        pytest.param([pointer(0, 0, 2 << 16), 0, pointer(1, 0, BYTES_16), 0, 0], id="no_name"),
        pytest.param(
            [pointer(0, 0, 2 << 16), pointer(1, 1, BYTES_16), 0, 0, 0], id="text_never_set"
        ),
        pytest.param(
            [pointer(0, 0, 2 << 16), pointer(1, 1, BYTES_16), pointer(1, 0, BYTES_16), 0, 0],
            id="name_within_the_text",
        ),
        pytest.param(
            [pointer(0, 0, 2 << 16), pointer(1, 1, BYTES_16), pointer(1, -3, BYTES_16), 0, 0],
            id="text_over_the_pointers",
        ),
        pytest.param(
            [pointer(0, 0, 2 << 16), pointer(1, 1, BYTES_16), pointer(1, 4, BYTES_16), 0, 0],
            id="text_behind_the_frame",
        ),
        pytest.param(
            [pointer(0, 0, 2 << 16), pointer(1, 1, BYTES_16), pointer(1, 2, 5 | 16 << 3), *[0] * 9],
            id="words_not_bytes",
        ),
        pytest.param(
            [pointer(0, 0, 2 << 16), pointer(1, 1, BYTES_16), pointer(2, 0, 7), *[0] * 9],
            id="far_in_no_segment",
        ),
        pytest.param([2 | 1 << 3 | 9 << 32, 0], id="root_in_no_segment"),
        pytest.param([2 | 4 | 1 << 3, pointer(0, 0, 2 << 16), 0, 0], id="twice_far"),
    ],
)
def test_text_is_not_guessed(words: list[int]):
    """Of what leads nowhere, or somewhere odd, the library says what it is."""
    assert find_text(struct.pack(f"<II{len(words)}Q", 0, len(words), *words)) is None


def test_far_pointer_within_a_segment():
    """It leads to another pointer, which leads to the text."""
    words = [
        pointer(0, 0, 2 << 16),
        pointer(1, 2, BYTES_16),
        2 | 3 << 3,
        pointer(1, 2, BYTES_16),
        *[0] * 4,
    ]
    assert find_text(struct.pack("<II8Q", 0, 8, *words)) == Range(8 + 48, 8 + 64)


def test_memory_holds_all_but_the_text():
    """Its pages are never touched, so that they take no place."""
    message = capnp_message("a", TEXT.decode())
    found = find_text(message)
    assert found is not None
    frame = LargeFrame(len(message), found)
    behind = b"the next one"
    for part in cut(message + behind, [7] * 200):
        taken = frame.fill(part)
        if taken < len(part):
            break
    assert frame.is_complete
    assert taken == len(message) % 7
    assert frame.ends_with_nul
    held = frame.memory[:]
    assert held[: found.start] == message[: found.start]
    assert held[found.start : found.end] == bytes(found.end - found.start)
    assert held[found.end :] == message[found.end :]
    assert frame.text is not None
    assert b"".join(frame.text.finish()) == TEXT


def parts(sizes: list[int], size: int) -> Iterator[int]:
    """Yield the sizes of packets, the first ones just large."""
    yield LARGE + 8
    yield from sizes
    yield from [97] * (size // 97)


@pytest.mark.usefixtures("small_is_large")
@any_of(
    st.sampled_from([1, 8, 1024]),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=4
    ),
    st.sampled_from(["x 1\n" * 1_000, "é€😀\n" * 400, "x" * 3_000, ""]),
    st.lists(st.integers(1, 60), max_size=20),
    st.sampled_from(["name first", "text first"]),
)
@settings(max_examples=400, deadline=None)
def test_large_is_read_as_whole(
    words: int, damage: list[tuple[float, bytes]], text: str, sizes: list[int], order: str
):
    """Whatever it holds, and however it is cut: the same messages, or the same refusal."""
    data = bytearray(
        text_first("app", text)
        if order == "text first"
        else capnp_message("app", text, 5, num_first_segment_words=words)
    )
    for where, changed in damage:
        at = int(where * len(data))
        data[at : at + len(changed)] = changed
    stream = bytes(data) + capnp_message("after", "x 1\n" * 900) + capnp_message("last", "y 1\n")
    whole = read(CapnpReader(10_000), [stream])
    in_parts = read(CapnpReader(10_000), cut(stream, parts(sizes, len(stream))))
    assert in_parts == whole


@pytest.mark.usefixtures("small_is_large")
@any_of(st.integers(0, 24), st.integers(0, 63))
@settings(max_examples=400, deadline=None)
def test_any_bit_of_a_pointer(word: int, bit: int):
    """One that is wrong leads to the same refusal, or the same text."""
    data = bytearray(capnp_message("app", "x 1\n" * 700, num_first_segment_words=1))
    data[word * 8 + bit // 8] ^= 1 << bit % 8
    stream = bytes(data)
    whole = read(CapnpReader(10_000), [stream])
    in_parts = read(CapnpReader(10_000), cut(stream, parts([], len(stream))))
    assert in_parts == whole


@pytest.mark.usefixtures("small_is_large")
def test_end_within_a_large_message():
    """What has come of it is told, text or not."""
    message = capnp_message("app", TEXT.decode() * 6)
    for end in range(LARGE, len(message), 13):
        assert read(CapnpReader(10_000), cut(message[:end], [LARGE + 1] + [9] * 999)) == Outcome(
            [], None, end
        )

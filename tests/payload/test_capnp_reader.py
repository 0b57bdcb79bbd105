"""Cap'n Proto messages as they come in packets, cut anywhere."""

import struct
from unittest.mock import Mock

import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload import capnp_large
from exporter_proxy.payload.capnp_framer import LARGE_BYTES, MAX_SEGMENTS, CapnpFramer
from exporter_proxy.payload.capnp_reader import CapnpReader
from exporter_proxy.payload.message import WORKING
from exporter_proxy.payload.text import PIECE_BYTES
from tests.payload.reading import (
    MIB,
    Given,
    Outcome,
    byte_by_byte,
    capnp_message,
    cut,
    given,
    raw_capnp_message,
    read,
    refusal,
)

LIMIT = 64 * MIB

ACCEPTED = [
    pytest.param(capnp_message("a", "x 1\n"), Given("a", b"x 1\n", None), id="message"),
    pytest.param(capnp_message("a", ""), Given("a", b"", None), id="empty_text"),
    pytest.param(capnp_message("a", "x 1"), Given("a", b"x 1", None), id="no_newline_is_added"),
    pytest.param(capnp_message("é€😀", "é€😀"), Given("é€😀", "é€😀".encode(), None), id="utf8"),
    pytest.param(capnp_message("a", "x", 30), Given("a", b"x", 30.0), id="ttl"),
    pytest.param(capnp_message("a", "x", 0xFFFF_FFFF), Given("a", b"x", float("inf")), id="never"),
    pytest.param(
        capnp_message("a", "x", 0xFFFF_FFFE), Given("a", b"x", 4294967294.0), id="longest_ttl"
    ),
    pytest.param(
        capnp_message("some name", "x 1\n" * 5, num_first_segment_words=1),
        Given("some name", b"x 1\n" * 5, None),
        id="several_segments",
    ),
    pytest.param(raw_capnp_message(b"a\0", b"x\0", 7), Given("a", b"x", 7.0), id="by_hand"),
]

REFUSED = [
    pytest.param(
        struct.pack("<I", 999_999_999),
        "malformed_capnp: the Cap'n Proto header announces 1000000000 segments, expected at most "
        "512",
        id="billion_segments",
    ),
    pytest.param(
        struct.pack("<I", 0xFFFF_FFFF),
        "malformed_capnp: the Cap'n Proto header announces 4294967296 segments, expected at most "
        "512",
        id="most_segments",
    ),
    pytest.param(
        struct.pack("<I", MAX_SEGMENTS),
        "malformed_capnp: the Cap'n Proto header announces 513 segments, expected at most 512",
        id="one_segment_too_many",
    ),
    pytest.param(
        struct.pack("<II", 0, 1 << 29),
        "message_too_large: the message exceeds 67108864 bytes (receiver.max_message_size)",
        id="four_gibibytes",
    ),
    pytest.param(
        struct.pack("<IIIIII", 3, *[0xFFFF_FFFF] * 4, 0),
        "message_too_large: the message exceeds 67108864 bytes (receiver.max_message_size)",
        id="four_segments_of_32_gibibytes",
    ),
    pytest.param(
        struct.pack("<II", 0, 0), "malformed_capnp: malformed Cap'n Proto: ", id="no_words"
    ),
    pytest.param(
        struct.pack("<IIQ", 0, 1, 0), "bad_name: an app's name must not be empty", id="null_root"
    ),
    pytest.param(
        struct.pack("<IIQ", 0, 1, 0xFFFF_FFFF_FFFF_FFFF),
        "malformed_capnp: malformed Cap'n Proto: ",
        id="root_leads_nowhere",
    ),
    pytest.param(capnp_message("", "x"), "bad_name: an app's name must not be empty", id="no_name"),
    pytest.param(
        capnp_message("a\nb", "x"),
        'bad_name: the app\'s name "a\\nb" has a control character in it: U+000A',
        id="control_in_name",
    ),
    pytest.param(
        capnp_message("a" * 300, "x"),
        f'bad_name: the app\'s name "{"a" * 30}…" has 300 characters, expected at most 256',
        id="long_name",
    ),
    pytest.param(
        capnp_message("a", "x\0y"), 'nul_byte: the metrics of "a" hold a NUL byte', id="nul_in_text"
    ),
    pytest.param(
        raw_capnp_message(b"a\0", b"x\xff\0"),
        'invalid_utf8: the metrics of "a": not UTF-8',
        id="invalid_utf8",
    ),
    pytest.param(
        raw_capnp_message(b"a\xff\0", b"x\0"),
        "invalid_utf8: an app's name: not UTF-8",
        id="invalid_utf8_name",
    ),
    pytest.param(
        raw_capnp_message(b"a\0", b"x y"),
        'malformed_capnp: the metrics of "a" are no Cap\'n Proto text: no NUL at the end',
        id="text_without_nul",
    ),
    pytest.param(
        raw_capnp_message(b"a", b"x\0"),
        "malformed_capnp: malformed Cap'n Proto: ",
        id="name_without_nul",
    ),
    pytest.param(
        b'{"a":"x 1"}',
        "malformed_capnp: the Cap'n Proto header announces 576791164 segments, expected at most "
        "512",
        id="json",
    ),
]


def test_messages_by_hand_are_as_the_library_writes_them():
    """The builder for broken messages builds good ones too."""
    assert raw_capnp_message(b"a\0", b"x 1\n\0", 30) == capnp_message("a", "x 1\n", 30)


def test_several_segments_are_several():
    """The library was asked for them in vain if it wrote only one."""
    data = capnp_message("some name", "x 1\n" * 5, num_first_segment_words=1)
    assert struct.unpack_from("<I", data)[0] > 0


@pytest.mark.parametrize("padding", [0, 2 * MIB], ids=["small", "large"])
def test_message_without_text(padding: int):
    """A field that was never set is an empty text; what no pointer leads to is passed over."""
    # a struct of no data and one pointer, to the text behind it
    body = struct.pack("<QQ", 1 << 48, 1 | 2 << 32 | 2 << 35) + b"a\0".ljust(8 + padding, b"\0")
    data = struct.pack("<II", 0, len(body) // 8) + body
    assert read(CapnpReader(LIMIT), [data]) == Outcome([[Given("a", b"", None)]])


@pytest.mark.parametrize(("data", "push"), ACCEPTED)
def test_reads(data: bytes, push: Given):
    """Whole, byte by byte, and with more behind it."""
    assert read(CapnpReader(LIMIT), [data]) == Outcome([[push]])
    assert read(CapnpReader(LIMIT), byte_by_byte(data)) == Outcome([[push]])
    twice = Outcome([[push], [push]])
    assert read(CapnpReader(LIMIT), [data + data]) == twice
    assert read(CapnpReader(LIMIT), byte_by_byte(data + data)) == twice
    for length in (1, 3, 4, 7, 8, 9):
        tail = data[:length]
        assert read(CapnpReader(LIMIT), [data + tail]) == Outcome([[push]], None, length)
        assert read(CapnpReader(LIMIT), [data, tail]) == Outcome([[push]], None, length)


@pytest.mark.parametrize(("data", "line"), REFUSED)
def test_refuses(data: bytes, line: str):
    """With its line, for the same reason byte by byte, and what came before stands."""
    assert refusal(CapnpReader(LIMIT), data).startswith(line)
    reason = line.partition(":")[0]
    before = capnp_message("before", "x 1")
    outcome = Outcome([[Given("before", b"x 1", None)]], reason)
    assert read(CapnpReader(LIMIT), [before + data + before]) == outcome
    assert read(CapnpReader(LIMIT), byte_by_byte(before + data)) == outcome


def test_cut_message_is_buffered():
    """Wherever it is cut, a message is neither there nor refused."""
    data = capnp_message("some name", "x 1\n" * 5, num_first_segment_words=1)
    for end in range(len(data)):
        assert read(CapnpReader(LIMIT), [data[:end]]) == Outcome([], None, end)
        assert read(CapnpReader(LIMIT), byte_by_byte(data[:end])) == Outcome([], None, end)


def test_limit_counts_the_whole_frame():
    """A message as long as the limit is taken, one of a byte more refused, by its header alone."""
    data = capnp_message("a", "x 1")
    assert len(read(CapnpReader(len(data)), [data]).messages) == 1
    for length in (8, len(data)):
        assert read(CapnpReader(len(data) - 1), [data[:length]]).reason == "message_too_large"


def test_most_segments():
    """A header of 512 segments is read; the list of their sizes may come in pieces."""
    sizes = [1] + [0] * (MAX_SEGMENTS - 1)
    header = struct.pack(f"<I{MAX_SEGMENTS}I", MAX_SEGMENTS - 1, *sizes) + b"\0" * 4
    assert len(header) % 8 == 0
    for packets in ([header + b"\1" * 8], byte_by_byte(header + b"\1" * 8)):
        framer = CapnpFramer(LIMIT)
        frames = []
        for packet in packets:
            framer.feed(packet)
            while (frame := framer.next_frame()) is not None:
                frames.append(bytes(frame))
        assert frames == [header + b"\1" * 8]


def test_nothing_is_set_aside_for_what_is_announced():
    """A frame costs the bytes that came of it, whatever its header says."""
    framer = CapnpFramer(1 << 40)
    framer.feed(struct.pack("<II", 0, 0xFFFF_FFFF))
    assert framer.next_frame() is None
    assert framer.buffered == 8
    assert len(framer._pending) == 8


@pytest.mark.parametrize("memory", ["mapped", "grown"])
@pytest.mark.parametrize("packet", [65_536, 262_144, 10_000_000])
def test_large_frames_back_to_back(packet: int, memory: str, monkeypatch: pytest.MonkeyPatch):
    """They are the same however they are cut, and where no memory can be set aside for them."""
    if memory == "grown":
        monkeypatch.setattr(capnp_large, "set_aside", Mock(side_effect=OSError))
    texts = [f"{number} 1\n" * (size // 4) for number, size in enumerate((3 << 20, 2 << 20, 9))]
    stream = b"".join(capnp_message(f"a{number}", text) for number, text in enumerate(texts))
    reader = CapnpReader(64 << 20)
    pushes = []
    for start in range(0, len(stream), packet):
        reader.feed(stream[start : start + packet])
        while (message := reader.next_message()) is not None:
            if isinstance(message, list):
                pushes += message
    assert [push.app for push in pushes] == ["a0", "a1", "a2"]
    assert [b"".join(push.payload).decode() for push in pushes] == texts
    assert all(len(piece) <= 2 << 20 for push in pushes for piece in push.payload)
    assert reader.buffered == 0


def test_large_frame_that_is_cut_tells_what_it_holds():
    """Also of the memory that was set aside for it."""
    data = capnp_message("a", "x 1\n" * (1 << 20))
    reader = CapnpReader(64 << 20)
    received = 0
    for start in range(0, len(data) - 262_144, 262_144):
        reader.feed(data[start : start + 262_144])
        assert reader.next_message() is None
        received += 262_144
        assert reader.buffered == received


def test_frame_in_many_packets_is_looked_at_once():
    """Packets within a frame are put aside without a look: the total work is linear."""
    data = raw_capnp_message(b"a\0", b"x" * 5000 + b"\0")
    looks = 0

    class Counting(CapnpFramer):
        def _frame_bytes(self, available: int) -> int:
            nonlocal looks
            looks += 1
            return super()._frame_bytes(available)

    framer = Counting(LIMIT)
    for packet in byte_by_byte(data):
        framer.feed(packet)
        frame = framer.next_frame()
    assert frame == data
    # at four bytes, at the eight of the header, and at the end
    assert looks <= 3


@any_of(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=5), st.text(max_size=20), st.integers(0, 2**32 - 1)),
        max_size=5,
    ),
    st.sampled_from([1, 2, 1024]),
    st.lists(st.integers(1, 60), max_size=40),
)
@settings(max_examples=100, deadline=None)
def test_any_messages_in_any_packets(
    contents: list[tuple[str, str, int]], words: int, sizes: list[int]
):
    """How messages are cut into packets makes no difference."""
    data = b"".join(capnp_message(*content, num_first_segment_words=words) for content in contents)
    whole = read(CapnpReader(LIMIT), [data])
    assert read(CapnpReader(LIMIT), byte_by_byte(data)) == whole
    assert read(CapnpReader(LIMIT), cut(data, sizes)) == whole
    if whole.reason is None:
        expected = [(app, text.encode()) for app, text, _ in contents]
        assert [(push.app, push.text) for [push] in whole.messages] == expected


@any_of(
    st.sampled_from([1, 1024]),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=5
    ),
    st.lists(st.integers(1, 60), max_size=20),
)
@settings(max_examples=400, deadline=None)
def test_damaged_messages(words: int, damage: list[tuple[float, bytes]], sizes: list[int]):
    """A message with some bytes changed is read or refused, the same however it is cut."""
    data = bytearray(capnp_message("app", "x 1\n" * 8, 5, num_first_segment_words=words))
    for where, changed in damage:
        at = int(where * len(data))
        data[at : at + len(changed)] = changed
    packets = bytes(data)
    whole = read(CapnpReader(10_000), [packets])
    assert read(CapnpReader(10_000), byte_by_byte(packets)) == whole
    assert read(CapnpReader(10_000), cut(packets, sizes)) == whole


@any_of(st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_bytes(data: bytes):
    """Any bytes give messages or a refusal."""
    for packets in ([data], byte_by_byte(data), [struct.pack("<II", 0, len(data) // 8) + data]):
        read(CapnpReader(10_000), packets)


def read_large(data: bytes, packet_bytes: int) -> tuple[list[Given], int]:
    """Return the pushes of a large message and how often the reader let others have their turn."""
    reader = CapnpReader(LIMIT)
    message = None
    for packet in cut(data, [packet_bytes] * (len(data) // packet_bytes)):
        assert message is None
        reader.feed(packet)
        message = reader.next_message()
    working = 0
    while message is WORKING:
        working += 1
        message = reader.next_message()
    assert message is not None
    assert reader.next_message() is None
    assert reader.buffered == 0
    return given(message), working


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("some_metric 12345\n" * 200_000, id="lines"),
        pytest.param("x" * (3 * MIB + 5), id="one_line"),
        pytest.param("é€😀" * 400_000, id="one_line_of_long_characters"),
        pytest.param("a" + "😀" * (MIB // 2), id="odd_characters"),
        pytest.param("aa" + "€\n" * (MIB // 2), id="short_lines"),
        pytest.param("\n" + "x" * (2 * MIB), id="newline_in_front"),
        pytest.param(
            "x" * (PIECE_BYTES - 1) + "\n" + "y" * PIECE_BYTES, id="newline_at_the_border"
        ),
        pytest.param("x" * PIECE_BYTES, id="just_large"),
    ],
)
def test_large_message(text: str):
    """A large message is decoded in steps, or as it comes; the text is what was sent."""
    data = text.encode()
    message = raw_capnp_message(b"big\0", data + b"\0", 9)
    pushes, working = read_large(message, len(message))
    assert pushes == [Given("big", data, 9.0)]
    assert working >= len(data) // PIECE_BYTES
    for packet_bytes in (262_144, 65_537):
        as_it_comes, working = read_large(message, packet_bytes)
        assert as_it_comes == pushes
        assert working == 0 or len(message) < 2 * LARGE_BYTES, "no work is left for the end"


def test_large_message_with_others_around_it():
    """What follows a large message in a packet is not lost."""
    small = capnp_message("small", "x 1")
    large = capnp_message("large", "some_metric 1\n" * 100_000)
    outcome = read(CapnpReader(LIMIT), [small + large + small + large[:100]])
    assert [push.app for [push] in outcome.messages] == ["small", "large", "small"]
    assert outcome.buffered == 100


@pytest.mark.parametrize(
    ("app", "data", "line"),
    [
        pytest.param(
            b"a\0",
            b"x" * (2 * MIB) + b"\xff\0",
            'invalid_utf8: the metrics of "a": not UTF-8',
            id="invalid_utf8",
        ),
        pytest.param(
            b"a\0",
            b"\x80" * (2 * MIB) + b"\0",
            'invalid_utf8: the metrics of "a": not UTF-8',
            id="continuations_alone",
        ),
        pytest.param(
            b"a\0",
            b"x" * (MIB + 1) + b"\xe2\x82" + b"\0",
            'invalid_utf8: the metrics of "a": not UTF-8',
            id="cut_character_at_the_end",
        ),
        pytest.param(
            b"a\0",
            b"x" * MIB + b"\0" + b"y" * MIB + b"\0",
            'nul_byte: the metrics of "a" hold a NUL byte',
            id="nul",
        ),
        pytest.param(
            b"a\0",
            b"x" * (MIB + 1),
            'malformed_capnp: the metrics of "a" are no Cap\'n Proto text: no NUL at the end',
            id="no_nul_at_the_end",
        ),
        pytest.param(
            b"\0", b"x" * (MIB + 1) + b"\0", "bad_name: an app's name must not be empty", id="name"
        ),
        pytest.param(
            b"\xff\0",
            b"x" * (MIB + 1) + b"\0",
            "invalid_utf8: an app's name: not UTF-8",
            id="invalid_utf8_name",
        ),
    ],
)
def test_large_message_is_refused(app: bytes, data: bytes, line: str):
    """By the same rules as a small one."""
    message = raw_capnp_message(app, data)
    assert refusal(CapnpReader(LIMIT), message) == line
    assert read(CapnpReader(LIMIT), cut(message, [99_999] * 30)).reason == line.partition(":")[0]


def test_large_malformed_message_is_refused():
    """Pointers that lead nowhere are found in a large message, too."""
    data = bytearray(raw_capnp_message(b"a\0", b"x" * (2 * MIB) + b"\0"))
    data[24:32] = b"\xff" * 8
    for packet_bytes in (len(data), 262_144):
        with pytest.raises(PayloadError, match="malformed Cap'n Proto: ") as caught:
            read_large(bytes(data), packet_bytes)
        assert caught.value.reason == "malformed_capnp"

"""The Cap'n Proto wire: framer and reader, however it is cut; what is well-formed is read right."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import capnp

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.capnp_framer import CapnpFramer
from exporter_proxy.payload.capnp_reader import CapnpReader
from tests.fuzz.packets import packets
from tests.fuzz.targets import Check
from tests.payload.reading import capnp_message, raw_capnp_message, read, schema

TOKENS = [
    struct.pack("<I", number)
    for number in (0, 1, 2, 3, 0x1FF, 0x200, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0x0FFFFFFF)
] + [
    struct.pack("<Q", 1 << 32 | 2 << 48),  # the root of a message
    struct.pack("<Q", 2),  # a far pointer
    struct.pack("<Q", 6),  # one by way of a landing pad of two words
    struct.pack("<Q", 3),  # a capability
    struct.pack("<Q", 1 | 2 << 32 | 9 << 35),  # a list of 9 bytes
    struct.pack("<Q", 1 | 7 << 32 | 1 << 35),  # a list of structs
    b"\0" * 8,
    b"a\0",
    b"x 1\n",
    b"\xc3",
]
_LIMIT = 4096


def seeds() -> list[bytes]:
    """Return messages of every form."""
    return [
        capnp_message("a", "x 1\n"),
        capnp_message("a", "x 1\n", 30) * 2,
        capnp_message("some name", "x 1\n" * 5, num_first_segment_words=1),
        raw_capnp_message(b"a\0", b"x 1\n\0", 7),
        struct.pack("<I", 511),
    ]


@contextmanager
def target() -> Iterator[Check]:
    """Read what comes as a whole and in packets, and as pycapnp does."""
    yield _check


def _check(data: bytes) -> None:
    whole = read(CapnpReader(_LIMIT), [data])
    assert read(CapnpReader(_LIMIT), packets(data)) == whole
    assert whole.buffered <= _LIMIT
    for frame, message in zip(_frames(data), whole.messages, strict=False):
        (push,) = message
        with schema().from_bytes(frame) as read_by_pycapnp:
            try:
                expected = read_by_pycapnp.appName, read_by_pycapnp.data
            except (capnp.KjException, UnicodeDecodeError):
                # It takes less than we do: texts without a NUL at their end.
                continue
        assert (push.app, push.text.decode()) == expected


def _frames(data: bytes) -> list[bytes]:
    framer = CapnpFramer(_LIMIT)
    framer.feed(data)
    frames = []
    try:
        while (frame := framer.next_frame()) is not None:
            frames.append(bytes(frame))
    except PayloadError:
        pass
    return frames

"""Feed a reader and keep what comes of it; build what is fed."""

import struct
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

import capnp

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.message import Message, MessageReader, Progress
from tests.proxy_process import ROOT

MIB = 1 << 20


class Given(NamedTuple):
    """A push, its payload in one piece: where it is cut may follow the packets, the text not."""

    app: str
    text: bytes
    ttl: float | None


class Outcome(NamedTuple):
    """What a reader made of a connection.

    Attributes:
        messages: In the order in which they came.
        reason: Why the connection was refused in the end; None if it was not.
        buffered: Bytes of an unfinished message in the end; 0 where it was refused.
    """

    messages: list[list[Given]]
    reason: str | None = None
    buffered: int = 0


def given(message: Message) -> list[Given]:
    """Return a message with each payload in one piece, after checking how it is cut."""
    for push in message:
        assert all(piece.endswith(b"\n") for piece in push.payload[:-1]), "cut within a line"
    return [Given(push.app, b"".join(push.payload), push.ttl) for push in message]


def read(reader: MessageReader, packets: Iterable[bytes]) -> Outcome:
    """Feed ``packets`` one by one, taking all messages after each."""
    messages: list[list[Given]] = []
    try:
        for packet in packets:
            reader.feed(packet)
            while (message := reader.next_message()) is not None:
                if not isinstance(message, Progress):
                    messages.append(given(message))
    except PayloadError as error:
        line = str(error)
        assert line.isprintable(), "an error is one line"
        assert len(line) < 300, "an error is short"
        return Outcome(messages, error.reason)
    return Outcome(messages, None, reader.buffered)


def refusal(reader: MessageReader, data: bytes) -> str:
    """Return the line with which ``data`` is refused, and that is the same byte by byte."""
    try:
        reader.feed(data)
        while reader.next_message() is not None:
            pass
    except PayloadError as error:
        return f"{error.reason}: {error}"
    raise AssertionError("was not refused")


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut ``data`` into packets of the given sizes, and the rest."""
    at = 0
    for size in sizes:
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size
    if at < len(data):
        yield data[at:]


@cache
def schema():
    """Return the struct as clients use it."""
    capnp.remove_import_hook()
    return capnp.load(str(ROOT / "schemas" / "metric_data.capnp")).InboundMetrics


def capnp_message(app: str, data: str, ttl: int = 0, **options: int) -> bytes:
    """Return a message as pycapnp writes it; ``num_first_segment_words=1`` makes many segments."""
    message = schema().new_message(**options)
    message.appName = app
    message.data = data
    message.ttlSeconds = ttl
    return message.to_bytes()


def raw_capnp_message(app: bytes, data: bytes, ttl: int = 0) -> bytes:
    """Return a message of one segment whose texts are as given, with or without a NUL at the end.

    Written by hand after the encoding specification: no library would write what some tests need.
    """

    def words(size: int) -> int:
        return (size + 7) // 8

    def byte_list(offset: int, size: int) -> int:
        return 1 | offset << 2 | 2 << 32 | size << 35

    # a pointer to the struct: one word of data, two pointers, right behind it
    root = 0 | 1 << 32 | 2 << 48
    body = struct.pack(
        "<QQQQ", root, ttl, byte_list(1, len(app)), byte_list(words(len(app)), len(data))
    )
    body += app.ljust(8 * words(len(app)), b"\0") + data.ljust(8 * words(len(data)), b"\0")
    return struct.pack("<II", 0, len(body) // 8) + body

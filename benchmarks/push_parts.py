"""What a push costs within the process, item by item: the product's own parts, called in turn.

Used where an aim is missed. The kernel and the event loop are not in these figures; they are the
floor's.
"""

import asyncio
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import payloads
from report import micro

from exporter_proxy.config import ReceiverConfig
from exporter_proxy.payload.capnp_reader import CapnpReader
from exporter_proxy.payload.detect import detect
from exporter_proxy.payload.json_reader import JsonReader
from exporter_proxy.payload.message import MessageReader
from exporter_proxy.sources.receiver import Descriptors, Receiver, Shared, Unfinished
from exporter_proxy.sources.receiver.connection import Connection
from exporter_proxy.table import Table

_TIMES = 5000
_LIMIT = 64 << 20
_PACKET = 262_144


class _Transport:
    """Does nothing, so that only what the proxy does is measured."""

    def close(self) -> None:
        """Do nothing."""

    def is_closing(self) -> bool:
        """Tell that it is open."""
        return False

    def get_extra_info(self, _name: str, default: object = None) -> object:
        """Know nothing."""
        return default

    def pause_reading(self) -> None:
        """Do nothing."""

    def resume_reading(self) -> None:
        """Do nothing."""


def parts_of_a_connection(messages: list[bytes]) -> list[str]:
    """Return lines: what each part of taking one JSON document on its own connection costs."""
    document = messages[0]
    decode = msgspec.json.Decoder(dict[str, str]).decode
    table = Table()
    payload = (payloads.exposition(4).encode(),)
    decoding = _cost(lambda: decode(document))
    detecting = _cost(lambda: detect(document))
    reading = _cost(lambda: _read_all(JsonReader(_LIMIT), document))
    updating = _cost(lambda: table.update("app", payload, source="here"))
    whole = asyncio.run(_whole_connection(document))
    return [
        f"{micro(decoding)} decode (the floor does this too)",
        f"{micro(detecting)} tell the wire by the first bytes",
        f"{micro(reading - decoding)} cut documents, check names and text, encode",
        f"{micro(updating)} replace the row: sizes, times, generation, time to live",
        f"{micro(whole - detecting - reading - updating)} limits on connections, bytes and time",
        f"{micro(whole)} all of it",
    ]


def parts_of_a_message(wire: str, data: bytes) -> list[str]:
    """Return lines: what each part of taking one message of a stream costs."""
    make: Callable[[int], MessageReader] = JsonReader if wire == "JSON lines" else CapnpReader
    packets = [data[start : start + _PACKET] for start in range(0, len(data), _PACKET)]
    reader = make(_LIMIT)
    count = 0
    started = time.thread_time_ns()
    for packet in packets:
        count += _read_all(reader, packet)
    reading = (time.thread_time_ns() - started) / max(1, count)
    table = Table()
    payload = (payloads.exposition(4).encode(),)
    updating = _cost(lambda: table.update("app", payload, source="here"))
    return [
        f"{micro(reading)} cut, decode, check names and text, encode",
        f"{micro(updating)} replace the row: sizes, times, generation, time to live",
    ]


def _read_all(reader: MessageReader, data: bytes) -> int:
    reader.feed(data)
    count = 0
    while reader.next_message() is not None:
        count += 1
    return count


def _cost(work: Callable[[], object]) -> float:
    for _ in range(_TIMES // 10):
        work()
    started = time.thread_time_ns()
    for _ in range(_TIMES):
        work()
    return (time.thread_time_ns() - started) / _TIMES


async def _whole_connection(document: bytes) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        path = str(Path(directory) / "s")
        receiver = Receiver(
            path,
            lambda: _listen(path),
            config=ReceiverConfig(format="auto"),
            table=Table(),
            shared=Shared(Unfinished(_LIMIT), Descriptors(20_000)),
            concurrent_requests=2048,
        )
        await receiver.start()

        def push() -> None:
            connection = Connection(receiver)
            connection.connection_made(_Transport())  # type: ignore[arg-type] # stands in for one
            connection.data_received(document)
            connection.eof_received()
            connection.connection_lost(None)

        try:
            return _cost(push)
        finally:
            await receiver.stop(0.1)


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.setblocking(False)
    return listener

"""What a push costs within the process, item by item: the product's own parts, called in turn.

Used where an aim is missed. The kernel and the event loop are not in these figures; they are the
floor's.
"""

import asyncio
import socket
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import payloads
from report import micro

from exporter_proxy.config import ReceiverConfig
from exporter_proxy.descriptors import Descriptors
from exporter_proxy.payload.capnp_reader import CapnpReader
from exporter_proxy.payload.detect import detect
from exporter_proxy.payload.json_reader import JsonReader
from exporter_proxy.payload.message import Message, MessageReader
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.receiver import Receiver, Shared, Unfinished
from exporter_proxy.sources.receiver.connection import Connection
from exporter_proxy.sources.receiver.receiver import ReceiverSettings
from exporter_proxy.table import Table

_SECONDS = 0.02
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


def parts_of_a_connection(document: bytes, floor: float) -> list[str]:
    """Return lines: what each part of taking one JSON document on its own connection costs.

    Args:
        document: What is pushed.
        floor: Nanoseconds that the bare server takes for it.
    """
    items = asyncio.run(_connection_items(document))
    lines = [f"{micro(floor)} bare uvloop, which decodes too"]
    lines += [f"{micro(cost)} {what}" for what, cost in items.items()]
    lines.append(f"{micro(floor + sum(items.values()))} together")
    return lines


async def _connection_items(document: bytes) -> dict[str, float]:
    decode = msgspec.json.Decoder(dict[str, str]).decode
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        path = str(Path(directory) / "s")
        receiver = Receiver(
            path,
            lambda: _listen(path),
            settings=ReceiverSettings(ReceiverConfig(format="auto")),
            admission=Admission(Table()),
            shared=Shared(Unfinished(_LIMIT), Descriptors(20_000)),
        )
        await receiver.start()
        transport = cast("asyncio.Transport", _Transport())
        reader = JsonReader(_LIMIT)
        reader.feed(document)
        message = cast("Message", reader.next_message())

        def push() -> None:
            connection = Connection(receiver)
            connection.connection_made(transport)
            connection.data_received(document)
            connection.eof_received()
            connection.connection_lost(None)

        def open_and_close() -> None:
            connection = Connection(receiver)
            connection.connection_made(transport)
            receiver.closed(connection)

        idle = Connection(receiver)
        idle.connection_made(transport)
        try:
            items = {
                "tell the wire by the first bytes": _cost(lambda: detect(document)),
                "several documents, cut anywhere; names, NUL, text or lines; to bytes": (
                    _cost(lambda: _read_all(JsonReader(_LIMIT), document))
                    - _cost(lambda: decode(document))
                ),
                "count the update, replace the row: size, times, generation, time to live": _cost(
                    lambda: receiver.apply(message)
                ),
                "count the connection: limit, descriptors, who is idle longest": _cost(
                    open_and_close
                ),
                "time-outs and bytes of unfinished messages": _cost(
                    lambda: receiver.settle(idle, 0, began=True)
                ),
            }
            whole = _cost(push) - _cost(lambda: decode(document))
        finally:
            receiver.closed(idle)
            await receiver.stop(0.1)
    items["the calls between these, and what differences of such figures miss"] = whole - sum(
        items.values()
    )
    return items


def parts_of_a_message(wire: str, data: bytes, floor: float) -> list[str]:
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
        f"{micro(floor)} bare uvloop, which cuts and decodes too",
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
    """Return the CPU time of a call in nanoseconds: the best of five, as others disturb."""
    timer = timeit.Timer(work, timer=time.thread_time)
    times = max(1, int(_SECONDS / max(timer.timeit(10) / 10, 1e-7)))
    return min(timer.repeat(5, times)) / times * 1e9


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.setblocking(False)
    return listener

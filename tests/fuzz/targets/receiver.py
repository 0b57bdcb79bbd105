"""A receiver's socket: nothing or one line comes back, and what others have sent stays."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from exporter_proxy.config import Address, ReceiverConfig
from exporter_proxy.descriptors import Descriptors
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.receiver import (
    Receiver,
    ReceiverSettings,
    Shared,
    Unfinished,
)
from exporter_proxy.sources.receiver.sockets import listen_on_tcp
from exporter_proxy.table import Table
from tests.fuzz.inprocess import loop, until_closed
from tests.fuzz.packets import packets
from tests.fuzz.targets import Check, capnp_wire, detection, json_wire

TOKENS = [*json_wire.TOKENS, *capnp_wire.TOKENS, *detection.TOKENS]
_KEPT = "the one that stays"
_MOST_APPS = 50


def seeds() -> list[bytes]:
    """Return messages of both wires."""
    return capnp_wire.seeds()


@contextmanager
def target() -> Iterator[Check]:
    """Send what comes on a connection of its own, in packets, and look at the table."""
    with ExitStack() as stack:
        runner = stack.enter_context(loop())
        table = Table(max_apps=_MOST_APPS)
        table.update(_KEPT, (b"x 1\n",), source="s")
        receiver = runner.run(_start(table))
        stack.callback(lambda: runner.run(receiver.stop(0)))
        yield lambda data: runner.run(_check(receiver, table, data))


async def _start(table: Table) -> Receiver:
    listener = listen_on_tcp(Address("127.0.0.1", 0))
    receiver = Receiver(
        "127.0.0.1:{1}".format(*listener.getsockname()),
        lambda: listener,
        settings=ReceiverSettings(ReceiverConfig(format="auto", max_message_size=4096)),
        admission=Admission(table),
        shared=Shared(Unfinished(1 << 20), Descriptors(1 << 20)),
    )
    await receiver.start()
    return receiver


async def _check(receiver: Receiver, table: Table, data: bytes) -> None:
    stats = receiver.stats
    refused = sum(stats.rejected.values())
    address = receiver.name.rpartition(":")
    reader, writer = await asyncio.open_connection(address[0], int(address[2]))
    # Each packet by itself, as far as the kernel lets us say so.
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(ConnectionError, OSError):
        for packet in packets(data, 200):
            if not writer.is_closing():
                writer.write(packet)
                await asyncio.sleep(0)
        if not writer.is_closing():
            writer.write_eof()
    answer = (await until_closed(reader)).decode()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    assert sum(stats.rejected.values()) - refused == bool(answer)
    if answer:
        line, end, rest = answer.partition("\n")
        assert (end, rest) == ("\n", ""), answer
        assert line.startswith("error: ")
        assert line.isprintable()
    # Only one who says so replaces it, and none of our inputs does.
    row = table.get(_KEPT)
    assert row is not None
    assert row.payload == (b"x 1\n",)
    for app in [each.app for each in table if each.app != _KEPT]:
        table.drop(app)

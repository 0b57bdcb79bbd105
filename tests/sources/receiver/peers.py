"""A receiver under test and the peers that talk to it, all on one event loop."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from exporter_proxy.config import Address, ReceiverConfig
from exporter_proxy.descriptors import Descriptors
from exporter_proxy.sources.admission import Admission, FindTerms
from exporter_proxy.sources.checking import PayloadCheck
from exporter_proxy.sources.receiver import (
    Receiver,
    ReceiverSettings,
    Shared,
    Unfinished,
)
from exporter_proxy.sources.receiver.sockets import listen_on_tcp, listen_on_unix
from exporter_proxy.table import FOR_EVER, Life, Table

DEADLINE_SECONDS = 15.0


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Let the loop run until ``condition`` holds; return what it gave."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.002)
    return value


class Peer:
    """One connection to a receiver, seen from the other side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send, as far as the receiver lets us."""
        self._writer.write(data)
        await asyncio.wait_for(self._writer.drain(), DEADLINE_SECONDS)

    def start_sending(self, data: bytes) -> None:
        """Hand ``data`` to the transport, without waiting for the receiver to take it."""
        self._writer.write(data)

    async def finish(self) -> str:
        """Say that all is sent; return what came back until the receiver closed."""
        with suppress(OSError):
            self._writer.write_eof()
        return await self.answer()

    async def answer(self) -> str:
        """Return what came until the receiver closed."""
        received = b""
        with suppress(ConnectionError):
            while part := await asyncio.wait_for(self._reader.read(65_536), DEADLINE_SECONDS):
                received += part
        self.close()
        return received.decode()

    @property
    def open(self) -> bool:
        """Whether neither an end nor a byte came from the receiver."""
        return not self._reader.at_eof() and not self._reader._buffer

    def close(self) -> None:
        """Close."""
        self._writer.close()

    def vanish(self) -> None:
        """Reset the connection."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class Bench:
    """Receivers that write one table.

    Attributes:
        table: That table.
        shared: What the receivers have in common; may be replaced before the first is made.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.table = Table()
        self.admission = Admission(self.table)
        self.shared = Shared(Unfinished(256 << 20), Descriptors(1 << 20))
        self._receivers: list[Receiver] = []
        self._peers: list[Peer] = []

    async def receiver(
        self,
        kind: str = "tcp",
        *,
        limit: int = 1000,
        life: Life = FOR_EVER,
        terms: FindTerms | None = None,
        check: PayloadCheck | None = None,
        **config: Any,
    ) -> Receiver:
        """Start a receiver; keyword arguments are keys of ``[receiver]``."""
        section = ReceiverConfig(**{"format": "auto"} | config)
        if kind == "unix":
            name = str(self.directory / f"{len(self._receivers)}.sock")
            listener = listen_on_unix(name, section)
        else:
            listener = listen_on_tcp(Address("127.0.0.1", 0))
            name = "127.0.0.1:{1}".format(*listener.getsockname())
        receiver = Receiver(
            name,
            lambda: listener,
            settings=ReceiverSettings(section, limit, life),
            admission=Admission(self.table, terms=terms, check=check),
            shared=self.shared,
        )
        await receiver.start()
        self._receivers.append(receiver)
        return receiver

    async def peer(self, receiver: Receiver) -> Peer:
        """Connect to a receiver."""
        if receiver.name.startswith("/"):
            streams = await asyncio.open_unix_connection(receiver.name)
        else:
            host, _, port = receiver.name.rpartition(":")
            streams = await asyncio.open_connection(host, int(port))
        peer = Peer(*streams)
        self._peers.append(peer)
        return peer

    async def push(self, receiver: Receiver, data: bytes) -> str:
        """Send ``data`` on a connection of its own; return the answer."""
        peer = await self.peer(receiver)
        peer.start_sending(data)
        return await peer.finish()

    def text(self, app: str) -> bytes | None:
        """Return what the table has of an app."""
        row = self.table.get(app)
        return None if row is None else b"".join(row.payload)

    def apps(self) -> list[str]:
        """Return the apps of the table."""
        return [row.app for row in self.table]

    async def close(self) -> None:
        """Close everything, and see that receivers know it."""
        for peer in self._peers:
            peer.close()
        for receiver in self._receivers:
            await receiver.stop(0.2)
            await until(lambda r=receiver: r.stats.open_connections == 0, "all to be closed")
            assert not receiver.places.connections
            assert not receiver.places.idle
            assert not receiver.places.lingering
        assert len(self.shared.unfinished) == 0
        assert self.shared.unfinished.buffered == 0
        assert not self.shared.places

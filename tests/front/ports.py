"""A front on a real socket, before servers that say what they got."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Self, cast

from exporter_proxy.front import Front, FrontPort, FrontSettings, Hooks


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until ``condition`` holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what counts tells nobody
            await asyncio.sleep(0.001)


class Echo(asyncio.Protocol):
    """Stands for the HTTP server: answers with all that it was given, at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"http:" + data)


class Port:
    """A listening front.

    Args:
        raw: Whether connections without HTTP are taken.
        settings: As those of the configuration.
    """

    def __init__(self, *, raw: bool = False, **settings: Any) -> None:
        self.taken: list[tuple[bytes, bool]] = []
        self.front = Front(FrontSettings(**settings), Hooks(raw=self._take if raw else None))
        self.port = FrontPort(self.front, Echo)
        self._writers: list[asyncio.StreamWriter] = []

    def _take(self, transport: asyncio.Transport, head: bytes, ended: bool) -> bool:  # noqa: FBT001
        self.taken.append((head, ended))
        transport.write(b"raw:" + head)
        transport.close()
        return True

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.port.connection, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        await self.port.close(0)
        self.front.close()
        await asyncio.sleep(0.01)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address[:2])
        self._writers.append(writer)
        return reader, writer

    async def ask(self, *parts: bytes, end: bool = False) -> bytes:
        """Send parts, each in a packet of its own, and return the first that comes back."""
        reader, writer = await self.connect()
        for part in parts:
            writer.write(part)
            await writer.drain()
            # A round for the server, which is on the same loop.
            for _ in range(3):
                await asyncio.sleep(0)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(65_536), 10)

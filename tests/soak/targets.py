"""Endpoints that are polled, and fail in every way there is, at random."""

import asyncio
import gzip
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.soak.connections import GONE, vanish
from tests.soak.ledger import Ledger, payload

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
_GOOD = 0.5
_HANG_SECONDS = 3.0
# Enough for some rounds of the loop.
_ROUND_SECONDS = 0.01


class Targets:
    """Serves ``/t0``, ``/t1`` and so on.

    Args:
        ledger: Where it is written down what was served.
        chance: Decides what fails how.

    Attributes:
        faults: Served, by kind.
        good: Answers that were right.
    """

    def __init__(self, ledger: Ledger, chance: random.Random) -> None:
        self._ledger = ledger
        self._chance = chance
        self._server: asyncio.Server | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._well = False
        self.faults: Counter[str] = Counter()
        self.good = 0

    async def start(self) -> int:
        """Serve; gives the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def heal(self) -> None:
        """Fail no more."""
        self._well = True

    async def stop(self) -> None:
        """Close all connections."""
        if self._server is not None:
            self._server.close()
        # Those that are accepted already begin before they are ended, and transports close after.
        await asyncio.sleep(_ROUND_SECONDS)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await asyncio.sleep(_ROUND_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (*GONE, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            # The soak is over.
            pass
        finally:
            self._under_way.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; tell whether the connection is kept."""
        request = await reader.readuntil(b"\r\n\r\n")
        app = request.split(b" ", 2)[1].strip(b"/").split(b"?")[0].decode()
        if self._well or self._chance.random() < _GOOD:
            self.good += 1
            text = payload(app, self._ledger.begin(app)).encode()
            writer.write(_OK + b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
            await writer.drain()
            return True
        name, fault = self._chance.choice(FAULTS)
        self.faults[name] += 1
        await fault((reader, writer), app)
        return False


async def _hang(streams: Streams, app: str) -> None:
    await asyncio.sleep(_HANG_SECONDS)


async def _hang_within(streams: Streams, app: str) -> None:
    streams[1].write(_OK + b"Content-Length: 1000\r\n\r\nsoak_half 1\n")
    await asyncio.sleep(_HANG_SECONDS)


async def _reset(streams: Streams, app: str) -> None:
    vanish(streams[1])


async def _reset_within(streams: Streams, app: str) -> None:
    streams[1].write(_OK + b"Content-Length: 1000\r\n\r\nsoak_half 1\n")
    await streams[1].drain()
    vanish(streams[1])


async def _error(streams: Streams, app: str) -> None:
    streams[1].write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")


async def _garbage(streams: Streams, app: str) -> None:
    streams[1].write(bytes(range(256)) * 8)


async def _no_exposition(streams: Streams, app: str) -> None:
    streams[1].write(_OK + b"Content-Length: 7\r\n\r\nsoak\xff\0\n")


async def _endless(streams: Streams, app: str) -> None:
    streams[1].write(_OK + b"\r\n")
    while not streams[1].is_closing():
        streams[1].write(b"soak_endless 1\n" * 4000)
        await streams[1].drain()


async def _endless_headers(streams: Streams, app: str) -> None:
    streams[1].write(b"HTTP/1.1 200 OK\r\n")
    while not streams[1].is_closing():
        streams[1].write(b"X-Soak: endless\r\n" * 500)
        await streams[1].drain()


async def _drip(streams: Streams, app: str) -> None:
    streams[1].write(_OK + b"\r\n")
    for _ in range(20):
        if streams[1].is_closing():
            return
        streams[1].write(b"#")
        await asyncio.sleep(0.2)


async def _redirect(streams: Streams, app: str) -> None:
    place = f"/{app}?again".encode()
    streams[1].write(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % place)


async def _bomb(streams: Streams, app: str) -> None:
    body = gzip.compress(b"# soak\n" * 2_000_000, 1)
    head = _OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    streams[1].write(head + body)
    with suppress(OSError):
        await streams[1].drain()


async def _torn_gzip(streams: Streams, app: str) -> None:
    body = gzip.compress(payload(app, 1).encode())[:-5]
    head = _OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    streams[1].write(head + body)


async def _bad_chunk(streams: Streams, app: str) -> None:
    streams[1].write(_OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nx 1\n\r\n")
    await asyncio.sleep(0.01)
    streams[1].write(b"soon\r\n")


async def _torn(streams: Streams, app: str) -> None:
    streams[1].write(_OK + b"Content-Length: 1000\r\n\r\nsoak_half 1\n")


Fault = Callable[[Streams, str], Awaitable[None]]
FAULTS: list[tuple[str, Fault]] = [
    ("hangs", _hang),
    ("hangs within its answer", _hang_within),
    ("resets", _reset),
    ("resets within its answer", _reset_within),
    ("status 500", _error),
    ("no HTTP", _garbage),
    ("no text", _no_exposition),
    ("endless body", _endless),
    ("endless headers", _endless_headers),
    ("a byte at a time", _drip),
    ("redirects for ever", _redirect),
    ("gzip bomb", _bomb),
    ("gzip cut short", _torn_gzip),
    ("malformed chunk", _bad_chunk),
    ("body cut short", _torn),
]
"""Ways in which a target fails."""

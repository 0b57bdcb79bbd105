"""Who leaves the scrape port when file descriptors are short."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest_asyncio
from aiohttp import web

from exporter_proxy.config import Address
from exporter_proxy.descriptors import Descriptors
from exporter_proxy.front import Front, FrontSettings, Hooks
from exporter_proxy.guests import Guests, GuestState
from exporter_proxy.serving import HttpServer, ScrapePort
from tests.sources.receiver.peers import until

LIMIT = 1000
REQUEST = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Counted(Descriptors):
    """Those in use are what the test says, and the connections that came and went since."""

    def count(self) -> None:
        """Count nothing."""
        self._serving = True


class Port:
    """A scrape port with two paths: ``/now`` is answered at once, ``/later`` when told to."""

    def __init__(self) -> None:
        self.descriptors = Counted(LIMIT)
        self.evicted: Counter[GuestState] = Counter()
        self.go_on = asyncio.Event()
        self.under_way = 0
        app = web.Application()
        app.router.add_get("/now", self._now)
        app.router.add_get("/later", self._later)
        guests = Guests(self.descriptors, self.evicted)
        front = Front(FrontSettings(), Hooks())
        self._port = ScrapePort(HttpServer(app, front, 0.1, guests))
        self._number = 0
        self._peers: list[Streams] = []

    async def start(self) -> None:
        address = await self._port.open(Address("127.0.0.1", 0))
        self._number = int(address.rpartition(":")[2])

    async def stop(self) -> None:
        for _, writer in self._peers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        await self._port.close(0)

    async def connect(self, path: bytes) -> Streams:
        """Connect, and ask for a path."""
        streams = await asyncio.open_connection("127.0.0.1", self._number)
        self._peers.append(streams)
        under_way = self.under_way
        streams[1].write(REQUEST % path)
        if path == b"now":
            await answer(streams)
        else:
            await until(lambda: self.under_way > under_way, "the request to be under way")
        return streams

    async def _now(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _later(self, _: web.Request) -> web.Response:
        self.under_way += 1
        await self.go_on.wait()
        return web.Response()


async def answer(streams: Streams) -> bytes:
    return await asyncio.wait_for(streams[0].readuntil(b"\r\n"), 10)


async def closes(streams: Streams) -> bool:
    """Wait for the other side to close."""
    with suppress(ConnectionError):
        await asyncio.wait_for(streams[0].read(), 10)
    return True


async def is_open(streams: Streams) -> bool:
    """Tell whether the other side still answers."""
    try:
        streams[1].write(REQUEST % b"now")
        # Behind what was not read of the answers before.
        await asyncio.wait_for(streams[0].readuntil(b"HTTP/1.1 200 OK\r\n"), 10)
        return True
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


@pytest_asyncio.fixture
async def port() -> AsyncIterator[Port]:
    port = Port()
    await port.start()
    yield port
    await port.stop()


async def test_nobody_leaves_while_there_is_place(port: Port):
    peers = [await port.connect(b"now") for _ in range(50)]

    assert port.evicted == {"silent": 0, "busy": 0}
    assert all([await is_open(peer) for peer in peers[:3]])


async def test_silent_longest_leaves_first(port: Port):
    """One that has asked since it came has been silent for a shorter time."""
    first, second = await port.connect(b"now"), await port.connect(b"now")
    first[1].write(REQUEST % b"now")
    await answer(first)
    port.descriptors._used = LIMIT
    third = await port.connect(b"now")

    assert await closes(second)
    assert port.evicted["silent"] == 2, "one more than it took leaves for pushes"
    assert await closes(first)
    assert await is_open(third)


async def test_busy_one_leaves_where_nobody_is_silent(port: Port):
    first, second = await port.connect(b"later"), await port.connect(b"later")
    # Of 16 that are kept for polls and files, not one is taken for good.
    port.descriptors._used = LIMIT - 15 - 1
    third = await port.connect(b"later")

    assert port.evicted == {"silent": 0, "busy": 1}
    assert await closes(first)
    port.go_on.set()
    assert await answer(second) == b"HTTP/1.1 200 OK\r\n"
    assert await answer(third) == b"HTTP/1.1 200 OK\r\n"


async def test_some_may_be_silent_even_if_descriptors_are_short(port: Port):
    """Receivers make place, too: the scrape port has its share."""
    peers = [await port.connect(b"now") for _ in range(30)]
    port.descriptors._used = LIMIT - 40
    peers.append(await port.connect(b"now"))

    assert port.evicted == {"silent": 0, "busy": 0}
    peers += [await port.connect(b"now") for _ in range(20)]
    assert port.evicted["silent"] > 0


async def test_those_that_go_by_themselves_are_counted(port: Port):
    before = port.descriptors._used
    for _ in range(5):
        _, writer = await port.connect(b"now")
        writer.close()
        await writer.wait_closed()
    await until(lambda: port.descriptors._used <= before, "all to be counted")

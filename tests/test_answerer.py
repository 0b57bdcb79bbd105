"""The requests of one connection to the HTTP server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import pytest
import pytest_asyncio
from aiohttp import web

from exporter_proxy.answerer import Answerer
from exporter_proxy.config import Address
from exporter_proxy.front import Front, FrontSettings, Hooks
from exporter_proxy.serving import HttpServer, ScrapePort
from tests.sources.receiver.peers import until

GET = b"GET /now HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = (
    b"POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
)
UPGRADE = b"GET /now HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
LATE = b"error: the head of a request was not whole within 0.1 s (exporter.header_timeout)\n"


class Port(NamedTuple):
    """A scrape port; ``/later`` is answered when told to."""

    front: Front
    server: web.Server
    number: int
    go_on: asyncio.Event

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.number)

    @property
    def late(self) -> int:
        return self.front.stats.closed["header_timeout"]


@pytest_asyncio.fixture
async def open_port() -> AsyncIterator[Callable[..., object]]:
    opened: list[ScrapePort] = []

    async def start(header_timeout: float = 0.1) -> Port:
        go_on = asyncio.Event()

        async def now(_: web.Request) -> web.Response:
            return web.Response(text="now")

        async def later(_: web.Request) -> web.Response:
            await go_on.wait()
            return web.Response(text="later")

        async def body(request: web.Request) -> web.Response:
            return web.Response(body=await request.read())

        app = web.Application()
        app.router.add_get("/now", now)
        app.router.add_get("/later", later)
        app.router.add_post("/body", body)
        front = Front(FrontSettings(header_timeout=header_timeout), Hooks())
        http = HttpServer(app, front, 0.1)
        port = ScrapePort(http)
        opened.append(port)
        address = await port.open(Address("127.0.0.1", 0))
        return Port(front, http.runner.server, int(address.rpartition(":")[2]), go_on)

    yield start
    for port in opened:
        await port.close(0)


class Looks:
    """Follows the looks at whether heads are late."""

    def __init__(self) -> None:
        self._looked = asyncio.Event()
        self._last = False

    def follow(self, look: Callable[[Answerer], None]) -> Callable[[Answerer], None]:
        def followed(answerer: Answerer) -> None:
            look(answerer)
            self._last = answerer._head_timer is None
            self._looked.set()

        return followed

    async def happened(self) -> None:
        """Wait for the next one."""
        self._looked.clear()
        await asyncio.wait_for(self._looked.wait(), 10)

    async def found_nothing(self) -> None:
        """Wait for one after which there is no other."""
        await self.happened()
        while not self._last:
            await self.happened()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    looks = Looks()
    monkeypatch.setattr(Answerer, "_look_at_head", looks.follow(Answerer._look_at_head))
    return looks


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Read one answer, and return its body."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    length = int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0])
    return await reader.readexactly(length)


@pytest.mark.parametrize("begin", [b"G", GET[:-2]], ids=["a_byte", "all_but_its_end"])
@pytest.mark.parametrize("first", [GET, POST, CHUNKED, UPGRADE])
@pytest.mark.parametrize("together", [True, False], ids=["one_packet", "two_packets"])
async def test_later_head_without_end(
    open_port: Callable,
    first: bytes,
    begin: bytes,
    together: bool,  # noqa: FBT001
):
    """It has the time of a first one, whatever was asked before it."""
    port = await open_port()
    reader, writer = await port.connect()
    if together:
        writer.write(first + begin)
        await answer(reader)
    else:
        writer.write(first)
        await answer(reader)
        writer.write(begin)
    refusal = await asyncio.wait_for(reader.read(), 10)

    assert refusal.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert refusal.endswith(b"\r\n\r\n" + LATE)
    assert port.late == 1
    writer.close()


async def test_head_a_byte_at_a_time(open_port: Callable):
    """However its bytes come, it has its time and no more."""
    port = await open_port()
    reader, writer = await port.connect()
    writer.write(GET)
    await answer(reader)

    async def dribble() -> None:
        writer.write(b"GET /now HTTP/1.1\r\nA: ")
        while not writer.is_closing():
            writer.write(b"a")
            await asyncio.sleep(0.01)

    dribbling = asyncio.create_task(dribble())
    refusal = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
    dribbling.cancel()
    assert refusal == b"HTTP/1.1 408 Request Timeout\r\n"
    assert port.late == 1
    writer.close()


@pytest.mark.parametrize("request_", [GET, POST, CHUNKED, GET + b"\r\n", POST + b"\r\n\r\n"])
async def test_silence_between_requests_is_none_of_it(
    open_port: Callable, request_: bytes, looks: Looks
):
    """Nor are empty lines, which some clients send after a body."""
    port = await open_port(0.02)
    reader, writer = await port.connect()
    for _ in range(3):
        writer.write(request_)
        await answer(reader)
        await looks.found_nothing()
    writer.write(GET)
    assert await answer(reader) == b"now"
    assert port.late == 0
    writer.close()


async def test_head_in_its_time(open_port: Callable):
    """Cut anywhere, it is a request like any other."""
    port = await open_port(60)
    reader, writer = await port.connect()
    for cut in range(1, len(GET)):
        writer.write(GET[:cut])
        for _ in range(3):
            await asyncio.sleep(0)
        writer.write(GET[cut:])
        assert await answer(reader) == b"now"
    writer.close()


@pytest.mark.parametrize("begin", [b"GET /now", GET + b"GET /now"], ids=["next", "next_but_one"])
async def test_head_behind_a_request_under_way(open_port: Callable, begin: bytes, looks: Looks):
    """Its time begins with the answer to those before it, which is not cut off."""
    port = await open_port(0.02)
    reader, writer = await port.connect()
    writer.write(GET.replace(b"now", b"later") + begin)
    await looks.happened()
    await looks.happened()
    assert port.late == 0
    port.go_on.set()
    assert await answer(reader) == b"later"
    if begin.startswith(GET):
        assert await answer(reader) == b"now"
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 408 ")
    assert port.late == 1
    writer.close()


async def test_peer_that_has_gone(open_port: Callable):
    """Nobody is left to be told, and no timer to do it."""
    port = await open_port(60)
    reader, writer = await port.connect()
    writer.write(GET + b"GET ")
    await answer(reader)
    (answerer,) = port.server.connections
    assert answerer._head_timer is not None
    writer.transport.abort()
    await until(lambda: not port.server.connections, "the connection to be gone")
    assert answerer._head_timer is None


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        (
            b"CONNECT example.org:443",
            b"501 Not Implemented",
            b"error: there are no tunnels here (CONNECT)\n",
        ),
        (
            b"OPTIONS *",
            b"405 Method Not Allowed",
            b'error: "OPTIONS" needs a path, such as /metrics\n',
        ),
    ],
)
async def test_targets_that_are_no_paths(
    open_port: Callable[..., object], line: bytes, status: bytes, text: bytes
) -> None:
    """Be it the first request of its connection or a later one; nothing behind it is one."""
    port = await open_port()
    request = line + b" HTTP/1.1\r\nHost: h\r\n\r\n"
    for before in (b"", GET):
        reader, writer = await port.connect()
        writer.write(before + request + GET)
        answers = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answers.count(b"HTTP/1.1 ") == 1 + bool(before)
        assert b"HTTP/1.1 " + status + b"\r\n" in answers
        assert b"\r\nServer: exporter-proxy\r\n" in answers
        assert answers.endswith(b"\r\n\r\n" + text)


async def test_targets_with_scheme_and_host(open_port: Callable[..., object]) -> None:
    port = await open_port()
    reader, writer = await port.connect()
    writer.write(
        GET.replace(b"/now", b"http://h/now").replace(b"Host", b"Connection: close\r\nHost")
    )
    assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"now")
    writer.close()

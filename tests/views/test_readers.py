"""Readers that take their time cost little, and not forever."""

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from exporter_proxy.views.page import Page
from exporter_proxy.views.pages import Pages
from exporter_proxy.views.readers import MOST_GENERATIONS
from tests.views.conftest import NO_RULES, Port

Reader = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest_asyncio.fixture
async def slow(full_port: Port) -> AsyncIterator[Callable[[], Awaitable[Reader]]]:
    """Open connections that ask for the page and take next to nothing of it."""
    opened: list[Reader] = []

    async def ask() -> Reader:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (full_port.client.host, full_port.client.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
        opened.append((reader, writer))
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        return reader, writer

    yield ask
    for _, writer in opened:
        writer.transport.abort()


def fill(port: Port, value: int) -> None:
    """Give the table 12 MB of one generation."""
    for app in range(12):
        line = b'metric{app="%02d",padding="%s",n="%%d"} %d\n' % (app, b"x" * 9_950, value)
        payload = b"".join(line % n for n in range(100))
        port.table.update(f"app{app}", (payload,), source="test")


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Take what is left; tell whether the page came to no end."""
    size = 0
    try:
        while chunk := await reader.read(65_536):
            size += len(chunk)
    except ConnectionError:
        return True
    return size < 11_000_000


@pytest.fixture
def pages_made(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Page]]:
    """All pages that are made."""
    made: list[weakref.ref[Page]] = []
    make = Pages._make

    async def watched(self: Pages, *args: object) -> Page:
        page = await make(self, *args)  # type: ignore[arg-type]
        if all(page is not each() for each in made):
            made.append(weakref.ref(page))
        return page

    monkeypatch.setattr(Pages, "_make", watched)
    return made


async def test_hundreds_of_slow_readers_keep_few_generations_alive(
    full_port: Port,
    slow: Callable[[], Awaitable[Reader]],
    pages_made: list[weakref.ref[Page]],
) -> None:
    """Those of the oldest are cut off, others go on, whoever is fast gets every page."""
    oldest: list[Reader] = []
    latest: list[Reader] = []
    alive = 0
    for generation in range(8):
        fill(full_port, generation)
        latest = list(await asyncio.gather(*(slow() for _ in range(25))))
        oldest = oldest or latest
        assert b"} %d\n" % generation in await full_port.page("/metrics", accept="text/plain")
        gc.collect()
        alive = max(alive, sum(page() is not None for page in pages_made))

    assert len(pages_made) == 8
    assert alive == MOST_GENERATIONS
    assert full_port.self_metrics is not None
    # 25 readers of each generation but the latest four
    assert full_port.self_metrics.scrapes.cut == {"generation": 100}
    assert all(await asyncio.gather(*(is_cut(reader) for reader, _ in oldest)))
    assert all(await asyncio.gather(*(reader.readexactly(65_536) for reader, _ in latest[:2])))


async def test_what_was_cut_is_counted(full_port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter_proxy.views.readers.MOST_GENERATIONS", 1)
    fill(full_port, 1)
    reader, writer = await asyncio.open_connection(full_port.client.host, full_port.client.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readline()
    fill(full_port, 2)
    await full_port.page("/metrics")

    assert full_port.self_metrics is not None
    assert full_port.self_metrics.scrapes.cut == {"generation": 1}
    full_port.monotonic.now += 5
    name = b"\nexporter_proxy_scrapes_cut_total"
    page = await full_port.page("/metrics/self")
    assert name + b'{reason="generation"} 1.0\n' in page
    assert name + b'{reason="timeout"} 0.0\n' in page
    writer.close()


async def test_a_reader_that_takes_too_long_is_cut_off() -> None:
    """Though it takes something all the time; a cut page doesn't look like a whole one."""
    port = Port(rules=lambda _: NO_RULES, scrape_timeout=0.05)
    await port.start()
    fill(port, 1)
    reader, writer = await asyncio.open_connection(port.client.host, port.client.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n")
    await reader.readline()
    assert port.self_metrics is not None
    stats = port.self_metrics.scrapes
    async with asyncio.timeout(30):
        while not stats.cut:
            await reader.readexactly(1)
            await port.page("/-/healthy")

    assert stats.cut == {"timeout": 1}
    assert await is_cut(reader)
    writer.close()
    await port.stop()


async def test_a_reader_that_has_the_page_is_no_longer_watched(
    full_port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes next on its connection is a matter of its own."""
    timers: list[asyncio.TimerHandle] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def watched(delay: float, *args: object) -> asyncio.TimerHandle:
        timer = call_later(delay, *args)  # type: ignore[arg-type]
        if delay == full_port.scrape_timeout:
            timers.append(timer)
        return timer

    monkeypatch.setattr(loop, "call_later", watched)
    fill(full_port, 1)
    for _ in range(3):
        await full_port.page("/metrics", accept="text/plain")

    assert len(timers) == 3
    assert all(timer.cancelled() for timer in timers)


async def test_a_reader_that_vanishes_before_its_page_is_made_is_no_error(
    full_port: Port, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(full_port, 1)
    asked, gone, made = asyncio.Event(), asyncio.Event(), asyncio.Event()
    current = Pages.current

    async def late(self: Pages, *args: object) -> Page:
        asked.set()
        await gone.wait()
        made.set()
        return await current(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Pages, "current", late)
    _, writer = await asyncio.open_connection(full_port.client.host, full_port.client.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n")
    await asked.wait()
    writer.transport.abort()
    await asyncio.sleep(0.1)
    gone.set()
    await made.wait()
    await asyncio.sleep(0.2)

    assert not [record for record in caplog.records if record.levelname == "ERROR"]

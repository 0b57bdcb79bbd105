"""Connections that the scrape port gives to a receiver."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from exporter_proxy.access import Access
from exporter_proxy.config import Config, ExporterConfig, ReceiverConfig
from exporter_proxy.sources.receiver.receiver import ReceiverSettings, Shared
from exporter_proxy.sources.receiver.scrape_port import ScrapePortReceiver
from tests.sources.receiver.peers import Bench, Peer, until


class Accepting(asyncio.Protocol):
    """Gives each connection to a receiver with its first packet, as the front does."""

    def __init__(self, receiver: ScrapePortReceiver) -> None:
        self._receiver = receiver

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._receiver.take(self._transport, data, False):  # type: ignore[arg-type]
            self._transport.close()


class Stage:
    """A receiver, and a server that accepts for it."""

    def __init__(self, bench: Bench, **settings: object) -> None:
        self.bench = bench
        self.receiver = ScrapePortReceiver(
            "127.0.0.1:6555",
            settings=ReceiverSettings(ReceiverConfig(format="json"), **settings),  # type: ignore[arg-type]
            admission=bench.admission,
            shared=Shared(
                bench.shared.unfinished, bench.shared.descriptors, access=Access(Config())
            ),
        )

    async def start(self) -> None:
        await self.receiver.start()
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Accepting(self.receiver), "127.0.0.1", 0)

    async def peer(self) -> Peer:
        address = self.server.sockets[0].getsockname()
        return Peer(*await asyncio.open_connection(*address[:2]))

    async def close(self) -> None:
        self.server.close()
        await self.receiver.stop(0)


@pytest.fixture
async def stage(bench: Bench) -> AsyncIterator[Stage]:
    made = Stage(bench, concurrent_requests=2)
    await made.start()
    yield made
    await made.close()


async def test_takes_both_formats(stage: Stage):
    """Whatever the other receivers take; the rest of a connection comes after its first bytes."""
    peer = await stage.peer()
    await peer.send(b'{"a":')
    await asyncio.sleep(0.01)
    await peer.send(b'"a 1"}')
    assert await peer.finish() == ""
    assert [row.app for row in stage.bench.table] == ["a"]
    assert next(iter(stage.bench.table)).source == "127.0.0.1:6555"
    assert stage.receiver.stats.connections == 1


async def test_too_many_wait_for_a_place(stage: Stage):
    """The one that has been idle longest gives way, and nothing that was sent gets lost."""
    idle = [await stage.peer() for _ in range(2)]
    for number, peer in enumerate(idle):
        await peer.send(b'{"idle %d": "x 1"}' % number)
    await until(lambda: len(stage.bench.table) == 2, "both")
    more = [await stage.peer() for _ in range(3)]
    for number, peer in enumerate(more):
        await peer.send(b'{"more %d": "x 1"}' % number)
    answers = await asyncio.gather(*(peer.finish() for peer in more))
    assert set(answers) <= {""}
    assert len(stage.bench.table) == 5
    assert stage.receiver.stats.closed_connections["evicted"] >= 1
    assert "to make place" in await idle[0].answer()
    idle[1].close()


async def test_takes_nothing_after_it_stopped(stage: Stage):
    peer = await stage.peer()
    await stage.receiver.stop(0)
    await peer.send(b'{"a": "x 1"}')
    assert await peer.answer() == ""
    assert len(stage.bench.table) == 0


async def test_those_who_may_not_push(stage: Stage):
    """They are told before anything they say is read."""
    config = Config(exporter=ExporterConfig())
    assert config.push.allow_from == ()
    stage.receiver._shared.access.policy._is_free = lambda *_: False  # type: ignore[method-assign,union-attr]
    peer = await stage.peer()
    await peer.send(b'{"a": "')
    assert (await peer.answer()).startswith("error: 127.0.0.1 may not write here: push.allow_from")
    assert stage.receiver.stats.rejected["forbidden"] == 1


async def test_a_name_that_comes_later(stage: Stage):
    stage.receiver.rename("127.0.0.1:1234")
    peer = await stage.peer()
    await peer.send(b'{"a": "x 1"}')
    assert await peer.finish() == ""
    assert next(iter(stage.bench.table)).source == "127.0.0.1:1234"

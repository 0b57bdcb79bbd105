"""Polled endpoints from one configuration to the next."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from exporter_proxy.config import Config, EndpointConfig, ExporterConfig, PollConfig
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.poll.poller import Poller
from exporter_proxy.sources.polling import Polling
from exporter_proxy.table import NEVER, Life, Table
from tests.sources.polling import ManualClock, endpoint, http_server

START = 1000.0


class Site:
    """A target that counts its polls and connections."""

    def __init__(self) -> None:
        self.asked = 0
        self.connections: set[Any] = set()
        self.hold: asyncio.Event | None = None

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a request."""
        self.asked += 1
        self.connections.add(request.transport)
        if self.hold is not None:
            await self.hold.wait()
        return web.Response(body=b"asked_total %d\n" % self.asked)


def section(*endpoints: EndpointConfig, on: bool = True) -> PollConfig:
    return PollConfig(poll_other_scrape_endpoints=on, other_scrape_endpoints=endpoints)


@asynccontextmanager
async def polling(
    *endpoints: EndpointConfig, table: Table, clock: ManualClock
) -> AsyncIterator[Poller]:
    admission = Admission(table)
    poller = Poller(section(*endpoints), table, admission, monotonic=clock, sleep=clock.sleep)
    await poller.start()
    try:
        yield poller
    finally:
        await poller.stop(0)


async def reload(poller: Poller, *endpoints: EndpointConfig, expire_after: float = NEVER) -> None:
    change = await poller.prepare(section(*endpoints), Life(expire_after))
    change.commit()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_unchanged_endpoint_goes_on(clock: ManualClock):
    """Schedule, status and connection are what they were; its labels are none of its business."""
    table, site, other = Table(), Site(), Site()
    async with http_server(site.serve) as url, http_server(other.serve) as other_url:
        stays = endpoint(url, name="stays")
        async with polling(stays, table=table, clock=clock) as poller:
            assert await clock.asleep(1) == [START + 5]
            status = poller.targets[0]
            clock.now += 1
            await reload(
                poller,
                endpoint(other_url, name="new"),
                replace(stays, labels={"a": "b"}, drop=("go_.*",)),
                expire_after=60.0,
            )
            await until(lambda: "new" in table)
            assert await clock.asleep(2) == [START + 5, START + 6]
            assert [target.app for target in poller.targets] == ["new", "stays"]
            assert poller.targets[1] is status
            clock.move_to(START + 5)
            await until(lambda: status.polls == 2)
            assert len(site.connections) == 1
            row = table.get("stays")
            assert row is not None
            assert row.expires_at == row.updated_at + 60


async def test_removed_endpoint_takes_its_app_along(clock: ManualClock):
    """As if it had never been there: it is not down."""
    table, site = Table(), Site()
    async with http_server(site.serve) as url:
        first, second = endpoint(url, name="first"), endpoint(url, name="second")
        async with polling(first, second, table=table, clock=clock) as poller:
            await clock.asleep(2)
            clock.move_to(START + 1)
            await until(lambda: len(table) == 2)
            await reload(poller, second)
            assert [row.app for row in table] == ["second"]
            assert not table.ghosts
            assert [target.app for target in poller.targets] == ["second"]


async def test_app_of_another_source_stays(clock: ManualClock):
    """Who pushes under the name of a removed endpoint keeps its metrics."""
    table, site = Table(), Site()
    async with (
        http_server(site.serve) as url,
        polling(endpoint(url, name="app"), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)
        table.update("app", (b"x 1\n",), source="elsewhere")
        await reload(poller)
        assert "app" in table


async def test_poll_under_way_of_a_removed_endpoint(clock: ManualClock):
    """Nothing comes of it."""
    table, site = Table(), Site()
    site.hold = asyncio.Event()
    async with (
        http_server(site.serve) as url,
        polling(endpoint(url, name="app"), table=table, clock=clock) as poller,
    ):
        await until(lambda: site.asked == 1)
        await reload(poller)
        site.hold.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert "app" not in table


async def test_changed_endpoint_begins_anew(clock: ManualClock):
    """With another interval its metrics stay until the first poll."""
    table, site = Table(), Site()
    async with (
        http_server(site.serve) as url,
        polling(endpoint(url, name="app"), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)
        clock.now += 1
        site.hold = asyncio.Event()
        await reload(poller, endpoint(url, name="app", poll_interval=60.0))
        assert "app" in table
        assert poller.targets[0].polls == 0
        site.hold.set()
        await until(lambda: poller.targets[0].polls == 1)
        assert await clock.asleep(1) == [START + 61]


async def test_app_of_another_target(clock: ManualClock):
    """What the old target brought is gone; a problem of it, too."""
    table, site = Table(), Site()
    async with (
        http_server(site.serve) as url,
        http_server(site.serve) as other,
        polling(endpoint(url, name="app"), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)
        source = poller.targets[0].target
        table.set_problem("app", "poll failing: x", source=source)
        site.hold = asyncio.Event()
        await reload(poller, endpoint(other, name="app"))
        assert "app" not in table
        assert not table.problems
        site.hold.set()
        await until(lambda: "app" in table)


async def test_problem_of_a_target_before(clock: ManualClock):
    """Its successor's first success ends it."""
    table, site = Table(), Site()
    async with (
        http_server(site.serve) as url,
        polling(endpoint(url, name="app"), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)
        table.set_problem("app", "poll failing: x", source=poller.targets[0].target)
        await reload(poller, endpoint(url, name="app", client_timeout=9.0))
        await until(lambda: poller.targets[0].polls == 1)
        assert not table.problems


async def test_turned_on_and_off():
    """Without anything to poll there is no poller at all."""
    table, site = Table(), Site()
    async with http_server(site.serve) as url:
        off, on = (
            Config(),
            Config(
                exporter=ExporterConfig(expire_after=60.0),
                poll_external=section(endpoint(url, name="app")),
            ),
        )
        part = Polling(off, table, Admission(table))
        assert part.sources == []
        assert tuple(part.targets) == ()
        idle = await part.prepare(off)
        idle.commit()
        assert part.sources == []
        change = await part.prepare(on)
        assert part.sources == []
        await change.cancel()
        assert site.asked == 0
        change = await part.prepare(on)
        change.commit()
        [poller] = part.sources
        await until(lambda: "app" in table)
        row = table.get("app")
        assert row is not None
        assert row.expires_at == row.updated_at + 60
        change = await part.prepare(off)
        change.commit()
        assert part.sources == []
        assert "app" not in table
        assert change.finish is not None
        await change.finish(1)
        await poller.stop(0)


async def test_on_from_the_start():
    table, site = Table(), Site()
    async with http_server(site.serve) as url:
        part = Polling(
            Config(poll_external=section(endpoint(url, name="app"))), table, Admission(table)
        )
        [poller] = part.sources
        await poller.start()
        await until(lambda: "app" in table)
        assert [target.app for target in part.targets] == ["app"]
        await poller.stop(0)

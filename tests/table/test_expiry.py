"""The timer that ends what has expired."""

import asyncio
import logging
import time

import pytest

from exporter_proxy.table import Table
from exporter_proxy.table.expiry import Expiry


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def turns_until_done(table: Table) -> int:
    """Let the loop turn until nothing is due; return how often it did."""
    turns = 0
    while table.is_due:
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_ends_at_the_start_and_from_then_on(clock: Clock, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    table = Table(monotonic=clock)
    table.update("a", (b"",), source="s", expire_after=1)
    table.update("b", (b"",), source="s", expire_after=5)
    table.update("c", (b"",), source="s", expire_after=5, on_expire="mark")
    clock.now += 1
    expiry = Expiry(table, interval=0.001)
    expiry.start()
    assert [row.app for row in table] == ["b", "c"]
    clock.now += 4
    async with asyncio.timeout(20):
        while table.is_due:  # noqa: ASYNC110 - what a timer does, not what anyone says
            await asyncio.sleep(0.001)
    expiry.stop()
    expiry.stop()
    assert [row.app for row in table] == ["c"]
    assert caplog.messages == [
        "app expired: app=a",
        "app expired: app=b",
        "app expired, its metrics stay: app=c",
    ]
    clock.now += 1e6
    table.update("b", (b"",), source="s", expire_after=0.5)
    clock.now += 1
    await asyncio.sleep(0.01)
    assert "b" in table


@pytest.mark.parametrize("on_expire", ["drop", "mark"])
async def test_many_apps_at_one_moment(
    clock: Clock, caplog: pytest.LogCaptureFixture, on_expire: str
):
    """The loop turns between the steps, of which each is short; the log names the first ones."""
    caplog.set_level(logging.INFO)
    count = 100_000
    table = Table(max_apps=count, monotonic=clock)
    for number in range(count):
        table.update(f"{number}", (), source="s", expire_after=5, on_expire=on_expire)
    clock.now += 5
    steps: list[float] = []
    expire = table.expire

    def timed(most: int | None = None) -> list[str]:
        started = time.thread_time()
        ended = expire(most)
        steps.append(time.thread_time() - started)
        return ended

    table.expire = timed
    expiry = Expiry(table)
    expiry.start()
    assert await turns_until_done(table) >= 100
    expiry.stop()
    assert len(table) == (0 if on_expire == "drop" else count)
    assert len(table.expired) == (0 if on_expire == "drop" else count)
    # What this thread was busy for; one step in a hundred may have met the garbage collector.
    assert sorted(steps)[-len(steps) // 100 - 1] < 0.020
    assert len(caplog.messages) == 21
    assert caplog.messages[-1] == "more apps expired: apps=99980"


async def test_ghosts_are_forgotten_in_steps(clock: Clock):
    """Also in time linear in their number."""
    count = 20_000
    table = Table(max_apps=count, forget_after=10, monotonic=clock)
    for number in range(count):
        table.update(f"{number}", (), source="s")
        table.drop(f"{number}")
    clock.now += 10
    expiry = Expiry(table)
    expiry.start()
    assert await turns_until_done(table) >= 20
    expiry.stop()
    assert not table.ghosts

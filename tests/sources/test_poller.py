import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from exporter_proxy.config import EndpointConfig, PollConfig
from exporter_proxy.errors import PollError
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.checking import PayloadCheck
from exporter_proxy.sources.poll.client import PollClient
from exporter_proxy.sources.poll.poller import Poller
from exporter_proxy.table import FOR_EVER, Life, Payload, Table
from tests.sources.polling import (
    ManualClock,
    endpoint,
    http_server,
    python_http_server,
    raw_server,
)

START = 1000.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@asynccontextmanager
async def polling(
    *endpoints: EndpointConfig,
    table: Table,
    clock: ManualClock,
    life: Life = FOR_EVER,
    check: PayloadCheck | None = None,
) -> AsyncIterator[Poller]:
    """Poll ``endpoints`` on ``clock``; the poller is stopped at the end, whatever happened."""
    config = PollConfig(poll_other_scrape_endpoints=True, other_scrape_endpoints=endpoints)
    admission = Admission(table, check=check)
    poller = Poller(config, table, admission, life=life, monotonic=clock, sleep=clock.sleep)
    await poller.start()
    try:
        yield poller
    finally:
        await poller.stop(0)


class Pages:
    """A target that serves a page of another number each time, or a status."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200

    async def serve(self, _: web.Request) -> web.Response:
        """Answer a request."""
        self.asked += 1
        return web.Response(body=b"asked_total %d\n" % self.asked, status=self.status)


def text_of(table: Table, app: str = "app") -> bytes | None:
    row = table.get(app)
    return None if row is None else b"".join(row.payload)


async def test_polls_at_start_and_at_each_slot(clock: ManualClock):
    table, pages = Table(), Pages()
    async with (
        http_server(pages.serve) as url,
        polling(endpoint(url), table=table, clock=clock) as poller,
    ):
        for number in range(1, 4):
            assert await clock.asleep(1) == [START + 5 * number]
            assert text_of(table) == b"asked_total %d\n" % number
            assert poller.targets[0].polls == poller.stats.updates == number
            clock.move_to(START + 5 * number + 0.3)

    assert poller.name == "external_poll"
    assert poller.targets[0].up is True


async def test_an_overrun_skips_slots_and_never_polls_twice_at_once(clock: ManualClock):
    asked = asyncio.Queue[None]()
    answer = asyncio.Semaphore(0)

    async def slow(_: web.Request) -> web.Response:
        asked.put_nowait(None)
        await answer.acquire()
        return web.Response(body=b"a 1\n")

    async with (
        http_server(slow) as url,
        polling(endpoint(url), table=Table(), clock=clock) as poller,
    ):
        await asked.get()
        clock.move_to(START + 12)
        assert asked.empty()
        answer.release()

        assert await clock.asleep(1) == [START + 15]
        assert poller.targets[0].polls == 1
        assert poller.targets[0].duration_seconds == 12


async def test_endpoints_are_polled_side_by_side(clock: ManualClock):
    """One that hangs keeps none of the others waiting; first polls are a moment apart."""
    hanging = asyncio.Event()

    async def hang(*_: Any) -> None:
        hanging.set()
        await asyncio.Event().wait()

    table, pages = Table(), Pages()
    async with raw_server(hang) as dead, http_server(pages.serve) as url:
        targets = [endpoint(dead, name="dead"), *(endpoint(url, name=f"{n}") for n in range(20))]
        async with polling(*targets, table=table, clock=clock) as poller:
            await hanging.wait()
            await clock.asleep(20)
            clock.move_to(START + 0.002 * 20)
            assert min(await clock.asleep(20)) > START + 5
            assert {row.app for row in table} == {f"{n}" for n in range(20)}
            assert poller.targets[0].up is None
            assert all(target.up for target in poller.targets[1:])


async def test_each_endpoint_has_its_own_interval_and_expiry(clock: ManualClock):
    table = Table(monotonic=clock)
    async with http_server(Pages().serve) as url:
        slow = endpoint(url, name="slow", poll_interval=60.0, expire_after=90.0)
        quick = endpoint(url, name="quick", poll_interval=1.0)
        async with polling(slow, quick, table=table, clock=clock, life=Life(7.0)):
            await clock.asleep(2)
            clock.move_to(START + 0.002)
            assert await clock.asleep(2) == pytest.approx([START + 1.002, START + 60])
            rows = {row.app: row.expires_at for row in table}
            assert rows == pytest.approx({"slow": START + 90, "quick": START + 7.002})


@pytest.mark.parametrize(("on_failure", "kept"), [("keep", b"asked_total 1\n"), ("drop", None)])
async def test_a_failed_poll_keeps_or_drops(
    clock: ManualClock, on_failure: str, kept: bytes | None
):
    table, pages = Table(), Pages()
    async with (
        http_server(pages.serve) as url,
        polling(endpoint(url, on_failure=on_failure), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)
        pages.status = 500
        clock.move_to(START + 5)
        await clock.asleep(1)

        assert text_of(table) == kept
        assert table.problems["app"].text == "poll failing: HTTP status 500"
        assert poller.targets[0].failures == {"http_status": 1}
        assert poller.stats.updates == 1
        pages.status = 200
        clock.move_to(START + 10)
        await clock.asleep(1)
        assert text_of(table) == b"asked_total 3\n"
        assert not table.problems


async def test_a_full_table_fails_the_poll(clock: ManualClock):
    table = Table(max_apps=0)
    async with (
        http_server(Pages().serve) as url,
        polling(endpoint(url), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)

    assert poller.targets[0].failures == {"too_many_apps": 1}
    assert poller.stats.updates == 0
    assert "the table is full" in table.problems["app"].text


async def test_a_bug_costs_one_poll(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """It is logged with its traceback, and the endpoint is polled again at its next slot."""
    scrape: Callable[..., Any] = PollClient.scrape
    # The only way to have a bug is to make one.
    monkeypatch.setattr(PollClient, "scrape", lambda *_: 1 / 0)
    table = Table()
    async with (
        http_server(Pages().serve) as url,
        polling(endpoint(url), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)
        assert poller.targets[0].last_error == "internal error: ZeroDivisionError"
        assert poller.targets[0].failures == {"other": 1}
        assert "ZeroDivisionError: division by zero" in caplog.text
        monkeypatch.setattr(PollClient, "scrape", scrape)
        clock.move_to(START + 5)
        await clock.asleep(1)

        assert poller.targets[0].up is True


async def test_polls_python_http_server(clock: ManualClock, tmp_path: Path):
    """A page on disk, as a newcomer tries it, with lines that are no exposition."""
    (tmp_path / "1027.html").write_bytes(b'"1_requests_total 1",\n')
    table = Table()
    with python_http_server(tmp_path) as url:
        async with polling(endpoint(f"{url}/1027.html"), table=table, clock=clock):
            await clock.asleep(1)

    assert text_of(table) == b'"1_requests_total 1",\n'


async def test_stop_lets_polls_finish(clock: ManualClock):
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        asked.set()
        await answer.wait()
        return web.Response(body=b"a 1\n")

    table = Table()
    async with (
        http_server(slow) as url,
        polling(endpoint(url), endpoint(url, name="idle"), table=table, clock=clock) as poller,
    ):
        await asked.wait()
        poller.pause()
        stopping = asyncio.create_task(poller.stop(60))
        answer.set()
        await stopping

    # The second endpoint's first poll was 2 ms away, and pausing called it off.
    assert [row.app for row in table] == ["app"]


async def test_stop_ends_what_takes_longer(clock: ManualClock):
    """Twice, as a second signal may ask for it; nothing enters the table after that."""
    asked = asyncio.Event()

    async def hang(*_: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    table = Table()
    async with (
        raw_server(hang) as url,
        polling(endpoint(url), table=table, clock=clock) as poller,
    ):
        await asked.wait()
        await poller.stop(0.01)
        await poller.stop(0.01)

        left = {task.get_name() for task in asyncio.all_tasks()}
        assert "external_poll: target" not in left
        assert poller.targets[0].polls == 0
    assert not table.problems


async def test_nothing_is_polled_unless_enabled():
    config = PollConfig(other_scrape_endpoints=(endpoint("http://127.0.0.1:9/"),))
    poller = Poller(config, Table(), Admission(Table()))

    await poller.start()
    await poller.stop(1)

    assert poller.targets == []


async def test_stop_before_start_is_nothing():
    await Poller(PollConfig(), Table(), Admission(Table())).stop(1)


async def test_what_a_check_refuses_is_a_failed_poll(clock: ManualClock):
    """The last good metrics stay; the next good page is shown again."""
    table, pages = Table(), Pages()

    def no_twos(payload: Payload) -> Generator[None, None, str | None]:
        yield
        return "line 1: a two" if b" 2\n" in b"".join(payload) else None

    async with (
        http_server(pages.serve) as url,
        polling(endpoint(url), table=table, clock=clock, check=no_twos) as poller,
    ):
        await clock.asleep(1)
        clock.move_to(START + 5)
        await clock.asleep(1)
        [status] = poller.targets
        assert text_of(table) == b"asked_total 1\n"
        assert (status.up, status.last_error) == (False, "line 1: a two")
        assert status.failures == {"invalid_metrics": 1}
        clock.move_to(START + 10)
        await clock.asleep(1)
        assert text_of(table) == b"asked_total 3\n"
        assert poller.targets[0].up


# -- polled now ------------------------------------------------------------------------------


async def test_polls_now_between_slots(clock: ManualClock):
    table, pages = Table(), Pages()
    async with (
        http_server(pages.serve) as url,
        polling(endpoint(url), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)
        await poller.poll_now("app")

        assert text_of(table) == b"asked_total 2\n"
        assert poller.targets[0].polls == poller.stats.updates == 2
        # The schedule is as it was.
        assert await clock.asleep(1) == [START + 5]
        assert [*poller.apps] == ["app"]


class Held:
    """A target that answers when it is told to; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.has_come = asyncio.Event()
        self.may_go = asyncio.Event()

    async def serve(self, _: web.Request) -> web.Response:
        """Answer a request."""
        self.asked += 1
        self.has_come.set()
        await self.may_go.wait()
        return web.Response(body=b"asked_total %d\n" % self.asked)


async def test_all_who_ask_share_the_poll_under_way(clock: ManualClock):
    """That of a slot, too."""
    held = Held()
    async with (
        http_server(held.serve) as url,
        polling(endpoint(url), table=Table(), clock=clock) as poller,
    ):
        await held.has_come.wait()
        asking = [asyncio.create_task(poller.poll_now("app")) for _ in range(10)]
        await asyncio.sleep(0)
        held.may_go.set()
        await asyncio.gather(*asking)
        assert held.asked == 1

        await clock.asleep(1)
        await asyncio.gather(*(poller.poll_now("app") for _ in range(10)))
        assert held.asked == poller.targets[0].polls == 2


async def test_a_slot_shares_the_poll_that_was_asked_for(clock: ManualClock):
    held = Held()
    async with (
        http_server(held.serve) as url,
        polling(endpoint(url), table=Table(), clock=clock) as poller,
    ):
        held.may_go.set()
        await clock.asleep(1)
        held.may_go.clear()
        held.has_come.clear()
        asking = asyncio.create_task(poller.poll_now("app"))
        await held.has_come.wait()
        clock.move_to(START + 5)
        await asyncio.sleep(0)
        held.may_go.set()
        await asking

        assert await clock.asleep(1) == [START + 10]
        assert held.asked == poller.targets[0].polls == 2


async def test_who_asks_is_told_why_a_poll_failed(clock: ManualClock):
    table, pages = Table(), Pages()
    async with (
        http_server(pages.serve) as url,
        polling(endpoint(url), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)
        pages.status = 500
        asking = [asyncio.create_task(poller.poll_now("app")) for _ in range(3)]
        errors = await asyncio.gather(*asking, return_exceptions=True)

        assert {str(error) for error in errors} == {"HTTP status 500"}
        assert len({id(error) for error in errors}) == 3
        assert poller.targets[0].failures == {"http_status": 1}
        assert table.problems["app"].text == "poll failing: HTTP status 500"
        with pytest.raises(PollError, match="no endpoint"):
            await poller.poll_now("other")


async def test_who_stops_waiting_does_not_end_the_poll(clock: ManualClock):
    held, table = Held(), Table()
    held.may_go.set()
    async with (
        http_server(held.serve) as url,
        polling(endpoint(url), table=table, clock=clock) as poller,
    ):
        await clock.asleep(1)
        held.may_go.clear()
        held.has_come.clear()
        hasty = asyncio.create_task(poller.poll_now("app"))
        await held.has_come.wait()
        patient = asyncio.create_task(poller.poll_now("app"))
        hasty.cancel()
        await asyncio.wait([hasty])
        held.may_go.set()
        await patient

        assert hasty.cancelled()
        assert text_of(table) == b"asked_total 2\n"


@pytest.mark.parametrize("in_slot", [True, False])
async def test_who_waits_is_told_that_polling_ended(clock: ManualClock, *, in_slot: bool):
    """Whether by a stop or by another configuration; nobody waits for ever."""
    for ends in ("stop", "reload"):
        held = Held()
        async with (
            http_server(held.serve) as url,
            polling(endpoint(url), table=Table(), clock=clock) as poller,
        ):
            if not in_slot:
                held.may_go.set()
                await clock.asleep(1)
                held.may_go.clear()
                held.has_come.clear()
            asking = asyncio.create_task(poller.poll_now("app"))
            await held.has_come.wait()
            if ends == "stop":
                await poller.stop(0)
            else:
                (await poller.prepare(PollConfig(), FOR_EVER)).commit()
            with pytest.raises(PollError, match="polled no more"):
                await asking
            with pytest.raises(PollError):
                await poller.poll_now("app")
            held.may_go.set()

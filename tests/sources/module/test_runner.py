"""All modules together: on demand, in the table, from one configuration to the next."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web

from exporter_proxy.budgets import Budget, Limit
from exporter_proxy.config import Config, ModuleConfig
from exporter_proxy.errors import ModuleError, PollError
from exporter_proxy.modules import Ask
from exporter_proxy.sources.admission import Admission, Terms
from exporter_proxy.sources.module import Runner
from exporter_proxy.sources.modules import ModuleSource
from exporter_proxy.table import Life, Table
from tests.proxy_process import DEADLINE_SECONDS
from tests.sources.module.modules import held, module, release, script, write
from tests.sources.polling import ManualClock, http_server


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so that other processes bring about."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - others bring it about
            await asyncio.sleep(0.01)


class Running:
    """A runner that waits for a clock moved by hand."""

    def __init__(
        self, modules: Sequence[ModuleConfig], table: Table | None = None, **keys: Any
    ) -> None:
        self.clock = ManualClock()
        self.table = Table(wall_ns=lambda: 1, monotonic=self.clock) if table is None else table
        self.life = keys.pop("life", Life())
        self.runner = Runner(
            modules,
            self.table,
            Admission(self.table, clock=self.clock, **keys),
            life=self.life,
            monotonic=self.clock,
            sleep=self.clock.sleep,
        )

    async def next_poll(self, polled: int = 1) -> None:
        """Move on to the next polls, and wait until they have ended."""
        self.clock.move_to((await self.clock.asleep(polled))[-1])
        await asyncio.sleep(0)
        await self.clock.asleep(polled)

    async def reload(self, *modules: ModuleConfig) -> None:
        """Take over another configuration."""
        change = await self.runner.prepare(modules, self.life)
        change.commit()
        assert change.finish is not None
        await change.finish(5)

    def apps(self) -> dict[str, bytes]:
        """Return what the table has."""
        return {row.app: b"".join(row.payload) for row in self.table}

    def problems(self) -> dict[str, str]:
        """Return what is wrong with which app."""
        return {app: each.text for app, each in self.table.problems.items()}


@contextlib.asynccontextmanager
async def running(*modules: ModuleConfig, **keys: Any) -> AsyncIterator[Running]:
    """Start a runner, wait until everything was polled once, and stop it in the end."""
    each = Running(modules, **keys)
    await each.runner.start()
    polled = sum(1 for config in modules if config.interval)
    if polled:
        # The first polls are some milliseconds after one another.
        each.clock.move_to(each.clock.now + 1)
    await each.clock.asleep(polled)
    try:
        yield each
    finally:
        await each.runner.stop(5)


async def test_on_demand():
    async with running(script("echo x 1"), script("exit 3", name="bad")) as each:
        assert (await each.runner.ask("m", Ask())).payload == (b"x 1\n",)
        with pytest.raises(ModuleError, match="exit status 3"):
            await each.runner.ask("bad", Ask())
        with pytest.raises(ModuleError, match='there is no module "x"') as caught:
            await each.runner.ask("x", Ask())
        assert caught.value.reason == "unknown_module"
        assert not each.apps()
        good, bad = each.runner.modules
    assert (good.up, good.runs, good.requests, good.last_error) == (True, 1, 1, None)
    assert (bad.up, bad.runs, bad.requests, bad.last_error) == (False, 1, 1, "exit status 3")
    assert bad.failures == {"exit_status": 1}


async def test_no_exposition():
    """The first line that can't be read is named, unless nobody wants to know."""
    page = "echo x 1; echo '<html>'"
    async with running(script(page), script(page, name="any", verify=False)) as each:
        with pytest.raises(ModuleError, match="line 2: ") as caught:
            await each.runner.ask("m", Ask())
        assert caught.value.reason == "invalid_metrics"
        assert (await each.runner.ask("any", Ask())).payload == (b"x 1\n<html>\n",)


async def test_wrong_asker_is_no_failure_of_the_module():
    async with running(script("echo x 1")) as each:
        with pytest.raises(ModuleError):
            await each.runner.ask("m", Ask((("a", "b"),)))
        (status,) = each.runner.modules
    assert (status.up, status.runs, status.failures) == (None, 0, {"bad_params": 1})


async def test_asker_has_less_time():
    async with running(script("exec sleep 60")) as each:
        with pytest.raises(ModuleError, match=r"it has not ended within 0\.05 s"):
            await each.runner.ask("m", Ask(timeout=0.05))


async def test_polled(tmp_path):
    """A failure keeps or drops what there was; both say so, until it works again."""
    for name in "kd":
        (tmp_path / name).write_text("echo x 1")
    keep = module(kind="exec", command=["sh", f"{tmp_path}/k"], name="k", interval=5)
    drop = module(
        kind="exec", command=["sh", f"{tmp_path}/d"], name="d", interval=5, on_failure="drop"
    )
    async with running(keep, drop) as each:
        assert each.apps() == {"k": b"x 1\n", "d": b"x 1\n"}
        assert {row.source for row in each.table} == {"module: k", "module: d"}
        assert each.runner.stats.updates == 2
        for name in "kd":
            (tmp_path / name).write_text("echo no >&2; exit 1")
        await each.next_poll(2)
        assert each.apps() == {"k": b"x 1\n"}
        assert set(each.problems().values()) == {'module failing: exit status 1: "no"'}
        assert not each.table.is_up("k")
        for name in "kd":
            (tmp_path / name).write_text("echo x 2")
        await each.next_poll(2)
        assert each.apps() == {"k": b"x 2\n", "d": b"x 2\n"}
        assert not each.problems()


async def test_polled_when_asked_for(tmp_path):
    """Each app of a directory too; what it brings now, or why that is nothing."""
    write(tmp_path / "a.prom", "x 1\n")
    (tmp_path / "d").mkdir()
    write(tmp_path / "d" / "b.prom", "y 1\n")
    async with running(
        module(kind="file", path=str(tmp_path / "a.prom"), name="f", interval=500),
        module(kind="directory", path=str(tmp_path / "d"), name="d", interval=500),
        script("echo z 1", name="p", interval=500),
        module(kind="file", path=str(tmp_path / "a.prom"), name="asked"),
    ) as each:
        runner = each.runner
        assert sorted(runner.apps) == ["d: b.prom", "f"], "a program runs when it is due"
        assert len(runner.apps) == 2
        assert "asked" not in runner.apps
        write(tmp_path / "a.prom", "x 2\n")
        write(tmp_path / "d" / "b.prom", "y 2\n")
        for app in ("f", "d: b.prom"):
            await runner.poll_now(app)
        assert each.apps() == {"f": b"x 2\n", "d: b.prom": b"y 2\n", "p": b"z 1\n"}

        (tmp_path / "a.prom").write_bytes(b"\xff")
        (tmp_path / "d" / "b.prom").unlink()
        with pytest.raises(PollError, match="not UTF-8 at byte 0 of "):
            await runner.poll_now("f")
        told = f'not UTF-8 at byte 0 of "{tmp_path / "a.prom"}"'
        assert each.problems() == {"f": f"module failing: {told}"}
        for gone in ("d: b.prom", "other"):
            with pytest.raises(PollError, match="no module brings it any more"):
                await runner.poll_now(gone)
        write(tmp_path / "a.prom", "x 3\n")
        await runner.poll_now("f")
        assert not each.problems()
    with pytest.raises(PollError, match="the proxy is stopping"):
        await runner.poll_now("f")


async def test_those_who_ask_share_a_poll():
    """Also the one that is due; who leaves doesn't end it."""
    asked: asyncio.Queue[None] = asyncio.Queue()
    go_on = asyncio.Semaphore(0)
    answers = iter(range(9))

    async def slow(_: web.Request) -> web.Response:
        asked.put_nowait(None)
        await go_on.acquire()
        return web.Response(text=f"x {next(answers)}\n")

    async with http_server(slow) as url:
        each = Running([module(kind="http", url=url, name="h", interval=5)])
        await each.runner.start()
        # Due at once.
        await asked.get()
        waiting = [asyncio.create_task(each.runner.poll_now("h")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        go_on.release()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in ended] == [asyncio.CancelledError, type(None), type(None)]
        assert each.apps() == {"h": b"x 0\n"}

        await each.clock.asleep(1)
        waiting = [asyncio.create_task(each.runner.poll_now("h"))]
        await asked.get()
        waiting.append(asyncio.create_task(each.runner.poll_now("h")))
        each.clock.move_to(each.clock.now + 5)
        await asyncio.sleep(0)
        go_on.release()
        await asyncio.gather(*waiting)
        await each.clock.asleep(1)
        assert asked.empty()
        assert each.apps() == {"h": b"x 1\n"}
        await each.runner.stop(5)


async def test_a_module_that_goes_ends_what_was_asked_for():
    """Who waits for it is told so."""
    asked = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        if asked.is_set():
            await asyncio.Event().wait()
        return web.Response(text="x 1\n")

    async with http_server(never) as url:
        each = Running([module(kind="http", url=url, name="h", interval=500)])
        await each.runner.start()
        await each.runner.poll_now("h")
        asked.set()
        waiting = asyncio.create_task(each.runner.poll_now("h"))
        await asyncio.sleep(0)
        await each.reload()
        with pytest.raises(PollError, match="no module brings it any more"):
            await waiting
        assert not each.apps()
        await each.runner.stop(5)


async def test_refused_updates(tmp_path):
    """A budget of the app, and a table that is full."""
    terms = {"m": Terms(budget=Budget(samples=Limit(1, "max_samples")))}
    table = Table(max_apps=1)
    async with running(
        script("echo x 1; echo y 1", interval=5),
        script("echo x 1", name="fits", interval=5),
        script("echo x 1", name="z", interval=5),
        table=table,
        terms=lambda app: terms.get(app, Terms()),
    ) as each:
        over, fits, full = each.runner.modules
    assert over.failures == {"app_over_samples": 1}
    # Whichever came first.
    first, last = (fits, full) if fits.up else (full, fits)
    assert (first.up, last.up) == (True, False)
    assert last.failures == {"too_many_apps": 1}
    assert [row.app for row in table] == [first.name]


async def test_directory(tmp_path):
    """Apps come and go with their files; one bad file costs no other."""
    write(tmp_path / "a.prom", "x 1\n")
    (tmp_path / "b.prom").write_bytes(b"\xff")
    async with running(module(kind="directory", path=str(tmp_path), interval=5)) as each:
        (status,) = each.runner.modules
        assert each.apps() == {"m: a.prom": b"x 1\n"}
        told = f'not UTF-8 at byte 0 of "{tmp_path / "b.prom"}"'
        assert each.problems() == {"m: b.prom": f"module failing: {told}"}
        assert status.last_error == f'"b.prom": {told}'
        assert set(status.files) == {"a.prom", "b.prom"}
        write(tmp_path / "b.prom", "y 1\n")
        write(tmp_path / "c.prom", "z 1\n")
        (tmp_path / "a.prom").unlink()
        await each.next_poll()
        assert each.apps() == {"m: b.prom": b"y 1\n", "m: c.prom": b"z 1\n"}
        # It is not down, it is not meant to be there.
        assert not each.table.ghosts
        assert not each.problems()
        assert (status.up, status.last_error) == (True, None)
        # What did not change is not written again.
        updates = each.runner.stats.updates
        await each.next_poll()
        assert each.runner.stats.updates == updates
        tmp_path.rename(tmp_path.with_name("away"))
        await each.next_poll()
        assert len(each.apps()) == len(each.problems()) == 2
        tmp_path.with_name("away").rename(tmp_path)
        await each.next_poll()
        assert not each.problems()


async def test_unchanged_file_is_a_sign_of_life(tmp_path):
    """Where apps expire, it is written again; and where somebody took its place or its row."""
    write(tmp_path / "f", "x 1\n")
    config = module(kind="file", path=f"{tmp_path}/f", interval=5)
    async with running(config, life=Life(expire_after=60)) as each:
        await each.next_poll()
        assert each.table.get("m").updates == 2
    async with running(config) as each:
        each.table.drop("m")
        await each.next_poll()
        assert each.apps() == {"m": b"x 1\n"}
        each.table.update("m", (b"other 1\n",), source="127.0.0.1:6554")
        await each.next_poll()
        assert each.table.get("m").source == "module: m"


async def test_earlier_run(tmp_path):
    """Files that went away while the proxy was down are gone from the table it kept."""
    table = Table()
    for app, source in (("m: a.prom", "module: m"), ("m: b.prom", "module: m"), ("z", "else")):
        table.update(app, (b"x 0\n",), source=source)
    write(tmp_path / "a.prom", "x 1\n")
    config = module(kind="directory", path=str(tmp_path), interval=5)
    async with running(config, table=table) as each:
        assert each.apps() == {"m: a.prom": b"x 1\n", "z": b"x 0\n"}


async def test_reload(tmp_path):
    """What stays goes on, what changed keeps its app, what is gone takes it along."""
    count = tmp_path / "count"
    stays = script(f"echo >> {count}; echo x 1", name="stays", interval=5)
    changes = script("echo x 1", name="changes", interval=5)
    moves = script("echo x 1", name="moves", interval=5)
    goes = script("echo x 1", name="goes", interval=5)
    async with running(stays, changes, moves, goes) as each:
        first = each.runner.modules[0]
        await each.reload(
            script("exit 1", name="changes", interval=5),
            stays,
            script("echo x 3", name="moves", interval=5, app="elsewhere"),
            script("echo x 4", name="new"),
        )
        assert [status.name for status in each.runner.modules] == [
            "changes",
            "stays",
            "moves",
            "new",
        ]
        assert each.runner.modules[1] is first
        assert set(each.apps()) == {"stays", "changes"}
        # The two that are others than before are polled at once.
        await each.clock.asleep(2)
        each.clock.move_to(each.clock.now + 1)
        await each.clock.asleep(3)
        assert each.apps() == {"stays": b"x 1\n", "changes": b"x 1\n", "elsewhere": b"x 3\n"}
        assert each.problems() == {"changes": "module failing: exit status 1"}
        assert (await each.runner.ask("new", Ask())).payload == (b"x 4\n",)
        with pytest.raises(ModuleError, match="there is no module"):
            await each.runner.ask("goes", Ask())
        await each.reload()
        assert not each.apps()
        assert not each.problems()


async def test_reload_ends_what_runs(tmp_path):
    """Who waits for a module that is gone is told, after the grace."""
    runs = tmp_path / "runs"
    config = script(f"touch {runs}; exec sleep 60")
    async with running(config) as each:
        asked = asyncio.ensure_future(each.runner.ask("m", Ask()))
        await until(runs.exists)
        change = await each.runner.prepare((), Life())
        change.commit()
        await change.finish(0)
        with pytest.raises(ModuleError) as caught:
            await asked
        assert caught.value.reason == "stopping"


async def test_stop(tmp_path):
    """What is under way has the grace; nothing new is begun."""
    runs, hangs = tmp_path / "runs", tmp_path / "hangs"
    each = Running(
        [
            script(f"touch {runs}; {held(tmp_path)}; echo x 1"),
            script(f"touch {hangs}; exec sleep 60", name="hangs"),
        ]
    )
    await each.runner.start()
    good = asyncio.ensure_future(each.runner.ask("m", Ask()))
    bad = asyncio.ensure_future(each.runner.ask("hangs", Ask()))
    await until(lambda: runs.exists() and hangs.exists())
    each.runner.pause()
    with pytest.raises(ModuleError) as caught:
        await each.runner.ask("m", Ask())
    assert (caught.value.reason, str(caught.value)) == ("stopping", "the proxy is stopping")
    stopping = asyncio.ensure_future(each.runner.stop(3))
    await asyncio.sleep(0)
    release(tmp_path)
    await stopping
    assert (await good).payload == (b"x 1\n",)
    with pytest.raises(ModuleError, match="the module was ended"):
        await bad
    await each.runner.stop(1)


async def test_bug_costs_one_poll(monkeypatch, caplog):
    async with running(script("echo x 1", interval=5)) as each:

        async def broken(_self):
            raise KeyError("x")

        monkeypatch.setattr("exporter_proxy.sources.module.program.ExecModule.poll", broken)
        await each.next_poll()
        assert each.problems() == {"m": "module failing: internal error: KeyError"}
        assert "Traceback" in caplog.text
        monkeypatch.undo()
        await each.next_poll()
        assert not each.problems()


async def test_made_when_needed():
    """Without modules there is nothing to load, and nothing to ask; a reload may bring some."""
    table = Table()
    admission = Admission(table)
    source = ModuleSource(Config(), table, admission)
    assert (source.sources, source.modules) == ([], ())
    with pytest.raises(ModuleError, match="there is no module"):
        await source.ask("m", Ask())
    (await source.prepare(Config())).commit()
    change = await source.prepare(Config(modules=(script("echo x 1"),)))
    await change.cancel()
    assert source.sources == []
    change = await source.prepare(Config(modules=(script("echo x 1"),)))
    change.commit()
    await change.finish(1)
    assert (await source.ask("m", Ask())).payload == (b"x 1\n",)
    (runner,) = source.sources
    change = await source.prepare(Config())
    change.commit()
    await change.finish(1)
    assert (source.sources, source.modules, runner.modules) == ([], (), [])

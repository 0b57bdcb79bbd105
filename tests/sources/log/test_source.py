"""Sections at work on a loop: the table, problems, checkpoints, reloads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from exporter_proxy.budgets import Budget, Limit
from exporter_proxy.config import LogConfig
from exporter_proxy.errors import ConfigError
from exporter_proxy.sources.admission import Admission, Terms
from exporter_proxy.sources.log.checkpoint import write_checkpoint
from exporter_proxy.sources.log.follower import Follower
from exporter_proxy.sources.log.source import LogSource
from exporter_proxy.table import FOR_EVER, Table
from tests.sources.log.counting import Lines
from tests.sources.log.writing import Log


class Proxy:
    """A table, and a source that writes it."""

    def __init__(self, *configs: LogConfig, terms: Terms | None = None) -> None:
        self.table = Table()
        find = None if terms is None else (lambda _: terms)
        admission = Admission(self.table, terms=find)
        self.counters: list[Lines] = []
        self.fingerprint = "lines"
        self.source = LogSource(configs, self.table, admission, make=self.make)

    def make(self, config: LogConfig, key: str) -> Lines:
        if config.format == "bad":
            raise ConfigError([f"{key}.format: bad"])
        counter = Lines(self.fingerprint)
        self.counters.append(counter)
        return counter

    def shows(self, app: str) -> int | None:
        """Return how many lines the table has."""
        row = self.table.get(app)
        return None if row is None else int(row.payload[0].split()[-1])

    async def reload(self, *configs: LogConfig) -> None:
        change = await self.source.prepare(configs, FOR_EVER)
        change.commit()


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110, the table tells nobody
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(*configs: LogConfig, terms: Terms | None = None) -> AsyncIterator[Proxy]:
    proxy = Proxy(*configs, terms=terms)
    await proxy.source.start()
    try:
        yield proxy
    finally:
        await proxy.source.stop(5)


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "x.log")


@pytest.fixture
def config(log):
    return LogConfig(
        path=str(log.path),
        app="x",
        start="beginning",
        poll_interval=0.05,
        update_interval=0.05,
        checkpoint_interval=0.1,
    )


async def test_shows_what_was_counted(log, config):
    log.append(3)
    async with running(config) as proxy:
        await until(lambda: proxy.shows("x") == 3)
        log.append(2)
        await until(lambda: proxy.shows("x") == 5)
        row = proxy.table.get("x")
        assert row.source == f"log: {log.path}"
        assert proxy.source.stats.last_success_ns == pytest.approx(row.updated_ns, abs=10**9)


async def test_changes_are_noticed_at_once(log, config):
    """By inotify: the next look would be in an hour."""
    log.append(1)
    async with running(replace(config, poll_interval=3600.0)) as proxy:
        await until(lambda: proxy.shows("x") == 1)
        for lines in range(2, 5):
            log.append(1)
            await until(lambda lines=lines: proxy.shows("x") == lines)
            log.rename()


async def test_looks_on_its_own_without_inotify(log, config, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "inotify_simple", None)
    async with running(config) as proxy:
        log.append(1)
        await until(lambda: proxy.shows("x") == 1)


async def test_a_missing_file_is_the_apps_problem(log, config, caplog):
    """Its counters are there with 0, and the problem goes when the file comes."""
    async with running(config) as proxy:
        await until(lambda: "x" in proxy.table.problems)
        text = f"following failing: {log.path}: there is no such file"
        assert proxy.table.problems["x"].text == text
        assert proxy.shows("x") == 0
        assert not proxy.table.is_up("x")
        last = proxy.source.stats.last_error.text
        assert last == f"log: {log.path}: there is no such file"
        assert f"source=log: {log.path} there is no such file\n" in caplog.text

        log.append(1)
        await until(lambda: "x" not in proxy.table.problems)
        assert proxy.table.is_up("x")


async def test_a_refused_update_comes_when_it_may(log, config):
    log.append(1)
    async with running(config, terms=Terms(budget=Budget(bytes=Limit(1, "max_bytes")))) as proxy:
        await until(lambda: proxy.source.stats.last_error)
        assert "update refused" in proxy.source.stats.last_error.text
        assert proxy.shows("x") is None
        assert proxy.table.problems["x"].text.startswith("update refused: ")
        proxy.source._admission.configure(terms=None, check=None)
        await until(lambda: proxy.shows("x") == 1)
        assert "x" not in proxy.table.problems


async def test_goes_on_from_a_checkpoint(log, config, tmp_path):
    config = replace(config, checkpoint=str(tmp_path / "cp"))
    log.append(3)
    async with running(config) as proxy:
        await until(lambda: proxy.shows("x") == 3)
    log.append(2)
    log.rename()
    log.append(1)
    async with running(config) as proxy:
        await until(lambda: proxy.shows("x") is not None)
        # Not less in between: all that was there is counted before any of it is shown.
        assert proxy.shows("x") == 6
        assert sorted(proxy.counters[0].seen) == sorted(map(bytes.decode, log.written))
    assert (tmp_path / "cp").stat().st_mode & 0o777 == 0o600


async def test_a_checkpoint_is_of_no_moment_in_which_files_are_looked_at(
    log, config, tmp_path, monkeypatch
):
    """It could have half of what became of them."""
    busy, taken = [], []

    async def apart(_source, function, *args: object):
        if function is not write_checkpoint:
            busy.append(function)
        for _ in range(5):
            # Whatever else is to be done on the loop has its turn meanwhile.
            await asyncio.sleep(0)
        busy.clear()
        return function(*args)

    def records(follower):
        taken.append(not busy)
        return real(follower)

    real = Follower.records
    monkeypatch.setattr(LogSource, "_apart", apart)
    monkeypatch.setattr(Follower, "records", records)
    config = replace(config, checkpoint=str(tmp_path / "cp"), checkpoint_interval=0)
    async with running(config) as proxy:
        for count in range(1, 6):
            log.append(1)
            await until(lambda count=count: proxy.shows("x") == count)
    assert len(taken) > 5
    assert all(taken)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "is no checkpoint of a log"), (b"exporter-proxy log checkpoint\nx", "is damaged")],
)
async def test_a_damaged_checkpoint_costs_a_warning(log, config, tmp_path, caplog, content, why):
    (tmp_path / "cp").write_bytes(content)
    log.append(2)
    async with running(replace(config, checkpoint=str(tmp_path / "cp"))) as proxy:
        await until(lambda: proxy.shows("x") == 2)
        assert why in caplog.text
        assert proxy.source.statuses[0][0].errors["checkpoint"] == 1


async def test_counts_of_another_configuration_begin_anew_where_reading_was(log, config, tmp_path):
    config = replace(config, checkpoint=str(tmp_path / "cp"))
    log.append(3)
    async with running(config) as proxy:
        await until(lambda: proxy.shows("x") == 3)
    log.append(2)
    proxy = Proxy()
    proxy.fingerprint = "others"
    await proxy.source.start()
    await proxy.reload(config)
    await until(lambda: proxy.shows("x") == 2)
    await proxy.source.stop(5)


async def test_a_checkpoint_that_cannot_be_written_is_told(log, config, tmp_path, caplog):
    log.append(1)
    async with running(replace(config, checkpoint=str(tmp_path / "none" / "cp"))) as proxy:
        await until(lambda: proxy.source.statuses[0][0].errors["checkpoint"])
        assert "checkpoint failing" in caplog.text
        await until(lambda: proxy.shows("x") == 1)


async def test_a_reload_leaves_what_is_the_same_where_it_is(log, config, tmp_path):
    other = replace(config, path=str(tmp_path / "y.log"), app="y")
    (tmp_path / "y.log").write_bytes(b"a\nb\n")
    log.append(3)
    async with running(config) as proxy:
        await until(lambda: proxy.shows("x") == 3)
        await proxy.reload(other, replace(config, update_interval=0.06))
        await until(lambda: proxy.shows("y") == 2)
        log.append(1)
        await until(lambda: proxy.shows("x") == 4)
        assert [status.app for status, _ in proxy.source.statuses] == ["y", "x"]

        await proxy.reload(other)
        assert proxy.table.get("x") is None
        assert "x" not in proxy.table.ghosts
        assert proxy.shows("y") == 2


async def test_a_reload_with_other_metrics_counts_anew_from_there(log, config):
    log.append(3)
    async with running(config) as proxy:
        await until(lambda: proxy.shows("x") == 3)
        proxy.fingerprint = "others"
        await proxy.reload(replace(config, app="z"))
        await until(lambda: proxy.shows("z") == 0)
        assert proxy.table.get("x") is None
        log.append(1)
        await until(lambda: proxy.shows("z") == 1)


async def test_a_bad_reload_changes_nothing(log, config):
    log.append(1)
    async with running(config) as proxy:
        with pytest.raises(ConfigError, match=r"log\[1\]\.format: bad"):
            await proxy.reload(config, replace(config, app="z", format="bad"))
        await until(lambda: proxy.shows("x") == 1)


async def test_a_long_log_holds_nobody(log, config):
    """Turns of the loop come in between, and all of it is counted."""
    lines = 200_000
    log.path.write_bytes(b"".join(b"line %07d of many more\n" % n for n in range(lines)))
    async with running(config) as proxy:
        turns = 0
        async with asyncio.timeout(20):
            while proxy.shows("x") != lines:
                turns += 1
                await asyncio.sleep(0)
        assert turns > 100
        assert proxy.source.statuses[0][0].bytes == log.path.stat().st_size

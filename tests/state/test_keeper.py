"""The keeper: what is in the table gets to the disk, and back."""

import asyncio
import errno
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from exporter_proxy.errors import StartError
from exporter_proxy.state.keeper import Keeper, _Trouble
from exporter_proxy.state.record import Change
from exporter_proxy.state.schema import DamagedError
from exporter_proxy.state.store import Store
from exporter_proxy.table import Table
from tests.state.saved import change, content, opened

Start = Callable[..., "asyncio.Future[tuple[Table, Keeper]]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


@pytest.fixture(autouse=True)
def saves_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have keepers save nothing by themselves, in the middle of what a test does."""
    monkeypatch.setattr("exporter_proxy.state.keeper.SAVE_SECONDS", 3600.0)


@pytest.fixture
def saves_by_itself(monkeypatch: pytest.MonkeyPatch, saves_when_asked: None) -> None:
    """Have keepers save soon."""
    monkeypatch.setattr("exporter_proxy.state.keeper.SAVE_SECONDS", 0.05)


@pytest.fixture
async def start(path: Path) -> AsyncIterator[Start]:
    """Start keepers of the one file, each with a table of its own; all are stopped in the end."""
    started: list[Keeper] = []

    async def begin(**options: object) -> tuple[Table, Keeper]:
        table = Table(max_apps=int(str(options.pop("max_apps", 1000))))
        keeper = Keeper(table, str(path), **options)  # type: ignore[arg-type]
        started.append(keeper)
        await keeper.start()
        return table, keeper

    yield begin  # type: ignore[misc]
    for keeper in started:
        await keeper.stop()


def rows(table: Table) -> dict[str, tuple[bytes, ...]]:
    return {row.app: row.payload for row in table}


async def test_table_survives(start: Start):
    """Stopped without a word before: all that was acknowledged is there."""
    table, keeper = await start()
    table.update("a", (b"x 1", b"y 1"), source="s")
    table.update("b", (b"z 1",), source="s", expire_after=60)
    table.update("c", (b"z 1",), source="s")
    table.drop("c")
    await keeper.stop()

    again, other = await start()
    assert rows(again) == {"a": (b"x 1", b"y 1"), "b": (b"z 1",)}
    assert list(again.ghosts) == ["c"]
    assert other.stats.restored_apps == 2
    # It is on disk already.
    assert other.pending() == (0, 0)


@pytest.mark.usefixtures("saves_by_itself")
async def test_change_is_saved_without_being_asked_for(start: Start, path: Path):
    table, keeper = await start()
    table.update("a", (b"x 1",), source="s")
    assert keeper.pending() == (1, 3)
    async with asyncio.timeout(20):
        while keeper.stats.saves == 0:  # noqa: ASYNC110 - a plain number
            await asyncio.sleep(0.02)
    assert keeper.pending() == (0, 0)
    assert (keeper.stats.saved_apps, keeper.stats.failures) == (1, 0)
    assert keeper.stats.last_save_ns > 0
    assert keeper.stats.file_bytes > 0


async def test_payload_that_was_read_and_let_go_of_is_saved(start: Start):
    """The page may be made before the next save."""
    table, keeper = await start()
    table.update("a", (b"x 1",), source="s").release_payload()
    assert await keeper.save()
    row = table.get("a")
    assert row is not None
    assert row.payload == ()
    # What changes besides the payload leaves that as it was.
    table.set_problem("a", "is down", source="s")
    await keeper.stop()

    again, _ = await start()
    assert rows(again) == {"a": (b"x 1",)}
    assert again.problems["a"].text == "is down"


async def test_of_many_updates_the_last_is_written(start: Start):
    """However often an app is updated, one payload waits."""
    table, keeper = await start()
    for number in range(1000):
        table.update("a", (b"%d" % number,), source="s")
    assert keeper.pending() == (1, 3)
    assert await keeper.save()
    assert (keeper.stats.saves, keeper.stats.saved_apps) == (1, 1)


async def test_batches_are_bounded(start: Start):
    table, keeper = await start(max_apps=10_000)
    for number in range(5):
        table.update(f"large {number}", (b"x" * (1 << 20),) * 5, source="s")
    for number in range(2500):
        table.update(f"small {number}", (b"x 1",), source="s")
    assert await keeper.save()
    assert keeper.stats.saves == 4
    await keeper.stop()
    again, _ = await start(max_apps=10_000)
    assert len(again) == 2505


async def test_update_while_its_predecessor_is_written_is_saved_next(
    start: Start, monkeypatch: pytest.MonkeyPatch
):
    """Which may also have failed meanwhile."""
    table, keeper = await start()
    began, go_on = threading.Event(), threading.Event()
    write = Store.write

    def slow(self: Store, changes: Sequence[Change]) -> None:
        began.set()
        assert go_on.wait(20)
        go_on.clear()
        write(self, changes)
        raise OSError("no space")

    monkeypatch.setattr(Store, "write", slow)
    for app in "ab":
        table.update(app, (b"old",), source="s")
    saving = asyncio.create_task(keeper.save())
    await asyncio.to_thread(began.wait, 20)
    assert keeper.pending() == (2, 6)
    table.update("a", (b"newer",), source="s")
    table.drop("b")
    assert keeper.pending() == (4, 11)
    go_on.set()
    assert not await saving
    assert keeper.pending() == (2, 5)
    monkeypatch.setattr(Store, "write", write)
    assert await keeper.save()
    await keeper.stop()
    again, _ = await start()
    assert rows(again) == {"a": (b"newer",)}
    assert list(again.ghosts) == ["b"]


async def test_failures_are_told_when_they_begin_and_when_they_end(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: Path
):
    """Serving goes on, nothing is lost, and the log is not filled."""
    table, keeper = await start()
    write = Store.write
    error = sqlite3.OperationalError("database or disk is full")
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(Store, "write", lambda *_: (_ for _ in ()).throw(error))
    table.update("a", (b"x 1",), source="s").release_payload()
    for _ in range(3):
        assert not await keeper.save()
    assert keeper.stats.failures == 3
    assert keeper.pending() == (1, 3)
    monkeypatch.setattr(Store, "write", write)
    assert await keeper.save()
    lines = [record.getMessage() for record in caplog.records if "state" in record.getMessage()]
    assert lines == [
        f"state is not saved, it will be tried again: file={path}: database or disk is full",
        f"state is saved again: file={path} after 3 failed attempts in 0 s",
    ]
    assert not any(record.exc_info for record in caplog.records)
    await keeper.stop()
    again, _ = await start()
    assert rows(again) == {"a": (b"x 1",)}


@pytest.mark.usefixtures("saves_by_itself")
async def test_what_failed_is_tried_again(start: Start, monkeypatch: pytest.MonkeyPatch):
    """By itself, soon at first and then less and less often."""
    monkeypatch.setattr("exporter_proxy.state.keeper._RETRY_SECONDS", (0.01, 0.05))
    write, failures = Store.write, [sqlite3.OperationalError("full")] * 3

    def at_last(self: Store, changes: Sequence[Change]) -> None:
        if failures:
            raise failures.pop()
        write(self, changes)

    monkeypatch.setattr(Store, "write", at_last)
    table, keeper = await start()
    table.update("a", (b"x 1",), source="s")
    async with asyncio.timeout(20):
        while keeper.stats.saves == 0:  # noqa: ASYNC110 - a plain number
            await asyncio.sleep(0.02)
    assert (keeper.stats.failures, keeper.pending()) == (3, (0, 0))


def test_time_between_attempts_is_bounded():
    trouble = _Trouble(0.0)
    delays = []
    for trouble.failures in range(1, 2000):
        delays.append(trouble.retry_after)
    assert delays[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert set(delays[6:]) == {10.0}


async def test_damaged_file_that_can_not_be_moved_stops_the_start(
    start: Start, damaged: bytes, path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As where the file alone is mounted into a container."""
    busy = OSError(errno.EBUSY, "busy")
    monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(busy))
    with pytest.raises(StartError) as caught:
        await start()
    assert str(caught.value) == (
        f"exporter.state_file: {path} is damaged (it is not a database) and can't be set aside: "
        "device or resource busy"
    )


async def test_stop_that_was_cancelled_can_be_called_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
):
    """By a second signal, for example: what is under way is not lost."""
    table, keeper = await start()
    release, began = threading.Event(), threading.Event()
    write = Store.write

    def slow(self: Store, changes: Sequence[Change]) -> None:
        began.set()
        assert release.wait(20)
        write(self, changes)

    monkeypatch.setattr(Store, "write", slow)
    table.update("a", (b"x 1",), source="s")
    stopping = asyncio.create_task(keeper.stop())
    await asyncio.to_thread(began.wait, 20)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    release.set()
    await keeper.stop(hurry=True)
    again, _ = await start()
    assert rows(again) == {"a": (b"x 1",)}


async def test_end_without_a_disk_says_what_is_lost(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: Path
):
    table, keeper = await start()
    error = sqlite3.OperationalError("disk I/O error")
    monkeypatch.setattr(Store, "write", lambda *_: (_ for _ in ()).throw(error))
    table.update("a", (b"x 1",), source="s")
    await keeper.stop()
    assert caplog.messages[-1] == f"state is not saved: file={path} apps=1: it could not be written"


async def test_disk_that_hangs_does_not_hold_the_end_for_ever(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: Path
):
    """In a hurry: two seconds."""
    monkeypatch.setattr("exporter_proxy.state.keeper._HURRIED_SAVE_SECONDS", 0.1)
    release = threading.Event()
    table, keeper = await start()
    monkeypatch.setattr(Store, "write", lambda *_: release.wait(20))
    table.update("a", (b"x 1",), source="s")
    await keeper.stop(hurry=True)
    assert caplog.messages[-1] == f"state is not saved: file={path} apps=1: the disk takes too long"
    release.set()


@pytest.fixture
def damaged(path: Path) -> bytes:
    path.write_bytes(b"no database at all" * 1000)
    path.chmod(0o600)
    return path.read_bytes()


async def test_damaged_file_is_set_aside(
    start: Start, path: Path, damaged: bytes, caplog: pytest.LogCaptureFixture
):
    """The table begins empty, and is kept from then on."""
    table, keeper = await start()
    (aside,) = path.parent.glob("s.db.damaged-*")
    assert aside.read_bytes() == damaged
    (line,) = caplog.messages
    assert line == (
        f"state file is damaged, a new one begins empty: file={path} set_aside_as={aside.name}: "
        "it is not a database"
    )
    assert keeper.stats.set_aside == 1
    assert len(table) == 0
    table.update("a", (b"x 1",), source="s")
    await keeper.stop()
    again, _ = await start()
    assert rows(again) == {"a": (b"x 1",)}


async def test_file_that_is_found_damaged_while_it_is_used_is_set_aside(
    start: Start, path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What comes from then on is kept; what was in the file is in the one set aside."""
    table, keeper = await start()
    table.update("a", (b"x 1",), source="s")
    assert await keeper.save()
    write = Store.write
    failures = [DamagedError("database disk image is malformed")]

    def once(self: Store, changes: Sequence[Change]) -> None:
        if failures:
            raise failures.pop()
        write(self, changes)

    monkeypatch.setattr(Store, "write", once)
    table.update("b", (b"x 2",), source="s").release_payload()
    table.set_problem("a", "is down", source="s")
    assert not await keeper.save()
    assert await keeper.save()
    await keeper.stop()
    (aside,) = path.parent.glob("s.db.damaged-*Z")
    assert [each.app for each in content(aside)] == ["a"]
    again, _ = await start()
    assert rows(again) == {"b": (b"x 2",)}


async def test_second_keeper_of_a_file_does_not_start(start: Start, path: Path):
    table, keeper = await start()
    table.update("a", (b"x 1",), source="s")
    with pytest.raises(StartError, match=r"exporter\.state_file: .*: another proxy uses it"):
        await start()
    # The first one is none the worse for it.
    assert await keeper.save()


async def test_file_that_another_program_holds_stops_the_start(start: Start, path: Path):
    """It is not damaged."""
    store = opened(path)
    store.write([change("a", 1, b"x 1")])
    with pytest.raises(
        StartError, match=r"exporter\.state_file: can't read .*: database is locked"
    ):
        await start()
    store.close()
    again, _ = await start()
    assert rows(again) == {"a": (b"x 1",)}


async def test_what_is_left_out_at_the_start_is_told_and_forgotten(
    start: Start, caplog: pytest.LogCaptureFixture
):
    table, keeper = await start()
    for number in range(5):
        table.update(f"a{number}", (b"x 1",), source="poll" if number == 0 else "s")
    await keeper.stop()
    caplog.set_level(logging.INFO)
    again, keeper = await start(max_apps=2, is_wanted=lambda _app, source: source != "poll")
    assert list(rows(again)) == ["a1", "a2"]
    assert "apps left out as the table is full: 2 (exporter.max_apps is 2)" in caplog.messages
    assert (
        "apps left out whose endpoints the configuration does not have any more: 1"
        in caplog.messages
    )
    await keeper.stop()
    last, _ = await start()
    assert list(rows(last)) == ["a1", "a2"]


async def test_numbers_are_metrics(start: Start):
    table, keeper = await start()
    table.update("a", (b"x 1",), source="s")
    await keeper.save()
    table.update("b", (b"xyz 1",), source="s")
    values = {
        sample.name: sample.value
        for metric in keeper.collector.collect()
        for sample in metric.samples
    }
    assert not list(keeper.collector.describe())
    assert values.pop("exporter_proxy_state_last_save_timestamp_seconds") > 1e9
    assert values.pop("exporter_proxy_state_save_duration_seconds_sum") > 0
    assert values.pop("exporter_proxy_state_file_bytes") > 4096
    assert values == {
        "exporter_proxy_state_save_duration_seconds_count": 1,
        "exporter_proxy_state_saved_apps_total": 1,
        "exporter_proxy_state_save_failures_total": 0,
        "exporter_proxy_state_pending_apps": 1,
        "exporter_proxy_state_pending_bytes": 5,
        "exporter_proxy_state_restored_apps": 0,
        "exporter_proxy_state_files_set_aside_total": 0,
    }

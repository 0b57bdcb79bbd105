"""The database: what is written is read, or the file is called damaged."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter_proxy.state.record import Change, Record, Saved
from exporter_proxy.state.schema import DamagedError
from exporter_proxy.state.store import Store
from tests.state.saved import change, content, opened

RECORD = Record("s", 1)
MANY = [change(f"app {n}", n, b"x%d 1\n" % n * (n * 40), b"second") for n in range(30)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


def write(path: Path, *batches: list[Change]) -> None:
    store = opened(path)
    for batch in batches:
        store.write(batch)
    store.close()


def pragma(path: Path, name: str) -> int:
    database = sqlite3.connect(path)
    try:
        return int(database.execute(f"PRAGMA {name}").fetchone()[0])
    finally:
        database.close()


@pytest.mark.parametrize("payload", [(), (b"",), (b"x 1\n",), (b"x" * 9000, b"", b"y" * 5000)])
def test_what_is_written_is_read(path: Path, payload: tuple[bytes, ...]):
    """Payloads piece by piece, as they came."""
    write(path, [Change("a", 3, RECORD, payload)])
    assert content(path) == [Saved("a", 3, RECORD, payload)]


def test_apps_come_in_the_order_of_their_numbers(path: Path):
    write(path, [change("b", 7), change("ä", 9)], [change("a", 8)])
    assert [each.app for each in content(path)] == ["b", "a", "ä"]


def test_another_payload_replaces_all_of_the_one_before(path: Path):
    write(path, [change("a", 1, b"x", b"y", b"z")], [change("a", 2, b"u", b"v", updated_ns=5)])
    assert content(path) == [Saved("a", 2, Record("s", 5), (b"u", b"v"))]


def test_a_change_without_payload_keeps_it(path: Path):
    other = Record("s", 2, 9, 1.5)
    write(path, [change("a", 1, b"x", b"y")], [Change("a", 4, other, None)])
    assert content(path) == [Saved("a", 4, other, (b"x", b"y"))]


def test_a_change_without_payload_of_an_app_that_is_not_there_is_nothing(path: Path):
    write(path, [Change("a", 4, RECORD, None)])
    assert content(path) == []


def test_what_is_forgotten_is_gone(path: Path):
    """With all its pieces, and its name can come again in the same batch."""
    gone = Change("a", 0, None, None)
    write(path, [change("a", 1, b"x", b"y"), change("b", 2)], [gone, Change("c", 0, None, None)])
    assert [each.app for each in content(path)] == ["b"]
    assert path.read_bytes().count(b"expx") == 0


def test_log_is_read_too(path: Path):
    """As it is after `kill -9`: nobody closed the file."""
    store = opened(path)
    store.write(MANY)
    for name in ("s.db", "s.db-wal"):
        (path.parent / name.replace("s", "t", 1)).write_bytes((path.parent / name).read_bytes())
    assert len(content(path.with_name("t.db"))) == len(MANY)
    store.close()


def test_nothing_is_written_before_there_is_something_to_write(path: Path):
    """A full disk can be read."""
    opened(path).close()
    assert path.stat().st_size == 0


def test_a_batch_is_written_as_a_whole_or_not_at_all(path: Path):
    store = opened(path)
    store.write([change("a", 1, b"old")])
    with pytest.raises(OverflowError):
        store.write([change("a", 1, b"new"), Change("b", 2**70, RECORD, (b"x",))])
    store.write([change("c", 3)])
    store.close()
    assert [(each.app, each.payload) for each in content(path)] == [("a", (b"old",)), ("c", ())]


def test_file_gets_smaller_again(path: Path):
    """Room that is left by apps that are gone is given back, in steps."""
    store = opened(path)
    store.write([change(f"a{n}", n, b"x" * 400_000) for n in range(60)])
    store.write([Change(f"a{n}", 0, None, None) for n in range(60)])
    for n in range(40):
        store.write([change("b", 99, b"%d" % n)])
    store.close()
    assert path.stat().st_size < 24_000_000 / 3
    assert (pragma(path, "auto_vacuum"), pragma(path, "page_size")) == (2, 16384)


def test_file_and_log_stay_level(path: Path):
    """However often apps are written."""
    store = opened(path)
    sizes = []
    log = path.with_name("s.db-wal")
    for round_ in range(60):
        store.write([change(f"a{n}", n, b"%d" % round_ * (2000 + n)) for n in range(100)])
        sizes.append(path.stat().st_size + log.stat().st_size)
    store.close()
    assert max(sizes[30:]) <= max(sizes[:30]) * 1.1


def test_full_disk_changes_nothing_and_passes(path: Path):
    """Simulated by the most pages that the file may have."""
    store = opened(path)
    store.write([change("a", 1, b"old")])
    database = store._database
    assert database is not None
    database.execute("PRAGMA max_page_count = 20").fetchall()
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.write([change("a", 1, b"new"), change("b", 2, b"x" * 1_000_000)])
    store.write([change("c", 3, b"small")])
    database.execute("PRAGMA max_page_count = 100000").fetchall()
    store.write([change("b", 2, b"x" * 1_000_000)])
    store.close()
    assert [each.app for each in content(path)] == ["a", "b", "c"]


def test_file_that_is_removed_is_written_anew(path: Path):
    """With all that was in it: the proxy has let go of the payloads long ago."""
    store = opened(path)
    store.write(MANY)
    for each in path.parent.iterdir():
        each.unlink()
    store.write([change("new", 99, b"x")])
    store.write([change("newer", 100, b"y")])
    assert path.stat().st_mode & 0o777 == 0o600
    store.close()
    assert len(content(path)) == len(MANY) + 2
    assert pragma(path, "auto_vacuum") == 2


def test_file_in_its_place_is_not_touched(path: Path):
    """Somebody has put a backup there, for the next start."""
    store = opened(path)
    store.write(MANY)
    other = path.with_name("other.db")
    write(other, [change("other", 1)])
    other.replace(path)
    with pytest.raises(OSError, match="Stale file handle"):
        store.write([change("new", 99, b"x")])
    store.close()
    assert [each.app for each in content(path)] == ["other"]


def test_file_that_can_not_be_written_is_opened_anew(path: Path):
    """After an error of the disk nothing of the connection is trusted."""
    store = opened(path)
    store.write([change("a", 1, b"x")])
    database = store._database
    assert database is not None
    database.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.write([change("b", 2, b"y")])
    assert not store.is_open
    store.write([change("b", 2, b"y")])
    store.close()
    assert [each.app for each in content(path)] == ["a", "b"]


def test_damage_is_found_while_it_is_written(path: Path):
    store = opened(path)
    store.write(MANY)
    database = store._database
    assert database is not None
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    database.execute("PRAGMA shrink_memory")
    path.write_bytes(path.read_bytes()[:8192] + b"\xff" * (path.stat().st_size - 8192))
    with pytest.raises(DamagedError):
        store.write([change(each.app, 1, b"x") for each in MANY])
    store.close()


@pytest.mark.parametrize("place", [18, 19])
def test_file_that_sqlite_would_never_write_is_damage(path: Path, place: int):
    """One of a later version of the format, or one whose header was hit."""
    write(path, [change("a", 1, b"x")])
    data = bytearray(path.read_bytes())
    data[place] = 3
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="unknown version of the file format"):
        opened(path)


def test_two_rows_of_an_app_are_damage(path: Path):
    """The tables may be those of somebody who left out what they have to keep."""
    write(path, [change("a", 1, b"x")])
    database = sqlite3.connect(path)
    database.executescript(
        "CREATE TABLE other AS SELECT * FROM app; INSERT INTO other SELECT * FROM app;"
        "DROP TABLE app; ALTER TABLE other RENAME TO app"
    )
    database.close()
    with pytest.raises(DamagedError, match='it has two rows of the app "a"'):
        content(path)


def marked(path: Path, pragma: str) -> None:
    write(path, [change("a", 1)])
    database = sqlite3.connect(path)
    database.execute(pragma)
    database.commit()
    database.close()


def altered(path: Path, statement: str) -> None:
    write(path, [change("a", 1, b"one", b"two"), change("b", 2, b"three")])
    database = sqlite3.connect(path)
    database.executescript(statement)
    database.close()


@pytest.mark.parametrize(
    ("pragma", "why"),
    [
        ("PRAGMA application_id = 7", r"it is another program's database \(application_id 7\)"),
        ("PRAGMA application_id = 0", r"it is another program's database \(application_id 0\)"),
        ("PRAGMA user_version = 2", "its version is 2, this proxy reads version 1"),
    ],
)
def test_file_of_another_kind_is_told(path: Path, pragma: str, why: str):
    marked(path, pragma)
    with pytest.raises(DamagedError, match=why):
        content(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE app SET payload = 'one' WHERE name = 'a'",
        "UPDATE app SET payload = X'00' WHERE name = 'a'",
        "UPDATE app SET number = 5 WHERE name = 'a'",
        "UPDATE app SET name = 'c' WHERE name = 'b'",
        "UPDATE app SET record = '{}' WHERE name = 'a'",
        "UPDATE app SET record = NULL WHERE name = 'a'",
        "UPDATE app SET name = X'ff' WHERE name = 'a'",
        "UPDATE app SET name = CAST(X'ff' AS TEXT) WHERE name = 'b'",
        "UPDATE piece SET data = X'00'",
        "UPDATE piece SET data = 7",
        "DELETE FROM piece",
        "DELETE FROM app WHERE name = 'a'",
        "DROP TABLE piece",
        "DROP TABLE app; CREATE TABLE app (name TEXT)",
    ],
)
def test_what_somebody_else_wrote_is_called_damaged(path: Path, statement: str):
    """Whatever is there was written as it is, or nothing is taken."""
    altered(path, statement.replace("record = NULL", "record = 1"))
    with pytest.raises(DamagedError):
        content(path)


def test_empty_file_beside_a_log_is_damaged(path: Path):
    store = opened(path)
    store.write(MANY)
    log = path.with_name("s.db-wal").read_bytes()
    store.close()
    path.write_bytes(b"")
    path.with_name("s.db-wal").write_bytes(log)
    with pytest.raises(DamagedError, match="it is empty, though its log is not"):
        content(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "s.db"
    write(path, MANY)
    return path.read_bytes()


EXPECTED = [Saved(each.app, each.number, RECORD, each.payload or ()) for each in MANY]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_torn_file_is_called_damaged(tmp_path: Path, whole: bytes, data: st.DataObject):
    """Wherever it ends."""
    end = data.draw(st.integers(1, len(whole) - 1))
    path = tmp_path / "torn.db"
    path.write_bytes(whole[:end])
    with pytest.raises(DamagedError):
        content(path)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_garbage_is_called_damaged_or_did_no_harm(
    tmp_path: Path, whole: bytes, data: st.DataObject
):
    """No payload is ever read that was never written; some bytes of a database mean nothing."""
    start = data.draw(st.integers(0, len(whole) - 1))
    garbage = data.draw(st.binary(min_size=1, max_size=5000))
    path = tmp_path / "garbage.db"
    path.write_bytes((whole[:start] + garbage + whole[start + len(garbage) :])[: len(whole)])
    try:
        found = content(path)
    except DamagedError:
        return
    finally:
        path.unlink()
    assert found == EXPECTED


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(min_size=1, max_size=9000))
def test_what_is_no_database_is_called_damaged(tmp_path: Path, data: bytes):
    path = tmp_path / "none.db"
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        content(path)


def test_file_that_another_program_uses_is_not_damaged(path: Path):
    """It can't be read now; that is no reason to begin anew."""
    write(path, [change("a", 1)])
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("BEGIN IMMEDIATE")
    store = Store(path)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.open()
    database.close()

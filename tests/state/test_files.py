"""The state file among others: lock, mode, and where a damaged one goes."""

import contextlib
import os
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter_proxy.errors import StartError
from exporter_proxy.state.files import StateFile, make_private
from exporter_proxy.state.schema import APPLICATION_ID


def test_file_is_for_its_owner_alone(tmp_path: Path):
    """Also one that was there before with other permissions, and the lock beside it."""
    path = tmp_path / "s.db"
    path.write_bytes(b"")
    path.chmod(0o644)
    file = StateFile(str(path))
    file.acquire()
    make_private(path)
    for each in (path, tmp_path / "s.db.lock"):
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
    file.release()


def test_second_one_is_refused_until_the_first_is_done(tmp_path: Path):
    """Also by another name for the same file; it is told who has it."""
    path = tmp_path / "s.db"
    (tmp_path / "link.db").symlink_to(path)
    first, second = StateFile(str(path)), StateFile(str(tmp_path / "link.db"))
    first.acquire()
    make_private(path)
    with pytest.raises(StartError) as caught:
        second.acquire()
    assert str(caught.value) == (
        f'exporter.state_file: "{path}": another proxy uses it (process {os.getpid()})'
    )
    first.release()
    first.release()
    second.acquire()
    second.release()


def database(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE a (b)"],
        ["PRAGMA journal_mode = WAL", "PRAGMA application_id = 7", "CREATE TABLE a (b)"],
        [f"CREATE TABLE a{number} ({'b' * 900})" for number in range(100)],
    ],
    ids=["no mark", "a mark", "many tables"],
)
def test_database_of_another_program_is_left_alone(tmp_path: Path, statements: list[str]):
    """Its name, its mode, its content; and there is no file beside it."""
    path = tmp_path / "other.db"
    database(path, *statements)
    path.chmod(0o644)
    before = path.read_bytes()

    with pytest.raises(StartError) as caught:
        StateFile(str(path)).acquire()

    assert str(caught.value) == (
        f'exporter.state_file: "{path}": is another program\'s database: name another file'
    )
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (before, 0o644)
    assert [each.name for each in tmp_path.iterdir()] == ["other.db"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_file_that_was_named_by_mistake_is_left_alone(tmp_path: Path, mode: int):
    """Also where it is named by a link."""
    path, link = tmp_path / "notes.txt", tmp_path / "state.db"
    path.write_text("not to be lost\n")
    path.chmod(mode)
    link.symlink_to(path)

    with pytest.raises(StartError) as caught:
        StateFile(str(link)).acquire()

    assert str(caught.value).startswith(
        f'exporter.state_file: "{path}": is not a state file: name another file'
    )
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("not to be lost\n", mode)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["notes.txt", "state.db"]


@pytest.mark.parametrize(
    "statements",
    [
        [],
        ["PRAGMA journal_mode = WAL"],
        [f"PRAGMA application_id = {APPLICATION_ID}", "CREATE TABLE a (b)"],
    ],
    ids=["nothing", "no tables", "ours"],
)
def test_what_may_be_ours_is_taken(tmp_path: Path, statements: list[str]):
    path = tmp_path / "state.db"
    database(path, *statements)
    file = StateFile(str(path))

    file.acquire()

    file.release()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing/s.db", "can't write {}: no such file or directory"),
        ("file/s.db", "can't write {}: not a directory"),
        ("folder", "{}: is not a file"),
        ("pipe", "{}: is not a file"),
        ("x" * 300, "can't write {}: file name too long"),
    ],
)
def test_path_that_can_not_be_had_names_the_key(tmp_path: Path, path: str, why: str):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StartError) as caught:
        StateFile(str(tmp_path / path)).acquire()
    shown = str(caught.value)
    assert shown.startswith("exporter.state_file: ")
    if len(path) < 50:
        assert shown == "exporter.state_file: " + why.format(f'"{tmp_path / path}"')


def test_damaged_file_is_set_aside_with_all_that_belongs_to_it(tmp_path: Path):
    path = tmp_path / "s.db"
    path.write_bytes(b"main")
    (tmp_path / "s.db-wal").write_bytes(b"log")
    file = StateFile(str(path))
    assert file.bytes == 7
    aside = file.set_aside(datetime(2024, 2, 3, 4, 5, 6, 789_000, UTC))
    assert aside.name == "s.db.damaged-2024-02-03T040506.789Z"
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {
        "s.db.damaged-2024-02-03T040506.789Z": b"main",
        "s.db.damaged-2024-02-03T040506.789Z-wal": b"log",
    }
    assert file.bytes == 0

"""The state file among others: lock, mode, and where a damaged one goes."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter_proxy.errors import StartError
from exporter_proxy.state.files import StateFile, make_private


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

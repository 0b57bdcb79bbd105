"""The state file: whatever it has become, it is read, or called damaged."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter_proxy.state.record import Change, Record
from exporter_proxy.state.store import DamagedError, Store
from tests.fuzz.targets import Check

TOKENS = [
    b"\0" * 16,
    b"\xff" * 8,
    b"SQLite format 3\0",
    b"EXPX",
    b"\x00\x00\x00\x01",
    b"app",
    b"piece",
    b"CREATE TABLE",
    b"\x05",
    b"\x0d",
    b"\x0a",
    b"\x02",
]


def seeds() -> list[bytes]:
    """Return a file as it is written."""
    with tempfile.TemporaryDirectory(prefix="state-") as folder:
        path = Path(folder) / "s.db"
        store = Store(path)
        store.open()
        store.write(
            [
                Change("a", 1, Record("s", 1), (b"x 1\n",)),
                Change("b", 2, Record("s", 2, 9, 1.5), (b"y 1\n" * 50, b"z 2\n")),
            ]
        )
        store.close()
        return [path.read_bytes()]


@contextmanager
def target() -> Iterator[Check]:
    """Read what comes as a state file, and go on with it."""
    with tempfile.TemporaryDirectory(prefix="state-", dir=_memory()) as folder:
        path = Path(folder) / "s.db"
        yield lambda data: _check(path, data)


def _memory() -> str | None:
    """Return a folder in memory, if there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _check(path: Path, data: bytes) -> None:
    for each in path.parent.iterdir():
        each.unlink()
    path.write_bytes(data)
    store = Store(path)
    try:
        store.open()
        for saved in store.read():
            assert isinstance(saved.app, str)
            assert all(isinstance(piece, bytes) for piece in saved.payload)
        store.write([Change("new", 1, Record("s", 1), (b"x 1\n",))])
    except DamagedError as error:
        assert str(error)
    except sqlite3.Error as error:
        raise AssertionError(f"neither read nor called damaged: {error!r}") from error
    finally:
        store.close()

"""The table in an SQLite database: read once, then written in batches. No asyncio, no clock.

https://www.sqlite.org/wal.html: in WAL mode a transaction is there as a whole or not at all,
whenever the process is killed; with ``synchronous=FULL`` also when the machine is.
"""

import contextlib
import errno
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from exporter_proxy.state.files import make_private
from exporter_proxy.state.record import Change, Saved
from exporter_proxy.state.schema import (
    DamagedError,
    is_laid_out,
    lay_out,
    number_of,
    read_all,
    write_all,
)

logger = logging.getLogger(__name__)

# How every database begins, and how long the shortest is: https://www.sqlite.org/fileformat.html.
_MAGIC = b"SQLite format 3\0"
_LEAST_BYTES = 512
# Those that may write it and read it: with a rollback journal, and in WAL mode.
_VERSIONS = slice(18, 20)
_KNOWN_VERSIONS = {1, 2}
# Four times the usual size: half of the CPU for payloads of 100 kB, and the same for small ones.
_PAGE_BYTES = 16384
# How long the log gets before it goes into the file.
_LOG_BYTES = 4 << 20
_LOG_PAGES = _LOG_BYTES // _PAGE_BYTES
# Pages that are given back to the file system at a time: 4 MiB.
_VACUUM_PAGES = 256

# What says nothing about the content: somebody else reads it, the disk is full, memory is short.
_BYSTANDERS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Store:
    """A database, used by one thread.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._database: sqlite3.Connection | None = None
        self._is_new = True
        # (device, inode) of the file and of its log, as they were when they were written last.
        self._place: tuple[int, int] | None = None
        self._log_place: tuple[int, int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can be read and written."""
        return self._database is not None

    def open(self) -> None:
        """Open the file and look whether it is one of ours; an empty one is, and so is a new one.

        Nothing is written until there is something to write, so that a full disk can be read.

        Raises:
            DamagedError: It can't be used.
            sqlite3.Error: It may be good, but can't be opened now.
        """
        with self._closed_on_error():
            make_private(self._path)
            self._check_file()
            self._is_new = not is_laid_out(self._connect())

    def read(self) -> list[Saved]:
        """Return all that is in the file.

        Raises:
            DamagedError: It can't be used.
            sqlite3.Error: It may be good, but can't be read now.
        """
        if self._is_new:
            return []
        with self._closed_on_error():
            return list(read_all(self._opened))

    @contextlib.contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        """Close the file where it can't be read, and tell damage from what will pass.

        What can't be read though nobody is in the way (a folder in its place, a disk with holes,
        columns of other types) is as good as damaged.
        """
        try:
            yield
        except (DamagedError, OSError, sqlite3.Error, TypeError, ValueError) as error:
            self.close()
            if isinstance(error, DamagedError) or _code(error) in _BYSTANDERS:
                raise
            raise DamagedError(str(error)) from error

    def write(self, changes: Sequence[Change]) -> None:
        """Write changes to the disk, all or none.

        Raises:
            DamagedError: The file is not what was written.
            OSError, sqlite3.Error: It was not possible; nothing is changed.
        """
        try:
            if not self.is_open:
                self.open()
            self._check_place()
            try:
                self._write(changes)
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_FULL:
                    raise
                # The log may take the room that is wanted: empty it, and try once more.
                self._opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._write(changes)
        except sqlite3.DatabaseError as error:
            if _code(error) in _DAMAGE:
                raise DamagedError(str(error)) from error
            if _code(error) not in _BYSTANDERS:
                # The disk failed us: the next time begins with a file that is opened anew.
                self.close()
            raise
        self._log_place = _place(self._log)
        with contextlib.suppress(sqlite3.Error):
            # What was written is; that this could not be done is seen in the file's size.
            _shrink(self._opened)

    def close(self) -> None:
        """Put the log into the file and close it. Idempotent."""
        if self._database is not None:
            with contextlib.suppress(OSError):
                if _place(self._path) not in {self._place, None}:
                    self._leave()
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None
            self._log_place = None

    def _leave(self) -> None:
        """Take our log away from another file that somebody put in our place.

        sqlite would take it for a part of that file.
        """
        if self._log_place is not None and _place(self._log) == self._log_place:
            self._log.unlink()
            self._log_place = None

    @property
    def _opened(self) -> sqlite3.Connection:
        assert self._database is not None, "not open"
        return self._database

    def _connect(self) -> sqlite3.Connection:
        # The URI keeps sqlite from making a file where there is none.
        database = self._database = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=1.0
        )
        self._place = _place(self._path)
        # Exclusive: nobody else's transaction can make ours wait or keep the log growing, and there
        # is no shared memory, which not all file systems have.
        database.executescript(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
            f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}; PRAGMA journal_size_limit = {_LOG_BYTES};"
            "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA secure_delete = OFF;"
            "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;"
        )
        return database

    def _check_place(self) -> None:
        """Write the file anew if somebody removed it: what is open has all that was in it.

        Raises:
            OSError: There is another file in its place, which is not ours to touch.
            sqlite3.Error: It can't be written.
        """
        place = _place(self._path)
        if place is None:
            logger.warning("the state file was removed, it is written anew: file=%s", self._path)
            make_private(self._path)
            self._opened.execute("VACUUM INTO ?", (str(self._path),))
            self.close()
            self._connect().execute("PRAGMA journal_mode = WAL").fetchall()
        elif place != self._place:
            self._leave()
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def _check_file(self) -> None:
        """Find what sqlite would take for an empty file, and begin anew.

        Raises:
            DamagedError: It is a torn one.
        """
        with self._path.open("rb") as file:
            head = file.read(_LEAST_BYTES)
        if head and not head.startswith(_MAGIC):
            raise DamagedError("it is not a database")
        if 0 < len(head) < _LEAST_BYTES:
            raise DamagedError("it ends too soon")
        if head and not set(head[_VERSIONS]) <= _KNOWN_VERSIONS:
            # sqlite reads such a file, if it can, and never writes it.
            raise DamagedError("it is of an unknown version of the file format")
        if not head and self._log.exists() and self._log.stat().st_size:
            raise DamagedError("it is empty, though its log is not")

    def _lay_out(self) -> sqlite3.Connection:
        """Make the tables."""
        self.close()
        database = self._connect()
        # Both are possible only as long as the connection has not read anything.
        database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL").fetchall()
        with _transaction(database):
            lay_out(database)
        self._is_new = False
        return database

    def _write(self, changes: Sequence[Change]) -> None:
        database = self._lay_out() if self._is_new else self._opened
        with _transaction(database):
            write_all(database, changes)


def _shrink(database: sqlite3.Connection) -> None:
    """Give room back, in short steps, where more than half of the file is empty."""
    free = number_of(database, "freelist_count")
    if free > _VACUUM_PAGES and 2 * free > number_of(database, "page_count"):
        # A script is run to its end; a statement that gives no rows is stopped after a page.
        database.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")


def _place(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name; None: there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        # sqlite has rolled back by itself where it had to.
        with contextlib.suppress(sqlite3.Error):
            if database.in_transaction:
                database.execute("ROLLBACK")
        raise


def _code(error: Exception) -> int:
    """Return sqlite's primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

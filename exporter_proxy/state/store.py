"""The table in an SQLite database: read once, then written in batches. No asyncio, no clock.

One row an app; what a payload has beyond its first piece of about 1 MiB is in rows of its own, so
that nothing large has to be in one string. Checksums (CRC-32) tell what sqlite can't: that a text
is the one that was written.

https://www.sqlite.org/wal.html: in WAL mode a transaction is there as a whole or not at all,
whenever the process is killed; with ``synchronous=FULL`` also when the machine is.
"""

import contextlib
import errno
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from isal.isal_zlib import crc32

from exporter_proxy.errors import quote
from exporter_proxy.state.files import make_private
from exporter_proxy.state.record import Change, Saved, decode, encode

logger = logging.getLogger(__name__)

APPLICATION_ID = 0x45585058
"""``EXPX``: what makes a database one of ours, as ``file`` shows it too."""
VERSION = 1
"""Of the tables. Keys of a record can be added without another one."""

# How every database begins, and how long the shortest is: https://www.sqlite.org/fileformat.html.
_MAGIC = b"SQLite format 3\0"
_LEAST_BYTES = 512
# Pages of 4 KiB: how long the log gets before it goes into the file.
_LOG_PAGES = 1024
_LOG_BYTES = _LOG_PAGES * 4096
# Pages that are given back to the file system at a time.
_VACUUM_PAGES = 1024

_TABLES = f"""
CREATE TABLE app (
    name TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL, record BLOB NOT NULL,
    record_crc INTEGER NOT NULL, pieces INTEGER NOT NULL, payload BLOB NOT NULL,
    payload_crc INTEGER NOT NULL
);
CREATE TABLE piece (
    name TEXT NOT NULL, place INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (name, place)
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""
_WRITE = """
INSERT INTO app (name, number, record, record_crc, pieces, payload, payload_crc)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET number = excluded.number, record = excluded.record,
    record_crc = excluded.record_crc, pieces = excluded.pieces, payload = excluded.payload,
    payload_crc = excluded.payload_crc
"""
_AMEND = "UPDATE app SET number = ?, record = ?, record_crc = ? WHERE name = ?"
_FORGET = "DELETE FROM app WHERE name = ?"
_CUT = "DELETE FROM piece WHERE name = ?"
_ADD = "INSERT INTO piece (name, place, data) VALUES (?, ?, ?)"
_READ = """
SELECT name, number, record, record_crc, pieces, payload, payload_crc FROM app ORDER BY number
"""
_STRAYS = "SELECT count(*) FROM piece WHERE name NOT IN (SELECT name FROM app WHERE pieces > 1)"
_PIECES = "SELECT data FROM piece WHERE name = ? ORDER BY place"

# What says nothing about the content: somebody else reads it, the disk is full, memory is short.
_BYSTANDERS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DamagedError(Exception):
    """The file is not what was written; the text says in what."""


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
            self._check_marks(self._connect())

    def read(self) -> list[Saved]:
        """Return all that is in the file.

        Raises:
            DamagedError: It can't be used.
            sqlite3.Error: It may be good, but can't be read now.
        """
        if self._is_new:
            return []
        with self._closed_on_error():
            return list(_read_all(self._opened))

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
        if not head and self._log.exists() and self._log.stat().st_size:
            raise DamagedError("it is empty, though its log is not")

    def _lay_out(self) -> sqlite3.Connection:
        """Make the tables."""
        self.close()
        database = self._connect()
        # Possible only as long as the connection has not read anything.
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL").fetchall()
        with _transaction(database):
            for statement in _TABLES.split(";"):
                database.execute(statement)
        self._is_new = False
        return database

    def _check_marks(self, database: sqlite3.Connection) -> None:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        marks = _number(database, "application_id"), _number(database, "user_version")
        # Without tables: somebody was killed just after the file was made.
        self._is_new = not tables and marks == (0, 0)
        if self._is_new:
            return
        if marks[0] != APPLICATION_ID:
            raise DamagedError(f"it is another program's database (application_id {marks[0]})")
        if marks[1] != VERSION:
            raise DamagedError(f"its version is {marks[1]}, this proxy reads version {VERSION}")

    def _write(self, changes: Sequence[Change]) -> None:
        database = self._lay_out() if self._is_new else self._opened
        with _transaction(database):
            gone = [change.app for change in changes if change.record is None]
            database.executemany(_FORGET, ((app,) for app in gone))
            new = [change for change in changes if change.record and change.payload is not None]
            database.executemany(_CUT, ((app,) for app in (*gone, *(each.app for each in new))))
            database.executemany(_WRITE, map(_row, new))
            database.executemany(_ADD, _pieces(new))
            database.executemany(
                _AMEND,
                (
                    (number, data := encode(record), _crc(app, number, data), app)
                    for app, number, record, payload in changes
                    if record is not None and payload is None
                ),
            )


def _shrink(database: sqlite3.Connection) -> None:
    """Give room back, in short steps, where more than half of the file is empty."""
    free = _number(database, "freelist_count")
    if free > _VACUUM_PAGES and 2 * free > _number(database, "page_count"):
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


def _read_all(database: sqlite3.Connection) -> Iterator[Saved]:
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise DamagedError(verdict.replace("\n", ": "))
    (strays,) = database.execute(_STRAYS).fetchone()
    if strays:
        raise DamagedError("it has parts of payloads that belong to no app")
    seen: set[str] = set()
    for row in database.execute(_READ):
        saved = _read(database, *row)
        if saved.app in seen:
            raise DamagedError(f"it has two rows of the app {quote(saved.app)}")
        seen.add(saved.app)
        yield saved


def _row(change: Change) -> tuple[str, int, bytes, int, int, bytes, int]:
    app, number, record, payload = change
    assert record is not None
    assert payload is not None
    data = encode(record)
    first = payload[0] if payload else b""
    return (
        app,
        number,
        data,
        _crc(app, number, data),
        len(payload),
        first,
        _payload_crc(app, payload),
    )


def _pieces(changes: Iterable[Change]) -> Iterator[tuple[str, int, bytes]]:
    for change in changes:
        for place, data in enumerate((change.payload or ())[1:], 1):
            yield change.app, place, data


def _read(
    database: sqlite3.Connection,
    app: str,
    number: int,
    data: bytes,
    crc: int,
    pieces: int,
    first: bytes,
    payload_crc: int,
) -> Saved:
    payload = (first,) if pieces else ()
    if pieces > 1:
        payload += tuple(data for (data,) in database.execute(_PIECES, (app,)))
    if (
        len(payload) != pieces
        or crc != _crc(app, number, data)
        or payload_crc != _payload_crc(app, payload)
    ):
        raise DamagedError(f"what it has of the app {quote(app)} is not what was written")
    return Saved(app, number, decode(data), payload)


def _crc(app: str, number: int, data: bytes) -> int:
    return crc32(data, crc32(b"%d " % number + app.encode()))


def _payload_crc(app: str, payload: Iterable[bytes]) -> int:
    crc = crc32(app.encode())
    for piece in payload:
        crc = crc32(piece, crc)
    return crc


def _number(database: sqlite3.Connection, pragma: str) -> int:
    (value,) = database.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)


def _code(error: Exception) -> int:
    """Return sqlite's primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

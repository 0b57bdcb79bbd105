"""The tables of the database, and how rows of them are made and read.

One row an app; what a payload has beyond its first piece of some 256 KiB is in rows of its own, so
that nothing large has to be in one string. Checksums (CRC-32) tell what sqlite can't: that a text
is the one that was written.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from isal.isal_zlib import crc32

from exporter_proxy.errors import quote
from exporter_proxy.state.record import Change, Saved, decode, encode

APPLICATION_ID = 0x45585058
"""``EXPX``: what makes a database one of ours, as ``file`` shows it too."""
VERSION = 1
"""Of the tables. Keys of a record can be added without another one."""

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


class DamagedError(Exception):
    """The file is not what was written; the text says in what."""


def is_laid_out(database: sqlite3.Connection) -> bool:
    """Tell whether the tables are there; the database is one of ours, or an empty one.

    Raises:
        DamagedError: It is neither.
    """
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
    marks = number_of(database, "application_id"), number_of(database, "user_version")
    if not tables and marks == (0, 0):
        # Somebody was killed just after the file was made.
        return False
    if marks[0] != APPLICATION_ID:
        raise DamagedError(f"it is another program's database (application_id {marks[0]})")
    if marks[1] != VERSION:
        raise DamagedError(f"its version is {marks[1]}, this proxy reads version {VERSION}")
    return True


def lay_out(database: sqlite3.Connection) -> None:
    """Make the tables, within a transaction."""
    for statement in _TABLES.split(";"):
        database.execute(statement)


def write_all(database: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Write changes, within a transaction."""
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


def read_all(database: sqlite3.Connection) -> Iterator[Saved]:
    """Yield all that is in the database, in the order of the numbers.

    Raises:
        DamagedError, sqlite3.Error, TypeError, ValueError: Something is not what was written.
    """
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


def number_of(database: sqlite3.Connection, pragma: str) -> int:
    """Return the value of a pragma that is a number."""
    (value,) = database.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)

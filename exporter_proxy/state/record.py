"""What is kept of one application, and how it is written.

A record is JSON (RFC 8259), so that keys can be added: those that a file lacks have their defaults,
those that this version doesn't know are ignored.
"""

from typing import NamedTuple

import msgspec

from exporter_proxy.table import OnExpire, Payload


class Trouble(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with an app, as :class:`~exporter_proxy.table.Problem` has it."""

    source: str
    text: str
    since_ns: int
    is_refusal: bool = False


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is kept of an app but its name, its place and its payload.

    Attributes:
        source: Who wrote it.
        updated_ns: When, in nanoseconds since the epoch (UTC).
        updated_at: When, in seconds of the clock of ages; None: nobody knows.
        boot: During which start of the machine, since that clock begins anew with it.
        updates: How often it was written since it was first seen.
        ttl: Seconds after its last update at which it expires; None: never.
        on_expire: What becomes of it then.
        expired_ns: Since when it is marked as expired, in nanoseconds since the epoch; None: it is
            not.
        dropped_ns: When it was dropped, likewise; None: it was not.
        forget_ns: When it is forgotten, in nanoseconds since the epoch; None: it is in the table.
        problem: What is wrong with it; None: nothing.
        own_ttl: Its sender said how long it lives, and not the configuration.
    """

    source: str
    updated_ns: int
    updates: int = 1
    ttl: float | None = None
    on_expire: OnExpire = "drop"
    expired_ns: int | None = None
    dropped_ns: int | None = None
    forget_ns: int | None = None
    problem: Trouble | None = None
    updated_at: float | None = None
    boot: str = ""
    own_ttl: bool = False


class Saved(NamedTuple):
    """An app as it is read from the file.

    Attributes:
        app: Its name.
        number: Its number in the order in which apps were first seen.
        record: What else is known of it.
        payload: Its latest exposition text, in pieces; empty for one that was dropped.
    """

    app: str
    number: int
    record: Record
    payload: Payload


class Change(NamedTuple):
    """What is to be written of an app.

    Attributes:
        app: Its name.
        number: Its number.
        record: What is known of it; None: nothing any more.
        payload: Its payload; None: the one that was written last.
    """

    app: str
    number: int
    record: Record | None
    payload: Payload | None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return a record as JSON; bytes of a path that are not UTF-8 are written as escapes."""
    try:
        return _encoder.encode(record)
    except UnicodeEncodeError:
        problem = record.problem
        if problem is not None:
            problem = Trouble(_plain(problem.source), _plain(problem.text), problem.since_ns)
        source = _plain(record.source)
        return _encoder.encode(msgspec.structs.replace(record, source=source, problem=problem))


def decode(data: bytes) -> Record:
    """Return the record that was written as ``data``.

    Raises:
        ValueError: It is none.
    """
    return _decoder.decode(data)


def _plain(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()

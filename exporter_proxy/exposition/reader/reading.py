"""Read exposition text: payload -> families and findings.

Text format 0.0.4 and OpenMetrics 1.0, forgivingly. What one reader or another of Prometheus' world
would refuse is repaired where it is plain what was meant; otherwise the family is held back, and
the others are kept. Each byte is looked at a bounded number of times.
"""

import re
from collections.abc import Generator

from exporter_proxy.exposition.findings import Tally
from exporter_proxy.exposition.model import Exposition, Finding, Format, Quarantined
from exporter_proxy.exposition.reader.closing import close
from exporter_proxy.exposition.reader.dialect import OPENMETRICS, TEXT, Dialect
from exporter_proxy.exposition.reader.drafts import Book
from exporter_proxy.exposition.reader.fast_text import FastReader
from exporter_proxy.exposition.reader.metadata import MetadataReader, OpenMetricsSignError
from exporter_proxy.exposition.reader.slow_text import SlowReader
from exporter_proxy.steps import all_at_once, joined

OLD_MILLISECONDS = 300_000
"""Prometheus' lookback: a sample with an older timestamp is not the current value of its series."""
MOST_FAMILIES = 50_000
"""Of one payload. Each takes some kilobytes while it is read, however short it is, and some
microseconds at every change: more than that are a mistake or worse."""


class TooManyFamiliesError(Exception):
    """A payload has more families than are read."""


_MARK = b"\xef\xbb\xbf"
# the end of a payload, from its last line on
_TAIL = 64
_END = re.compile(rb"(?:\A|\n)([ \t]*+#[ \t]*+EOF[ \t\r]*+(?:\n[ \t\r]*+)*+)\Z")


def read(
    payload: tuple[bytes, ...],
    *,
    format: Format | None = None,  # noqa: A002  # the field's own word
    now_ms: int | None = None,
    fast: bool = True,
) -> Exposition:
    """Read a payload at once; as :func:`read_in_steps`."""
    return all_at_once(read_in_steps(payload, format=format, now_ms=now_ms, fast=fast))


def read_in_steps(
    payload: tuple[bytes, ...],
    *,
    format: Format | None = None,  # noqa: A002  # the field's own word
    now_ms: int | None = None,
    fast: bool = True,
) -> Generator[None, None, Exposition]:
    """Read a payload, with others served in between.

    Args:
        payload: Exposition text in pieces cut at line ends.
        format: What it was declared as; None: told by its content.
        now_ms: The time, in milliseconds since 1970, for telling old timestamps.
        fast: Whether blocks of samples are checked as a whole where possible. The outcome is the
            same without.

    Yields:
        Nothing, after some milliseconds of work at most.

    Returns:
        The families and findings. Nothing a payload holds raises an error.
    """
    if format is not None:
        dialect = TEXT if format == "text" else OPENMETRICS
        exposition = yield from _read(payload, dialect, now_ms, fast=fast, sniff=False)
    else:
        exposition = None
        if not _ends_openmetrics(payload):
            exposition = yield from _read(payload, TEXT, now_ms, fast=fast, sniff=True)
        if exposition is None:
            exposition = yield from _read(payload, OPENMETRICS, now_ms, fast=fast, sniff=False)
    assert exposition is not None
    return exposition


def _too_many(payload: tuple[bytes, ...], form: Format) -> Generator[None, None, Exposition]:
    """Return what is made of a payload of too many families: nothing of it is shown."""
    quarantined = Quarantined(
        b"",
        1,
        "too_many_families",
        f"more than {MOST_FAMILIES} metric families in one payload",
        (yield from joined(payload)),
    )
    return Exposition(form, (), (quarantined,))


def _bounded(book: Book, steps: Generator[None, None, None]) -> Generator[None, None, None]:
    """Go through steps of reading, unless there come to be too many families."""
    for _ in steps:
        if len(book.fast) + len(book.drafts) > MOST_FAMILIES:
            raise TooManyFamiliesError
        yield


def _read(
    payload: tuple[bytes, ...],
    dialect: Dialect,
    now_ms: int | None,
    *,
    fast: bool,
    sniff: bool,
) -> Generator[None, None, Exposition | None]:
    """Read a payload in a format; None: it shows that it is OpenMetrics."""
    book = Book(dialect, Tally())
    exposition: Exposition | None = None
    try:
        exposition = yield from _read_into(book, payload, now_ms, fast=fast, sniff=sniff)
    except OpenMetricsSignError:
        pass
    except TooManyFamiliesError:
        exposition = yield from _too_many(payload, dialect.format)
    yield from book.clear()
    return exposition


def _read_into(
    book: Book, payload: tuple[bytes, ...], now_ms: int | None, *, fast: bool, sniff: bool
) -> Generator[None, None, Exposition]:
    tally, dialect = book.tally, book.dialect
    oldest = None if now_ms is None else now_ms - OLD_MILLISECONDS
    metadata = MetadataReader(book, sniff=sniff)
    reader = FastReader(book, metadata, oldest=oldest, fast=fast)
    for number, piece in enumerate(payload):
        last = number == len(payload) - 1
        text = yield from _normalised(piece, tally, reader.line, first=not number, last=last)
        end = _END.search(text, max(0, len(text) - _TAIL)) if last and dialect.seconds else None
        yield
        yield from _bounded(book, reader.read(text if end is None else text[: end.start(1)]))
        if last and dialect.seconds and end is None:
            tally.add("missing_eof", reader.line - 1)
    slow = SlowReader(book, oldest=oldest, sniff=sniff, fast=fast)
    yield from _bounded(book, slow.read())
    families, quarantined = yield from close(book)
    yield
    return Exposition(
        dialect.format,
        families,
        quarantined,
        tuple([Finding(*item) for item in tally.items()]),
        sum([family.count for family in families]),
    )


def _normalised(
    piece: bytes, tally: Tally, line: int, *, first: bool, last: bool
) -> Generator[None, None, bytes]:
    if first and piece.startswith(_MARK):
        tally.add("byte_order_mark", 1)
        piece = piece[len(_MARK) :]
    if b"\r" in piece:
        found = piece.find(b"\r\n")
        if found >= 0:
            count = piece.count(b"\r\n")
            tally.add("carriage_returns", line + piece.count(b"\n", 0, found), count)
            piece = piece.replace(b"\r\n", b"\n")
    if piece and not piece.endswith(b"\n"):
        if last:
            tally.add("missing_newline", line + piece.count(b"\n"))
        # It may be endless.
        piece = yield from joined((piece, b"\n"))
    return piece


def _ends_openmetrics(payload: tuple[bytes, ...]) -> bool:
    return bool(payload) and _END.search(payload[-1][-_TAIL:]) is not None

"""Payloads as they came, so that another can follow."""

from collections.abc import Generator, Sequence
from typing import cast

from exporter_proxy.exposition.verbatim import close_text
from exporter_proxy.table import Payload, Row

ROWS_A_STEP = 2000

_CLOSED = "closed payload"


def closed_payloads(rows: Sequence[Row]) -> Generator[None, None, list[bytes]]:
    """Return what rows have, in steps."""
    parts: list[bytes] = []
    for start in range(0, len(rows), ROWS_A_STEP):
        for row in rows[start : start + ROWS_A_STEP]:
            parts += _closed(row)
        yield
    return parts


def _closed(row: Row) -> Payload:
    """Return the payload so that another can follow; the same objects every time."""
    if not row.payload:
        return ()
    last = close_text(row.payload[-1])
    if last is row.payload[-1]:
        return row.payload
    derived = row.derived
    if derived is None:
        derived = row.derived = {}
    if _CLOSED not in derived:
        derived[_CLOSED] = (*row.payload[:-1], last)
    return cast("Payload", derived[_CLOSED])

"""The page of all payloads: laid out once for a state of the table, shared by all scrapes."""

from collections.abc import Generator, Iterator, Sequence
from typing import cast

from exporter_proxy.exposition.page import LONGEST_PIECE, Piece, gzip_chunks, lay_out
from exporter_proxy.exposition.verbatim import close_text
from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.table import Payload, Row, Snapshot, Table
from exporter_proxy.views.slices import Flight, in_slices
from exporter_proxy.workers import Workers

ROWS_A_STEP = 2000


class Page:
    """One state of the table as a page. What it shows never changes.

    Attributes:
        key: What it was made of: the generation of the table and the row of self-metrics.
        size: Its bytes, not compressed.
        pieces: What it consists of.
        plain: The whole of it if it is short, else None: a long page is joined as it is sent.
        packed: The gzip member in chunks (one if the page is short), once someone asked for it.
    """

    __slots__ = ("_compressing", "key", "packed", "pieces", "plain", "size")

    def __init__(self, key: "PageKey", pieces: Sequence[Piece]) -> None:
        self.key = key
        self.pieces = pieces
        self.size = sum(piece.size for piece in pieces)
        self.plain: bytes | None = None
        if self.size <= LONGEST_PIECE:
            self.plain = b"".join(piece.text() for piece in pieces)
        self.packed: Sequence[bytes] | None = None
        self._compressing: Flight[None] = Flight()

    def chunks(self) -> Iterator[bytes]:
        """Join the page piece by piece."""
        return (piece.text() for piece in self.pieces)

    async def pack(self, workers: Workers) -> Sequence[bytes]:
        """Return the gzip member in chunks; compressed once, a long page in a worker thread."""
        if self.packed is None:
            if self.plain is None:
                await self._compressing.join(None, lambda: self._pack_long(workers))
            else:
                self.packed = [b"".join(gzip_chunks(self.pieces))]
        assert self.packed is not None
        return self.packed

    async def _pack_long(self, workers: Workers) -> None:
        self.packed = await workers.run(gzip_chunks, self.pieces)


PageKey = tuple[int, int]

_CLOSED = "closed payload"


def _closed(row: Row) -> Payload:
    """Return the payload so that another can follow; the same objects every time."""
    derived = row.derived
    if derived is not None and _CLOSED in derived:
        return cast("Payload", derived[_CLOSED])
    if not row.payload:
        return ()
    last = close_text(row.payload[-1])
    if last is row.payload[-1]:
        # Nothing to remember of nearly all rows.
        return row.payload
    closed = (*row.payload[:-1], last)
    if derived is None:
        derived = row.derived = {}
    derived[_CLOSED] = closed
    return closed


class PageCache:
    """Keeps the latest page.

    Args:
        table: Whose payloads are shown, in its order.
        self_metrics: The last row; None: there is none.
        only_self: Whether payloads are left out.
    """

    def __init__(
        self, table: Table, self_metrics: SelfMetrics | None, *, only_self: bool = False
    ) -> None:
        self._table = table
        self._self_metrics = self_metrics
        self._only_self = only_self
        self._page: Page | None = None
        # The self-metrics that the page shows: alive, so that their id is theirs alone.
        self._own = b""
        self._building: Flight[Page] = Flight()

    def _now(self) -> tuple[PageKey, bytes]:
        own = b"" if self._self_metrics is None else self._self_metrics.render()
        return (self._table.generation, id(own)), own

    def fresh(self) -> Page | None:
        """Return the page if it shows what the table has now."""
        page = self._page
        return page if page is not None and page.key == self._now()[0] else None

    async def current(self) -> Page:
        """Return a page that shows all that was in the table when this was called."""
        page = self.fresh()
        if page is not None:
            return page
        return await self._building.join(self._now()[0], self._build)

    async def _build(self) -> Page:
        page = self.fresh()
        if page is None:
            key, own = self._now()
            page = Page(key, await in_slices(self._lay_out(self._table.snapshot(), own)))
            self._page, self._own = page, own
        return page

    def _lay_out(self, snapshot: Snapshot, own: bytes) -> Generator[None, None, list[Piece]]:
        parts: list[bytes] = []
        if not self._only_self:
            for start in range(0, len(snapshot.rows), ROWS_A_STEP):
                for row in snapshot.rows[start : start + ROWS_A_STEP]:
                    parts += _closed(row)
                yield
        parts.append(own)
        if self._self_metrics is not None:
            parts += yield from self._self_metrics.app_series(snapshot)
        # The page before is kept until here: pieces are told apart by the identity of payloads.
        previous = {} if self._page is None else {piece.key: piece for piece in self._page.pieces}
        pieces = []
        for piece in lay_out(parts, previous):
            pieces.append(piece)
            yield
        return pieces

"""The pages of all payloads: each made once for a state of the table, shared by all scrapes."""

import asyncio
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, cast

from exporter_proxy.catalog import AppReading, Catalog
from exporter_proxy.exposition.merged import Layout, MergedIndex, OpenMetricsWriter, TextWriter
from exporter_proxy.exposition.page import LONGEST_PIECE, Piece, gzip_chunks, lay_out
from exporter_proxy.exposition.reader import read
from exporter_proxy.exposition.verbatim import close_text
from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.table import Payload, Row, Snapshot, Table
from exporter_proxy.views.slices import Flight, in_slices
from exporter_proxy.workers import Workers

ROWS_A_STEP = 2000

Format = Literal["text", "openmetrics"]


class Kind(NamedTuple):
    """Which page.

    Attributes:
        format: In which format.
        strict: Without what scrapers can't read.
        only_self: The proxy's own metrics alone.
    """

    format: Format = "text"
    strict: bool = True
    only_self: bool = False


class Page:
    """One state of the table as a page. What it shows never changes.

    Attributes:
        key: What it was made of: the generation of the table and the row of self-metrics.
        asked: How many pages had been begun when this one was.
        size: Its bytes, not compressed.
        pieces: What it consists of.
        plain: The whole of it if it is short, else None: a long page is joined as it is sent.
        packed: The gzip member in chunks (one if the page is short), once someone asked for it.
    """

    __slots__ = ("_compressing", "begun", "key", "packed", "pieces", "plain", "size")

    def __init__(self, key: "PageKey", pieces: Sequence[Piece], begun: int = 0) -> None:
        self.key = key
        self.begun = begun
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
        if self.packed is None:
            self.packed = await workers.run(gzip_chunks, self.pieces)


PageKey = tuple[int, int]


class Pages:
    """Keeps the latest page of each kind.

    Args:
        table: Whose payloads are shown, in its order.
        catalog: The table, read.
        self_metrics: The last rows; None: there are none.
        merged: Whether families are grouped; else payloads are shown one after another.
        expose: Whether scrapers get what they can't read, too.
    """

    def __init__(
        self,
        table: Table,
        catalog: Catalog,
        self_metrics: SelfMetrics | None,
        *,
        merged: bool,
        expose: bool = False,
    ) -> None:
        self._table = table
        self._catalog = catalog
        self._self_metrics = self_metrics
        self._merged = merged
        self._expose = expose
        self._pages: dict[Kind, Page] = {}
        self._layouts: dict[tuple[bool, Format], Layout] = {}
        # The self-metrics in the index: alive, so that their id is theirs alone.
        self._own = b""
        # One page is made at a time: while one is laid out, the index must not change.
        self._making = asyncio.Lock()
        self._begun = 0

    def _now(self) -> tuple[PageKey, bytes]:
        own = b"" if self._self_metrics is None else self._self_metrics.render()
        return (self._table.generation, id(own)), own

    def fresh(self, kind: Kind) -> Page | None:
        """Return the page if it shows what the table has now."""
        page = self._pages.get(kind)
        return page if page is not None and page.key == self._now()[0] else None

    async def current(self, kind: Kind) -> Page:
        """Return a page that shows all that was in the table when this was called."""
        page = self.fresh(kind)
        if page is not None:
            return page
        # A reader who goes away must not stop what is half done.
        return await asyncio.shield(asyncio.ensure_future(self._make(kind, self._begun)))

    async def readings(self) -> Mapping[str, AppReading]:
        """Return what was read of each app, after having all read that is in the table now."""
        if self._catalog.stale:
            await asyncio.shield(asyncio.ensure_future(self._refresh()))
        return self._catalog.readings

    async def _refresh(self) -> None:
        async with self._making:
            await in_slices(self._catalog.refresh())

    async def _make(self, kind: Kind, asked: int) -> Page:
        async with self._making:
            page = self._pages.get(kind)
            if page is not None and (page.begun > asked or page.key == self._now()[0]):
                return page
            self._begun += 1
            begun = self._begun
            key, own = self._now()
            if own is not self._own:
                self._own = own
                self._catalog.set_self(read((own,), format="text").families)
            await in_slices(self._catalog.refresh())
            page = Page(key, await in_slices(self._lay_out(kind)), begun)
            self._pages[kind] = page
            return page

    def _lay_out(self, kind: Kind) -> Generator[None, None, list[Piece]]:
        merged = self._merged and not kind.only_self
        pieces: list[Piece] = []
        if not self._merged and not kind.only_self:
            pieces += yield from self._payloads(kind, self._table.snapshot())
        if self._self_metrics is not None or merged:
            pieces += yield from self._layout(kind.format, own=not merged).refresh()
        if merged and (self._expose or not kind.strict):
            pieces += lay_out(self._quarantined())
        if kind.format == "openmetrics":
            pieces += lay_out([OpenMetricsWriter.end])
        return pieces

    def _layout(self, form: Format, *, own: bool) -> Layout:
        layout = self._layouts.get((own, form))
        if layout is None:
            index: MergedIndex = self._catalog.own if own else self._catalog.index
            writer = TextWriter(index) if form == "text" else OpenMetricsWriter(index)
            layout = self._layouts[own, form] = Layout(index, writer)
        return layout

    def _payloads(self, kind: Kind, snapshot: Snapshot) -> Generator[None, None, list[Piece]]:
        """Lay out the payloads one after another, byte for byte."""
        parts: list[bytes] = []
        for start in range(0, len(snapshot.rows), ROWS_A_STEP):
            for row in snapshot.rows[start : start + ROWS_A_STEP]:
                parts += _closed(row)
            yield
        # The page before is kept until here: pieces are told apart by the identity of payloads.
        page = self._pages.get(kind)
        previous = {} if page is None else {piece.key: piece for piece in page.pieces}
        pieces = []
        for piece in lay_out(parts, previous):
            pieces.append(piece)
            yield
        return pieces

    def _quarantined(self) -> Iterator[bytes]:
        """Yield what scrapers can't read, as it came, each with a line that says why."""
        for app, reading in self._catalog.readings.items():
            for each in reading.quarantined:
                why = f"# quarantined: app={app} line={each.line}: {each.message}\n"
                yield why.encode()
                yield close_text(each.text)


_CLOSED = "closed payload"


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

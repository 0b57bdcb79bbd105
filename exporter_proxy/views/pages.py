"""The pages of all payloads: each made once for a state of the table, shared by all scrapes."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from typing import Any, TypeVar

from exporter_proxy.catalog import Catalog
from exporter_proxy.catalog.app_reading import AppReading
from exporter_proxy.exposition.escaping import DEFAULT_SCHEME, Scheme
from exporter_proxy.exposition.merged import (
    Layout,
    MergedIndex,
    OpenMetricsWriter,
    QuotingWriter,
    TextWriter,
    select,
    told_of,
)
from exporter_proxy.exposition.merged.duplicates import Duplicates
from exporter_proxy.exposition.merged.layout import Writer
from exporter_proxy.exposition.model import Format
from exporter_proxy.exposition.page import Encoding, Piece, lay_out
from exporter_proxy.exposition.reader import read
from exporter_proxy.exposition.verbatim import close_text
from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.table import Table
from exporter_proxy.views.kept import KeptKey, KeptPage, KeptPages, State
from exporter_proxy.views.page import Kind, Page, PageKey, Selection
from exporter_proxy.views.payloads import closed_payloads
from exporter_proxy.views.slices import in_slices

_T = TypeVar("_T")

SEARCHED_AT_ONCE = 5_000
"""Changed families of apps that are searched for duplicates before an OpenMetrics page: 100 apps of
50 families each, some ten milliseconds."""

_TOLD_OF: tuple[Scheme, ...] = (DEFAULT_SCHEME, "aliases")
"""OpenMetrics pages that findings tell of: of those that are asked for the first."""

FORGET_SECONDS = 300.0
"""How long a page is kept up to date that nobody asks for."""


class Pages:
    """Keeps the latest page of each kind.

    Args:
        table: Whose payloads are shown, in its order.
        catalog: The table, read.
        self_metrics: The last rows; None: there are none.
        merged: Whether families are grouped; else payloads are shown one after another.
        expose: Whether scrapers get what they can't read, too.
        make_room: Called before there is one more generation of the page.
        monotonic: The clock that says which pages nobody asks for.
        before: Those in whose place these come.
    """

    def __init__(
        self,
        table: Table,
        catalog: Catalog,
        self_metrics: SelfMetrics | None,
        *,
        merged: bool,
        expose: bool = False,
        make_room: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        before: "Pages | None" = None,
    ) -> None:
        self.merged = merged
        self._table = table
        self._catalog = catalog
        self._self_metrics = self_metrics
        self._expose = expose
        self._make_room = make_room
        self._monotonic = monotonic
        self._pages: dict[Kind, Page] = {}
        self._layouts: dict[tuple[bool, Format, Scheme], Layout] = {}
        # When each kind was last asked for.
        self._asked: dict[Kind, float] = {}
        # When it was last looked at which pages of one app nobody asks for.
        self._forgotten = monotonic()
        # What writes OpenMetrics pages of all apps, and what has a series twice there.
        self._openmetrics: dict[Scheme, OpenMetricsWriter] = {}
        self._duplicates: dict[Scheme, Duplicates] = {}
        # The self-metrics in the index: alive, so that their id is theirs alone.
        self._own = b""
        self._kept = KeptPages()
        # One page is made at a time: while one is laid out, the index must not change.
        self._making = asyncio.Lock()
        # Whether a page was made, or asked for what was read, since the house was last kept.
        self._looked_at = False
        # How often a search for duplicates found others than before.
        self._searches = 0
        # How often the catalog took in what had changed: its content depends on nothing else.
        self._generation: int = 0 if before is None else before.next_generation
        # What a change of the configuration brings, before the next page.
        self._new: tuple[SelfMetrics | None, bool] | None = None
        # What has to be done before the first page.
        self._first = None if before is None else before.give_back()

    def _now(self) -> tuple[PageKey, bytes]:
        own = b"" if self._self_metrics is None else self._self_metrics.render()
        return (self._table.generation, self._searches, id(own)), own

    @property
    def next_generation(self) -> int:
        """A generation that none of these pages has had."""
        return self._generation + 1

    def give_back(self) -> Generator[None, None, None]:
        """Give rows back what was read of them, in steps, for pages that come in these's place."""
        if self._first is not None:
            yield from self._first
        yield from self._catalog.give_back()

    def configure(self, self_metrics: SelfMetrics | None, *, expose: bool) -> None:
        """Make pages another way from the next one on."""
        self._new = self_metrics, expose
        # Pages have to be laid out again, although the table is as it was.
        self._searches += 1

    def fresh(self, kind: Kind) -> Page | None:
        """Return the page if it shows what the table has now."""
        kind = self._plain(kind)
        page = self._pages.get(kind)
        if page is None or page.key != self._now()[0] or not self._catalog.is_finished:
            return None
        self._asked[kind] = self._monotonic()
        return page

    async def current(self, kind: Kind) -> Page:
        """Return a page that shows all that was in the table when this was called."""
        page = self.fresh(kind)
        return await _whole(self._make(kind)) if page is None else page

    async def selected(
        self, kind: Kind, selection: Selection, encoding: Encoding = "identity"
    ) -> Page | KeptPage:
        """Return a page of some apps and families, made for this call at the cost of these.

        One of an app alone that did not change is found again, in the encoding that it was asked
        for in.
        """
        return await _whole(self._select(kind, selection, encoding))

    async def readings(self) -> Mapping[str, AppReading]:
        """Return what was read of each app, after having all read that is in the table now."""
        self._looked_at = True
        if self._catalog.stale:
            await _whole(self._read())
        return self._catalog.readings

    @property
    def is_behind(self) -> bool:
        """Whether there is something in the table that was not read yet."""
        return self._catalog.stale

    async def keep_house(self) -> None:
        """Search for series that two apps have, if anyone looked at a page since the last time.

        While nobody looks nothing is read: updates that replace one another cost nothing more.
        """
        if self._looked_at:
            self._looked_at = False
            await self.search_duplicates()

    async def search_duplicates(self) -> None:
        """Search for series that two apps have. The OpenMetrics page has the first alone."""
        if self._catalog.stale:
            await _whole(self._read())
        await in_slices(self._catalog.search_duplicates())
        for each in [*self._duplicates.values()]:
            await in_slices(each.search())
        async with self._making:
            await self._settle_duplicates()

    async def _search_at_once(self, scheme: Scheme, key: PageKey) -> PageKey:
        """Search before a page that must not have a series twice, if there is little to search.

        What is much is left to the search in the background.
        """
        duplicates = await in_slices(self._duplicates_of(scheme))
        if duplicates.pending <= SEARCHED_AT_ONCE:
            if scheme == DEFAULT_SCHEME:
                await in_slices(self._catalog.search_duplicates())
            else:
                await in_slices(duplicates.search())
            await self._settle_duplicates()
        return key[0], self._searches, key[2]

    def _duplicates_of(self, scheme: Scheme) -> Generator[None, None, Duplicates]:
        """Return what finds series that are twice in the index of a scheme."""
        if scheme == DEFAULT_SCHEME:
            return self._catalog.conflicts.duplicates
        duplicates = self._duplicates.get(scheme)
        if duplicates is None:
            index = yield from self._catalog.index_for(scheme)
            duplicates = Duplicates(index, all_at_once=False)
            yield from duplicates.add_all()
            self._duplicates[scheme] = duplicates
        return duplicates

    async def _settle_duplicates(self) -> None:
        other = False
        for each in [*self._duplicates.values()]:
            settled = await in_slices(each.settle())
            other = other or bool(settled)
        if await in_slices(self._catalog.settle_duplicates()) or other:
            self._age()

    async def _tell_of_held(self) -> None:
        """Have the next page tell what the OpenMetrics page doesn't show as it was sent."""
        writers = (self._openmetrics.get(scheme) for scheme in _TOLD_OF)
        found = next((writer.found for writer in writers if writer is not None), None)
        if await in_slices(self._catalog.tell_of_held(found)):
            self._age()

    def _age(self) -> None:
        """Have pages laid out again, although the table is as it was."""
        self._searches += 1
        self._generation += 1
        self._make_room()

    @property
    def bytes_read(self) -> int:
        """Bytes of payloads that were read so far."""
        return self._catalog.bytes_read

    async def _read(self) -> None:
        async with self._making:
            await self._take_in()

    async def _make(self, kind: Kind) -> Page:
        self._looked_at = True
        async with self._making:
            key = await self._take_in()
            kind = self._plain(kind)
            if kind.format == "openmetrics" and not self._is_own(kind):
                key = await self._search_at_once(_scheme(kind), key)
            page = self._pages.get(kind)
            if page is None or page.generation != self._generation:
                pieces = await in_slices(self._lay_out(kind))
                page = self._pages[kind] = Page(key, pieces, self._generation, kind)
                if kind.format == "openmetrics":
                    await self._tell_of_held()
            else:
                page.key = key
            self._asked[kind] = self._monotonic()
            return page

    async def _take_in(self) -> PageKey:
        """Have the catalog read what changed; return what the table's state was before."""
        if self._first is not None:
            await in_slices(self._first)
            self._first = None
        is_other = self._new is not None
        if self._new is not None:
            (self._self_metrics, self._expose), self._new = self._new, None
        key, own = self._now()
        if own is not self._own or self._catalog.stale or is_other:
            self._generation += 1
            self._make_room()
            await self._forget()
            if own is not self._own:
                self._own = own
                self._catalog.set_self(read((own,), format="text").families)
            await in_slices(self._catalog.refresh())
        return key

    async def _forget(self) -> None:
        """Let go of pages that nobody asks for: they keep what apps had long ago."""
        oldest = self._monotonic() - FORGET_SECONDS
        if self._forgotten < oldest:
            # Not all of them at each scrape.
            self._forgotten = self._monotonic()
            self._kept.forget(oldest)
        for kind in [kind for kind, asked in self._asked.items() if asked < oldest]:
            del self._asked[kind]
            self._pages.pop(kind, None)
        used = {(self._is_own(kind), kind.format, _scheme(kind)) for kind in self._asked}
        for unused in self._layouts.keys() - used:
            self._layouts.pop(unused).close()
            own, form, scheme = unused
            if form == "openmetrics" and not own:
                del self._openmetrics[scheme]
                if scheme in self._duplicates:
                    self._duplicates.pop(scheme).close()
                await self._tell_of_held()

    def _plain(self, kind: Kind) -> Kind:
        """Return the kind of page that this one is at present: without UTF-8 names all are one."""
        if self._catalog.has_quoted_names:
            return kind
        return kind._replace(escaping=DEFAULT_SCHEME)

    def _is_own(self, kind: Kind) -> bool:
        """Tell whether a page shows the index of the proxy's own metrics."""
        return kind.only_self or not self.merged

    def _lay_out(self, kind: Kind) -> Generator[None, None, list[Piece]]:
        own = self._is_own(kind)
        pieces: list[Piece] = []
        if own and not kind.only_self:
            pieces += yield from self._payloads(kind)
        if self._self_metrics is not None or not own:
            layout = yield from self._layout(kind, own=own)
            pieces += yield from layout.refresh()
        pieces += self._end(kind, Selection(), own=own)
        return pieces

    def _end(self, kind: Kind, selection: Selection, *, own: bool) -> Iterator[Piece]:
        if not own and (self._expose or not kind.strict):
            yield from lay_out(self._quarantined(selection))
        if kind.format == "openmetrics":
            yield from lay_out([OpenMetricsWriter.end])

    def _layout(self, kind: Kind, *, own: bool) -> Generator[None, None, Layout]:
        scheme = _scheme(kind)
        layout = self._layouts.get((own, kind.format, scheme))
        if layout is None:
            index = yield from self._index(kind, own=own)
            duplicates = None
            if kind.format == "openmetrics" and not own:
                duplicates = yield from self._duplicates_of(scheme)
            writer = _writer(index, kind, duplicates)
            layout = Layout(index, writer)
            self._layouts[own, kind.format, scheme] = layout
            if isinstance(writer, OpenMetricsWriter) and not own:
                self._openmetrics[scheme] = writer
        return layout

    def _index(self, kind: Kind, *, own: bool) -> Generator[None, None, MergedIndex]:
        if own:
            return self._catalog.own
        return (yield from self._catalog.index_for(_scheme(kind)))

    def _payloads(self, kind: Kind) -> Generator[None, None, list[Piece]]:
        """Lay out the payloads one after another, byte for byte."""
        parts = yield from closed_payloads(self._table.snapshot().rows)
        # The page before is kept until here: pieces are told apart by the identity of payloads.
        page = self._pages.get(kind)
        previous = {} if page is None else {piece.key: piece for piece in page.pieces}
        pieces = []
        for piece in lay_out(parts, previous):
            pieces.append(piece)
            yield
        return pieces

    def _quarantined(self, selection: Selection) -> Iterator[bytes]:
        """Yield what scrapers can't read, as it came, each with a line that says why."""
        for reading in self._catalog.held:
            app = reading.app
            if selection.apps is None or app in selection.apps:
                for each in reading.quarantined:
                    if selection.names is None or each.name in selection.names:
                        why = f"# quarantined: app={app} line={each.line}: {each.message}\n"
                        yield why.encode(errors="backslashreplace")
                        yield close_text(each.text)

    # -- some of it -------------------------------------------------------------------------

    async def _select(
        self, kind: Kind, selection: Selection, encoding: Encoding
    ) -> Page | KeptPage:
        own = self._is_own(kind)
        if own and not kind.only_self:
            return await self._select_payloads(kind, selection)
        async with self._making:
            key = await self._take_in()
            kind = self._plain(kind)
            generation = self._generation
            source = await in_slices(self._index(kind, own=own))
            key_of_kept = self._key_of_kept(kind, selection, encoding)
            state = self._state(source, key_of_kept)
            if key_of_kept is not None:
                kept = self._kept.find(key_of_kept, state, self._monotonic())
                if kept is not None:
                    return kept
            index = MergedIndex()
            # Before there is anything in the index, so that it is told of it step by step.
            duplicates = Duplicates(index)
            writer = _writer(index, kind, duplicates)
            layout = Layout(index, writer)
            await in_slices(self._fill(index, source, selection))
            end = [*self._end(kind, selection, own=own)]
        if kind.format == "openmetrics":
            # At once, as the cost is that of what is selected.
            await in_slices(duplicates.search())
            await in_slices(duplicates.settle())
        pieces = [*await in_slices(layout.refresh()), *end]
        page = Page(key, pieces, generation, kind, selection)
        if key_of_kept is not None and page.plain is not None:
            packed = page.pack_short(encoding)
            kept = KeptPage(kind, generation, page.tag, packed, state)
            self._kept.put(key_of_kept, kept, self._monotonic())
        return page

    def _key_of_kept(self, kind: Kind, selection: Selection, encoding: Encoding) -> KeptKey | None:
        """Return what a page is kept by; None: it isn't, as it depends on more than the index."""
        if self._is_own(kind) or not kind.strict or self._expose or encoding == "identity":
            return None
        apps = selection.apps
        if apps is None or len(apps) != 1 or selection.names is not None:
            return None
        (app,) = apps
        return KeptKey(kind, app, encoding) if app in self._catalog.numbers else None

    def _state(self, index: MergedIndex, key: KeptKey | None) -> State:
        """Return what a page is made of that is kept."""
        if key is None:
            return None, None
        number = self._catalog.numbers[key.app]
        return index.apps.get(number), index.apps.get(told_of(number))

    def _fill(
        self, index: MergedIndex, source: MergedIndex, selection: Selection
    ) -> Generator[None, None, None]:
        apps = None
        if selection.apps is not None:
            numbers = self._catalog.numbers
            chosen = [numbers[app] for app in selection.apps if app in numbers]
            apps = [*chosen, *map(told_of, chosen)]
        yield from select(source, index, apps=apps, names=selection.names)

    async def _select_payloads(self, kind: Kind, selection: Selection) -> Page:
        async with self._making:
            key = await self._take_in()
            rows = [row for row in map(self._table.get, selection.apps or ()) if row is not None]
            rows.sort(key=lambda row: row.number)
            pieces = [*lay_out(await in_slices(closed_payloads(rows)))]
            return Page(key, pieces, self._generation, kind, selection)


def _scheme(kind: Kind) -> Scheme:
    """Return the names that a page is made of."""
    if kind.format == "openmetrics" and kind.escaping == "allow-utf-8":
        return "aliases"
    return kind.escaping


def _writer(index: MergedIndex, kind: Kind, duplicates: Duplicates | None = None) -> Writer:
    if kind.format == "text":
        return TextWriter(index)
    held = None if duplicates is None else duplicates.held
    if _scheme(kind) == "aliases":
        return QuotingWriter(index, held)
    return OpenMetricsWriter(index, held)


async def _whole(run: Coroutine[Any, Any, _T]) -> _T:
    """Wait for something that is finished even if the reader who wants it goes away."""
    return await asyncio.shield(asyncio.ensure_future(run))

"""The same series twice: searched in the background, since no update should pay for it."""

from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple

from exporter_proxy.exposition.lines import windows
from exporter_proxy.exposition.merged.family import MergedFamily
from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.merged.repeats import repeats_of
from exporter_proxy.exposition.merged.series import (
    GROUPED,
    Orders,
    dropped_label,
    keys_of,
    series_of,
    text_of_series,
)

# Bytes looked at before the event loop is served, and what a cell takes beside its samples.
_STEP_BYTES = 131_072
_CELL_BYTES = 512
# Families, however little they have.
_FAMILIES_A_STEP = 500
# Cells that there is nothing to look at in.
_CELLS_A_STEP = 2_000
_HASH = (1 << 62) - 1


class Duplicate(NamedTuple):
    """A series that two apps have.

    Attributes:
        family: Its family.
        series: One of those that both have: name and labels.
        first: The number of the app that had it first.
        later: The number of the other.
        times: How many series of the family the later app has that an app before it has too.
    """

    family: bytes
    series: bytes
    first: int
    later: int
    times: int


class Twice(NamedTuple):
    """What an app has twice of a family: how many samples too many, and their first series."""

    times: int
    series: bytes


_Held = Mapping[int, frozenset[bytes]]


class Settled(NamedTuple):
    """What is held from now on that was not before, or the other way round.

    Attributes:
        families: What was held of each of some families, and what is.
        cells: Families, numbers of apps, and what each of them has twice itself.
    """

    families: list[tuple[_Held, _Held]]
    cells: list[tuple[bytes, int, Twice | None]]


class Duplicates:
    """Searches an index for series that two apps have, or one has twice.

    Each cell that changed is looked at once in a search. Only where its series are others than
    before, new values alone don't count, its whole family is searched again.

    Args:
        index: Is searched.
        all_at_once: Whether what is in it already is taken in now; else by :meth:`add_all`.

    Attributes:
        held: ``{family: {number of the app: its series that an app before it has too}}``.
        repeats: ``{family: {number of the app: what it has twice itself}}``.
    """

    def __init__(self, index: MergedIndex, *, all_at_once: bool = True) -> None:
        self.held: dict[bytes, _Held] = {}
        # The same, of families that were searched since.
        self._searched: dict[bytes, _Held] = {}
        self.repeats: dict[bytes, dict[int, Twice]] = {}
        self._searched_cells: dict[tuple[bytes, int], Twice | None] = {}
        # Bytes since the event loop was served last.
        self._looked_at = 0
        self._index = index
        self._changes = index.watch() if all_at_once else index.watch_from_now()
        # {family: {app: hash of its series}}, for families of several apps.
        self._series: dict[bytes, dict[int, int]] = {}

    def add_all(self) -> Generator[None, None, None]:
        """Take in what is in the index, in steps between which it may not change."""
        yield from self._index.add_all(self._changes)

    def close(self) -> None:
        """Follow the index no longer."""
        self._index.unwatch(self._changes)

    @property
    def pending(self) -> int:
        """How many cells changed since the search before."""
        return sum(map(len, self._changes.cells.values()))

    def search(self) -> Generator[None, None, list[Duplicate]]:
        """Search what changed since the search before, in steps; the value is what was found.

        The index may change between the steps; the next search sees to that. Nothing is ``held``
        before :meth:`settle`, since it must not change while a page is laid out.
        """
        changed = self._changes.take().cells
        found: list[Duplicate] = []
        for count, (name, apps) in enumerate(changed.items(), 1):
            if count % _FAMILIES_A_STEP == 0:
                yield
            family = self._index.families.get(name)
            yield from self._search_cells(name, family, apps)
            if family is None or len(family.cells) < 2:
                self._series.pop(name, None)
                self._searched[name] = {}
                continue
            if (yield from self._has_other_series(family, apps)):
                duplicates, held = yield from _search_family(family)
                found += duplicates
                self._searched[name] = held
        return found

    def _search_cells(
        self, name: bytes, family: MergedFamily | None, apps: Iterable[int]
    ) -> Generator[None, None, None]:
        """Search each of some cells for what it has twice itself."""
        for app in apps:
            cell = None if family is None else family.cells.get(app)
            repeats = None if cell is None else (yield from repeats_of(cell))
            twice = None
            if repeats is not None and repeats.times:
                twice = Twice(repeats.times, repeats.series)
            if twice is not None or app in self.repeats.get(name, ()):
                self._searched_cells[name, app] = twice
            self._looked_at += _CELL_BYTES if cell is None else _CELL_BYTES + len(cell.samples)
            if self._looked_at > _STEP_BYTES // 4:
                self._looked_at = 0
                yield

    def settle(self) -> Generator[None, None, Settled | None]:
        """Hold what the searches found, in steps; the value is what is other, None if nothing is.

        Not while a page is laid out, nor may one be between the steps.
        """
        families: list[tuple[_Held, _Held]] = []
        while self._searched:
            name, held = self._searched.popitem()
            before = self.held.get(name, {})
            if (yield from _differ(before, held)):
                families.append((before, held))
                if held:
                    self.held[name] = held
                else:
                    del self.held[name]
            if len(self._searched) % _FAMILIES_A_STEP == 0:
                yield
        cells: list[tuple[bytes, int, Twice | None]] = []
        while self._searched_cells:
            (name, app), twice = self._searched_cells.popitem()
            known = self.repeats.setdefault(name, {})
            if known.get(app) != twice:
                cells.append((name, app, twice))
            if twice is not None:
                known[app] = twice
            else:
                known.pop(app, None)
            if not known:
                del self.repeats[name]
            if len(self._searched_cells) % _FAMILIES_A_STEP == 0:
                yield
        return Settled(families, cells) if families or cells else None

    def _has_other_series(
        self, family: MergedFamily, apps: Iterable[int]
    ) -> Generator[None, None, bool]:
        known = self._series.get(family.name)
        if known is None:
            known = self._series[family.name] = {}
            apps = list(family.cells)
        other = False
        looked_at = 0
        for app in apps:
            cell = family.cells.get(app)
            if cell is None:
                other = known.pop(app, None) is not None or other
                continue
            series = 0
            for window in windows(cell.samples, _STEP_BYTES):
                # of one window, nearly always, the hash of its series
                series = series * 31 + hash(text_of_series(window)) & _HASH
                looked_at += _CELL_BYTES + len(window)
                if looked_at > _STEP_BYTES:
                    looked_at = 0
                    yield
            if known.get(app) != series:
                known[app] = series
                other = True
        yield
        return other


def _differ(one: _Held, other: _Held) -> Generator[None, None, bool]:
    """Tell whether two mappings differ, in steps."""
    if len(one) != len(other):
        return True
    for count, (app, series) in enumerate(one.items(), 1):
        if other.get(app) != series:
            return True
        if count % _CELLS_A_STEP == 0:
            yield
    return False


def _search_family(
    family: MergedFamily,
) -> Generator[None, None, tuple[list[Duplicate], dict[int, frozenset[bytes]]]]:
    search = _Search(family)
    if not search.by_key:
        yield from search.look_at_orders()
    found: list[Duplicate] = []
    held: dict[int, frozenset[bytes]] = {}
    looked_at = 0
    for app in sorted(family.cells):
        cell = family.cells.get(app)
        if cell is None:
            continue
        both: dict[bytes, int] = {}
        for window in windows(cell.samples, _STEP_BYTES):
            search.add(window, app, both)
            looked_at += _CELL_BYTES + len(window)
            if looked_at > _STEP_BYTES:
                looked_at = 0
                yield
        if both:
            held[app] = frozenset(both)
            one = min(both)
            found.append(Duplicate(family.name, one, both[one], app, len(both)))
    yield from search.let_go()
    return found, held


class _Search:
    """Finds the series of a family that apps have which others before them have too.

    Attributes:
        by_key: Whether the same series may be written in two ways; else its text is its key.
    """

    def __init__(self, family: MergedFamily) -> None:
        self._family = family
        kind = family.type
        # What OpenMetrics' parsers want together belongs to one app.
        self._drop = dropped_label(family.name, kind) if kind in GROUPED else None
        self.by_key = self._drop is not None
        # Which app has it first.
        self._seen: dict[bytes, int] = {}

    def let_go(self) -> Generator[None, None, None]:
        """Forget all series, in steps."""
        while self._seen:
            for _ in range(min(len(self._seen), _CELLS_A_STEP)):
                self._seen.popitem()
            yield

    def look_at_orders(self) -> Generator[None, None, None]:
        """Find out whether all write labels in the same order."""
        family = self._family
        orders = Orders(quoted=any(cell.quoted for cell in family.cells.values()))
        looked_at = 0
        for count, app in enumerate(list(family.cells), 1):
            if count % _CELLS_A_STEP == 0:
                yield
            cell = family.cells.get(app)
            if cell is None or b'",' not in cell.samples:
                continue
            for window in windows(cell.samples, _STEP_BYTES):
                orders.add(text_of_series(window))
                looked_at += _CELL_BYTES + len(window)
                if looked_at > _STEP_BYTES:
                    looked_at = 0
                    yield
        self.by_key = orders.differ

    def add(self, samples: bytes, app: int, both: dict[bytes, int]) -> None:
        """Take in samples of an app; note in ``both`` those that another has, and which."""
        seen, series = self._seen, series_of(samples)
        if self.by_key:
            for each, key in zip(series, keys_of(series, self._drop), strict=True):
                first = seen.setdefault(key, app)
                if first != app:
                    both[each] = first
            return
        ours = dict.fromkeys(series, app)
        for each in seen.keys() & ours.keys():
            both[each] = seen[each]
            ours[each] = seen[each]
            if seen[each] == app:
                del both[each]
        seen |= ours

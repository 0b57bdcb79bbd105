"""The same series from two apps: searched in the background, since no update should pay for it."""

import re
from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple

from exporter_proxy.exposition.merged.family import MergedFamily
from exporter_proxy.exposition.merged.index import MergedIndex

# A value, and a timestamp where there is one: what a sample has behind its series. Neither has a
# quote or a brace, so that blanks in a label's value are not taken for those before them.
_VALUES = re.compile(rb' [^ \n"}]++(?: -?[0-9]++)?+$', re.MULTILINE)
_CELLS_A_STEP = 50


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


class Duplicates:
    """Searches an index for series that two apps have.

    Each cell that changed is looked at once in a search. Only where its series are others than
    before, new values alone don't count, its whole family is searched again.

    Attributes:
        held: ``{family: {number of the app: its series that an app before it has too}}``.
    """

    def __init__(self, index: MergedIndex) -> None:
        self.held: dict[bytes, Mapping[int, frozenset[bytes]]] = {}
        # The same, of families that were searched since.
        self._searched: dict[bytes, Mapping[int, frozenset[bytes]]] = {}
        self._index = index
        self._changes = index.watch()
        # {family: {app: hash of its series}}, for families of several apps.
        self._series: dict[bytes, dict[int, int]] = {}

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
        for name, apps in changed.items():
            family = self._index.families.get(name)
            if family is None or len(family.cells) < 2:
                self._series.pop(name, None)
                self._searched[name] = {}
                continue
            if (yield from self._has_other_series(family, apps)):
                duplicates, held = yield from _search_family(family)
                found += duplicates
                self._searched[name] = held
        return found

    def settle(self) -> bool:
        """Hold what the searches found; tell whether it is other than before."""
        other = False
        for name, held in self._searched.items():
            if held != self.held.get(name, {}):
                other = True
                if held:
                    self.held[name] = held
                else:
                    del self.held[name]
        self._searched.clear()
        return other

    def _has_other_series(
        self, family: MergedFamily, apps: Iterable[int]
    ) -> Generator[None, None, bool]:
        known = self._series.get(family.name)
        if known is None:
            known = self._series[family.name] = {}
            apps = list(family.cells)
        other = False
        for count, app in enumerate(apps, 1):
            cell = family.cells.get(app)
            if cell is None:
                other = known.pop(app, None) is not None or other
                continue
            series = hash(_VALUES.sub(b"", cell.samples))
            if known.get(app) != series:
                known[app] = series
                other = True
            if count % _CELLS_A_STEP == 0:
                yield
        yield
        return other


def series_of(samples: bytes) -> list[bytes]:
    """Return name and labels of each sample, in their order."""
    return _VALUES.sub(b"", samples).split(b"\n")[:-1]


def _search_family(
    family: MergedFamily,
) -> Generator[None, None, tuple[list[Duplicate], dict[int, frozenset[bytes]]]]:
    seen: dict[bytes, int] = {}
    found: list[Duplicate] = []
    held: dict[int, frozenset[bytes]] = {}
    for count, app in enumerate(sorted(family.cells), 1):
        cell = family.cells.get(app)
        if cell is not None:
            series = dict.fromkeys(series_of(cell.samples), app)
            both = seen.keys() & series.keys()
            if both:
                held[app] = frozenset(both)
                one = min(both)
                found.append(Duplicate(family.name, one, seen[one], app, len(both)))
            for each in both:
                del series[each]
            seen |= series
        if count % _CELLS_A_STEP == 0:
            yield
    yield
    return found, held

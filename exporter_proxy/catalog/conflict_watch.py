"""What apps are at odds about, kept up to date: types, HELP texts, names, series.

And what an app has twice itself, as the same search finds it.
"""

import logging
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence

from exporter_proxy.exposition.merged import MergedIndex
from exporter_proxy.exposition.merged.duplicates import Duplicate, Duplicates
from exporter_proxy.exposition.model import Finding
from exporter_proxy.repeats import Crowd

logger = logging.getLogger(__name__)

_FAMILIES_A_STEP = 200
# The same of what takes a fraction of a microsecond each.
_NAMES_A_STEP = 5_000
# Pairs of apps that the log was told of; beyond that nothing is logged.
_MOST_TOLD = 1000


class ConflictWatch:
    """Follows an index.

    Types, HELP texts and names are compared when the catalog was refreshed, at a cost that follows
    what changed; only for a family about which apps differ are all of its cells looked at. Series
    are searched in the background.

    Args:
        index: All families.

    Attributes:
        duplicates: The search for series that two apps have.
    """

    def __init__(self, index: MergedIndex) -> None:
        self.duplicates = Duplicates(index)
        self._index = index
        self._changes = index.watch()
        # {family: {number of an app: reasons}}, of families about which apps differ.
        self._families: dict[bytes, dict[int, tuple[str, ...]]] = {}
        self._apps: dict[int, Counter[str]] = {}
        # {number of an app: series of it that an app before it has too}
        self._same_series: Counter[int] = Counter()
        # {number of an app: samples of series that it has twice itself}
        self._repeats: dict[int, Finding] = {}
        self._told: set[tuple[int, int]] = set()
        self._crowd = Crowd(
            logger, "more apps than are named here have the same series: /apps has all of them"
        )

    def findings(self, app: int) -> Counter[str]:
        """Return ``{reason: how many families, or series}`` of the app with that number."""
        found = Counter(self._apps.get(app, ()))
        if self._same_series[app]:
            found["same_series"] = self._same_series[app]
        return found

    def repeats(self, app: int) -> Sequence[Finding]:
        """Return what the app with that number has twice itself: one finding, or none."""
        found = self._repeats.get(app)
        return () if found is None else (found,)

    def follow(self) -> Generator[None, None, set[int]]:
        """Take in what changed, in steps; the value is the apps whose findings are others."""
        metadata = self._changes.take().metadata
        changed = list(metadata)
        names = metadata
        for start in range(0, len(changed), _NAMES_A_STEP):
            if start:
                yield
            some = changed[start : start + _NAMES_A_STEP]
            names.update(dict.fromkeys(self._index.related(some)))
        touched: set[int] = set()
        for count, name in enumerate(names, 1):
            before, now = self._families.pop(name, {}), self._compare(name)
            if now:
                self._families[name] = now
            for app in before.keys() | now.keys():
                if before.get(app) != now.get(app):
                    self._count(app, before.get(app, ()), -1)
                    self._count(app, now.get(app, ()), 1)
                    touched.add(app)
            if count % _FAMILIES_A_STEP == 0:
                yield
        return touched

    def search(self, names: Mapping[int, str]) -> Generator[None, None, None]:
        """Search for series that two apps have, in steps between which the index may change.

        The first one between two apps is logged.

        Args:
            names: The apps' names, by number.
        """
        found = yield from self.duplicates.search()
        self._warn(found, names)

    def settle(self) -> set[int] | None:
        """Take over what was searched; return the apps whose findings are others, None if nothing.

        Not while a page is laid out.
        """
        if not self.duplicates.settle():
            return None
        before, self._same_series = self._same_series, Counter()
        for cells in self.duplicates.held.values():
            for app, series in cells.items():
                self._same_series[app] += len(series)
        touched = {
            app for app in before | self._same_series if before[app] != self._same_series[app]
        }
        return touched | self._count_repeats()

    def _count_repeats(self) -> set[int]:
        before, found = self._repeats, dict[int, Finding]()
        for cells in self.duplicates.repeats.values():
            for app, twice in cells.items():
                known = found.get(app)
                times = twice.times + (0 if known is None else known.times)
                series = twice.series.decode(errors="backslashreplace")
                what = series if known is None else min(known.what, series)
                found[app] = Finding("duplicate_series", times, 0, what)
        self._repeats = found
        return {app for app in {*before, *found} if before.get(app) != found.get(app)}

    def _compare(self, name: bytes) -> dict[int, tuple[str, ...]]:
        index = self._index
        family = index.families.get(name)
        if family is None:
            return {}
        shadowed = index.is_shadowed(name)
        if not shadowed and len(family.types) <= 1 and len(family.helps) <= 1:
            return {}
        found = {}
        for app, cell in family.cells.items():
            reasons = (*family.differs(cell), *(("suffix_clash",) if shadowed else ()))
            if reasons:
                found[app] = reasons
        return found

    def _count(self, app: int, reasons: Iterable[str], times: int) -> None:
        counter = self._apps.setdefault(app, Counter())
        for reason in reasons:
            counter[reason] += times
            if not counter[reason]:
                del counter[reason]
        if not counter:
            del self._apps[app]

    def _warn(self, found: Iterable[Duplicate], names: Mapping[int, str]) -> None:
        for each in found:
            pair = each.first, each.later
            if pair in self._told or len(self._told) >= _MOST_TOLD:
                continue
            self._told.add(pair)
            if not self._crowd.has_room():
                continue
            logger.warning(
                "two apps have the same series, of which Prometheus keeps one: apps=%s, %s "
                'series=%s (%d in this family): exporter.app_label = "app" tells them apart',
                names.get(each.first, "exporter-proxy"),
                names.get(each.later, "exporter-proxy"),
                each.series.decode(errors="backslashreplace"),
                each.times,
            )

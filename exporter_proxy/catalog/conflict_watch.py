"""What apps are at odds about, kept up to date: types, HELP texts, names, series.

And what an app has twice itself, as the same search finds it.
"""

import logging
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import chain

from exporter_proxy.exposition.merged import MergedIndex
from exporter_proxy.exposition.merged.duplicates import Duplicate, Duplicates, Twice
from exporter_proxy.exposition.model import Finding
from exporter_proxy.repeats import Crowd

logger = logging.getLogger(__name__)

_FAMILIES_A_STEP = 200
# The same of what takes a fraction of a microsecond each.
_NAMES_A_STEP = 5_000
_APPS_A_STEP = 1_000
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
        # {number of an app: {family: what it has twice itself}}
        self._repeats: dict[int, dict[bytes, Twice]] = {}
        self._told: set[tuple[int, int]] = set()
        self._crowd = Crowd(
            logger, "more apps than are named here have the same series: /apps has all of them"
        )

    def findings(self, app: int) -> Counter[str]:
        """Return ``{reason: how many families, or series}`` of the app with that number."""
        found = Counter(self._apps.get(app, ()))
        if app in self._same_series:
            found["same_series"] = self._same_series[app]
        return found

    def repeats(self, app: int) -> Sequence[Finding]:
        """Return what the app with that number has twice itself: one finding, or none."""
        found = self._repeats.get(app)
        if found is None:
            return ()
        times = sum(twice.times for twice in found.values())
        first = min(twice.series.decode(errors="backslashreplace") for twice in found.values())
        return (Finding("duplicate_series", times, 0, first),)

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
            before, now = self._families.pop(name, {}), (yield from self._compare(name))
            if now:
                self._families[name] = now
            apps = chain(now, (app for app in before if app not in now))
            for done, app in enumerate(apps, 1):
                if before.get(app) != now.get(app):
                    self._count(app, before.get(app, ()), -1)
                    self._count(app, now.get(app, ()), 1)
                    touched.add(app)
                if done % _APPS_A_STEP == 0:
                    yield
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
        while found:
            # From the first on, for it is what the log names.
            self._warn(found[:_APPS_A_STEP], names)
            del found[:_APPS_A_STEP]
            yield

    def settle(self) -> Generator[None, None, set[int] | None]:
        """Take over what was searched, in steps; the value is the apps whose findings are others.

        None if nothing is other. Not while a page is laid out, nor may one be between the steps.
        """
        settled = yield from self.duplicates.settle()
        if settled is None:
            return None
        touched: set[int] = set()
        for before, now in settled.families:
            apps = chain(now, (app for app in before if app not in now))
            for count, app in enumerate(apps, 1):
                more = len(now.get(app, ())) - len(before.get(app, ()))
                if more:
                    self._same_series[app] += more
                    touched.add(app)
                    if not self._same_series[app]:
                        del self._same_series[app]
                if count % _APPS_A_STEP == 0:
                    yield
        for count, (name, app, twice) in enumerate(settled.cells, 1):
            self._count_repeats(name, app, twice)
            touched.add(app)
            if count % _APPS_A_STEP == 0:
                yield
        return touched

    def _count_repeats(self, name: bytes, app: int, twice: Twice | None) -> None:
        """Take note of what an app has twice of a family."""
        known = self._repeats.setdefault(app, {})
        if twice is not None:
            known[name] = twice
        else:
            known.pop(name, None)
        if not known:
            del self._repeats[app]

    def _compare(self, name: bytes) -> Generator[None, None, dict[int, tuple[str, ...]]]:
        """Return why what apps have of a family differs from what counts, in steps."""
        index = self._index
        family = index.families.get(name)
        if family is None:
            return {}
        shadowed = index.is_shadowed(name)
        if not shadowed and len(family.types) <= 1 and len(family.helps) <= 1:
            return {}
        found: dict[int, tuple[str, ...]] = {}
        for count, (app, cell) in enumerate(family.cells.items(), 1):
            if count % _APPS_A_STEP == 0:
                yield
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

"""The OpenMetrics format 1.0, family by family.

OpenMetrics allows less than the text format: no name may be taken twice, suffixes included, a
counter ends in ``_total`` and never falls below zero, a histogram is whole and in order. What does
not hold for one app's samples decides over the whole family, as it has one TYPE: it is then written
as ``unknown``, for a histogram or summary a family for each name of a sample. No series changes
its name, and only what can't be shown even so is left out.
"""

from collections.abc import Collection, Generator, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from exporter_proxy.exposition.merged.cells import without_exemplars
from exporter_proxy.exposition.merged.family import COMPOUND, MergedFamily, fits
from exporter_proxy.exposition.merged.held_findings import HeldFindings
from exporter_proxy.exposition.merged.index import Changes, MergedIndex
from exporter_proxy.exposition.merged.layout import Part
from exporter_proxy.exposition.merged.metrics import fold
from exporter_proxy.exposition.merged.modes import Mode
from exporter_proxy.exposition.merged.naming import CREATED, Naming
from exporter_proxy.exposition.merged.validity import Held, Validity, named
from exporter_proxy.exposition.merged.written import written_of
from exporter_proxy.exposition.model import Family

# Families looked at before the event loop is served.
_STEP = 500
# The same where they may be new: which names they take up takes long to find out.
_NEW_STEP = 100
# Of samples.
_STEP_BYTES = 262_144
# What a cell takes beside its samples, as if it were bytes of these.
_CELL_BYTES = 2_048


class _Folded(NamedTuple):
    """A cell with the samples of its ``_created`` family, and how many of those did not fit."""

    cell: Family
    created: Family
    text: bytes
    left: int


class OpenMetricsWriter:
    """Writes the families of an index in the OpenMetrics format 1.0.

    Args:
        index: Is followed.
        held: What is left out, as the same series may not be twice on a page. May change between
            refreshes: by whole families.

    Attributes:
        found: What it shows in another way than it was sent, or not at all, as of the last refresh.
    """

    content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    end = b"# EOF\n"

    def __init__(self, index: MergedIndex, held: Held | None = None) -> None:
        self._index = index
        self._validity = Validity({} if held is None else held)
        self._naming = Naming(index, self._validity)
        self._folded: dict[tuple[bytes, int], _Folded] = {}
        self.found = HeldFindings()

    def follow(self, changes: Changes) -> Generator[None, None, None]:
        """Take in what changed, and add what is written another way because of it."""
        naming = self._naming
        yield from self._validity.follow_held(changes)
        unsettled: set[bytes] = set()
        for done, (name, apps) in enumerate(list(changes.cells.items()), 1):
            yield from self._follow_family(name, apps, changes, unsettled)
            if done % _NEW_STEP == 0:
                yield
        yield from self._unsettle(changes, unsettled)
        yield from naming.settle(unsettled, changes)
        for done, (name, apps) in enumerate(list(changes.cells.items()), 1):
            parent = naming.mode(name).parent
            if parent is not None:
                for app in apps:
                    changes.cell(parent, app)
            if done % _STEP == 0:
                yield
        yield from self._fold(changes)
        yield from self._find(changes)

    def _unsettle(self, changes: Changes, unsettled: set[bytes]) -> Generator[None, None, None]:
        """Note which families must be decided about again as others changed, or their order."""
        for done, name in enumerate(changes.metadata, 1):
            self._naming.unsettle(name, unsettled)
            if done % _STEP == 0:
                yield
        for done, app in enumerate(changes.apps, 1):
            self._naming.unsettle_app(app, unsettled)
            if done % _STEP == 0:
                yield
        yield

    def _follow_family(
        self, name: bytes, apps: Collection[int], changes: Changes, unsettled: set[bytes]
    ) -> Generator[None, None, None]:
        family = self._index.families.get(name)
        parent = self._naming.mode(name).parent
        looked_at = 0
        for app in apps:
            cell = None if family is None else family.cells.get(app)
            yield from self._validity.reduce(name, app, cell)
            self._folded.pop((name, app), None)
            if parent is not None:
                self._folded.pop((parent, app), None)
            looked_at += _CELL_BYTES if cell is None else _CELL_BYTES + len(cell.samples)
            if looked_at > _STEP_BYTES:
                looked_at = 0
                yield
        if family is None:
            self._validity.forget(name)
            self._naming.forget(name, apps, changes, unsettled)
            return
        self._naming.add(name, unsettled)
        if (yield from self._validity.check(family, apps)):
            unsettled.add(name)

    def parts(self, family: MergedFamily) -> tuple[Part, ...]:
        """Return the headers of what a family is written as; none if it has no place of its own."""
        mode = self._naming.mode(family.name)
        if not mode.type:
            return ()
        if mode.parts:
            return tuple(
                Part(_header(name, mode.type, family), name, alone=False) for name in mode.parts
            )
        return (Part(_header(mode.name, mode.type, family)),)

    def cells(self, family: MergedFamily, part: Part, apps: Iterable[int]) -> list[bytes]:
        """Return the lines that each of some apps has of a part; empty if they can't be shown."""
        mode = self._naming.mode(family.name)
        with_created = self._naming.created(family.name) is not None
        lines = []
        for app in apps:
            cell = self._validity.cell(family, app)
            if cell is None:
                lines.append(b"")
            elif part.sample:
                lines.append(named(cell).get(part.sample, b""))
            elif with_created and (folded := self._folded.get((family.name, app))):
                lines.append(folded.text)
            else:
                lines.append(_lines(cell, mode))
        return lines

    def _fold(self, changes: Changes) -> Generator[None, None, None]:
        """Fold what changed into the families where it belongs, before it is asked for."""
        others = (name for name in changes.anew if name not in changes.cells)
        for done, name in enumerate(chain(changes.cells, others), 1):
            if done % _STEP == 0:
                yield
            family = self._index.families.get(name)
            created = None if family is None else self._naming.created(name)
            if family is None or created is None:
                continue
            looked_at = 0
            for app in family.cells if name in changes.anew else changes.cells[name]:
                if app in family.cells and app in created.cells:
                    yield from self._fold_cell(family, created, app)
                    looked_at += len(family.cells[app].samples)
                    if looked_at > _STEP_BYTES:
                        looked_at = 0
                        yield
            yield

    def _fold_cell(
        self, family: MergedFamily, created: MergedFamily, app: int
    ) -> Generator[None, None, None]:
        cell, times = self._validity.cell(family, app), self._validity.cell(created, app)
        folded = self._folded.pop((family.name, app), None)
        if cell is None or times is None:
            return
        if folded is None or folded.cell is not cell or folded.created is not times:
            text = _lines(cell, self._naming.mode(family.name))
            folded = _Folded(cell, times, *(yield from fold(cell, text, times)))
        self._folded[family.name, app] = folded

    def _find(self, changes: Changes) -> Generator[None, None, None]:
        """Take note of what is shown in another way than it was sent, where that may be news."""
        for done, name in enumerate(changes.names(), 1):
            yield from self._find_family(name)
            created = name + CREATED
            if name.endswith(b"_total"):
                created = name.removesuffix(b"_total") + CREATED
            if created in self._index.families:
                # Whose samples find their place or not, as the metrics are others.
                yield from self._find_family(created)
            if done % _STEP == 0:
                yield

    def _find_family(self, name: bytes) -> Generator[None, None, None]:
        family = self._index.families.get(name)
        found: dict[int, tuple[str, ...]] = {}
        if family is not None and self._may_be_other(family):
            for done, app in enumerate(family.cells, 1):
                reasons = tuple(self.findings(family, app))
                if reasons:
                    found[app] = reasons
                if done % _STEP == 0:
                    yield
        self.found.put(name, found)

    def _may_be_other(self, family: MergedFamily) -> bool:
        mode = self._naming.mode(family.name)
        return (
            bool(self._validity.unfit(family.name))
            or mode.parent is not None
            or mode != self._naming.wanted(family)
        )

    def findings(self, family: MergedFamily, app: int) -> Iterator[str]:
        """Yield why what an app has of a family is written another way here, or not at all.

        What is said is as of the last time that the page was laid out.
        """
        name = family.name
        mode = self._naming.mode(name)
        if not fits(family.cells[app], family.type):
            return
        if app in self._validity.unfit(name):
            yield "openmetrics_invalid"
        if mode.parent is not None:
            folded = self._folded.get((mode.parent, app))
            if folded is None or folded.left:
                yield "openmetrics_created"
        elif mode != self._naming.wanted(family):
            yield "openmetrics_clash" if mode.type else "openmetrics_held"


def _lines(cell: Family, mode: Mode) -> bytes:
    """Return a cell's samples as they stand under the family's own header."""
    if mode.type in COMPOUND:
        arranged = written_of(cell).arranged
        assert arranged is not None  # else the family were not written as what it is
        return arranged
    if cell.openmetrics is None:
        return cell.samples
    if mode.type == "counter":
        return cell.openmetrics
    written = written_of(cell)
    if written.plain is None:
        written.plain = without_exemplars(cell.openmetrics)
    return written.plain


def _header(name: bytes, kind: str, family: MergedFamily) -> bytes:
    lines = b"# TYPE %s %s\n" % (name, kind.encode())
    unit = family.unit
    if unit and name.endswith(b"_" + unit) and kind not in {"info", "stateset"}:
        lines += b"# UNIT %s %s\n" % (name, unit)
    text = family.help
    if text is not None:
        # Quotes are escaped too, unlike in the text format.
        lines += b"# HELP %s %s\n" % (name, text.replace(b'"', b'\\"'))
    return lines

"""The OpenMetrics format 1.0, family by family.

OpenMetrics allows less than the text format: no name may be taken twice, suffixes included, a
counter ends in ``_total`` and never falls below zero, a histogram is whole and in order. What does
not hold for one app's samples decides over the whole family, as it has one TYPE: it is then written
as ``unknown``, for a histogram or summary a family for each name of a sample. No series changes
its name, and only what can't be shown even so is left out.
"""

import heapq
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import NamedTuple

from exporter_proxy.exposition.grammar import NAME_ALONE
from exporter_proxy.exposition.merged.cells import (
    are_counters,
    are_infos,
    are_states,
    by_name,
    openmetrics_lines,
    without_exemplars,
)
from exporter_proxy.exposition.merged.family import COMPOUND, MergedFamily, fits
from exporter_proxy.exposition.merged.index import Changes, MergedIndex
from exporter_proxy.exposition.merged.layout import Part
from exporter_proxy.exposition.merged.metrics import arrange, fold, without
from exporter_proxy.exposition.merged.names import HELD, Mode, may_clash, typed, untyped
from exporter_proxy.exposition.model import Family, FamilyType

_CREATED = b"_created"
_WITH_CREATED = frozenset({"counter", "histogram", "summary"})
_CHECKS = {"counter": are_counters, "info": are_infos, "stateset": are_states}
# Families or cells looked at before the event loop is served.
_STEP = 500

Held = Mapping[bytes, Mapping[int, frozenset[bytes]]]


class _Written:
    """What was made of a cell, kept with it.

    Attributes:
        arranged: A histogram's or summary's samples in order; None: they are not valid.
        is_arranged: Whether that is known.
        named: Samples by their name.
        plain: Samples without exemplars.
    """

    __slots__ = ("arranged", "is_arranged", "named", "plain")

    def __init__(self) -> None:
        self.arranged: bytes | None = None
        self.is_arranged = False
        self.named: dict[bytes, bytes] | None = None
        self.plain: bytes | None = None


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
        held: ``{family: {app: series that an app before it has}}``: what is left out, as the same
            series may not be twice on a page. May change between refreshes: by whole families.
    """

    content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    end = b"# EOF\n"

    def __init__(self, index: MergedIndex, held: Held | None = None) -> None:
        self._index = index
        self._held: Held = {} if held is None else held
        self._held_before: dict[bytes, Mapping[int, frozenset[bytes]]] = {}
        self._modes: dict[bytes, Mode] = {}
        # {family: those that may take up the same names}
        self._related: dict[bytes, set[bytes]] = {}
        # Of families whose samples must be right for their type: that type, and the apps whose
        # are not.
        self._checked: dict[bytes, FamilyType] = {}
        self._unfit: dict[bytes, set[int]] = {}
        # Cells without what is held of them.
        self._reduced: dict[tuple[bytes, int], Family] = {}
        self._folded: dict[tuple[bytes, int], _Folded] = {}

    # -- following the index ----------------------------------------------------------------

    def follow(self, changes: Changes) -> Generator[None, None, None]:
        """Take in what changed, and add what is written another way because of it."""
        self._follow_held(changes)
        unsettled: set[bytes] = set()
        for done, (name, apps) in enumerate(list(changes.cells.items()), 1):
            family = self._index.families.get(name)
            for app in apps:
                self._reduce(name, app, None if family is None else family.cells.get(app))
            if family is None:
                self._forget(name, apps, changes, unsettled)
            else:
                if name not in self._modes:
                    self._relate(name)
                    self._unsettle(name, unsettled)
                yield from self._check(family, apps, unsettled)
            if done % _STEP == 0:
                yield
        for name in changes.metadata:
            if name in self._modes:
                self._unsettle(name, unsettled)
        for app in changes.apps:
            # Another order on the page may make another of two families the later one.
            for name in self._index.apps.get(app, ()):
                if name in self._related:
                    self._unsettle(name, unsettled)
        yield
        yield from self._settle(unsettled, changes)
        for name, apps in list(changes.cells.items()):
            parent = self._modes.get(name, HELD).parent
            if parent is not None:
                for app in apps:
                    changes.cell(parent, app)

    def _follow_held(self, changes: Changes) -> None:
        for name in {*self._held, *self._held_before}:
            now = self._held.get(name, {})
            before = self._held_before.get(name, {})
            if now is before:
                continue
            for app in {*now, *before}:
                if now.get(app) != before.get(app):
                    changes.cell(name, app)
        self._held_before = dict(self._held)

    def _reduce(self, name: bytes, app: int, cell: Family | None) -> None:
        """Leave out of a cell what is held of it."""
        held = self._held_before.get(name, {}).get(app)
        if held and cell is not None and not cell.quoted:
            self._reduced[name, app] = without(cell, held)
        else:
            self._reduced.pop((name, app), None)
        self._folded.pop((name, app), None)

    def _relate(self, name: bytes) -> None:
        self._modes[name] = HELD
        related = {other for other in may_clash(name) if other in self._modes}
        if related:
            self._related[name] = related
            for other in related:
                self._related.setdefault(other, set()).add(name)

    def _unsettle(self, name: bytes, unsettled: set[bytes]) -> None:
        """Note that a family, and those that depend on it, must be decided about again."""
        unsettled.add(name)
        for other in self._related.get(name, ()):
            unsettled.add(other)
            if other.endswith(_CREATED):
                # It is decided about after its parent, and so may change places with others.
                unsettled |= self._related[other]

    def _forget(
        self, name: bytes, apps: Iterable[int], changes: Changes, unsettled: set[bytes]
    ) -> None:
        mode = self._modes.pop(name, HELD)
        self._unsettle(name, unsettled)
        self._checked.pop(name, None)
        self._unfit.pop(name, None)
        if mode.parent is not None:
            for app in apps:
                changes.cell(mode.parent, app)
        for other in self._related.pop(name, ()):
            self._related[other].discard(name)
            if not self._related[other]:
                del self._related[other]

    # -- what is right for its type ---------------------------------------------------------

    def _check(
        self, family: MergedFamily, apps: Iterable[int], unsettled: set[bytes]
    ) -> Generator[None, None, None]:
        """Bring up to date which cells are not valid for the family's type."""
        name, kind = family.name, family.type
        if kind not in COMPOUND and typed(name, kind).type not in _CHECKS:
            if self._checked.pop(name, None) is not None:
                self._unfit.pop(name, None)
            return
        before = bool(self._unfit.get(name))
        if self._checked.get(name) != kind:
            self._checked[name] = kind
            self._unfit.pop(name, None)
            apps = list(family.cells)
        unfit = self._unfit.get(name, set())
        for done, app in enumerate(apps, 1):
            if app in family.cells and not (yield from self._is_valid(family, app)):
                unfit.add(app)
                # It may have samples of a name that its type does not have.
                unsettled.add(name)
            else:
                unfit.discard(app)
            if done % _STEP == 0:
                yield
        if unfit:
            self._unfit[name] = unfit
        else:
            self._unfit.pop(name, None)
        if bool(unfit) != before:
            unsettled.add(name)

    def _is_valid(self, family: MergedFamily, app: int) -> Generator[None, None, bool]:
        cell, kind = self._cell(family, app), family.type
        if cell is None:
            return True
        if kind not in COMPOUND:
            return _CHECKS[kind](cell)
        written = _written(cell)
        if not written.is_arranged:
            written.arranged = yield from arrange(cell)
            written.is_arranged = True
        return written.arranged is not None

    def _cell(self, family: MergedFamily, app: int) -> Family | None:
        """Return what is shown of an app's cell; None if it can't be."""
        cell = family.cells[app]
        if cell.quoted or not fits(cell, family.type):
            return None
        return self._reduced.get((family.name, app), cell) if self._reduced else cell

    # -- who takes which name ---------------------------------------------------------------

    def _settle(self, unsettled: set[bytes], changes: Changes) -> Generator[None, None, None]:
        """Decide about families in the order of the page, and about those that this touches."""
        families = self._index.families
        heap = [(self._place(name), name) for name in unsettled if name in families]
        heapq.heapify(heap)
        settled: set[bytes] = set()
        while heap:
            place, name = heapq.heappop(heap)
            if name in settled:
                continue
            settled.add(name)
            if len(settled) % _STEP == 0:
                yield
            before = self._modes[name]
            mode = self._choose(name, place)
            if mode == before:
                continue
            self._modes[name] = mode
            changes.anew.add(name)
            changes.anew |= {each for each in (before.parent, mode.parent) if each is not None}
            for other in self._related.get(name, ()):
                other_place = self._place(other)
                if other_place > place:
                    heapq.heappush(heap, (other_place, other))

    def _place(self, name: bytes) -> tuple[tuple[int, int, bytes], int, bytes]:
        """Return a family's place in the order in which names are given away.

        It is the order of the page, but for what could be folded into a family: that comes after.
        """
        place = self._index.page_order(name)
        if self._is_created(name):
            after = [self._index.page_order(parent) for parent in self._parents(name)]
            return max(after, default=place), 1, name
        return place, 0, name

    def _is_created(self, name: bytes) -> bool:
        return name.endswith(_CREATED) and self._index.families[name].type in {"gauge", "untyped"}

    def _parents(self, name: bytes) -> Iterator[bytes]:
        base = name.removesuffix(_CREATED)
        for parent in (base + b"_total", base):
            if parent in self._index.families:
                yield parent

    def _choose(self, name: bytes, place: tuple[tuple[int, int, bytes], int, bytes]) -> Mode:
        if not NAME_ALONE.fullmatch(name):
            return HELD
        earlier = {
            other: self._modes[other]
            for other in self._related.get(name, ())
            if self._place(other) < place
        }
        if self._is_created(name):
            for parent in self._parents(name):
                mode = earlier.get(parent, HELD)
                if mode.type in _WITH_CREATED and mode.name + _CREATED == name:
                    return Mode("", b"", parent=parent)
        taken = {each for mode in earlier.values() for each in mode.taken}
        family = self._index.families[name]
        unfit = self._unfit.get(name, ())
        if not unfit:
            mode = typed(name, family.type)
            if taken.isdisjoint(mode.taken):
                return mode
        return untyped(name, family.type, frozenset(self._names(family, unfit)), taken)

    def _names(self, family: MergedFamily, apps: Iterable[int]) -> Iterator[bytes]:
        if family.type in COMPOUND:
            for app in apps:
                cell = self._cell(family, app)
                assert cell is not None  # it was found unfit
                yield from _named(cell)

    # -- writing ----------------------------------------------------------------------------

    def parts(self, family: MergedFamily) -> tuple[Part, ...]:
        """Return the headers of what a family is written as; none if it has no place of its own."""
        mode = self._modes[family.name]
        if not mode.type:
            return ()
        if mode.parts:
            return tuple(
                Part(_header(name, mode.type, family), name, alone=False) for name in mode.parts
            )
        return (Part(_header(mode.name, mode.type, family)),)

    def cells(self, family: MergedFamily, part: Part, apps: Iterable[int]) -> list[bytes]:
        """Return the lines that each of some apps has of a part; empty if they can't be shown."""
        mode = self._modes[family.name]
        created = self._created(family.name, mode)
        lines = []
        for app in apps:
            cell = self._cell(family, app)
            if cell is None:
                lines.append(b"")
            elif part.sample:
                lines.append(_named(cell).get(part.sample, b""))
            elif created is None or app not in created.cells:
                lines.append(_lines(cell, mode))
            else:
                lines.append(self._with_created(family, app, _lines(cell, mode), created))
        return lines

    def _created(self, name: bytes, mode: Mode) -> MergedFamily | None:
        """Return the family that is folded into this one."""
        if mode.type not in _WITH_CREATED:
            return None
        created = mode.name + _CREATED
        if self._modes.get(created, HELD).parent != name:
            return None
        return self._index.families[created]

    def _with_created(
        self, family: MergedFamily, app: int, text: bytes, created: MergedFamily
    ) -> bytes:
        cell, times = self._cell(family, app), self._cell(created, app)
        assert cell is not None  # its text is at hand
        if times is None:
            return text
        folded = self._folded.get((family.name, app))
        if folded is None or folded.cell is not cell or folded.created is not times:
            folded = _Folded(cell, times, *fold(cell, text, times))
            self._folded[family.name, app] = folded
        return folded.text

    # -- what there is to say ---------------------------------------------------------------

    def findings(self, family: MergedFamily, app: int) -> Iterator[str]:
        """Yield why what an app has of a family is written another way here, or not at all.

        What is said is as of the last time that the page was laid out.
        """
        name = family.name
        mode = self._modes.get(name)
        if mode is None or not fits(family.cells[app], family.type):
            return
        if family.cells[app].quoted:
            yield "openmetrics_quoted"
            return
        if app in self._unfit.get(name, ()):
            yield "openmetrics_invalid"
        if mode.parent is not None:
            folded = self._folded.get((mode.parent, app))
            if folded is None or folded.left:
                yield "openmetrics_created"
        elif mode != self._wanted(family):
            yield "openmetrics_clash"

    def _wanted(self, family: MergedFamily) -> Mode:
        """Return how a family would be written if there were no others."""
        unfit = self._unfit.get(family.name)
        if not unfit:
            return typed(family.name, family.type)
        names = frozenset(self._names(family, unfit))
        return untyped(family.name, family.type, names, frozenset())


def _written(cell: Family) -> _Written:
    if cell.written is None:
        cell.written = _Written()
    written: _Written = cell.written
    return written


def _named(cell: Family) -> dict[bytes, bytes]:
    written = _written(cell)
    if written.named is None:
        written.named = by_name(openmetrics_lines(cell))
    return written.named


def _lines(cell: Family, mode: Mode) -> bytes:
    """Return a cell's samples as they stand under the family's own header."""
    if mode.type in COMPOUND:
        arranged = _written(cell).arranged
        assert arranged is not None  # else the family were not written as what it is
        return arranged
    if cell.openmetrics is None:
        return cell.samples
    if mode.type == "counter":
        return cell.openmetrics
    written = _written(cell)
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

"""Which samples are what OpenMetrics asks of their type, cell by cell."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import chain

from exporter_proxy.exposition.merged.cells import (
    are_counters,
    are_infos,
    are_states,
    by_name,
    openmetrics_lines,
)
from exporter_proxy.exposition.merged.family import COMPOUND, MergedFamily, fits
from exporter_proxy.exposition.merged.index import Changes
from exporter_proxy.exposition.merged.metrics import arrange, without
from exporter_proxy.exposition.merged.modes import typed
from exporter_proxy.exposition.merged.repeats import repeats_of
from exporter_proxy.exposition.merged.written import written_of
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.steps import all_at_once

_CHECKS = {"counter": are_counters, "info": are_infos, "stateset": are_states}
# Cells looked at before the event loop is served.
_STEP = 500

Held = Mapping[bytes, Mapping[int, frozenset[bytes]]]
"""``{family: {app: series that an app before it has}}``"""


class Validity:
    """Follows the cells of an index: what is shown of each, and which are not valid.

    Args:
        held: What is left out of cells.
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self._held_before: dict[bytes, Mapping[int, frozenset[bytes]]] = {}
        # Of families whose samples must be right for their type: that type, and the apps whose
        # are not.
        self._checked: dict[bytes, FamilyType] = {}
        self._unfit: dict[bytes, set[int]] = {}
        # Cells without what is held of them, and what they have twice.
        self._reduced: dict[tuple[bytes, int], Family] = {}

    def follow_held(self, changes: Changes) -> Generator[None, None, None]:
        """Add to what changed the cells of which now more or less is held, in steps."""
        for name in {*self._held, *self._held_before}:
            now = self._held.get(name, {})
            before = self._held_before.get(name, {})
            if now is before:
                continue
            apps = chain(now, (app for app in before if app not in now))
            for done, app in enumerate(apps, 1):
                if now.get(app) != before.get(app):
                    changes.cell(name, app)
                if done % _STEP == 0:
                    yield
        self._held_before = dict(self._held)

    def reduce(self, name: bytes, app: int, cell: Family | None) -> Generator[None, None, None]:
        """Leave out of a cell, in steps, what is held of it, and what it has twice."""
        if cell is None:
            self._reduced.pop((name, app), None)
            return
        repeats = yield from repeats_of(cell)
        shown = cell if repeats is None else repeats.shown
        held = self._held_before.get(name, {}).get(app)
        if held:
            shown = yield from without(shown, held)
        if shown is cell:
            self._reduced.pop((name, app), None)
        else:
            self._reduced[name, app] = shown

    def forget(self, name: bytes) -> None:
        """Forget a family that is gone."""
        self._checked.pop(name, None)
        self._unfit.pop(name, None)

    def check(self, family: MergedFamily, apps: Iterable[int]) -> Generator[None, None, bool]:
        """Bring up to date, in steps, which cells are not valid for the family's type.

        The value of the generator is whether the family may have to be written another way.
        """
        name, kind = family.name, family.type
        if kind not in COMPOUND and typed(name, kind).type not in _CHECKS:
            if self._checked.pop(name, None) is not None:
                self._unfit.pop(name, None)
            return False
        other = False
        before = bool(self._unfit.get(name))
        if self._checked.get(name) != kind:
            self._checked[name] = kind
            self._unfit.pop(name, None)
            apps = list(family.cells)
        unfit = self._unfit.get(name, set())
        simple = _CHECKS.get(kind)
        for done, app in enumerate(apps, 1):
            cell = self.cell(family, app) if app in family.cells else None
            if cell is None:
                valid = True
            elif simple is not None:
                valid = yield from simple(cell)
            else:
                valid = yield from _is_arranged(cell)
            if not valid:
                unfit.add(app)
                # It may have samples of a name that its type does not have.
                other = True
            else:
                unfit.discard(app)
            if done % _STEP == 0:
                yield
        if unfit:
            self._unfit[name] = unfit
        else:
            self._unfit.pop(name, None)
        return other or bool(unfit) != before

    def cell(self, family: MergedFamily, app: int) -> Family | None:
        """Return what is shown of an app's cell; None if it can't be."""
        cell = family.cells[app]
        if not fits(cell, family.type):
            return None
        return self._reduced.get((family.name, app), cell) if self._reduced else cell

    def unfit(self, name: bytes) -> set[int]:
        """Return the apps whose cells are not valid for the family's type."""
        return self._unfit.get(name, set())

    def names(self, family: MergedFamily) -> Iterator[bytes]:
        """Yield the names of samples in cells that are not valid, if they may be more than one."""
        if family.type in COMPOUND:
            for app in self._unfit.get(family.name, ()):
                cell = self.cell(family, app)
                assert cell is not None  # it was found unfit
                yield from named(cell)


def _is_arranged(cell: Family) -> Generator[None, None, bool]:
    """Arrange a histogram or summary, once; tell whether it is valid."""
    written = written_of(cell)
    if not written.is_arranged:
        written.arranged = yield from arrange(cell)
        written.is_arranged = True
    if written.arranged is None and written.named is None:
        # It will be asked for, and may be long.
        written.named = yield from by_name(openmetrics_lines(cell))
    return written.arranged is not None


def named(cell: Family) -> dict[bytes, bytes]:
    """Return a cell's samples by their name; sorted once."""
    written = written_of(cell)
    if written.named is None:
        written.named = all_at_once(by_name(openmetrics_lines(cell)))
    return written.named

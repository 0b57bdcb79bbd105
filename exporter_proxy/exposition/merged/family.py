"""One metric family over all the apps that carry it."""

import heapq
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from exporter_proxy.exposition.model import Family, FamilyType

_T = TypeVar("_T")

# Their samples have other names than the family, so none of another type can stand under their
# TYPE.
COMPOUND: frozenset[FamilyType] = frozenset({"histogram", "summary", "gaugehistogram"})

SAMPLE_SUFFIXES = (b"_bucket", b"_sum", b"_count", b"_gsum", b"_gcount")
"""What the names of their samples may have beyond the family's."""


class MergedFamily:
    """The cells of one family, a cell being what one app has of it.

    Type, unit and HELP are those of the first app that gives them. Every method takes time that
    doesn't grow with the number of apps, but for families about whose type or HELP apps differ.

    Attributes:
        name: As in the text format.
        cells: ``{number of the app: what it has}``, in no order.
        size: Bytes of all samples.
    """

    __slots__ = (
        "_helped_by",
        "_order",
        "_typed_by",
        "cells",
        "helps",
        "name",
        "size",
        "types",
        "units",
    )

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.cells: dict[int, Family] = {}
        self.size = 0
        # Numbers of apps, the lowest first; may have some that no longer carry the family.
        self._order: list[int] = []
        # How many apps say what.
        self.types: Counter[FamilyType] = Counter()
        self.helps: Counter[bytes] = Counter()
        self.units: Counter[bytes] = Counter()
        # Whose type and HELP count; None: not known at present.
        self._typed_by: int | None = None
        self._helped_by: int | None = None

    def set(self, app: int, cell: Family) -> bool:
        """Put what ``app`` has; tell whether type, unit or HELP may be others than before."""
        previous = self.cells.get(app)
        if previous is None:
            heapq.heappush(self._order, app)
            if len(self._order) > 2 * len(self.cells) + 16:
                self._order = sorted({*self.cells, app})
        else:
            if same_metadata(previous, cell):
                self.size += len(cell.samples) - len(previous.samples)
                self.cells[app] = cell
                return False
            self._forget(app, previous)
        self.cells[app] = cell
        self.size += len(cell.samples)
        if cell.typed:
            self.types[cell.type] += 1
            if self._typed_by is not None and app < self._typed_by:
                self._typed_by = None
        if cell.unit:
            self.units[cell.unit] += 1
        if cell.help is not None:
            self.helps[cell.help] += 1
            if self._helped_by is not None and app < self._helped_by:
                self._helped_by = None
        return True

    def remove(self, app: int) -> None:
        """Take away what ``app`` has."""
        self._forget(app, self.cells.pop(app))

    def _forget(self, app: int, cell: Family) -> None:
        self.size -= len(cell.samples)
        if cell.typed:
            _discount(self.types, cell.type)
        if cell.unit:
            _discount(self.units, cell.unit)
        if cell.help is not None:
            _discount(self.helps, cell.help)
        if app == self._typed_by:
            self._typed_by = None
        if app == self._helped_by:
            self._helped_by = None

    @property
    def owner(self) -> int:
        """The first app that carries the family; its place on the page is among that app's."""
        while self._order[0] not in self.cells:
            heapq.heappop(self._order)
        return self._order[0]

    @property
    def type(self) -> FamilyType:
        """The type that counts."""
        if len(self.types) <= 1:
            return next(iter(self.types), "untyped")
        if self._typed_by is None:
            self._typed_by = min(app for app, cell in self.cells.items() if cell.typed)
        return self.cells[self._typed_by].type

    @property
    def help(self) -> bytes | None:
        """The HELP text that counts, escaped as in the text format."""
        if len(self.helps) <= 1:
            return next(iter(self.helps), None)
        if self._helped_by is None:
            self._helped_by = min(app for app, cell in self.cells.items() if cell.help is not None)
        return self.cells[self._helped_by].help

    @property
    def unit(self) -> bytes:
        """The unit that counts; empty: none."""
        if len(self.units) <= 1:
            return next(iter(self.units), b"")
        return self.cells[min(app for app, cell in self.cells.items() if cell.unit)].unit

    def fits(self, cell: Family) -> bool:
        """Tell whether a cell can stand under the family's TYPE."""
        kind = self.type
        return fits(cell, kind)

    def differs(self, cell: Family) -> Iterator[str]:
        """Yield the findings of a cell that is served under metadata it did not give."""
        if cell.typed and len(self.types) > 1 and cell.type != self.type:
            yield "type_conflict"
        if cell.help is not None and len(self.helps) > 1 and cell.help != self.help:
            yield "help_conflict"


def fits(cell: Family, kind: FamilyType) -> bool:
    """Tell whether a cell can stand under a TYPE."""
    return cell.type == kind or not (kind in COMPOUND or cell.type in COMPOUND)


def takes(kind: FamilyType, suffix: bytes) -> bool:
    """Tell whether samples of a type may have names that end so: then no other family can have one.

    Args:
        kind: The type.
        suffix: One of ``SAMPLE_SUFFIXES``.
    """
    return kind in COMPOUND and (kind == "gaugehistogram" or not suffix.startswith(b"_g"))


def same_metadata(one: Family, other: Family) -> bool:
    """Tell whether two cells have the same type, unit and HELP."""
    return (
        one.type == other.type
        and one.typed == other.typed
        and one.help == other.help
        and one.unit == other.unit
    )


def _discount(counter: Counter[_T], key: _T) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]

"""How each family is written on an OpenMetrics page, so that none takes another's name."""

import heapq
from collections.abc import Generator, Iterable, Iterator, Mapping

from exporter_proxy.exposition.grammar import NAME_ALONE
from exporter_proxy.exposition.merged.family import MergedFamily
from exporter_proxy.exposition.merged.index import Changes, MergedIndex
from exporter_proxy.exposition.merged.modes import HELD, Mode, may_clash, typed, untyped
from exporter_proxy.exposition.merged.validity import Validity

CREATED = b"_created"
_WITH_CREATED = frozenset({"counter", "histogram", "summary"})
# Families looked at before the event loop is served.
_STEP = 500

# A family's place in the order in which names are given away.
_Place = tuple[tuple[int, int, bytes], int, bytes]


class Naming:
    """Gives names away in the order of the page: a family takes what those before it have left.

    So how a family is written depends on those before it that may take the same names, and on
    nothing else; and when one changes, only those after it have to be asked again.
    """

    def __init__(self, index: MergedIndex, validity: Validity) -> None:
        self._index = index
        self._validity = validity
        self._modes: dict[bytes, Mode] = {}
        # {family: those that may take up the same names}
        self._related: dict[bytes, set[bytes]] = {}

    def mode(self, name: bytes) -> Mode:
        """Return how a family is written."""
        return self._modes.get(name, HELD)

    def add(self, name: bytes, unsettled: set[bytes]) -> None:
        """Take in a family, if it is new."""
        if name in self._modes:
            return
        self._modes[name] = HELD
        related = self._modes.keys() & may_clash(name)
        if related:
            self._related[name] = related
            for other in related:
                self._related.setdefault(other, set()).add(name)
        self.unsettle(name, unsettled)

    def unsettle(self, name: bytes, unsettled: set[bytes]) -> None:
        """Note that a family, and those that depend on it, must be decided about again."""
        if name not in self._modes:
            return
        unsettled.add(name)
        for other in self._related.get(name, ()):
            unsettled.add(other)
            if other.endswith(CREATED):
                # It is decided about after its parent, and so may change places with others.
                unsettled |= self._related[other]

    def unsettle_app(self, app: int, unsettled: set[bytes]) -> None:
        """Note the families of an app whose order is another: which of two is first may be too."""
        for name in self._index.apps.get(app, ()):
            if name in self._related:
                self.unsettle(name, unsettled)

    def forget(
        self, name: bytes, apps: Iterable[int], changes: Changes, unsettled: set[bytes]
    ) -> None:
        """Take out a family that is gone, and that some apps had until now."""
        self.unsettle(name, unsettled)
        mode = self._modes.pop(name, HELD)
        if mode.parent is not None:
            for app in apps:
                changes.cell(mode.parent, app)
        for other in self._related.pop(name, ()):
            self._related[other].discard(name)
            if not self._related[other]:
                del self._related[other]

    def settle(self, unsettled: set[bytes], changes: Changes) -> Generator[None, None, None]:
        """Decide about families in the order of the page, and about those that this touches."""
        heap: list[tuple[_Place, bytes]] = []
        for count, name in enumerate(unsettled, 1):
            if name in self._related:
                heap.append((self._place(name), name))
            elif name in self._modes:
                self._write(name, self._choose(name, {}), changes)
            if not count % _STEP:
                yield
        yield from self._settle_related(heap, changes)

    def _settle_related(
        self, heap: list[tuple[_Place, bytes]], changes: Changes
    ) -> Generator[None, None, None]:
        heapq.heapify(heap)
        settled: set[bytes] = set()
        while heap:
            place, name = heapq.heappop(heap)
            if name in settled:
                continue
            settled.add(name)
            if not len(settled) % _STEP:
                yield
            related = {other: self._place(other) for other in self._related[name]}
            earlier = {other: self._modes[other] for other in related if related[other] < place}
            if self._write(name, self._choose(name, earlier), changes):
                for other, other_place in related.items():
                    if other_place > place:
                        heapq.heappush(heap, (other_place, other))

    def _write(self, name: bytes, mode: Mode, changes: Changes) -> bool:
        """Decide how a family is written; tell whether it is another way than before."""
        before = self._modes[name]
        if mode == before:
            return False
        self._modes[name] = mode
        changes.anew.add(name)
        changes.anew |= {each for each in (before.parent, mode.parent) if each is not None}
        return True

    def created(self, name: bytes) -> MergedFamily | None:
        """Return the family that is folded into another."""
        mode = self._modes[name]
        if mode.type not in _WITH_CREATED:
            return None
        created = mode.name + CREATED
        return self._index.families[created] if self.mode(created).parent == name else None

    def wanted(self, family: MergedFamily) -> Mode:
        """Return how a family would be written if there were no others."""
        return self._first(family, frozenset())

    def _place(self, name: bytes) -> _Place:
        """Return a family's place in the order in which names are given away.

        It is the order of the page, but for what could be folded into a family: that comes after.
        """
        place = self._index.page_order(name)
        if self._is_created(name):
            after = [self._index.page_order(parent) for parent in self._parents(name)]
            return max(after, default=place), 1, name
        return place, 0, name

    def _is_created(self, name: bytes) -> bool:
        return name.endswith(CREATED) and self._index.families[name].type in {"gauge", "untyped"}

    def _parents(self, name: bytes) -> Iterator[bytes]:
        base = name.removesuffix(CREATED)
        for parent in (base + b"_total", base):
            if parent in self._index.families:
                yield parent

    def _choose(self, name: bytes, earlier: Mapping[bytes, Mode]) -> Mode:
        """Return how to write a family that comes after those that are given."""
        if not NAME_ALONE.fullmatch(name):
            return HELD
        if self._is_created(name):
            for parent in self._parents(name):
                mode = earlier.get(parent, HELD)
                if mode.type in _WITH_CREATED and mode.name + CREATED == name:
                    return Mode("", b"", parent=parent)
        taken = frozenset(each for mode in earlier.values() for each in mode.taken)
        return self._first(self._index.families[name], taken)

    def _first(self, family: MergedFamily, taken: frozenset[bytes]) -> Mode:
        """Return the best way to write a family that needs none of the names that are taken."""
        if not self._validity.unfit(family.name):
            mode = typed(family.name, family.type)
            if taken.isdisjoint(mode.taken):
                return mode
        names = frozenset(self._validity.names(family))
        return untyped(family.name, family.type, names, taken)

"""The index of all families over all apps."""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from exporter_proxy.exposition.merged.family import (
    SAMPLE_SUFFIXES,
    MergedFamily,
    same_metadata,
    takes,
)
from exporter_proxy.exposition.model import Family

SELF = 1 << 62
"""The section of what proxies tell of themselves: it comes last."""
PROXY = -(1 << 62)
"""The number that the proxy itself has as an app. The lowest: what it says of its own families,
such as their type, counts before what apps say that send families of these names."""
_OF_APPS = -(1 << 61)


def told_of(app: int) -> int:
    """Return the number under which the index has what the proxy tells of an app."""
    return _OF_APPS + app


_SELF_PREFIX = b"exporter_proxy_"
# Apps told of before the event loop is served.
_NOTED_A_STEP = 10_000
# Cells that are put or taken away before it is: some milliseconds.
_CELLS_A_STEP = 300
_STEP_BYTES = 1 << 20


class MergedIndex:
    """Which app carries which family. An update takes time in proportion to the app's families.

    Layouts read it, and are told what changed by :meth:`watch`.

    Attributes:
        families: By name.
        apps: ``{number: {family name: its place in the app's payload}}``.
    """

    def __init__(self) -> None:
        self.families: dict[bytes, MergedFamily] = {}
        self.apps: dict[int, Mapping[bytes, int]] = {}
        self._watchers: list[Changes] = []
        # Families of the last section.
        self._own: set[bytes] = set()
        # {family name: families whose samples may have the same names}
        self._clashes: dict[bytes, set[bytes]] = {}

    def watch(self) -> "Changes":
        """Return a record that collects all changes from now on, all that is here included."""
        changes = self.watch_from_now()
        for _ in self.add_all(changes):
            pass
        return changes

    def watch_from_now(self) -> "Changes":
        """Return a record that collects all changes from now on."""
        changes = Changes()
        self._watchers.append(changes)
        return changes

    def add_all(self, changes: "Changes") -> Generator[None, None, None]:
        """Add all that is here to what changed, in steps between which nothing may change."""
        yield from _take_note(self.apps, changes.apps)
        done = 0
        for name, family in self.families.items():
            changes.cells[name] = {}
            yield from _take_note(family.cells, changes.cells[name])
            done += 1 + len(family.cells)
            if done >= _NOTED_A_STEP:
                done = 0
                yield

    def unwatch(self, changes: "Changes") -> None:
        """Tell ``changes`` nothing from now on."""
        self._watchers.remove(changes)

    def set_app(self, app: int, cells: Sequence[Family]) -> None:
        """Do at once what :meth:`set_app_in_steps` does."""
        for _ in self.set_app_in_steps(app, cells):
            pass

    def set_app_in_steps(self, app: int, cells: Sequence[Family]) -> Generator[None, None, None]:
        """Replace all that ``app`` has, in steps between which nobody may look.

        Args:
            app: Its number.
            cells: Its families in their order, no name twice.
        """
        old = self.apps.get(app, {})
        new = {cell.name: place for place, cell in enumerate(cells)}
        for count, name in enumerate(old, 1):
            if name not in new:
                self._remove(name, app)
            if count % _CELLS_A_STEP == 0:
                yield
        # Apps without families are known too: they may come to have some, at their place.
        self.apps[app] = new
        if list(old) != list(new):
            moved = [name for name in new if name in self._clashes]
            for changes in self._watchers:
                changes.apps[app] = None
                changes.metadata.update(dict.fromkeys(moved))
        compared = 0
        for count, cell in enumerate(cells, 1):
            self._set(app, cell)
            compared += len(cell.samples)
            if count % _CELLS_A_STEP == 0 or compared > _STEP_BYTES:
                compared = 0
                yield

    def drop_app(self, app: int) -> None:
        """Do at once what :meth:`drop_app_in_steps` does."""
        for _ in self.drop_app_in_steps(app):
            pass

    def drop_app_in_steps(self, app: int) -> Generator[None, None, None]:
        """Forget ``app``, in steps between which nobody may look."""
        for count, name in enumerate(self.apps.pop(app, {}), 1):
            self._remove(name, app)
            if count % _CELLS_A_STEP == 0:
                yield
        for changes in self._watchers:
            changes.apps[app] = None

    def home(self, name: bytes) -> int:
        """Return the app in whose section a family stands: the first that carries it.

        What proxies tell of themselves comes last, whoever carries it: apps may be proxies too.
        """
        return SELF if name.startswith(_SELF_PREFIX) else self.families[name].owner

    def section(self, app: int) -> Iterable[bytes]:
        """Return the families of an app's section, in their order."""
        if app == SELF:
            return sorted(self._own)
        return (name for name in self.apps[app] if self.home(name) == app)

    def page_order(self, name: bytes) -> tuple[int, int, bytes]:
        """Return where a family stands on the page, as a key to sort by."""
        home = self.home(name)
        return home, 0 if home == SELF else self.apps[home][name], name

    def is_shadowed(self, name: bytes) -> bool:
        """Tell whether a compound family before this one has samples of this one's name.

        Go's parser, which reads for promtool and others, takes a TYPE or HELP line of ``x_count``
        for a second one of the histogram ``x``, and refuses the page.
        """
        others = self._clashes.get(name)
        if not others:
            return False
        mine = self.page_order(name)
        return any(
            name.startswith(other)
            and takes(self.families[other].type, name[len(other) :])
            and self.page_order(other) < mine
            for other in others
        )

    def related(self, names: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the families that may be shadowed by, or shadow, one of ``names``."""
        for name in names:
            yield from self._clashes.get(name, ())

    def _set(self, app: int, cell: Family) -> None:
        name = cell.name
        family = self.families.get(name)
        if family is None:
            family = self.families[name] = MergedFamily(name)
            self._find_clashes(name)
            if name.startswith(_SELF_PREFIX):
                self._own.add(name)
        previous = family.cells.get(app)
        if previous is not None and _same(previous, cell):
            # The old one stays: pages hold on to its bytes.
            return
        metadata = family.set(app, cell)
        for changes in self._watchers:
            changes.cell(name, app)
            if metadata:
                changes.metadata[name] = None

    def _remove(self, name: bytes, app: int) -> None:
        family = self.families[name]
        family.remove(app)
        for changes in self._watchers:
            changes.cell(name, app)
            changes.metadata[name] = None
        if not family.cells:
            del self.families[name]
            self._own.discard(name)
            for other in self._clashes.pop(name, ()):
                for changes in self._watchers:
                    changes.metadata[other] = None
                self._clashes[other].discard(name)
                if not self._clashes[other]:
                    del self._clashes[other]

    def _find_clashes(self, name: bytes) -> None:
        for suffix in SAMPLE_SUFFIXES:
            base = name.removesuffix(suffix)
            for other in (name + suffix, base):
                if other != name and other in self.families:
                    self._clashes.setdefault(name, set()).add(other)
                    self._clashes.setdefault(other, set()).add(name)


class Changes:
    """What changed since it was last taken.

    Attributes:
        cells: ``{family name: apps whose cells are others, or gone}``.
        metadata: Families whose type, unit, HELP or carriers may be others.
        anew: Families all of whose cells are written another way; not filled by the index.
        apps: Apps whose list of families is another.
    """

    __slots__ = ("anew", "apps", "cells", "metadata")

    def __init__(self) -> None:
        # Not sets: the garbage collector looks at each entry of a new set, and at none of a
        # dictionary from numbers to nothing. Of a hundred thousand that takes 20 ms.
        self.cells: dict[bytes, dict[int, None]] = {}
        self.metadata: dict[bytes, None] = {}
        self.anew: set[bytes] = set()
        self.apps: dict[int, None] = {}

    def cell(self, name: bytes, app: int) -> None:
        """Take note that what ``app`` has of a family is another, or gone."""
        apps = self.cells.get(name)
        if apps is None:
            self.cells[name] = {app: None}
        else:
            apps[app] = None

    def names(self) -> Iterator[bytes]:
        """Yield every family that may be another, once; a set of them would take long to make."""
        cells, metadata = self.cells, self.metadata
        yield from cells
        yield from (name for name in metadata if name not in cells)
        yield from (name for name in self.anew if name not in cells and name not in metadata)

    def take(self) -> "Changes":
        """Return what was collected, and begin anew."""
        taken = Changes()
        taken.cells, self.cells = self.cells, {}
        taken.metadata, self.metadata = self.metadata, {}
        taken.apps, self.apps = self.apps, {}
        return taken


def _take_note(apps: Collection[int], changed: dict[int, None]) -> Generator[None, None, None]:
    rest = iter(apps)
    for start in range(0, len(apps), _NOTED_A_STEP):
        if start:
            yield
        changed.update(dict.fromkeys(islice(rest, _NOTED_A_STEP)))


def _same(one: Family, other: Family) -> bool:
    return one is other or (
        one.samples == other.samples
        and one.openmetrics == other.openmetrics
        and one.origin == other.origin
        and same_metadata(one, other)
    )

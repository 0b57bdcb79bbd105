"""What stands between an app's families and those of other apps; nothing is written.

That of two apps counts which comes first, by their numbers, as it does in the index.
"""

from collections.abc import Collection, Generator, Iterable, Sequence
from typing import Literal, NamedTuple

from exporter_proxy.exposition.lines import windows
from exporter_proxy.exposition.merged.family import SAMPLE_SUFFIXES, MergedFamily, fits, takes
from exporter_proxy.exposition.merged.index import SELF, MergedIndex
from exporter_proxy.exposition.merged.series import (
    GROUPED,
    Orders,
    dropped_label,
    keys_of,
    series_of,
    text_of_series,
)
from exporter_proxy.exposition.model import Family, FamilyType

ConflictReason = Literal["type_conflict", "help_conflict", "suffix_clash", "same_series"]

# Of what stands last on the page: as in the index.
_SELF_PREFIX = b"exporter_proxy_"
# Cells or families looked at, and bytes searched for series, before the event loop is served.
_STEP = 1000
_STEP_BYTES = 131_072
# Series that are let go of.
_ENTRIES_A_STEP = 10_000


class Conflict(NamedTuple):
    """One family against what another app has.

    Attributes:
        family: Its name.
        type: Its type.
        reason: ``type_conflict`` and ``help_conflict``: TYPE or HELP is another. ``suffix_clash``:
            its name is that of a series of a histogram or summary, or the other way round.
            ``same_series``: name and labels are the same.
        app: The number of the other app; of several, the first.
        other: What that app has: its type, its HELP, its family, or the series that both have.
        wins: Whether what counts is this family's: its app comes first.
        held_back: Whose samples some scraper doesn't get for it; empty: nobody's.
        times: How many apps it is that have another TYPE or HELP, or how many series; else 1.
    """

    family: bytes
    type: FamilyType
    reason: ConflictReason
    app: int
    other: bytes
    wins: bool
    held_back: Literal["", "this", "other"]
    times: int = 1


def conflicts_in_steps(
    index: MergedIndex, families: Sequence[Family], app: int
) -> Generator[None, None, list[Conflict]]:
    """Return what would be in the way if ``app`` had ``families`` and nothing else.

    Every cell that other apps have of the same families is looked at. The index may change between
    the steps; what changed is then seen or not.

    Args:
        index: All apps; what ``app`` has in it doesn't count.
        families: No name twice.
        app: Its number, or the one that it would get.

    Yields:
        Nothing, after some milliseconds of work at most.
    """
    found: list[Conflict] = []
    own: dict[bytes, int] = {}
    for place, family in enumerate(families):
        own[family.name] = place
        if place % _STEP == 0:
            yield
    for number, family in enumerate(families, 1):
        others = yield from _others(index.families.get(family.name), app)
        if others is not None:
            found += yield from _in_family(family, others, app)
        found += yield from _shadowed(index, family, own, families, app)
        if number % _STEP == 0:
            yield
    return found


class _Others(NamedTuple):
    """What other apps have of a family.

    Attributes:
        cells: ``{number of the app: what it has}``, the first app first.
        typed: The first app that gives a type; None: none does.
    """

    cells: dict[int, Family]
    typed: int | None

    @property
    def first(self) -> int:
        """The first app that carries the family."""
        return next(iter(self.cells))

    def type(self, family: Family | None, app: int) -> FamilyType:
        """Return the type that counts when ``app`` has ``family`` too, or nothing of it."""
        if family is not None and family.typed and (self.typed is None or app < self.typed):
            return family.type
        return "untyped" if self.typed is None else self.cells[self.typed].type


def _others(merged: MergedFamily | None, app: int) -> Generator[None, None, _Others | None]:
    if merged is None:
        return None
    cells: dict[int, Family] = {}
    typed: int | None = None
    for count, number in enumerate(sorted(merged.cells), 1):
        cell = merged.cells.get(number)
        if number != app and cell is not None:
            cells[number] = cell
            if typed is None and cell.typed:
                typed = number
        if count % _STEP == 0:
            yield
    return _Others(cells, typed) if cells else None


def _in_family(family: Family, others: _Others, app: int) -> Generator[None, None, list[Conflict]]:
    found: list[Conflict] = []
    types = yield from _type(family, others, app)
    if types is not None:
        found.append(types)
    helps = yield from _help(family, others, app)
    if helps is not None:
        found.append(helps)
    if types is None or not types.held_back:
        same = yield from _series(family, others, app)
        if same is not None:
            found.append(same)
    return found


def _type(family: Family, others: _Others, app: int) -> Generator[None, None, Conflict | None]:
    kind = others.type(family, app)
    wins = family.typed and (others.typed is None or app < others.typed)
    if not wins:
        if others.typed is None or not (_says(family, kind) or not fits(family, kind)):
            return None
        held_back: Literal["", "this"] = "" if fits(family, kind) else "this"
        other = kind.encode()
        return Conflict(
            family.name, family.type, "type_conflict", others.typed, other, False, held_back
        )
    first: int | None = None
    times = 0
    some_held = False
    for count, (number, cell) in enumerate(others.cells.items(), 1):
        held = not fits(cell, kind)
        if held or _says(cell, kind):
            times += 1
            if first is None or (held and not some_held):
                first = number
            some_held = some_held or held
        if count % _STEP == 0:
            yield
    if first is None:
        return None
    other = others.cells[first].type.encode()
    effect: Literal["", "other"] = "other" if some_held else ""
    return Conflict(family.name, family.type, "type_conflict", first, other, True, effect, times)


def _says(cell: Family, kind: FamilyType) -> bool:
    """Tell whether a cell gives a type, and another."""
    return cell.typed and cell.type != kind


def _help(family: Family, others: _Others, app: int) -> Generator[None, None, Conflict | None]:
    if family.help is None:
        return None
    helped: int | None = None
    first: int | None = None
    times = 0
    for count, (number, cell) in enumerate(others.cells.items(), 1):
        if cell.help is not None:
            if helped is None:
                helped = number
            if cell.help != family.help:
                times += 1
                first = number if first is None else first
        if count % _STEP == 0:
            yield
    if helped is None or first is None:
        return None
    wins = app < helped
    if not wins:
        # Only the first one's counts: what the apps after it say changes nothing.
        if others.cells[helped].help == family.help:
            return None
        first, times = helped, 1
    other = others.cells[first].help or b""
    return Conflict(family.name, family.type, "help_conflict", first, other, wins, "", times)


def _series(family: Family, others: _Others, app: int) -> Generator[None, None, Conflict | None]:
    kind = others.type(family, app)
    drop = dropped_label(family.name, kind) if kind in GROUPED else None
    by_key = drop is not None or (yield from _orders_differ(family, others))

    def keys(window: bytes) -> Iterable[tuple[bytes, bytes]]:
        series = series_of(window)
        return zip(keys_of(series, drop) if by_key else series, series, strict=True)

    own: dict[bytes, list[bytes]] = {}
    for window in windows(family.samples, _STEP_BYTES):
        for key, each in keys(window):
            own.setdefault(key, []).append(each)
        yield
    first: int | None = None
    one = b""
    shared: set[bytes] = set()
    done = 0
    for number, cell in others.cells.items():
        for window in windows(cell.samples, _STEP_BYTES):
            both = own.keys() & dict(keys(window)).keys()
            if both:
                least = min(own[min(both)])
                if first is None or (first == number and least < one):
                    first, one = number, least
                shared |= both
            done += len(window)
            if done >= _STEP_BYTES:
                done = 0
                yield
    times = len({each for key in shared for each in own[key]})
    yield from _let_go(own)
    if first is None:
        return None
    # Readers of the OpenMetrics page get the first app's alone.
    held_back: Literal["this", "other"] = "other" if app < first else "this"
    return Conflict(
        family.name, family.type, "same_series", first, one, app < first, held_back, times
    )


def _let_go(entries: dict[bytes, list[bytes]]) -> Generator[None, None, None]:
    """Empty a dictionary in steps: of a million entries that takes a while."""
    while len(entries) > _ENTRIES_A_STEP:
        for _ in range(_ENTRIES_A_STEP):
            entries.popitem()
        yield


def _orders_differ(family: Family, others: _Others) -> Generator[None, None, bool]:
    """Tell whether the same labels stand in two orders."""
    cells = [family, *others.cells.values()]
    orders = Orders(quoted=any(cell.quoted for cell in cells))
    done = 0
    for cell in cells:
        for window in windows(cell.samples, _STEP_BYTES):
            orders.add(text_of_series(window))
            done += len(window)
            if done >= _STEP_BYTES:
                done = 0
                yield
    return orders.differ


def _shadowed(
    index: MergedIndex,
    family: Family,
    own: dict[bytes, int],
    families: Sequence[Family],
    app: int,
) -> Generator[None, None, list[Conflict]]:
    """Find what :meth:`MergedIndex.is_shadowed` would, both ways.

    A compound family holds back families that come after it and have the names of its samples.
    """
    found: list[Conflict] = []
    name = family.name
    mine = yield from _others(index.families.get(name), app)
    for other, is_base in _related(name):
        others = yield from _others(index.families.get(other), app)
        if others is None:
            continue
        place = _place(index, other, others, app, own)
        mine_place = _place(index, name, mine, app, own)
        if is_base:
            # What the app has itself of it may be what sets its type.
            kind = others.type(families[own[other]] if other in own else None, app)
            if takes(kind, name[len(other) :]) and place < mine_place:
                found.append(
                    Conflict(name, family.type, "suffix_clash", others.first, other, False, "this")
                )
            continue
        kind = family.type if mine is None else mine.type(family, app)
        if not takes(kind, other[len(name) :]) or place < mine_place:
            continue
        if mine is not None and takes(mine.type(None, app), other[len(name) :]):
            without = _place(index, name, mine, app, {})
            if without < _place(index, other, others, app, {}):
                # It is so already.
                continue
        found.append(
            Conflict(name, family.type, "suffix_clash", others.first, other, True, "other")
        )
    return found


def _related(name: bytes) -> Collection[tuple[bytes, bool]]:
    """Return names that may clash with ``name``, and whether each is what it is a suffix of."""
    related = [(name + suffix, False) for suffix in SAMPLE_SUFFIXES]
    related += [(name[: -len(suffix)], True) for suffix in SAMPLE_SUFFIXES if name.endswith(suffix)]
    return related


def _place(
    index: MergedIndex, name: bytes, others: _Others | None, app: int, own: dict[bytes, int]
) -> tuple[int, int, bytes]:
    """Return where a family would stand on the page, as :meth:`MergedIndex.page_order` does."""
    if name.startswith(_SELF_PREFIX):
        return SELF, 0, name
    if others is None or (name in own and app < others.first):
        return app, own[name], name
    return others.first, index.apps.get(others.first, {}).get(name, 0), name

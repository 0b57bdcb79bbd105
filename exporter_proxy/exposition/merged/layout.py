"""The page of an index, laid out in pieces that are kept as long as nothing in them changes.

A family stands on the page where its owner, the first app that carries it, has it. So the page is a
row of sections, one an app, each with the families that the app owns. Sections of neighbouring
apps make a bucket. A bucket with a change in it is laid out anew, from its sections, of which those
without a change are kept; but a family that many apps carry has blocks of its own, of neighbouring
apps, and only those with a change in them are laid out anew.
"""

from bisect import insort
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, Protocol

from exporter_proxy.exposition.merged.family import MergedFamily
from exporter_proxy.exposition.merged.index import SELF, Changes, MergedIndex
from exporter_proxy.exposition.page import MOST_PARTS, SHORTEST_CLOSED, Piece, lay_out
from exporter_proxy.garbage import note_made

_BUCKET_APPS_SHIFT = 4
# Families of more bytes or more apps have blocks.
_INLINE_BYTES = 65_536
_INLINE_APPS = 64
_BLOCK_BYTES = 65_536
_SHIFTS = range(4, 13)
# Changes taken in before the event loop is served.
_STEP = 500
# The same of those that may mean a family's blocks.
_FAMILIES_A_STEP = 100
# The same of what takes next to no time each.
_LONG_STEP = 1000


class Part(NamedTuple):
    """What stands under one header: a family, or some of its samples.

    Attributes:
        header: The lines before the samples.
        sample: The name of the samples, if it is those of one name only.
        alone: Whether the header is shown even without samples.
    """

    header: bytes
    sample: bytes = b""
    alone: bool = True


class Writer(Protocol):
    """One format of the page."""

    def follow(self, changes: Changes) -> Generator[None, None, None]:
        """Take in what changed in the index, in steps, before anything else is asked.

        Adds to ``changes`` what follows from them: cells that are written another way because
        others changed, families whose parts may be others, and those to be written ``anew``.
        """

    def parts(self, family: MergedFamily) -> tuple[Part, ...]:
        """Return the parts of a family; none if it can't be shown."""

    def cells(self, family: MergedFamily, part: Part, apps: Iterable[int]) -> list[bytes]:
        """Return the lines that each of some apps has of a part; empty if they can't be shown.

        For a cell that has not changed they must be the same object each time.
        """


# Of the families that an app owns: lines, and the pieces of blocks that come after them.
_Section = list[tuple[list[bytes], Sequence[Piece]]]


class Layout:
    """Follows an index and keeps its page in one format."""

    def __init__(self, index: MergedIndex, writer: Writer) -> None:
        self._index = index
        self._writer = writer
        self._changes = index.watch_from_now()
        # Whether all that was in the index before has been taken in.
        self._has_all = False
        # In whose section a family was laid out.
        self._home: dict[bytes, int] = {}
        # For each part of a family that has blocks.
        self._blocks: dict[bytes, list[_Blocks]] = {}
        self._parts: dict[bytes, tuple[Part, ...]] = {}
        # By app; only those that need not be made anew.
        self._sections: dict[int, _Section] = {}
        # Apps by bucket.
        self._apps: dict[int, set[int]] = {}
        self._buckets: dict[int, list[Piece]] = {}
        # Those of a bucket's pieces that are not of blocks, by their keys.
        self._loose: dict[int, Mapping[tuple[int, int], Piece]] = {}
        self._order: list[int] = []

    def close(self) -> None:
        """Follow the index no longer."""
        self._index.unwatch(self._changes)

    def refresh(self) -> Generator[None, None, list[Piece]]:
        """Take in what changed, in steps; the value of the generator is the page.

        The index must not change between the steps. Pieces that hold no change are the same objects
        as before.
        """
        changes = self._changes.take()
        if not self._has_all:
            yield from self._index.add_all(changes)
            self._has_all = True
        yield from self._writer.follow(changes)
        buckets: set[int] = set()
        for done, app in enumerate(changes.apps, 1):
            self._place(app)
            buckets.add(self._stale_section(app))
            if done % _LONG_STEP == 0:
                yield
        for done, name in enumerate(changes.names(), 1):
            if name in changes.anew:
                self._blocks.pop(name, None)
            stale = name in changes.anew or name in changes.metadata
            apps = changes.cells.get(name, ())
            yield from self._refresh_family(name, apps, buckets, stale=stale)
            if done % _FAMILIES_A_STEP == 0:
                yield
        for bucket in buckets:
            yield from self._lay_out_bucket(bucket)
            yield
        return list(chain.from_iterable(map(self._buckets.__getitem__, self._order)))

    def _place(self, app: int) -> None:
        """Note in which bucket ``app`` is, or that it is gone."""
        apps = self._apps.setdefault(app >> _BUCKET_APPS_SHIFT, set())
        if app == SELF or app in self._index.apps:
            apps.add(app)
        else:
            apps.discard(app)

    def _stale_section(self, app: int) -> int:
        """Note that the section of ``app`` must be made anew; return its bucket."""
        self._sections.pop(app, None)
        return app >> _BUCKET_APPS_SHIFT

    def _refresh_family(
        self, name: bytes, apps: Iterable[int], buckets: set[int], *, stale: bool
    ) -> Generator[None, None, None]:
        family = self._index.families.get(name)
        old_home = self._home.get(name)
        if old_home is not None:
            buckets.add(self._stale_section(old_home))
        if family is None:
            self._home.pop(name, None)
            self._blocks.pop(name, None)
            self._parts.pop(name, None)
            return
        home = self._home[name] = self._index.home(name)
        if home == SELF:
            self._place(SELF)
        buckets.add(self._stale_section(home))
        if stale or name not in self._parts:
            # Where they are as before they stay the same objects, by which pieces know that.
            parts = self._writer.parts(family)
            before = self._parts.get(name)
            if before != parts:
                self._parts[name] = parts
                if before is None or len(before) != len(parts):
                    self._blocks.pop(name, None)
        if family.size <= _INLINE_BYTES and len(family.cells) <= _INLINE_APPS:
            self._blocks.pop(name, None)
            return
        blocks = self._blocks.get(name)
        if blocks is None or not all(each.fits(family) for each in blocks):
            blocks = self._blocks[name] = [_Blocks(family) for _ in self._parts[name]]
            apps = family.cells
        for each in blocks:
            yield from each.touch(apps)

    def _lay_out_bucket(self, bucket: int) -> Generator[None, None, None]:
        if self._apps.get(bucket):
            pieces = yield from self._pieces(bucket)
            if bucket not in self._buckets:
                insort(self._order, bucket)
            self._buckets[bucket] = pieces
        else:
            self._apps.pop(bucket, None)
            self._loose.pop(bucket, None)
            if self._buckets.pop(bucket, None) is not None:
                self._order.remove(bucket)

    def _pieces(self, bucket: int) -> Generator[None, None, list[Piece]]:
        previous = self._loose.get(bucket, {})
        loose: dict[tuple[int, int], Piece] = {}
        pieces: list[Piece] = []
        lines: list[bytes] = []
        for app in sorted(self._apps[bucket]):
            section = self._sections.get(app)
            if section is None:
                section = self._sections[app] = yield from self._section(app)
            for done, (before, blocks) in enumerate(section, 1):
                if done % _FAMILIES_A_STEP == 0:
                    yield
                lines += before
                if blocks:
                    yield from _lay_out_loose(lines, previous, pieces, loose)
                    lines = []
                    pieces += blocks
        yield from _lay_out_loose(lines, previous, pieces, loose)
        self._loose[bucket] = loose
        return pieces

    def _section(self, app: int) -> Generator[None, None, _Section]:
        section: _Section = []
        lines: list[bytes] = []
        looked_at = 0
        for name in self._index.section(app):
            family = self._index.families[name]
            blocks = self._blocks.get(name)
            for place, part in enumerate(self._parts[name]):
                if blocks is None:
                    cells = self._writer.cells(family, part, sorted(family.cells))
                    if part.alone or any(cells):
                        lines += (part.header, *cells)
                    looked_at += 1 + len(cells)
                    continue
                of_part = partial(self._writer.cells, family, part)
                more = yield from blocks[place].pieces(family, of_part)
                if part.alone or more:
                    section.append(([*lines, part.header], more))
                    lines = []
                yield
            if looked_at > _STEP:
                looked_at = 0
                yield
        section.append((lines, ()))
        return section


def _lay_out_loose(
    lines: list[bytes],
    previous: Mapping[tuple[int, int], Piece],
    pieces: list[Piece],
    loose: dict[tuple[int, int], Piece],
) -> Generator[None, None, None]:
    """Add the pieces that lines make, piece by piece."""
    for done, piece in enumerate(lay_out(lines, previous)):
        if done:
            yield
        pieces.append(piece)
        loose[piece.key] = piece


class _Blocks:
    """The samples of a family that many apps carry, in blocks of neighbouring apps."""

    def __init__(self, family: MergedFamily) -> None:
        self._shift = _shift(family)
        # A cell is shown or not by the type that counts.
        self._type = family.type
        # What is shown of the apps of each block, in their order.
        self._lines: dict[int, dict[int, bytes]] = {}
        self._pieces: dict[int, Sequence[Piece]] = {}
        # Apps whose cells are others, by block; not sets, as in Changes.
        self._touched: dict[int, dict[int, None]] = {}

    def fits(self, family: MergedFamily) -> bool:
        """Tell whether the blocks can be kept: of a fitting size, and for the same type."""
        return abs(_shift(family) - self._shift) <= 2 and family.type == self._type

    def touch(self, apps: Iterable[int]) -> Generator[None, None, None]:
        """Take note, in steps, that the cells of ``apps`` are others, or gone."""
        shift, touched = self._shift, self._touched
        for done, app in enumerate(apps, 1):
            touched.setdefault(app >> shift, {})[app] = None
            if done % _LONG_STEP == 0:
                yield

    def pieces(
        self, family: MergedFamily, cells: Callable[[list[int]], list[bytes]]
    ) -> Generator[None, None, list[Piece]]:
        """Lay out the blocks that were touched, in steps; the value of the generator is all."""
        looked_at = 0
        for block, apps in self._touched.items():
            lines = self._lines.setdefault(block, {})
            carriers = sorted(app for app in apps if app in family.cells)
            for app in apps:
                if app not in family.cells:
                    lines.pop(app, None)
            known = len(lines)
            for start in range(0, len(carriers), _STEP):
                if start:
                    yield
                some = carriers[start : start + _STEP]
                lines.update(zip(some, cells(some), strict=True))
            if known and len(lines) > known:
                lines = self._lines[block] = dict(sorted(lines.items()))
            if lines:
                self._pieces[block] = _block(lines.values(), self._pieces.get(block, ()))
            else:
                del self._lines[block]
                self._pieces.pop(block, None)
            if not known:
                note_made(len(lines))
            looked_at += len(lines)
            if looked_at > _STEP:
                looked_at = 0
                yield
        self._touched = {}
        return list(chain.from_iterable(map(self._pieces.__getitem__, sorted(self._pieces))))


def _block(lines: Collection[bytes], before: Sequence[Piece]) -> Sequence[Piece]:
    """Return the pieces of a block: one, unless it is a long one."""
    size = sum(map(len, lines))
    if size >= SHORTEST_CLOSED or len(lines) >= MOST_PARTS // 4:
        return list(lay_out(lines, {piece.key: piece for piece in before}))
    if not size:
        return ()
    piece = Piece(tuple(filter(None, lines)), 0, size)
    return before if len(before) == 1 and before[0].same_as(piece) else (piece,)


def _shift(family: MergedFamily) -> int:
    """Return the power of two of apps whose cells make about one piece."""
    apps = max(1, _BLOCK_BYTES * len(family.cells) // max(1, family.size))
    return min(max(apps.bit_length() - 1, _SHIFTS[0]), _SHIFTS[-1])

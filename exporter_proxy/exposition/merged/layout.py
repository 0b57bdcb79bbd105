"""The page of an index, laid out in pieces that are kept as long as nothing in them changes.

A family stands on the page where its owner, the first app that carries it, has it. So the page is a
row of sections, one an app, each with the families that the app owns. Sections of neighbouring
apps make a bucket. A bucket with a change in it is laid out anew; but a family that many apps carry
has blocks of its own, of neighbouring apps, and only those with a change in them are laid out anew.
"""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import NamedTuple, Protocol

from exporter_proxy.exposition.merged.family import MergedFamily
from exporter_proxy.exposition.merged.index import SELF, Changes, MergedIndex
from exporter_proxy.exposition.page import Piece, lay_out

_BUCKET_APPS_SHIFT = 4
# Families of more bytes or more apps have blocks.
_INLINE_BYTES = 65_536
_INLINE_APPS = 64
_BLOCK_BYTES = 65_536
_SHIFTS = range(4, 13)
# Changes taken in before the event loop is served.
_STEP = 500


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


class Layout:
    """Follows an index and keeps its page in one format."""

    def __init__(self, index: MergedIndex, writer: Writer) -> None:
        self._index = index
        self._writer = writer
        self._changes = index.watch()
        # Where a family was laid out: the bucket of its owner.
        self._home: dict[bytes, int] = {}
        # For each part of a family that has blocks.
        self._blocks: dict[bytes, list[_Blocks]] = {}
        self._parts: dict[bytes, tuple[Part, ...]] = {}
        # Apps by bucket.
        self._apps: dict[int, set[int]] = {}
        self._buckets: dict[int, list[Piece]] = {}
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
        yield from self._writer.follow(changes)
        buckets: set[int] = set()
        for app in changes.apps:
            buckets.add(self._place(app))
        names = dict.fromkeys((*changes.cells, *changes.metadata, *changes.anew))
        for done, name in enumerate(names, 1):
            if name in changes.anew:
                self._blocks.pop(name, None)
            stale = name in changes.anew or name in changes.metadata
            self._refresh_family(name, changes.cells.get(name, ()), buckets, stale=stale)
            if done % _STEP == 0:
                yield
        for bucket in buckets:
            yield from self._lay_out_bucket(bucket)
            yield
        return [piece for bucket in self._order for piece in self._buckets[bucket]]

    def _place(self, app: int) -> int:
        """Note in which bucket ``app`` is, or that it is gone."""
        bucket = app >> _BUCKET_APPS_SHIFT
        apps = self._apps.setdefault(bucket, set())
        if app == SELF or app in self._index.apps:
            apps.add(app)
        else:
            apps.discard(app)
        return bucket

    def _refresh_family(
        self, name: bytes, apps: Iterable[int], buckets: set[int], *, stale: bool
    ) -> None:
        family = self._index.families.get(name)
        old_home = self._home.get(name)
        if old_home is not None:
            buckets.add(old_home)
        if family is None:
            self._home.pop(name, None)
            self._blocks.pop(name, None)
            self._parts.pop(name, None)
            return
        app = self._index.home(name)
        if app == SELF:
            self._place(SELF)
        home = self._home[name] = app >> _BUCKET_APPS_SHIFT
        buckets.add(home)
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
            self._blocks[name] = [_Blocks(family) for _ in self._parts[name]]
            return
        for each in blocks:
            each.touch(apps, family)

    def _lay_out_bucket(self, bucket: int) -> Generator[None, None, None]:
        if self._apps.get(bucket):
            pieces = yield from self._pieces(bucket)
            if bucket not in self._buckets:
                self._order = sorted((*self._order, bucket))
            self._buckets[bucket] = pieces
        else:
            self._apps.pop(bucket, None)
            if self._buckets.pop(bucket, None) is not None:
                self._order.remove(bucket)

    def _pieces(self, bucket: int) -> Generator[None, None, list[Piece]]:
        index = self._index
        previous = {piece.key: piece for piece in self._buckets.get(bucket, ())}
        pieces: list[Piece] = []
        lines: list[bytes] = []
        yielded = 0
        for app in sorted(self._apps[bucket]):
            for name in index.section(app):
                family = index.families[name]
                blocks = self._blocks.get(name)
                for place, part in enumerate(self._parts[name]):
                    if blocks is None:
                        cells = self._writer.cells(family, part, sorted(family.cells))
                        if part.alone or any(cells):
                            lines += (part.header, *cells)
                        if len(lines) - yielded > _STEP:
                            yielded = len(lines)
                            yield
                        continue
                    more = blocks[place].pieces(partial(self._writer.cells, family, part))
                    if part.alone or more:
                        lines.append(part.header)
                        pieces += lay_out(lines, previous)
                        lines, yielded = [], 0
                        pieces += more
                    yield
        pieces += lay_out(lines, previous)
        return pieces


class _Blocks:
    """The samples of a family that many apps carry, in blocks of neighbouring apps."""

    def __init__(self, family: MergedFamily) -> None:
        self._shift = _shift(family)
        # A cell is shown or not by the type that counts.
        self._type = family.type
        self._apps: dict[int, set[int]] = {}
        for app in family.cells:
            self._apps.setdefault(app >> self._shift, set()).add(app)
        self._pieces: dict[int, list[Piece]] = {}
        self._touched = set(self._apps)

    def fits(self, family: MergedFamily) -> bool:
        """Tell whether the blocks can be kept: of a fitting size, and for the same type."""
        return abs(_shift(family) - self._shift) <= 2 and family.type == self._type

    def touch(self, apps: Iterable[int], family: MergedFamily) -> None:
        """Take note that the cells of ``apps`` are others, or gone."""
        for app in apps:
            block = app >> self._shift
            if app in family.cells:
                self._apps.setdefault(block, set()).add(app)
            else:
                self._apps.get(block, set()).discard(app)
            self._touched.add(block)

    def pieces(self, cells: Callable[[list[int]], list[bytes]]) -> list[Piece]:
        """Return all pieces, laying out the blocks that were touched."""
        for block in self._touched:
            if not self._apps.get(block):
                self._apps.pop(block, None)
                self._pieces.pop(block, None)
                continue
            previous = {piece.key: piece for piece in self._pieces.get(block, ())}
            self._pieces[block] = list(lay_out(cells(sorted(self._apps[block])), previous))
        self._touched.clear()
        return [piece for block in sorted(self._pieces) for piece in self._pieces[block]]


def _shift(family: MergedFamily) -> int:
    """Return the power of two of apps whose cells make about one piece."""
    apps = max(1, _BLOCK_BYTES * len(family.cells) // max(1, family.size))
    return min(max(apps.bit_length() - 1, _SHIFTS[0]), _SHIFTS[-1])

"""The page of an index, laid out in pieces that are kept as long as nothing in them changes.

A family stands on the page where its owner, the first app that carries it, has it. So the page is a
row of sections, one an app, each with the families that the app owns. Sections of neighbouring
apps make a bucket. A bucket with a change in it is laid out anew; but a family that many apps carry
has blocks of its own, of neighbouring apps, and only those with a change in them are laid out anew.
"""

from collections.abc import Generator, Iterable
from typing import Protocol

from exporter_proxy.exposition.merged.family import MergedFamily
from exporter_proxy.exposition.merged.index import SELF, MergedIndex
from exporter_proxy.exposition.model import Family
from exporter_proxy.exposition.page import Piece, lay_out

_BUCKET_APPS_SHIFT = 4
# Families of more bytes or more apps have blocks.
_INLINE_BYTES = 65_536
_INLINE_APPS = 64
_BLOCK_BYTES = 65_536
_SHIFTS = range(4, 13)
# Changes taken in before the event loop is served.
_STEP = 500


class Writer(Protocol):
    """One format of the page."""

    def header(self, family: MergedFamily) -> bytes | None:
        """Return the lines before a family's samples; None if the family can't be shown."""

    def cell(self, family: MergedFamily, cell: Family) -> bytes:
        """Return the lines of what one app has; none if they can't be shown."""


class Layout:
    """Follows an index and keeps its page in one format."""

    def __init__(self, index: MergedIndex, writer: Writer) -> None:
        self._index = index
        self._writer = writer
        self._changes = index.watch()
        # Where a family was laid out: the bucket of its owner.
        self._home: dict[bytes, int] = {}
        self._blocks: dict[bytes, _Blocks] = {}
        self._headers: dict[bytes, bytes | None] = {}
        # Apps by bucket.
        self._apps: dict[int, set[int]] = {}
        self._buckets: dict[int, list[Piece]] = {}
        self._order: list[int] = []

    def refresh(self) -> Generator[None, None, list[Piece]]:
        """Take in what changed, in steps; the value of the generator is the page.

        The index must not change between the steps. Pieces that hold no change are the same objects
        as before.
        """
        changes = self._changes.take()
        buckets: set[int] = set()
        for app in changes.apps:
            buckets.add(self._place(app))
        names = dict.fromkeys(changes.cells)
        names.update(dict.fromkeys(self._index.related(changes.metadata)))
        for done, name in enumerate(names, 1):
            if name in changes.metadata or name not in changes.cells:
                self._headers.pop(name, None)
            self._refresh_family(name, changes.cells.get(name, ()), buckets)
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

    def _refresh_family(self, name: bytes, apps: Iterable[int], buckets: set[int]) -> None:
        family = self._index.families.get(name)
        old_home = self._home.get(name)
        if old_home is not None:
            buckets.add(old_home)
        if family is None:
            self._home.pop(name, None)
            self._blocks.pop(name, None)
            return
        app = self._index.home(name)
        if app == SELF:
            self._place(SELF)
        home = self._home[name] = app >> _BUCKET_APPS_SHIFT
        buckets.add(home)
        if family.size <= _INLINE_BYTES and len(family.cells) <= _INLINE_APPS:
            self._blocks.pop(name, None)
            return
        blocks = self._blocks.get(name)
        if blocks is None or not blocks.fits(family):
            self._blocks[name] = _Blocks(family)
        else:
            blocks.touch(apps, family)

    def _lay_out_bucket(self, bucket: int) -> Generator[None, None, None]:
        index = self._index
        previous = {piece.key: piece for piece in self._buckets.get(bucket, ())}
        pieces: list[Piece] = []
        parts: list[bytes] = []
        yielded = 0
        for app in sorted(self._apps.get(bucket, ())):
            for name in index.section(app):
                family = index.families[name]
                header = self._header(family)
                if header is None:
                    continue
                parts.append(header)
                blocks = self._blocks.get(name)
                if blocks is None:
                    parts += self._cells(family, sorted(family.cells))
                    if len(parts) - yielded > _STEP:
                        yielded = len(parts)
                        yield
                else:
                    pieces += lay_out(parts, previous)
                    parts, yielded = [], 0
                    pieces += blocks.pieces(family, self._cells)
                    yield
        pieces += lay_out(parts, previous)
        if self._apps.get(bucket):
            if bucket not in self._buckets:
                self._order = sorted((*self._order, bucket))
            self._buckets[bucket] = pieces
        else:
            self._apps.pop(bucket, None)
            if self._buckets.pop(bucket, None) is not None:
                self._order.remove(bucket)

    def _header(self, family: MergedFamily) -> bytes | None:
        # The same object each time, by which pieces know that nothing has changed.
        if family.name not in self._headers:
            self._headers[family.name] = self._writer.header(family)
        return self._headers[family.name]

    def _cells(self, family: MergedFamily, apps: Iterable[int]) -> list[bytes]:
        write, cells = self._writer.cell, family.cells
        return [write(family, cells[app]) for app in apps]


class _Blocks:
    """The samples of a family that many apps carry, in blocks of neighbouring apps."""

    def __init__(self, family: MergedFamily) -> None:
        self._shift = _shift(family)
        # With apps at odds over the type, a change of one may decide over the cells of all.
        self._type = family.type if len(family.types) <= 1 else None
        self._apps: dict[int, set[int]] = {}
        for app in family.cells:
            self._apps.setdefault(app >> self._shift, set()).add(app)
        self._pieces: dict[int, list[Piece]] = {}
        self._touched = set(self._apps)

    def fits(self, family: MergedFamily) -> bool:
        """Tell whether the blocks can be kept: of a fitting size, all cells of the same type."""
        return (
            abs(_shift(family) - self._shift) <= 2
            and len(family.types) <= 1
            and family.type == self._type
        )

    def touch(self, apps: Iterable[int], family: MergedFamily) -> None:
        """Take note that the cells of ``apps`` are others, or gone."""
        for app in apps:
            block = app >> self._shift
            if app in family.cells:
                self._apps.setdefault(block, set()).add(app)
            else:
                self._apps.get(block, set()).discard(app)
            self._touched.add(block)

    def pieces(self, family: MergedFamily, cells: "_Cells") -> Iterable[Piece]:
        """Return all pieces, laying out the blocks that were touched."""
        for block in self._touched:
            if not self._apps.get(block):
                self._apps.pop(block, None)
                self._pieces.pop(block, None)
                continue
            previous = {piece.key: piece for piece in self._pieces.get(block, ())}
            self._pieces[block] = list(lay_out(cells(family, sorted(self._apps[block])), previous))
        self._touched.clear()
        return [piece for block in sorted(self._pieces) for piece in self._pieces[block]]


class _Cells(Protocol):
    def __call__(self, family: MergedFamily, apps: Iterable[int]) -> list[bytes]: ...


def _shift(family: MergedFamily) -> int:
    """Return the power of two of apps whose cells make about one piece."""
    apps = max(1, _BLOCK_BYTES * len(family.cells) // max(1, family.size))
    return min(max(apps.bit_length() - 1, _SHIFTS[0]), _SHIFTS[-1])

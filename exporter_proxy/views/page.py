"""One page, and what it is made of."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from exporter_proxy.exposition.escaping import DEFAULT_SCHEME, Scheme
from exporter_proxy.exposition.model import Format
from exporter_proxy.exposition.page import (
    CHUNK,
    LONGEST_PIECE,
    Encoding,
    Piece,
    even_chunks,
    gzip_chunks,
    joined_chunks,
    text_chunks,
    zstd_chunks,
)
from exporter_proxy.views.slices import Flight
from exporter_proxy.workers import Workers

PageKey = tuple[int, int, int]

_SHARED_CHUNK = 4 * CHUNK
# Readers of a page from which on they share what is joined: memory that is new costs as much as
# joining in the same memory for several of them.
_SHARED_FROM = 3
_PACK = {"gzip": gzip_chunks, "zstd": zstd_chunks}


class Kind(NamedTuple):
    """Which page.

    Attributes:
        format: In which format.
        strict: Without what scrapers can't read.
        only_self: The proxy's own metrics alone.
        escaping: What is done to UTF-8 names.
    """

    format: Format = "text"
    strict: bool = True
    only_self: bool = False
    escaping: Scheme = DEFAULT_SCHEME


class Selection(NamedTuple):
    """What of a page; None: all apps, all families."""

    apps: frozenset[str] | None = None
    names: frozenset[bytes] | None = None

    def __bool__(self) -> bool:
        """Tell whether it is less than all."""
        return self.apps is not None or self.names is not None


class Page:
    """One state of the table as a page. What it shows never changes.

    Attributes:
        key: What it was made of: the generation of the table, that of the search for duplicates,
            and the row of self-metrics.
        generation: How often what changed had been taken in when it was made: two pages of one
            kind that have the same are the same.
        kind: Which page it is.
        size: Its bytes, not compressed.
        pieces: What it consists of.
        plain: The whole of it if it is short, else None: a long page is joined as it is sent.
    """

    __slots__ = (
        "__weakref__",
        "_compressing",
        "_packed",
        "_selection",
        "_tag",
        "generation",
        "key",
        "kind",
        "pieces",
        "plain",
        "size",
    )

    def __init__(
        self,
        key: PageKey,
        pieces: Sequence[Piece],
        generation: int,
        kind: Kind,
        selection: Selection | None = None,
    ) -> None:
        self.key = key
        self.generation = generation
        self.pieces = pieces
        self.size = sum(piece.size for piece in pieces)
        self.plain: bytes | None = None
        if self.size <= LONGEST_PIECE:
            self.plain = b"".join(piece.text() for piece in pieces)
        self.kind = kind
        self._selection = selection
        self._tag = ""
        # Compressed, in chunks, once someone asked for it.
        self._packed: dict[Encoding, _Packed] = {}
        self._compressing: dict[Encoding, Flight[None]] = {}

    @property
    def tag(self) -> str:
        """What tells this page from all others of this process."""
        if not self._tag:
            form, strict, only_self, escaping = self.kind
            marks = form[0] + "r" * (not strict) + "s" * only_self
            marks += "" if escaping == DEFAULT_SCHEME else escaping[0]
            self._tag = f"{self.generation:x}-{marks}{_hash(self._selection)}"
        return self._tag

    async def body(self, encoding: Encoding, workers: Workers) -> tuple[Iterable[bytes], int]:
        """Return the page in chunks that are not long, and its size.

        It is compressed once, a long one in a worker thread.
        """
        if encoding == "identity":
            if self.plain is None:
                return text_chunks(self.pieces), self.size
            return even_chunks((self.plain,)), self.size
        packed = await self._pack(encoding, workers)
        return packed.chunks(), packed.size

    async def pack(self, encoding: Encoding, workers: Workers) -> tuple[Sequence[bytes], int]:
        """Return the page compressed, as the same objects every time, and its size."""
        packed = await self._pack(encoding, workers)
        return packed.raw, packed.size

    async def _pack(self, encoding: Encoding, workers: Workers) -> "_Packed":
        packed = self._packed.get(encoding)
        if packed is None:
            if self.plain is None:
                flight = self._compressing.setdefault(encoding, Flight())
                await flight.join(None, lambda: self._pack_long(encoding, workers))
            else:
                self.pack_short(encoding)
            packed = self._packed[encoding]
        return packed

    def pack_short(self, encoding: Encoding) -> bytes:
        """Return a short page compressed, at once."""
        packed = self._packed.get(encoding)
        if packed is None:
            chunk = b"".join(_PACK[encoding](self._short_pieces(encoding)))
            packed = self._packed[encoding] = _Packed([chunk])
        return packed.raw[0]

    def _short_pieces(self, encoding: Encoding) -> Sequence[Piece]:
        """Return the pieces that a short page is compressed as."""
        if encoding == "zstd" and self.plain:
            # Not every reader goes on after the first frame.
            return [Piece((self.plain,), 0, self.size)]
        return self.pieces

    async def _pack_long(self, encoding: Encoding, workers: Workers) -> None:
        if encoding not in self._packed:
            chunks = await workers.run(_PACK[encoding], self.pieces)
            self._packed[encoding] = _Packed(chunks)


class _Packed:
    """A compressed page.

    Most pages have one reader or two, before they are another: what these are sent is joined as it
    is sent, in memory that is used again and again. Those that come later share what is joined.

    Attributes:
        raw: The page, in chunks as short as they were compressed.
        size: Its bytes.
    """

    __slots__ = ("_joining", "_readers", "_shared", "raw", "size")

    def __init__(self, raw: Sequence[bytes]) -> None:
        self.raw = raw
        self.size = sum(map(len, raw))
        self._readers = 0
        self._shared: list[bytes] = []
        self._joining: Iterator[bytes] | None = None

    def chunks(self) -> Iterator[bytes]:
        """Return it for one more reader, in chunks that are not long."""
        self._readers += 1
        if self._readers < _SHARED_FROM:
            return joined_chunks(self.raw)
        return self._shared_chunks()

    def _shared_chunks(self) -> Iterator[bytes]:
        if self._joining is None:
            self._joining = joined_chunks(self.raw, _SHARED_CHUNK)
        place = 0
        while True:
            if place == len(self._shared):
                more = next(self._joining, None)
                if more is None:
                    return
                # The first is copied for each reader, next to the headers.
                self._shared += [more] if place else filter(None, (more[:CHUNK], more[CHUNK:]))
            yield self._shared[place]
            place += 1


def _hash(selection: Selection | None) -> str:
    if selection is None:
        return ""
    hashed = blake2b(digest_size=12)
    for app in sorted(selection.apps or ()):
        hashed.update(b"a%d:" % len(app) + app.encode(errors="surrogatepass"))
    for name in sorted(selection.names or ()):
        hashed.update(b"n%d:" % len(name) + name)
    return "-" + hashed.hexdigest()

"""Payloads, one after another, as the pieces of a page.

A page is never put together as a whole unless it is small: it is a list of pieces, each of which
is joined, compressed and sent on its own, so that none of these holds the event loop for long.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from operator import is_
from struct import pack
from typing import TYPE_CHECKING, Literal

from isal import isal_zlib

if TYPE_CHECKING:
    # Few readers ask for it, and a start need not wait for it.
    from zstandard import ZstdCompressor

Encoding = Literal["identity", "gzip", "zstd"]

LONGEST_PIECE = 1_048_576
"""Bytes of exposition text that no piece exceeds: about a millisecond of compressing."""
SHORTEST_CLOSED = LONGEST_PIECE // 4
"""Bytes from which a piece ends where one ended on the page before."""
TYPICAL_PIECE = LONGEST_PIECE // 2
CHUNK = 131_072
"""Bytes that are sent at a time: what a slow reader keeps in memory.

More would be allocated anew from the system each time, which costs more than copying it.
"""
MOST_PARTS = 4096
"""Parts of a piece, so that many small payloads don't make a piece that takes long to join."""

# RFC 1952 section 2.3.1: deflate, no name, no time, fastest algorithm, unknown system
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
# RFC 1951 section 3.2.6: an empty final block of fixed Huffman codes; pieces have no final block
_LAST_BLOCK = b"\x03\x00"


class Piece:
    """Some payloads next to one another, or a slice of one payload that is too long for a piece.

    Attributes:
        parts: The payloads; only one if the piece is a slice.
        start: Where the slice begins in it.
        size: Its bytes of exposition text.
        packed: Raw deflate blocks, none of them final, that end at a byte; empty until asked for.
        crc: CRC-32 of the text, once it is packed.
    """

    __slots__ = ("_zstd", "crc", "packed", "parts", "size", "start")

    def __init__(self, parts: tuple[bytes, ...], start: int, size: int) -> None:
        self.parts = parts
        self.start = start
        self.size = size
        self.packed = b""
        self.crc: int = 0
        self._zstd: bytes | None = None

    @property
    def key(self) -> tuple[int, int]:
        """What finds this piece among those of another page that has the same payloads."""
        return id(self.parts[0]), self.start

    def same_as(self, other: "Piece") -> bool:
        """Tell whether both are made of the same objects, without looking at their bytes."""
        return (
            self.size == other.size
            and self.start == other.start
            and len(self.parts) == len(other.parts)
            and all(map(is_, self.parts, other.parts))
        )

    def text(self) -> bytes:
        """Return the exposition text: the payload itself where the piece is a whole payload."""
        if len(self.parts) == 1:
            return self.parts[0][self.start : self.start + self.size]
        return b"".join(self.parts)

    def texts(self) -> Iterator[bytes]:
        """Yield the exposition text in chunks of about ``CHUNK`` bytes."""
        if len(self.parts) == 1:
            part, end = self.parts[0], self.start + self.size
            for start in range(self.start, end, CHUNK):
                yield part[start : min(start + CHUNK, end)]
            return
        # As many parts as a chunk has on average, since there may be thousands to count.
        parts, step = self.parts, max(1, len(self.parts) * CHUNK // self.size)
        yield from even_chunks(
            b"".join(parts[first : first + step]) for first in range(0, len(parts), step)
        )

    def deflated(self) -> bytes:
        """Return ``packed``, made once. The compressor releases the interpreter lock."""
        if not self.packed:
            text = self.text()
            compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
            head = compressor.compress(text)
            self.crc = isal_zlib.crc32(text)
            self.packed = head + compressor.flush(isal_zlib.Z_FULL_FLUSH)
        return self.packed

    def zstd(self, compressor: "ZstdCompressor") -> bytes:
        """Return a zstd frame; made once. The compressor releases the interpreter lock."""
        if self._zstd is None:
            self._zstd = compressor.compress(self.text())
        return self._zstd


def lay_out(
    parts: Iterable[bytes], previous: Mapping[tuple[int, int], Piece] | None = None
) -> Iterator[Piece]:
    """Cut payloads into pieces.

    Where payloads are those of the page before, pieces end where they ended on it and are
    the same objects, with what was compressed of them; so a change costs the pieces around it.

    Args:
        parts: The payloads, in the order of the page.
        previous: The pieces of the page before, by their ``key``. It must be alive: payloads are
            told apart by identity.
    """
    known = previous or {}
    # The first pieces leave room, so that they can end where they did when payloads get longer.
    longest, most = (LONGEST_PIECE, MOST_PARTS) if known else (TYPICAL_PIECE, MOST_PARTS // 2)
    gathered: list[bytes] = []
    size = 0
    for part in parts:
        length = len(part)
        if gathered and (
            size + length > longest
            or len(gathered) >= most
            # Pieces of very many small payloads are short; they too must end where they did.
            or (
                (size >= SHORTEST_CLOSED or len(gathered) >= MOST_PARTS // 4)
                and (id(part), 0) in known
            )
        ):
            yield _known(Piece(tuple(gathered), 0, size), known)
            gathered, size = [], 0
        if length > LONGEST_PIECE:
            yield from _cut(part, known)
        elif length:
            gathered.append(part)
            size += length
    if gathered:
        yield _known(Piece(tuple(gathered), 0, size), known)


def _cut(part: bytes, known: Mapping[tuple[int, int], Piece]) -> Iterator[Piece]:
    for start in range(0, len(part), TYPICAL_PIECE):
        yield _known(Piece((part,), start, min(TYPICAL_PIECE, len(part) - start)), known)


def _known(piece: Piece, known: Mapping[tuple[int, int], Piece]) -> Piece:
    """Return the piece of the page before that is the same, or this one."""
    candidate = known.get(piece.key)
    return candidate if candidate is not None and candidate.same_as(piece) else piece


def gzip_chunks(pieces: Sequence[Piece]) -> list[bytes]:
    """Return one gzip member (RFC 1952) in chunks, compressing what has not been yet.

    One member, since readers such as curl stop after the first.
    """
    chunks = [_GZIP_HEADER]
    crc, size, combine = 0, 0, isal_zlib.crc32_combine
    for piece in pieces:
        # There are thousands, few of which are others than on the page before.
        chunks.append(piece.packed or piece.deflated())
        crc = combine(crc, piece.crc, piece.size)
        size += piece.size
    chunks.append(_LAST_BLOCK + pack("<II", crc, size & 0xFFFFFFFF))
    return chunks


def zstd_chunks(pieces: Sequence[Piece]) -> list[bytes]:
    """Return zstd frames (RFC 8878), which may follow one another, a piece each; at least one."""
    from zstandard import ZstdCompressor  # noqa: PLC0415 - as above

    # Level 1 takes as long as gzip does and leaves half of what gzip leaves; 2 is no better.
    compressor = ZstdCompressor(level=1)
    return [piece.zstd(compressor) for piece in pieces] or [compressor.compress(b"")]


def text_chunks(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """Join pieces as chunks of about ``CHUNK`` bytes, made one at a time."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        if piece.size < CHUNK:
            gathered += piece.parts if len(piece.parts) > 1 else (piece.text(),)
            size += piece.size
            if size < CHUNK // 2:
                continue
        if gathered:
            yield b"".join(gathered)
            gathered, size = [], 0
        if piece.size >= CHUNK:
            yield from piece.texts()
    if gathered:
        yield b"".join(gathered)


def even_chunks(chunks: Iterable[bytes], size: int = CHUNK) -> Iterator[bytes]:
    """Join short chunks and cut long ones, so that all are of about ``size`` bytes."""
    gathered: list[bytes] = []
    length = 0
    for chunk in chunks:
        gathered.append(chunk)
        length += len(chunk)
        if length < size // 2:
            continue
        joined = b"".join(gathered) if len(gathered) > 1 else chunk
        gathered, length = [], 0
        if len(joined) <= 2 * size:
            yield joined
        else:
            for start in range(0, len(joined), size):
                yield joined[start : start + size]
    if gathered:
        yield b"".join(gathered)


def joined_chunks(chunks: Sequence[bytes], size: int = CHUNK) -> Iterator[bytes]:
    """Do as :func:`even_chunks`, faster where there are many short ones, one chunk at a time."""
    ends = list(accumulate(map(len, chunks)))
    first = joined = 0
    while first < len(chunks):
        # At least one, as it may be longer.
        last = max(bisect_right(ends, joined + size, first), first + 1)
        joined = ends[last - 1]
        yield from even_chunks((b"".join(chunks[first:last]),), size)
        first = last

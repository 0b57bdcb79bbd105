"""A large Cap'n Proto message while it comes: its text is taken at once, the rest is kept.

So a message of 64 MiB never lies in memory as a whole, beside the text that is made of it.
"""

import codecs
import mmap
import struct
from typing import NamedTuple

from exporter_proxy.payload.text import TextBuilder

_WORD_BYTES = 8
_STRUCT, _LIST, _FAR = 0, 1, 2
_BYTES = 2
# Of InboundMetrics.
_NAME, _TEXT = 0, 1


class Range(NamedTuple):
    """Bytes of a frame, from the first to behind the last."""

    start: int
    end: int


class LargeFrame:
    """A frame of which the text alone is looked at before all has come.

    Args:
        size: Bytes of the frame.
        text: Where its text is, NUL included, as :func:`find_text` says; None: nobody knows.

    Attributes:
        filled: Bytes that have come.
        memory: The frame, with zeros in place of the text if it is known where that is. Its pages
            are there only once they are written to.
        text: The text, as far as it has come; None: it is in the memory.
        is_utf8: Whether that is UTF-8.

    Raises:
        OSError: There is no memory.
    """

    __slots__ = ("_decoder", "_end", "_start", "filled", "is_utf8", "memory", "size", "text")

    def __init__(self, size: int, text: Range | None) -> None:
        self.size = size
        self.filled = 0
        self.memory = set_aside(size)
        self.text = None if text is None else TextBuilder()
        # The NUL at its end is no part of it.
        self._start, self._end = (size, size) if text is None else (text.start, text.end - 1)
        self.is_utf8 = True
        # Needed from the first byte on that isn't ASCII.
        self._decoder: codecs.IncrementalDecoder | None = None

    def fill(self, data: bytes | bytearray) -> int:
        """Take what has come of it; return how many bytes of ``data`` that is."""
        begun = self.filled
        end = self.filled = min(self.size, begun + len(data))
        text, behind = (min(max(begun, at), end) for at in (self._start, self._end))
        self._keep(begun, data[: text - begun])
        if behind > text:
            self._read(bytes(data[text - begun : behind - begun]), final=behind == self._end)
        self._keep(behind, data[behind - begun : end - begun])
        return end - begun

    @property
    def is_complete(self) -> bool:
        """Whether all has come."""
        return self.filled == self.size

    @property
    def ends_with_nul(self) -> bool:
        """Whether the text did, as every text has to; all has come."""
        return self.memory[self._end] == 0

    def _keep(self, at: int, data: bytes | bytearray) -> None:
        if data:
            self.memory[at : at + len(data)] = data

    def _read(self, text: bytes, *, final: bool) -> None:
        if self._decoder is None and not text.isascii():
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        if self._decoder is not None and self.is_utf8:
            try:
                self._decoder.decode(text, final)
            except UnicodeDecodeError:
                self.is_utf8 = False
        assert self.text is not None
        self.text.add(text)


def set_aside(size: int) -> mmap.mmap:
    """Return memory whose pages are there only once they are written to.

    Raises:
        OSError: There is none.
    """
    return mmap.mmap(-1, size)


def find_text(head: bytes | bytearray) -> Range | None:
    """Find the text of an ``InboundMetrics`` message by its first bytes.

    As the encoding specification has it ("Structs", "Lists", "Inter-Segment Pointers"), for all
    messages whose text is behind what leads to it, which is how libraries write them.

    Args:
        head: The frame's first bytes, its header included.

    Returns:
        The text and the NUL at its end, within the frame; None: the message is another one, or it
        can't be told yet. Whether it is sound is for the library to say.
    """
    try:
        return _Pointers(head).text()
    except struct.error:
        # It is behind what has come.
        return None


class _Pointers:
    """Follows the pointers of a message, of which the first bytes are there."""

    def __init__(self, head: bytes | bytearray) -> None:
        self._head = head
        (last,) = struct.unpack_from("<I", head)
        at = (4 + 4 * (last + 1) + _WORD_BYTES - 1) // _WORD_BYTES * _WORD_BYTES
        self._segments: list[Range] = []
        for words in struct.unpack_from(f"<{last + 1}I", head, 4):
            self._segments.append(Range(at, at + words * _WORD_BYTES))
            at += words * _WORD_BYTES
        # Up to where pointers were read.
        self._read_to = self._segments[0].start

    def text(self) -> Range | None:
        root, at, segment = self._follow(self._segments[0].start, 0)
        data_words, pointers = root >> 32 & 0xFFFF, root >> 48
        if root & 3 != _STRUCT or pointers <= _TEXT:
            return None
        start = _target(root, at) + data_words * _WORD_BYTES
        name = self._byte_list(start + _NAME * _WORD_BYTES, segment)
        text = self._byte_list(start + _TEXT * _WORD_BYTES, segment)
        if name is None or text is None or text.start < self._read_to:
            return None
        # A name that lies within the text would be gone with it.
        return text if name.end <= text.start or name.start >= text.end else None

    def _follow(self, at: int, segment: int) -> tuple[int, int, int]:
        """Return the pointer at a place, and where it is if that one leads to another segment."""
        word = self._word(at)
        if word & 3 != _FAR or word & 4:
            return word, at, segment
        segment = word >> 32
        if segment >= len(self._segments):
            return _FAR, at, segment
        at = self._segments[segment].start + (word >> 3 & 0x1FFF_FFFF) * _WORD_BYTES
        return self._word(at), at, segment

    def _word(self, at: int) -> int:
        if at < self._segments[0].start:
            raise struct.error
        self._read_to = max(self._read_to, at + _WORD_BYTES)
        word: int = struct.unpack_from("<Q", self._head, at)[0]
        return word

    def _byte_list(self, at: int, segment: int) -> Range | None:
        word, at, segment = self._follow(at, segment)
        if word & 3 != _LIST or word >> 32 & 7 != _BYTES or not word >> 35:
            return None
        start = _target(word, at)
        found = Range(start, start + (word >> 35))
        within = self._segments[segment]
        return found if found.start >= within.start and found.end <= within.end else None


def _target(pointer: int, at: int) -> int:
    """Return where what a pointer leads to begins: words from behind it, 30 bits with a sign."""
    words = (pointer >> 2 & 0x3FFF_FFFF) - (1 << 30 if pointer & 1 << 31 else 0)
    return at + _WORD_BYTES + words * _WORD_BYTES

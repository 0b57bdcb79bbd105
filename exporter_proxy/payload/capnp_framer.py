"""Cap'n Proto's standard stream framing: cut a byte stream into messages.

"Serialization Over a Stream" of the encoding specification: the number of segments less one, the
size of each in words, padding to a word, then the segments. All numbers are 32 bits, little-endian.
"""

import struct

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.capnp_large import LargeFrame, find_text
from exporter_proxy.payload.message import too_large

MAX_SEGMENTS = 512
_WORD_BYTES = 8
LARGE_BYTES = 1 << 18
"""Of a frame that goes on beyond that, the rest is received where it stays."""


class CapnpFramer:
    """Cuts frames off a stream; refuses by the header, before anything is buffered for it.

    Args:
        max_message_size: Bytes that a frame, its header included, may have.
    """

    __slots__ = ("_at", "_input", "_large", "_max_message_size", "_need", "_pending")

    def __init__(self, max_message_size: int) -> None:
        self._max_message_size = max_message_size
        # What next_frame works on, and where.
        self._input: bytes | bytearray = b""
        self._at = 0
        # What came of a frame that isn't complete, and how many bytes are needed to go on.
        self._pending = bytearray()
        self._need = 4
        # A large frame that isn't complete, or wasn't asked for since.
        self._large: LargeFrame | None = None

    @property
    def buffered(self) -> int:
        """Bytes received of a frame that is not complete."""
        large = 0 if self._large is None else self._large.filled
        return large + len(self._pending) + len(self._input) - self._at

    def feed(self, data: bytes) -> None:
        """Add received bytes. Call ``next_frame`` until None before the next call."""
        if self._large is not None:
            self._fill(self._large, data)
            return
        if not self._pending:
            self._input, self._at = data, 0
            return
        self._pending += data
        if len(self._pending) >= LARGE_BYTES and len(self._pending) < self._need:
            self._begin_large()
        elif len(self._pending) >= self._need:
            self._input, self._at = self._pending, 0
            self._pending = bytearray()

    def _begin_large(self) -> None:
        """Go on with a frame in memory of its own, of exactly its size.

        What grows as it comes would be moved, and cut out would be copied, which takes 20 ms for
        64 MiB.
        """
        try:
            self._large = LargeFrame(self._need, find_text(self._pending))
        except OSError:
            # Where memory is given out strictly; what grows is slower, and all the same.
            return
        pending, self._pending = self._pending, bytearray()
        self._fill(self._large, pending)

    def _fill(self, large: LargeFrame, data: bytes | bytearray) -> None:
        # What is left belongs to the next frame.
        self._input, self._at = data, large.fill(data)

    def next_frame(self) -> bytes | bytearray | LargeFrame | None:
        """Return the next complete frame, header included; None if more bytes are needed.

        Raises:
            PayloadError: ``malformed_capnp`` or ``message_too_large``.
        """
        if self._large is not None:
            if not self._large.is_complete:
                self._input, self._at = b"", 0
                return None
            large, self._large = self._large, None
            return large
        available = len(self._input) - self._at
        need = 4 if available < 4 else self._frame_bytes(available)
        if available < need:
            if available:
                # Kept when nothing is here: until then what came is not looked at again.
                self._need = need
                self._pending += memoryview(self._input)[self._at :]
            self._input, self._at = b"", 0
            return None
        start, self._at = self._at, self._at + need
        if start == 0 and need == len(self._input):
            frame, self._input, self._at = self._input, b"", 0
            return frame
        return self._input[start : self._at]

    def _frame_bytes(self, available: int) -> int:
        """Return the size of the frame that begins here, or of its header if that is cut."""
        last: int = struct.unpack_from("<I", self._input, self._at)[0]
        if last >= MAX_SEGMENTS:
            raise PayloadError(
                f"the Cap'n Proto header announces {last + 1} segments, "
                f"expected at most {MAX_SEGMENTS}",
                reason="malformed_capnp",
            )
        header = (4 + 4 * (last + 1) + _WORD_BYTES - 1) // _WORD_BYTES * _WORD_BYTES
        if available < header:
            return header
        if last == 0:
            words: int = struct.unpack_from("<I", self._input, self._at + 4)[0]
        else:
            words = sum(struct.unpack_from(f"<{last + 1}I", self._input, self._at + 4))
        size = header + words * _WORD_BYTES
        if size > self._max_message_size:
            raise too_large(self._max_message_size)
        return size

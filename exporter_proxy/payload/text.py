"""Exposition text on its way from a message into a payload of bounded pieces."""

from io import BytesIO

from exporter_proxy.errors import PayloadError, quote

PIECE_BYTES = 1 << 18
"""Longer texts are kept in pieces of about this size, so that no step over one takes long."""
_LATEST_CUT = 1.5
# Where a metric family begins: one that is cut takes longer to read.
_HEAD = b"\n# HELP "


def place_to_cut(part: bytes, size: int) -> int:
    """Return where a piece may end that ``part`` is the end of; 0: not yet, or nowhere.

    Between two metric families, if possible, else between two lines.

    Args:
        part: What was received last: only that is searched, as a single endless line must not be
            searched again and again.
        size: Bytes of the piece, this part included.
    """
    if size < PIECE_BYTES:
        return 0
    cut = part.rfind(_HEAD) + 1
    return cut if cut or size < PIECE_BYTES * _LATEST_CUT else part.rfind(b"\n") + 1


def whole_text(app: str, text: bytes) -> tuple[bytes, ...]:
    """Return a payload of one piece, of none if the text is empty.

    Raises:
        PayloadError: ``nul_byte``.
    """
    if 0 in text:
        raise nul_byte(app)
    return (text,) if text else ()


def nul_byte(app: str) -> PayloadError:
    """Return the error for a payload that holds a NUL, at which Prometheus would stop reading."""
    return PayloadError(f"the metrics of {quote(app)} hold a NUL byte", reason="nul_byte")


class TextBuilder:
    """Collects a text that comes in parts, cutting it at line ends into pieces.

    Total work is linear in the bytes added, whatever the sizes of the parts.
    """

    __slots__ = ("_nul", "_pending", "_pieces")

    def __init__(self) -> None:
        self._nul = False
        self._pieces: list[bytes] = []
        # What it has grown to is handed out, and not copied: a line may be endless.
        self._pending = BytesIO()

    def add(self, part: bytes) -> None:
        """Add UTF-8 text."""
        if 0 in part:
            self._nul = True
        end = place_to_cut(part, self._pending.tell() + len(part))
        if end:
            self._pending.write(part[:end])
            self._pieces.append(self._pending.getvalue())
            self._pending = BytesIO()
            part = part[end:]
        self._pending.write(part)

    def end_line(self) -> None:
        """Add the newline that the last line lacks; nothing to an empty text."""
        # What is pending is what came after the last piece, which ends with a line.
        if self._pending.tell() and self._pending.getbuffer()[-1] != 0x0A:
            self.add(b"\n")

    @property
    def has_nul(self) -> bool:
        """Whether a NUL was added: the payload is to be refused."""
        return self._nul

    def finish(self) -> tuple[bytes, ...]:
        """Return the payload; the builder is used up."""
        if self._pending.tell():
            self._pieces.append(self._pending.getvalue())
        return tuple(self._pieces)

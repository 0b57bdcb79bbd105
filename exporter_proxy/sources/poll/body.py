"""The body of a scrape's answer, from bytes as they come to a payload. Sans-I/O."""

import codecs
from collections.abc import Iterator
from io import BytesIO
from typing import Literal, Protocol

from isal import igzip_lib

from exporter_proxy.errors import PollError
from exporter_proxy.payload.text import place_to_cut
from exporter_proxy.table import Payload

STEP = 262_144
"""Bytes that are unpacked and checked before the event loop is served: well under a millisecond."""

_COMPRESSED_STEP = 16_384
_GZIP_ERROR: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # the stub's slip

Encoding = Literal["identity", "gzip"]


class Body:
    """Takes a body in any cut, checks it, and makes a payload of it.

    Args:
        max_size: Bytes that are taken, of what is sent and of what it unpacks to.
        encoding: How the body is encoded.
        what: What it is in words, for errors.
    """

    def __init__(
        self, max_size: int, encoding: Encoding = "identity", *, what: str = "the body"
    ) -> None:
        self._max_size = max_size
        self._what = what
        self._unpacker: _Unpacker = _Gunzip() if encoding == "gzip" else _Plain()
        self._received = 0
        self._size = 0
        # Needed only from the first byte on that isn't ASCII.
        self._decoder: codecs.IncrementalDecoder | None = None
        self._pieces: list[bytes] = []
        # What it has grown to is handed out, and not copied: a line may be endless.
        self._open = BytesIO()

    def feed(self, data: bytes) -> Iterator[None]:
        """Take received bytes; yields where the event loop should be served before going on.

        Raises:
            PollError: ``body_too_large``, ``nul_byte``, ``invalid_utf8`` or ``malformed_http``.
                Nothing is to be fed after that.
        """
        self._received += len(data)
        if self._received > self._max_size:
            raise too_large(self._max_size, self._what)
        started = False
        for text in self._unpacker.unpack(data):
            if started:
                yield
            started = True
            self._take(text)

    def close(self) -> Payload:
        """Return the payload, after the last byte was fed.

        Pieces of bounded size, cut after newlines; one for what is shorter, none for an empty body.

        Raises:
            PollError: ``malformed_http`` or ``invalid_utf8``, if something is missing at the end.
        """
        self._unpacker.close()
        self._check_utf8(b"", final=True)
        if self._open.tell():
            self._pieces.append(self._open.getvalue())
        return tuple(self._pieces)

    def _take(self, text: bytes) -> None:
        """Check and keep at most ``STEP`` bytes."""
        if b"\0" in text:
            at = self._size + text.index(0)
            raise PollError(f"NUL at byte {at} of {self._what}", reason="nul_byte")
        if self._decoder is not None or not text.isascii():
            self._check_utf8(text, final=False)
        self._size += len(text)
        if self._size > self._max_size:
            raise too_large(self._max_size, self._what)
        cut = place_to_cut(text, self._open.tell() + len(text))
        if cut:
            self._open.write(text[:cut])
            self._pieces.append(self._open.getvalue())
            self._open = BytesIO()
            text = text[cut:]
        self._open.write(text)

    def _check_utf8(self, text: bytes, *, final: bool) -> None:
        if self._decoder is None:
            if final:
                return
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        begun = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(text, final)
        except UnicodeDecodeError as exc:
            at = self._size - begun + exc.start
            why = f"not UTF-8 at byte {at} of {self._what}"
            raise PollError(why, reason="invalid_utf8") from exc


def too_large(max_size: int, what: str = "the body") -> PollError:
    """Return the error for a body that is larger than ``max_size`` bytes."""
    return PollError(
        f"{what} is larger than {max_size} bytes (max_body_size)", reason="body_too_large"
    )


class _Unpacker(Protocol):
    def unpack(self, data: bytes) -> Iterator[bytes]:
        """Yield what ``data`` unpacks to, at most ``STEP`` bytes at a time."""

    def close(self) -> None:
        """Check that nothing is missing."""


class _Plain:
    def unpack(self, data: bytes) -> Iterator[bytes]:
        if len(data) <= STEP:
            yield data
            return
        for start in range(0, len(data), STEP):
            yield data[start : start + STEP]

    def close(self) -> None:
        """Whether all came is the connection's business."""


class _Gunzip:
    """Unpack gzip (RFC 1952), any number of members, never more than ``STEP`` bytes ahead."""

    def __init__(self) -> None:
        self._member = _new_member()

    def unpack(self, data: bytes) -> Iterator[bytes]:
        # What follows a member's end is copied for the next one, so members of a few bytes would
        # make large pieces quadratic.
        for start in range(0, len(data), _COMPRESSED_STEP):
            part = data[start : start + _COMPRESSED_STEP]
            while part or not (self._member.needs_input or self._member.eof):
                if self._member.eof:
                    self._member = _new_member()
                yield self._decompress(part)
                part = self._member.unused_data if self._member.eof else b""

    def _decompress(self, part: bytes) -> bytes:
        try:
            text: bytes = self._member.decompress(part, STEP)
        except _GZIP_ERROR as exc:
            raise PollError("the body is not valid gzip", reason="malformed_http") from exc
        return text

    def close(self) -> None:
        if not self._member.eof:
            raise PollError("the gzip body ends too early", reason="malformed_http")


def _new_member() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)

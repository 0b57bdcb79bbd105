"""The Cap'n Proto wire: ``InboundMetrics`` messages, one after another."""

import mmap
from collections.abc import Iterator
from typing import Any

import capnp

from exporter_proxy.errors import PayloadError, quote
from exporter_proxy.payload.capnp_framer import LARGE_BYTES, CapnpFramer
from exporter_proxy.payload.capnp_large import LargeFrame
from exporter_proxy.payload.capnp_schema import SCHEMA
from exporter_proxy.payload.message import WORKING, Message, Progress, Push
from exporter_proxy.payload.names import check_name
from exporter_proxy.payload.text import TextBuilder, nul_byte, whole_text
from exporter_proxy.payload.ttl import NEVER

_TTL_NEVER = 0xFFFF_FFFF
# What a frame's fields may cost to reach: the frame itself, and as much again, for a field read
# twice counts twice.
_TRAVERSALS = 2
# What is read of a large text in one go.
_STEP_BYTES = 131_072


_MESSAGE = SCHEMA.InboundMetricsBytes


class CapnpReader:
    """Reads ``InboundMetrics`` messages in the standard stream framing.

    Args:
        max_message_size: Bytes that a message may have.
    """

    __slots__ = ("_framer", "_large")

    def __init__(self, max_message_size: int) -> None:
        self._framer = CapnpFramer(max_message_size)
        # A message that is read in pieces.
        self._large: Iterator[Message | Progress] | None = None

    @property
    def buffered(self) -> int:
        """Bytes received of a message that is not complete."""
        return self._framer.buffered

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._framer.feed(data)

    def next_message(self) -> Message | Progress | None:
        """Return the next complete message, :data:`WORKING`, or None if more bytes are needed.

        Raises:
            PayloadError: The message is refused.
        """
        if self._large is None:
            frame = self._framer.next_frame()
            if frame is None:
                return None
            if isinstance(frame, LargeFrame):
                if frame.text is not None:
                    return _decode_rest(frame)
                self._large = _decode_large(frame.memory)
            elif len(frame) > LARGE_BYTES:
                self._large = _decode_large(frame)
            else:
                return _decode(frame)
        step = next(self._large)
        if step is not WORKING:
            self._large = None
        return step


def _decode(frame: bytes | bytearray) -> Message:
    try:
        with _MESSAGE.from_bytes(
            frame, traversal_limit_in_words=len(frame) // 8 * _TRAVERSALS
        ) as message:
            app, ttl = check_name(message.appName), _ttl(message.ttlSeconds)
            text = message.data
    except UnicodeDecodeError as error:
        raise _not_utf8("an app's name") from error
    except capnp.KjException as error:
        raise _malformed(error) from error
    text = _without_terminator(app, text)
    _check_utf8(app, text)
    return [Push(app, whole_text(app, text), ttl)]


def _decode_rest(frame: LargeFrame) -> Message:
    """Decode as :func:`_decode` does what is not the text, which was read as it came."""
    memory = frame.memory
    try:
        with _MESSAGE.from_bytes(
            memory, traversal_limit_in_words=len(memory) // 8 * _TRAVERSALS
        ) as message:
            app, ttl = check_name(message.appName), _ttl(message.ttlSeconds)
    except UnicodeDecodeError as error:
        raise _not_utf8("an app's name") from error
    except capnp.KjException as error:
        raise _malformed(error) from error
    if not frame.ends_with_nul:
        raise _no_terminator(app)
    if not frame.is_utf8:
        raise _not_utf8(f"the metrics of {quote(app)}")
    text = frame.text
    assert text is not None
    if text.has_nul:
        raise nul_byte(app)
    return [Push(app, text.finish(), ttl)]


def _decode_large(frame: bytes | bytearray | mmap.mmap) -> Iterator[Message | Progress]:
    """Decode as :func:`_decode` does, in steps of some tenths of a millisecond.

    For what came whole, and messages written in another order than libraries do.
    """
    try:
        with _MESSAGE.from_bytes(
            frame, traversal_limit_in_words=len(frame) // 8 * _TRAVERSALS
        ) as message:
            app, ttl = check_name(message.appName), _ttl(message.ttlSeconds)
            view = _view(message)
    except UnicodeDecodeError as error:
        raise _not_utf8("an app's name") from error
    except capnp.KjException as error:
        raise _malformed(error) from error
    end = len(view)
    if end:
        _without_terminator(app, bytes(view[-1:]))
        end -= 1
    text = TextBuilder()
    at = released = 0
    while at < end:
        piece = bytes(view[at : min(at + _STEP_BYTES, end)])
        if at + len(piece) < end:
            # Not within a character: at a line end, or else at a byte that begins one.
            piece = piece[: piece.rfind(b"\n") + 1 or _last_character(piece)]
        _check_utf8(app, piece)
        text.add(piece)
        at += len(piece)
        if isinstance(frame, mmap.mmap):
            # Page by page, for all at once takes milliseconds.
            released = _release(frame, released, at)
        yield WORKING
    if text.has_nul:
        raise nul_byte(app)
    yield [Push(app, text.finish(), ttl)]


def _release(frame: mmap.mmap, released: int, read: int) -> int:
    """Give memory back that is before what was read; return up to where it was given back.

    The text is the last that a frame holds, or there is more behind it: so what is as far from the
    frame's begin as we are from the text's was read already.
    """
    until = read - read % mmap.PAGESIZE
    if until > released:
        frame.madvise(mmap.MADV_DONTNEED, released, until - released)
    return until


def _view(message: Any) -> memoryview:
    """Look into the frame at the text, without a copy."""
    try:
        view: memoryview = message.get_data_as_view("data")
    except ValueError:
        # The library can't make a view of a field that was never set.
        return memoryview(b"")
    return view


def _last_character(piece: bytes) -> int:
    """Return where the last character of ``piece`` begins; its end where it isn't UTF-8."""
    for back in range(1, 5):
        if piece[-back] & 0xC0 != 0x80:
            return len(piece) - back or len(piece)
    return len(piece)


def _without_terminator(app: str, text: bytes) -> bytes:
    if not text:
        return text
    if text[-1] != 0:
        raise _no_terminator(app)
    return text[:-1]


def _no_terminator(app: str) -> PayloadError:
    return PayloadError(
        f"the metrics of {quote(app)} are no Cap'n Proto text: no NUL at the end",
        reason="malformed_capnp",
    )


def _ttl(seconds: int) -> float | None:
    if seconds == 0:
        return None
    return NEVER if seconds == _TTL_NEVER else float(seconds)


def _check_utf8(app: str, text: bytes) -> None:
    if text.isascii():
        return
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(f"the metrics of {quote(app)}") from error


def _not_utf8(what: str) -> PayloadError:
    return PayloadError(f"{what}: not UTF-8", reason="invalid_utf8")


def _malformed(error: Exception) -> PayloadError:
    # The library's message has a C++ file, a line and a stack trace around one sentence.
    lines = str(error).splitlines() or [""]
    sentence = lines[0].rsplit("failed: ", 1)[-1].split("; ", 1)[-1]
    return PayloadError(f"malformed Cap'n Proto: {quote(sentence, 120)}", reason="malformed_capnp")

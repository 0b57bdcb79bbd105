"""Compressed bodies of requests, unpacked within bounds."""

import zlib
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from io import BytesIO

from exporter_proxy.errors import PayloadError, quote

_STREAM_START = b"\xff\x06\x00\x00sNaPpY"
# Kinds of chunks of the framing format: data as a block or as it is, and what may be skipped.
_BLOCK, _PLAIN, _SKIPPED_FROM = 0x00, 0x01, 0x80
_CHECKSUM_BYTES = 4
_FRAME_HEAD = 4
_FRAMES_A_STEP = 1_024
# Of frames, which unpack to some twenty times as much at most.
_PACKED_STEP = 65_536
_LARGEST_CHUNK = 65_536
_VARINT_BYTES = 5
_STEP = 1 << 20
# Of what is compressed: what follows a member's end is copied for the next one, so members of a few
# bytes would make large pieces quadratic.
_COMPRESSED_STEP = 16_384
_GZIP_WINDOW = zlib.MAX_WBITS | 16


def unpack_in_steps(body: bytes, encoding: str, limit: int) -> Generator[None, None, bytes]:
    """Return what a request's body is, whatever its ``Content-Encoding``.

    Args:
        body: As it came.
        encoding: The header's value; empty: there is none.
        limit: Bytes that it may be unpacked.

    Yields:
        Nothing, after some milliseconds of work at most; only snappy's form without frames is
        unpacked in one go, some 50 ms for 64 MiB.

    Raises:
        PayloadError: ``unsupported_encoding``; ``bad_encoding``: it is not what the header says;
            ``message_too_large``.
    """
    coding = encoding.strip().lower()
    if coding in {"", "identity"}:
        return body
    decode = _DECODERS.get(coding)
    if decode is None:
        raise PayloadError(
            f"can't read Content-Encoding {quote(encoding)}: takes {_taken()}",
            reason="unsupported_encoding",
        )
    return (yield from decode(body, limit))


def unpack_small(body: bytes, limit: int) -> bytes | None:
    """Return what gzip data has in it, at once; None: it is not that, or more than ``limit`` bytes.

    Args:
        body: One member of RFC 1952.
        limit: Bytes that are unpacked in a moment.
    """
    stream = zlib.decompressobj(_GZIP_WINDOW)
    try:
        unpacked = stream.decompress(body, limit + 1)
    except zlib.error:
        return None
    is_whole = stream.eof and not stream.unused_data and len(unpacked) <= limit
    return unpacked if is_whole else None


def _taken() -> str:
    """Return the codings that can be read as this is installed."""
    # The extra "snappy".
    return "gzip and deflate" if find_spec("cramjam") is None else "gzip, deflate and snappy"


class _Inflater:
    """Unpacks zlib's streams, a bounded number of bytes at a time.

    Args:
        name: What they are called.
        window: As zlib wants it.
    """

    def __init__(self, name: str, window: int) -> None:
        self._name = name
        self._window = window

    def unpack(self, body: bytes, limit: int) -> Generator[None, None, bytes]:
        # What it has grown to is handed out, and not copied.
        whole = BytesIO()
        place = 0
        stream = zlib.decompressobj(self._window)
        rest = b""
        while rest or place < len(body):
            if not rest:
                rest = body[place : place + _COMPRESSED_STEP]
                place += len(rest)
            if stream.eof:
                # Members of a gzip file may follow one another.
                stream = zlib.decompressobj(self._window)
            try:
                whole.write(stream.decompress(rest, _STEP))
            except zlib.error as error:
                raise _bad(self._name) from error
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
            if whole.tell() > limit:
                raise body_too_large(limit)
            yield
        # What is left may be within.
        while not stream.eof:
            more = whole.write(stream.decompress(stream.unconsumed_tail, _STEP))
            if whole.tell() > limit:
                raise body_too_large(limit)
            if not more:
                raise _bad(self._name, "cut off")
            yield
        return whole.getvalue()


def _unpack_snappy(body: bytes, limit: int) -> Generator[None, None, bytes]:
    """Unpack snappy, framed or as one block; both say their length before they are unpacked."""
    try:
        # Few clients use it: it comes with the extra "snappy".
        import cramjam  # noqa: PLC0415
    except ImportError:
        raise PayloadError(
            'can\'t read snappy: exporter-proxy is installed without its extra "snappy"',
            reason="unsupported_encoding",
        ) from None
    if not body:
        # a stream of no frames
        return body
    framed = body.startswith(_STREAM_START)
    size = (yield from _framed_length(body)) if framed else _block_length(body)
    if size > limit:
        raise body_too_large(limit)
    yield
    try:
        if not framed:
            return bytes(cramjam.snappy.decompress_raw(body))
        whole = BytesIO()
        for start, end in _runs_of_frames(body):
            # Each run is a stream of its own.
            whole.write(cramjam.snappy.decompress(_STREAM_START + body[start:end]))
            yield
    except cramjam.DecompressionError as error:
        raise _bad("snappy") from error
    return whole.getvalue()


def _block_length(block: bytes) -> int:
    """Return the length that a block says it has: a varint before it."""
    value = 0
    for place, byte in enumerate(block[:_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value
    raise _bad("snappy")


def _framed_length(body: bytes) -> Generator[None, None, int]:
    """Return the length that frames say they have, in steps."""
    size = 0
    for count, (kind, start, end) in enumerate(_frames(body), 1):
        if end > len(body):
            raise _bad("snappy", "cut off")
        if kind == _BLOCK:
            data = start + _CHECKSUM_BYTES
            length = _block_length(body[data : min(end, data + _VARINT_BYTES)])
            if length > _LARGEST_CHUNK:
                raise _bad("snappy")
            size += length
        elif kind == _PLAIN:
            length = end - start - _CHECKSUM_BYTES
            if length > _LARGEST_CHUNK:
                raise _bad("snappy")
            size += length
        elif kind < _SKIPPED_FROM:
            raise _bad("snappy")
        if count % _FRAMES_A_STEP == 0:
            yield
    return size


def _frames(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the kind of each frame, and where its content begins and ends."""
    place = 0
    while place < len(body):
        start = place + _FRAME_HEAD
        end = start + int.from_bytes(body[place + 1 : start], "little")
        yield body[place], start, end
        place = end


def _runs_of_frames(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where runs of frames with data begin and end."""
    begin = 0
    for kind, start, end in _frames(body):
        if kind >= _SKIPPED_FROM:
            if begin < start - _FRAME_HEAD:
                yield begin, start - _FRAME_HEAD
            begin = end
        elif end - begin >= _PACKED_STEP:
            yield begin, end
            begin = end
    if begin < len(body):
        yield begin, len(body)


_GZIP = _Inflater("gzip", _GZIP_WINDOW)
_DECODERS: dict[str, Callable[[bytes, int], Generator[None, None, bytes]]] = {
    "deflate": _Inflater("deflate", zlib.MAX_WBITS).unpack,
    "gzip": _GZIP.unpack,
    "snappy": _unpack_snappy,
    "x-gzip": _GZIP.unpack,
    "x-snappy-framed": _unpack_snappy,
}


def _bad(name: str, why: str = "") -> PayloadError:
    line = f"the body is not {name}" + (f": {why}" if why else "")
    return PayloadError(line, reason="bad_encoding")


def body_too_large(limit: int) -> PayloadError:
    """Return the error for a request's body of more than ``limit`` bytes."""
    return PayloadError(
        f"the body is larger than {limit} bytes (push.max_body_size)", reason="message_too_large"
    )

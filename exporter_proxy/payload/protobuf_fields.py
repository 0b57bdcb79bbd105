"""Protobuf messages of any size, parsed in pieces that end where a field does.

The encoding is that of protobuf.dev/programming-guides/encoding: messages written one after another
are parsed as one, the fields of which are merged. So a message is cut between its fields, and each
piece is merged into what the others came to; a field that is a long message is cut in its turn.
"""

from collections.abc import Generator, Iterator
from typing import Any, Final, NamedTuple

PIECE_BYTES: Final = 65_536
"""Bytes parsed in one step; shorter messages are not cut."""
PIECE_FIELDS: Final = 1_024
"""Fields looked at in one step: half a millisecond."""

_VARINT_BYTES = 10
_VARINT, _BYTES = 0, 2
# Kinds of numbers, and their bytes.
_FIXED = {1: 8, 5: 4}


class WireError(Exception):
    """The bytes are no message."""


class TooLongError(Exception):
    """A field that is no message is longer than is taken."""


class _Cut(NamedTuple):
    """A piece of a message: whole fields.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        field: If it is one long field, that one's number; else 0.
        content: Where the content of such a field begins.
    """

    start: int
    end: int
    field: int = 0
    content: int = 0


def merge_in_steps(
    message: Any, data: bytes, start: int, end: int, longest: int
) -> Generator[None, None, None]:
    """Merge what is encoded at a place into a message.

    Args:
        message: Of the protobuf library.
        data: It is encoded in some of it.
        start: Where it begins.
        end: Where it ends.
        longest: Bytes that a text may have.

    Yields:
        Nothing, after :data:`PIECE_BYTES` or :data:`PIECE_FIELDS` at most.

    Raises:
        WireError: There is no message of any kind at that place.
        TooLongError: A text is longer than that.
        Exception: What the library raises where it can't parse a piece.
    """
    fields = message.DESCRIPTOR.fields_by_number
    for cut in _cuts(data, start, end):
        field = fields.get(cut.field)
        if field is not None and field.message_type is not None:
            inner = getattr(message, field.name)
            # One of many is added; of one that is there twice both are merged.
            inner = inner.add() if hasattr(inner, "add") else inner
            inner.SetInParent()
            yield from merge_in_steps(inner, data, cut.content, cut.end, longest)
            continue
        if field is not None and cut.end - cut.content > longest:
            raise TooLongError
        # What is not known of a long field is not kept.
        if field is not None or not cut.field:
            message.MergeFromString(data[cut.start : cut.end])
        yield


def _cuts(data: bytes, start: int, end: int) -> Iterator[_Cut]:
    """Yield a message in pieces."""
    place = start
    fields = 0
    while place < end:
        before = place
        tag, content, place = _field(data, place, end)
        fields += 1
        if place - content > PIECE_BYTES:
            if start < before:
                yield _Cut(start, before)
            yield _Cut(before, place, tag >> 3, content)
            start, fields = place, 0
        elif place - start >= PIECE_BYTES or fields >= PIECE_FIELDS:
            yield _Cut(start, place)
            start, fields = place, 0
    if start < end:
        yield _Cut(start, end)


def _field(data: bytes, place: int, end: int) -> tuple[int, int, int]:
    """Return number and kind of the field at a place, where its content begins and where it ends.

    Groups, which no message that is read here has, are not known.
    """
    tag, content = _varint(data, place, end)
    kind = tag & 7
    if kind == _BYTES:
        length, content = _varint(data, content, end)
        after = content + length
    elif kind == _VARINT:
        _, after = _varint(data, content, end)
    elif kind in _FIXED:
        after = content + _FIXED[kind]
    else:
        raise WireError
    if after > end:
        raise WireError
    return tag, content, after


def _varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    """Return the number at a place, and where it ends."""
    if place < end and data[place] < 0x80:
        return data[place], place + 1
    number = shift = 0
    for at in range(place, min(end, place + _VARINT_BYTES)):
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at + 1
    raise WireError

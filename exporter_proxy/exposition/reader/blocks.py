"""Blocks of samples of one family, checked and rewritten by a handful of native calls."""

from typing import NamedTuple

from exporter_proxy.exposition.grammar import SPECIAL
from exporter_proxy.exposition.model import FamilyType
from exporter_proxy.exposition.reader.dialect import (
    SUFFIXES,
    TEXT,
    Dialect,
    in_seconds,
    openmetrics_timestamp,
)
from exporter_proxy.exposition.reader.shapes import Shape, Shapes, label_names, takes

SHAPES = Shapes()
"""Shared by all readers, as applications send the same families over and over."""

_CREATED = b"_created"

WINDOW = 4_096
"""Bytes in which :func:`skip_alike` looks for lines of one name."""


class Part(NamedTuple):
    """The samples of a block that make one family of the text format."""

    name: bytes
    text: bytes
    openmetrics: bytes | None
    samples: int


class Block(NamedTuple):
    """A block that is as it ought to be.

    Attributes:
        parts: The family's samples; in OpenMetrics also those of its ``_created``.
        samples: Of all parts.
        comma: Whether a comma followed each last label.
        stamps: In milliseconds, if samples have timestamps.
    """

    parts: tuple[Part, ...]
    samples: int
    comma: bool
    stamps: list[int]


def read_block(
    text: bytes, start: int, end: int, name: bytes, kind: FamilyType, dialect: Dialect
) -> Block | None:
    """Check the lines of ``text`` from ``start`` to ``end``, which must be samples of one family.

    Args:
        text: Exposition text; what is looked at must be UTF-8 without NUL.
        start: Where the first sample begins; a newline is before it.
        end: Where the last one ended, after its newline.
        name: The family's name as TYPE has it.
        kind: Its type.
        dialect: The format.

    Returns:
        What it holds; None: it must be read line by line.
    """
    if kind in SPECIAL and name.endswith(SUFFIXES):
        # its automaton could not tell a sample of the bare name from one with a suffix
        return None
    shape = shape_of(text[start : text.find(b"\n", start, end)], name, kind, dialect)
    samples = text.count(b"\n", start, end)
    created = 0
    if _CREATED in dialect.suffixes.get(kind, ()):
        mark = b"\n" + name + _CREATED + (b"{" if _has_labels(shape) else b" ")
        created = text.count(mark, start - 1, end)
        if shape.kind is not None:
            shape = shape._replace(created=created > 0)
    match = SHAPES.matcher(shape, samples)
    if match is None or not takes(match, text, start, end):
        return None
    named = sum([text.count(m, start - 1, end) for m in sample_marks(name, kind, dialect, shape)])
    if named + (created if shape.kind is None else 0) != samples:
        return None
    body = text[start:end]
    if shape.comma:
        # Each line has one after its labels. If there is none in a label's value, which the sum
        # tells, they can be replaced blindly.
        if body.count(b'",} ') != samples:
            return None
        body = body.replace(b'",} ', b'"} ')
    return _make(body, name, kind, dialect, samples, created, shape)


def skip_alike(text: bytes, start: int, name: bytes) -> tuple[int, int]:
    """Skip lines that are samples of one name and one shape, and need no change.

    Args:
        text: Exposition text; what is looked at must be UTF-8 without NUL.
        start: Where a line begins, and another ended.
        name: The samples' name.

    Returns:
        How many lines were skipped, and where the next one begins. Only lines close by are looked
        at: it may go on like that.
    """
    after = text[start + len(name) : start + len(name) + 1]
    mark = b"\n" + name + after
    if after not in {b"{", b" "} or not text.startswith(mark, start - 1):
        return 0, start
    end = text.find(b"\n", text.rfind(mark, start - 1, start + WINDOW) + 1) + 1
    lines = text.count(b"\n", start, end)
    if text.count(mark, start - 1, end) == lines:
        shape = shape_of(text[start : text.find(b"\n", start)], name, "untyped", TEXT)
        match = None if shape.comma or shape.stamp else SHAPES.matcher(shape, lines)
        if match is not None and takes(match, text, start, end):
            return lines, end
    return 0, start


def shape_of(line: bytes, name: bytes, kind: FamilyType, dialect: Dialect) -> Shape:
    """Return the shape of samples like this one, which has no newline."""
    pieces = line.split(b'"')
    labels = pieces[0][len(name) :]
    last = pieces[-1]
    if len(pieces) == 1:
        labels, _, last = labels.partition(b" ")
        last = b" " + last
    else:
        labels += b"".join(pieces[2:-1:2])
    comma = last.startswith(b",")
    stamp = dialect.format if last.count(b" ") > 1 else ""
    if kind in SPECIAL:
        return Shape(labels, kind, name.count(b"_"), comma=comma, stamp=stamp)
    # the name is counted later, with its suffix
    labels = b"{" + labels.partition(b"{")[2] if len(pieces) > 1 else b""
    return Shape(labels, comma=comma, stamp=stamp)


def sample_marks(
    name: bytes, kind: FamilyType, dialect: Dialect, shape: Shape
) -> tuple[bytes, ...]:
    """Return what each line of a shape begins with, one or the other, if it is of the family.

    That is with the newline before it, and for types without suffixes without ``_created``.
    """
    line = b"\n" + name
    if shape.kind is None:
        after = b"{" if shape.labels else b" "
        return (line + dialect.usual_suffix(kind) + after,)
    # What may follow is told by the shape: only one of the type's suffixes.
    suffixed = line + b"_"
    return (suffixed, line + b"{") if kind == "summary" else (suffixed,)


def _has_labels(shape: Shape) -> bool:
    """Tell whether samples without the special label have others."""
    special = b"" if shape.kind is None else SPECIAL[shape.kind]
    return any(label != special for label in label_names(shape.labels))


def _make(
    body: bytes,
    name: bytes,
    kind: FamilyType,
    dialect: Dialect,
    samples: int,
    created: int,
    shape: Shape,
) -> Block | None:
    usual = name + dialect.usual_suffix(kind)
    if not created and not shape.stamp:
        return Block((Part(usual, body, None, samples),), samples, shape.comma, [])
    lines = body.splitlines(keepends=True) if b"\r" not in body else _lines(body)
    stamps: list[int] = []
    written = lines
    if shape.stamp:
        stamps, lines, written = _restamp(lines, dialect)
    parts: tuple[Part, ...]
    if not created:
        parts = (_part(usual, lines, written),)
    else:
        births = name + _CREATED
        chosen = [line.startswith(births) for line in lines]
        if all(chosen):
            return None
        parts = (
            _part(usual, _choose(lines, chosen, False), _choose(written, chosen, False)),
            _part(births, _choose(lines, chosen, True), _choose(written, chosen, True)),
        )
    return Block(parts, samples, shape.comma, stamps)


def _lines(body: bytes) -> list[bytes]:
    return [line + b"\n" for line in body.split(b"\n")[:-1]]


def _choose(lines: list[bytes], chosen: list[bool], wanted: bool) -> list[bytes]:  # noqa: FBT001
    return [line for line, flag in zip(lines, chosen, strict=True) if flag is wanted]


def _part(name: bytes, text: list[bytes], openmetrics: list[bytes]) -> Part:
    joined, written = b"".join(text), b"".join(openmetrics)
    return Part(name, joined, None if joined == written else written, len(text))


def _restamp(lines: list[bytes], dialect: Dialect) -> tuple[list[int], list[bytes], list[bytes]]:
    """Return timestamps in milliseconds, and the lines of the text format and of OpenMetrics."""
    cut = [line[:-1].rpartition(b" ") for line in lines]
    if dialect.seconds:
        stamps = [openmetrics_timestamp(token)[0] for _, _, token in cut]
        text = [b"%b %d\n" % (head, ms) for (head, _, _), ms in zip(cut, stamps, strict=True)]
        return stamps, text, lines
    stamps = [int(token) for _, _, token in cut]
    written = [
        b"%b %b\n" % (head, in_seconds(ms)) for (head, _, _), ms in zip(cut, stamps, strict=True)
    ]
    text = [b"%b %d\n" % (head, ms) for (head, _, _), ms in zip(cut, stamps, strict=True)]
    return stamps, text, written

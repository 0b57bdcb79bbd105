"""The shapes of sample lines, each with an automaton that knows it.

All samples of a family nearly always have the same labels in the same order: its shape. For a
shape an automaton is compiled that has the names of the labels in it; as they are literal, none
can be missing, amiss or doubled in a line that matches.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import re2

from exporter_proxy.exposition.grammar import LABEL_ALONE, SPECIAL
from exporter_proxy.exposition.model import FamilyType

# re2's class of compiled patterns spends more time around a short match than in it. Its own object
# is called directly, as that class does.
AT_START: Final[Any] = re2._Anchor.ANCHOR_START  # noqa: SLF001
Matcher = Callable[[Any, bytes, int, int], list[tuple[int, int]]]

_OPTIONS: Final = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
_OPTIONS.log_errors = False
_OPTIONS.never_capture = True
_OPTIONS.max_mem = 1_048_576

# the same as grammar.SAFE_VALUE, in re2's syntax
_VALUE = rb"(?:[+-]?(?:[0-9]{1,20}(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,2})?|Inf)|NaN)"
_STRING = rb'"(?:[^"\\\n]|\\[\\n"])*"'
_NUMBER = rb'"(?:[+-]?(?:[0-9]{1,20}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?|\+Inf)"'
_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*"
# of a name, between underscores
_PIECE = rb"[a-zA-Z0-9:]*"
_STAMPS = {
    "": b"",
    "text": b" (?:0|[1-9][0-9]{0,14})",
    "openmetrics": rb" [0-9]{1,10}(?:\.[0-9]{1,9})?",
}

MOST_SHAPES = 128
"""Automata kept: some 100 kB each at most."""
WORTH_COMPILING = 128
"""Samples of a shape that are read slowly before it is compiled, which takes about as long; so
that payloads full of new shapes can't make reading slower than the slow reader."""
_MOST_CANDIDATES = 4096
LONGEST_SHAPE = 1024
_MOST_UNDERSCORES = 32

SPLIT: Final[dict[FamilyType, tuple[bytes, tuple[bytes, ...]]]] = {
    "histogram": (b"_bucket", (b"_sum", b"_count")),
    "gaugehistogram": (b"_bucket", (b"_gsum", b"_gcount")),
    "summary": (b"", (b"_sum", b"_count")),
}
"""Of types that have a special label: suffixes of the names of samples with it, and without."""


class Shape(NamedTuple):
    """What the lines of a block have in common.

    Attributes:
        labels: What the first line has between its name and value, without the values of labels,
            such as ``{a=,b=``; with the name's suffix before it for types that have those.
        kind: The type, if it is one whose samples differ in suffix and special label.
        underscores: How many the name of a family of such a type has. By their number a sample's
            suffix is told from the rest of its name, which is not in the automaton.
        created: Whether such a family has ``_created``.
        comma: Whether a comma follows the last label.
        stamp: The format whose timestamps follow the values; empty: none do.
    """

    labels: bytes
    kind: FamilyType | None = None
    underscores: int = 0
    created: bool = False
    comma: bool = False
    stamp: str = ""

    def key(self) -> bytes:
        """Return what no other shape has of those without ``_created``, comma and timestamps."""
        if self.kind is None:
            return self.labels
        return b"%b %d %b" % (self.kind.encode(), self.underscores, self.labels)

    @property
    def is_usual(self) -> bool:
        """Whether its lines have neither ``_created``, comma nor timestamp."""
        return not (self.created or self.comma or self.stamp)


class Shapes:
    """Automata by shape; those that were not used for long are dropped.

    Attributes:
        usual: Those of usual shapes, by their keys.
    """

    def __init__(self) -> None:
        self._matchers: dict[Shape, Matcher] = {}
        self.usual: dict[bytes, Matcher] = {}
        # what was used before the present generation
        self._older: dict[Shape, Matcher] = {}
        self._seen: dict[Shape, int] = {}

    def matcher(self, shape: Shape, samples: int) -> Matcher | None:
        """Return the automaton's matching function, or None if the block must be read slowly.

        Args:
            shape: Of the block.
            samples: How many lines the block has.
        """
        known = self._matchers.get(shape)
        if known is not None:
            return known
        known = self._older.get(shape) or self._compile(shape, samples)
        if known is not None:
            if len(self._matchers) >= MOST_SHAPES // 2:
                self._older, self._matchers, self.usual = self._matchers, {}, {}
            self._matchers[shape] = known
            if shape.is_usual:
                self.usual[shape.key()] = known
        return known

    def _compile(self, shape: Shape, samples: int) -> Matcher | None:
        seen = self._seen.get(shape, 0) + samples
        if seen < WORTH_COMPILING:
            if len(self._seen) >= _MOST_CANDIDATES:
                self._seen.clear()
            self._seen[shape] = seen
            return None
        pattern = _pattern(shape) if len(shape.labels) <= LONGEST_SHAPE else None
        if pattern is None:
            return None
        self._seen.pop(shape, None)
        # re2.compile would keep it for good, in a cache of its own
        matcher: Matcher = re2._re2.RE2(pattern, _OPTIONS).Match  # noqa: SLF001
        return matcher


def label_names(labels: bytes) -> list[bytes]:
    """Return the names of labels in what :class:`Shape` has of them."""
    _, brace, listed = labels.partition(b"{")
    return listed[:-1].split(b"=,") if brace else []


def takes(matcher: Matcher, text: bytes, start: int, end: int) -> bool:
    """Tell whether all lines between two positions are of the shape, or begin with ``#``."""
    return matcher(AT_START, text, start, end)[0][1] == end


def _pattern(shape: Shape) -> bytes | None:
    """Return the pattern of a block's lines; None if no block of this shape can be right.

    It takes lines with ``#`` too, so that one call can do for several families.
    """
    names = label_names(shape.labels)
    if len(set(names)) != len(names) or not all(map(_is_label, names)):
        return None
    lines = (
        _line(_NAME, names, shape) if shape.kind is None else _suffixed(shape.kind, names, shape)
    )
    return None if lines is None else rb"(?:" + lines + rb"|#[^\n]*\n)*"


def _suffixed(kind: FamilyType, names: list[bytes], shape: Shape) -> bytes | None:
    """Return the pattern of lines of a type whose samples differ in suffix and label."""
    if shape.underscores > _MOST_UNDERSCORES:
        return None
    special = SPECIAL[kind]
    others = [name for name in names if name != special]
    if len(others) == len(names):
        # Sums and counts come first or are all there is, as of a summary without quantiles.
        names = [*others, special]
    name = _PIECE + rb"(?:_" + _PIECE + rb"){%d}" % shape.underscores
    suffix, plain = SPLIT[kind]
    endings = b"|".join([*plain, b"_created"] if shape.created else plain)
    return (
        _line(name + suffix, names, shape, special)
        + b"|"
        + _line(name + rb"(?:" + endings + rb")", others, shape)
    )


def _is_label(name: bytes) -> bool:
    return LABEL_ALONE.fullmatch(name) is not None and not name.startswith(b"__")


def _line(name: bytes, labels: list[bytes], shape: Shape, special: bytes = b"") -> bytes:
    pairs = b",".join(
        [label + b"=" + (_NUMBER if label == special else _STRING) for label in labels]
    )
    comma = b"," if shape.comma else b""
    braced = rb"\{" + pairs + comma + rb"\}" if labels else b""
    return name + braced + b" " + _VALUE + _STAMPS[shape.stamp] + rb"\n"

"""The shapes of sample lines, each with an automaton that knows it.

All samples of a family nearly always have the same labels in the same order: its shape. For a
shape an automaton is compiled that has the names of the labels in it; as they are literal, none
can be missing, amiss or doubled in a line that matches.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import re2

from exporter_proxy.exposition.grammar import LABEL_ALONE

# re2's class of compiled patterns spends more time around a short match than in it. Its own object
# is called directly, as that class does.
ANCHORED: Final[Any] = re2._Anchor.ANCHOR_BOTH  # noqa: SLF001
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
_LONGEST_SHAPE = 1024


class Shape(NamedTuple):
    """What the lines of a block have in common.

    Attributes:
        labels: What the first line has between its name and value, without the values of labels,
            such as ``{a=,b=``; with the name's suffix before it for types that have ``special``.
        special: The label that ``_bucket`` or quantile samples have and the others don't, if any.
        comma: Whether a comma follows the last label.
        stamp: The format whose timestamps follow the values; empty: none do.
    """

    labels: bytes
    special: bytes = b""
    comma: bool = False
    stamp: str = ""


class Shapes:
    """Automata by shape; those that were not used for long are dropped.

    Attributes:
        plain: Those of lines that have no special label, comma or timestamp, by ``labels`` alone.
    """

    def __init__(self) -> None:
        self._matchers: dict[Shape, Matcher] = {}
        self.plain: dict[bytes, Matcher] = {}
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
                self._older, self._matchers, self.plain = self._matchers, {}, {}
            self._matchers[shape] = known
            if shape == (shape.labels, b"", False, ""):
                self.plain[shape.labels] = known
        return known

    def _compile(self, shape: Shape, samples: int) -> Matcher | None:
        seen = self._seen.get(shape, 0) + samples
        if seen < WORTH_COMPILING:
            if len(self._seen) >= _MOST_CANDIDATES:
                self._seen.clear()
            self._seen[shape] = seen
            return None
        pattern = _pattern(shape) if len(shape.labels) <= _LONGEST_SHAPE else None
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


def _pattern(shape: Shape) -> bytes | None:
    """Return the pattern of a block's lines; None if no block of this shape can be right."""
    special = shape.special
    names = label_names(shape.labels)
    if len(set(names)) != len(names) or not all(map(_is_label, names)):
        return None
    if not special:
        return rb"(?:" + _line(b"", names, shape) + rb")*"
    others = [name for name in names if name != special]
    if len(others) == len(names):
        # Sums and counts come first or are all there is, as of a summary without quantiles.
        names = [*others, special]
    suffix = b"_bucket" if special == b"le" else b""
    sums = _line(rb"_(?:g?sum|g?count|created)", others, shape)
    return rb"(?:" + _line(suffix, names, shape) + b"|" + sums + rb")*"


def _is_label(name: bytes) -> bool:
    return LABEL_ALONE.fullmatch(name) is not None and not name.startswith(b"__")


def _line(suffix: bytes, names: list[bytes], shape: Shape) -> bytes:
    labels = b",".join(
        [name + b"=" + (_NUMBER if name == shape.special else _STRING) for name in names]
    )
    comma = b"," if shape.comma else b""
    braced = rb"\{" + labels + comma + rb"\}" if names else b""
    return _NAME + suffix + braced + b" " + _VALUE + _STAMPS[shape.stamp] + rb"\n"

"""Blocks of samples of one family, checked by a handful of native calls.

All samples of a family nearly always have the same labels in the same order: its *shape*. For a
shape an automaton is compiled that has the names of the labels in it; as they are literal, none
can be missing, amiss or doubled in a line that matches.
"""

from collections import OrderedDict
from typing import Any, Final

import re2

from exporter_proxy.exposition.grammar import LABEL_ALONE
from exporter_proxy.exposition.model import FamilyType

# re2's class of compiled patterns spends more time around a short match than in it. Its own object
# is called directly, as that class does.
_ANCHORED: Final[Any] = re2._Anchor.ANCHOR_BOTH  # noqa: SLF001
_OPTIONS: Final = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
_OPTIONS.log_errors = False
_OPTIONS.never_capture = True
_OPTIONS.max_mem = 1_048_576

# the same as grammar.SAFE_VALUE, in re2's syntax
_VALUE = rb"(?:[+-]?(?:[0-9]{1,20}(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,2})?|Inf)|NaN)"
_TEXT = rb'"(?:[^"\\\n]|\\[\\n"])*"'
_NUMBER = rb'"(?:[+-]?(?:[0-9]{1,20}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?|\+Inf)"'
_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*"

MOST_SHAPES = 128
"""Automata kept: some 100 kB each at most."""
WORTH_COMPILING = 128
"""Samples of a shape that are read slowly before it is compiled, which takes about as long; so
that payloads full of new shapes can't make reading slower than the slow reader."""
_MOST_CANDIDATES = 4096
_LONGEST_SHAPE = 1024

_Key = tuple[bytes | None, bytes, bytes]


class Shapes:
    """Automata by shape, the least recently used dropped."""

    def __init__(self) -> None:
        self._matchers: OrderedDict[_Key, Any] = OrderedDict()
        self._seen: dict[_Key, int] = {}

    def matcher(self, key: _Key, samples: int) -> Any:
        """Return the automaton's matching function, or None if this block must be read slowly.

        Args:
            key: The family's special label, the shape of its first line, and what follows it.
            samples: How many lines the block has.
        """
        known = self._matchers.get(key)
        if known is not None:
            self._matchers.move_to_end(key)
            return known
        seen = self._seen.get(key, 0) + samples
        if seen < WORTH_COMPILING:
            if len(self._seen) >= _MOST_CANDIDATES:
                self._seen.clear()
            self._seen[key] = seen
            return None
        pattern = _pattern(*key) if len(key[1]) <= _LONGEST_SHAPE else None
        if pattern is None:
            return None
        self._seen.pop(key, None)
        if len(self._matchers) >= MOST_SHAPES:
            self._matchers.popitem(last=False)
        # re2.compile would keep more of them, in a cache of its own
        matcher = re2._re2.RE2(pattern, _OPTIONS).Match  # noqa: SLF001
        self._matchers[key] = matcher
        return matcher


_SHAPES = Shapes()

# Of a type: the label that its samples are told apart by; suffixes with it, and without.
_SPECIAL: dict[FamilyType, bytes] = {
    "histogram": b"le",
    "gaugehistogram": b"le",
    "summary": b"quantile",
}
_PLAIN_SUFFIXES: dict[FamilyType, tuple[bytes, ...]] = {
    "histogram": (b"_sum", b"_count"),
    "gaugehistogram": (b"_gsum", b"_gcount"),
    "summary": (b"_sum", b"_count"),
}


def _pattern(special: bytes | None, shape: bytes, tail: bytes) -> bytes | None:
    """Return the pattern of a block's lines; None if no block of this shape can be right."""
    suffix, brace, listed = shape.partition(b"{")
    names = listed[:-1].split(b"=,") if brace else []
    if len(set(names)) != len(names) or not all(map(_is_label, names)):
        return None
    comma = b"," if tail == b",}" else b""
    if special is None:
        return rb"(?:" + _line(b"", names, None, comma) + rb")*"
    plain = [name for name in names if name != special]
    if len(plain) == len(names):
        # Sums and counts alone: a summary without quantiles, or a histogram that begins with them
        with_special = [*plain, special]
    elif not suffix or suffix == b"_bucket":
        with_special = names
    else:
        return None
    return (
        rb"(?:"
        + _line(b"_bucket" if special == b"le" else b"", with_special, special, comma)
        + b"|"
        + _line(rb"_(?:g?sum|g?count|created)", plain, None, comma)
        + rb")*"
    )


def _is_label(name: bytes) -> bool:
    return LABEL_ALONE.fullmatch(name) is not None and not name.startswith(b"__")


def _line(suffix: bytes, names: list[bytes], special: bytes | None, comma: bytes) -> bytes:
    labels = b",".join(name + b"=" + (_NUMBER if name == special else _TEXT) for name in names)
    braced = rb"\{" + labels + comma + rb"\}" if names else b""
    return _NAME + suffix + braced + b" " + _VALUE + rb"\n"


def count_block(
    text: bytes, start: int, end: int, name: bytes, kind: FamilyType, suffixes: tuple[bytes, ...]
) -> tuple[int, int, bool] | None:
    """Check the lines of ``text`` from ``start`` to ``end``, which must be samples of one family.

    Args:
        text: Exposition text; what is looked at must be UTF-8 without NUL.
        start: Where the first sample begins; a newline is before it.
        end: Where the last one ended, after its newline.
        name: The family's name as TYPE has it.
        kind: Its type.
        suffixes: What the names of its samples may have beyond ``name``, for types without a
            special label; ``_created`` comes last.

    Returns:
        How many samples there are, how many of them are ``_created``, and whether each has a comma
        after its last label; None: read this block line by line.
    """
    parts = text[start : text.find(b"\n", start, end)].split(b'"')
    first = parts[0][len(name) :]
    if len(parts) == 1:
        shape, _, _ = first.partition(b" ")
        tail = b""
    else:
        shape = first + b"".join(parts[2:-1:2])
        tail = parts[-1][: parts[-1].find(b" ")]
    samples = text.count(b"\n", start, end)
    special = _SPECIAL.get(kind)
    if special is None:
        # the name is looked for below, and not part of what is matched
        shape = shape[shape.find(b"{") :] if tail else b""
    match = _SHAPES.matcher((special, shape, tail), samples)
    if match is None or match(_ANCHORED, text, start, end)[0][0] < 0:
        return None
    named, created = _count_names(text, start, end, name, kind, suffixes, shape)
    return (samples, created, tail == b",}") if named == samples else None


def _count_names(
    text: bytes,
    start: int,
    end: int,
    name: bytes,
    kind: FamilyType,
    suffixes: tuple[bytes, ...],
    shape: bytes,
) -> tuple[int, int]:
    """Count the lines that begin with the family's names; and those with ``_created``."""
    before = start - 1
    line = b"\n" + name
    special = _SPECIAL.get(kind)
    created = 0
    if special is None:
        after = b"{" if shape else b" "
        named = text.count(line + suffixes[0] + after, before, end)
        if len(suffixes) > 1:
            created = text.count(line + suffixes[1] + after, before, end)
        return named + created, created
    names = shape.partition(b"{")[2][:-1].split(b"=,")
    after = b" " if names in ([special], [b""]) else b"{"
    named = text.count(line + (b"{" if kind == "summary" else b"_bucket{"), before, end)
    for suffix in _PLAIN_SUFFIXES[kind]:
        named += text.count(line + suffix + after, before, end)
    if suffixes:
        created = text.count(line + b"_created" + after, before, end)
    return named + created, created

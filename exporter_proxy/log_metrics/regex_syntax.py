"""What a regular expression is made of, as far as formats of lines need it.

Literals, classes, groups, alternatives and repetitions, as RE2 has them. Anything else is refused
with an UnjudgedError: it is RE2's alone.
"""

import re
from typing import NamedTuple

_ASCII = (1 << 128) - 1
NEWLINE = 1 << 10
_LITERAL_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_COUNTS = re.compile(r"\{([0-9]{1,4})(?:(,)([0-9]{0,4}))?\}")
_NAMED = re.compile(r"\?P?<([A-Za-z_][A-Za-z0-9_]*)>")


class UnjudgedError(Exception):
    """The pattern isn't one of those that this module understands."""


class Chars(NamedTuple):
    """A set of characters: a bit for each of ASCII, and one answer for all others."""

    ascii: int
    others: bool = False

    def __or__(self, other: tuple[int, ...]) -> "Chars":
        """Return the union."""
        assert isinstance(other, Chars)
        return Chars(self.ascii | other.ascii, self.others or other.others)

    def meets(self, other: "Chars") -> bool:
        """Tell whether there may be a character in both."""
        return bool(self.ascii & other.ascii) or (self.others and other.others)


NONE = Chars(0)


def _span(first: int, last: int) -> int:
    return (1 << (last + 1)) - (1 << first)


_CLASSES = {
    "d": _span(48, 57),
    "w": _span(48, 57) | _span(65, 90) | _span(97, 122) | 1 << 95,
    "s": sum(1 << ord(char) for char in "\t\n\f\r "),
}


class One(NamedTuple):
    """One character of a set; ``source`` is how ``re`` has it, never a newline."""

    chars: Chars
    source: str


class Repeat(NamedTuple):
    """``item``, from ``least`` to ``most`` times (None: without end)."""

    item: "Node"
    least: int
    most: int | None
    lazy: bool


class Group(NamedTuple):
    """A group; ``name`` is empty where nothing is captured under one."""

    item: "Node"
    name: str


class Sequence(NamedTuple):
    """One after another."""

    items: "tuple[Node, ...]"


class Choice(NamedTuple):
    """One of several."""

    items: "tuple[Node, ...]"


Node = One | Repeat | Group | Sequence | Choice


class Parsed(NamedTuple):
    """A pattern.

    Attributes:
        node: What it is made of.
        at_start: Whether it begins with ``^``.
        at_end: Whether it ends with ``$``.
    """

    node: Node
    at_start: bool
    at_end: bool


def parse(pattern: str) -> Parsed:
    """Return what ``pattern``, which RE2 takes, is made of.

    Raises:
        UnjudgedError: It has something in it that isn't understood here.
    """
    at_start = pattern.startswith("^")
    at_end = pattern.endswith("$") and not pattern.endswith("\\$")
    parser = _Parser(pattern[1 if at_start else 0 : len(pattern) - (1 if at_end else 0)])
    node = parser.choice()
    if parser.rest or ((at_start or at_end) and isinstance(node, Choice)):
        raise UnjudgedError
    return Parsed(node, at_start, at_end)


class _Parser:
    def __init__(self, text: str) -> None:
        self.rest = text
        self._depth = 0

    def choice(self) -> Node:
        items = [self._sequence()]
        while self.rest.startswith("|"):
            self.rest = self.rest[1:]
            items.append(self._sequence())
        return items[0] if len(items) == 1 else Choice(tuple(items))

    def _sequence(self) -> Node:
        items: list[Node] = []
        while self.rest and self.rest[0] not in "|)":
            items.append(self._repeated(self._atom()))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _repeated(self, node: Node) -> Node:
        bounds = self._bounds()
        if bounds is None:
            return node
        lazy = self.rest.startswith("?")
        if lazy:
            self.rest = self.rest[1:]
        if self.rest[:1] in ("*", "+", "?") and self.rest:
            raise UnjudgedError
        return Repeat(node, *bounds, lazy)

    def _bounds(self) -> tuple[int, int | None] | None:
        char = self.rest[:1]
        if char and char in "*+?":
            self.rest = self.rest[1:]
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        if char != "{":
            return None
        match = _COUNTS.match(self.rest)
        if match is None:
            raise UnjudgedError
        self.rest = self.rest[match.end() :]
        least = int(match[1])
        if match[2] is None:
            return least, least
        return least, int(match[3]) if match[3] else None

    def _atom(self) -> Node:
        char, self.rest = self.rest[0], self.rest[1:]
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == ".":
            return One(Chars(_ASCII & ~NEWLINE, others=True), r"[^\n]")
        if char == "\\":
            return self._escape()
        if char in "^$*+?{}])":
            raise UnjudgedError
        return _literal(char)

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > 50:
            raise UnjudgedError
        name = ""
        if self.rest.startswith("?:"):
            self.rest = self.rest[2:]
        elif self.rest.startswith("?"):
            match = _NAMED.match(self.rest)
            if match is None:
                raise UnjudgedError
            name = match[1]
            self.rest = self.rest[match.end() :]
        node = self.choice()
        if not self.rest.startswith(")"):
            raise UnjudgedError
        self.rest = self.rest[1:]
        self._depth -= 1
        return Group(node, name)

    def _escape(self) -> Node:
        char, self.rest = self.rest[:1], self.rest[1:]
        if char.lower() in _CLASSES:
            return _set(_CLASSES[char.lower()], negated=char.isupper(), others=False)
        return _literal(_escaped(char))

    def _class(self) -> Node:
        negated = self.rest.startswith("^")
        if negated:
            self.rest = self.rest[1:]
        bits, others, first = 0, "", True
        while first or not self.rest.startswith("]"):
            first = False
            low = self._member()
            if isinstance(low, int):
                bits |= low
            elif self.rest.startswith("-") and self.rest[1:2] not in ("", "]"):
                self.rest = self.rest[1:]
                high = self._member()
                if isinstance(high, int) or not (high.isascii() and low.isascii() and low <= high):
                    raise UnjudgedError
                bits |= _span(ord(low), ord(high))
            elif low.isascii():
                bits |= 1 << ord(low)
            else:
                others += low
        self.rest = self.rest[1:]
        if others:
            raise UnjudgedError
        return _set(bits, negated=negated, others=False)

    def _member(self) -> str | int:
        """Return a character of a class, or the bits of a class within it."""
        char, self.rest = self.rest[:1], self.rest[1:]
        if not char or (char == "[" and self.rest[:1] in (":", ".", "=")):
            raise UnjudgedError
        if char != "\\":
            return char
        char, self.rest = self.rest[:1], self.rest[1:]
        if char in _CLASSES:
            return _CLASSES[char]
        return _escaped(char)


def _escaped(char: str) -> str:
    if char in _LITERAL_ESCAPES:
        return _LITERAL_ESCAPES[char]
    if not char or char.isalnum() or not char.isascii():
        raise UnjudgedError
    return char


def _literal(char: str) -> One:
    if char == "\n":
        raise UnjudgedError
    chars = Chars(1 << ord(char)) if char.isascii() else Chars(0, others=True)
    return One(chars, re.escape(char))


def _set(bits: int, *, negated: bool, others: bool) -> One:
    if negated:
        bits, others = _ASCII & ~bits, True
    bits &= ~NEWLINE  # lines have none, and blocks are of lines
    if not bits and not others:
        raise UnjudgedError
    shown = _ASCII & ~bits if others else bits
    runs = re.finditer("1+", bin(shown)[:1:-1])
    body = "".join(
        rf"\x{run.start():02x}"
        + (rf"-\x{run.end() - 1:02x}" if run.end() - run.start() > 1 else "")
        for run in runs
    )
    return One(Chars(bits, others), f"[{'^' if others else ''}{body}]")

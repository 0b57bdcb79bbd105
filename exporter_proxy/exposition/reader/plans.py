"""What was found out about families, by the bytes of their HELP and TYPE.

Applications send the same families over and over: what follows from their metadata, and from the
labels they had last time, is kept. A plan is never trusted: it says what to look for, and where
that is not found the family is looked at anew.
"""

import re
from typing import Final, NamedTuple

from exporter_proxy.exposition.grammar import NAME, OPENMETRICS_TYPES, SPECIAL, TYPES
from exporter_proxy.exposition.model import FamilyType, Format
from exporter_proxy.exposition.reader.blocks import sample_marks, shape_of
from exporter_proxy.exposition.reader.dialect import OPENMETRICS, SUFFIXES, TEXT, Dialect
from exporter_proxy.exposition.reader.shapes import LONGEST_SHAPE

MOST_BYTES: Final = 1_048_576
"""Bytes of HELP and TYPE lines and of shapes after which those plans are dropped that were not used
since the last time; a plan has up to four times as many, and some 600 bytes beside them."""
MOST_PLANS: Final = 4_096
_LONGEST = 1_024
_MOST_SEEN = 16_384

_WORDS = b"|".join(sorted(TYPES))
HELP: Final = rb"# HELP (" + NAME + rb") (?![ \t])([^\n\\]*+)\n"
# HELP and TYPE, or TYPE alone, laid out as everyone does.
HEAD: Final = re.compile(
    rb"(?:" + HELP + rb")?+# TYPE (" + NAME + rb") (" + _WORDS + rb")\n",
)
# makes a tuple in less time than its class
_new: Final = tuple.__new__


class Plan(NamedTuple):
    """How a family's samples looked when it was last seen.

    Attributes:
        head: Its HELP and TYPE lines, or TYPE alone.
        name: As HELP and TYPE have it.
        usual: Its name in the text format.
        kind: Its type.
        help: Its HELP text.
        lines: Of metadata.
        shape: The key of its samples' shape.
        mark: What samples begin with, after a newline.
        other: What the other samples of a summary begin with; empty: all begin with ``mark``.
    """

    head: bytes
    name: bytes
    usual: bytes
    kind: FamilyType
    help: bytes | None
    lines: int
    shape: bytes
    mark: bytes
    other: bytes


class Plans:
    """Plans of families of one format; those that were not used for long are dropped.

    Attributes:
        after: The plan of the family that came after another, by the other's HELP and TYPE; empty
            for the first.
    """

    def __init__(self) -> None:
        self.after: dict[bytes, Plan] = {}
        self._known: dict[bytes, Plan] = {}
        # what was used before the present generation
        self._older: dict[bytes, Plan] = {}
        self._size = 0
        # hashes of metadata that was seen, for a plan is kept from the second time on
        self._seen: set[int] = set()

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._known) + len(self._older)

    def get(self, head: bytes) -> Plan | None:
        """Return the plan of the family with these HELP and TYPE lines, if there is one."""
        return self._known.get(head) or self._older.get(head)

    def keep(self, plan: Plan, before: bytes) -> None:
        """Keep a plan from the second time on, in place of one with the same metadata.

        Args:
            plan: Of a family.
            before: HELP and TYPE of the one before it.
        """
        head = plan.head
        if len(head) > _LONGEST:
            return
        known = self._known
        if known.get(head) is not plan:
            if head not in known and hash(head) not in self._seen:
                # names that never come again cost as little as can be
                if len(self._seen) >= _MOST_SEEN:
                    self._seen.clear()
                self._seen.add(hash(head))
                return
            if self._size >= MOST_BYTES or len(known) >= MOST_PLANS:
                self._older, self._known, self._size = known, {}, 0
                self.after.clear()
            self._size += len(head) + len(plan.shape)
            self._known[head] = plan
        if len(before) <= _LONGEST:
            self.after[before] = plan


def is_native(word: bytes, dialect: Dialect) -> bool:
    """Tell whether a type's name is of the format that is read."""
    if dialect.seconds:
        return word != b"untyped"
    return word != b"unknown" and word not in OPENMETRICS_TYPES


# Types by their names in a format, with what their samples' names have beyond the family's.
_NATIVE: Final[dict[Format, dict[bytes, tuple[FamilyType, bytes]]]] = {
    dialect.format: {
        word: (kind, dialect.usual_suffix(kind))
        for word, kind in TYPES.items()
        if is_native(word, dialect)
    }
    for dialect in (TEXT, OPENMETRICS)
}


def make_plan(head: bytes, line: bytes, dialect: Dialect) -> Plan | None:
    """Make the plan of a family.

    Args:
        head: Its HELP and TYPE lines, or TYPE alone.
        line: Its first sample, without the newline.
        dialect: The format.

    Returns:
        The plan; None: the family is not as usual, or its samples are such that need a change.
    """
    match = HEAD.fullmatch(head)
    if match is None:
        return None
    help_name, help_text, name, word = match.groups()
    native = _NATIVE[dialect.format].get(word)
    if native is None or (help_name is not None and help_name != name):
        return None
    kind, suffix = native
    lines = 1 if help_name is None else 2
    if kind in SPECIAL:
        shape = shape_of(line, name, kind, dialect)
        if name.endswith(SUFFIXES) or not shape.is_usual or len(shape.labels) > LONGEST_SHAPE:
            return None
        mark, *others = sample_marks(name, kind, dialect, shape)
        other = others[0] if others else b""
        return Plan(head, name, name, kind, help_text, lines, shape.key(), mark, other)
    # The same for samples without suffixes, in a fraction of the time: names may be ever new.
    usual = name + suffix
    pieces = line.split(b'"')
    labels = b""
    if len(pieces) > 1:
        labels = pieces[0][len(usual) :] + b"".join(pieces[2:-1:2])
    after = b"{" if labels else b" "
    if not line.startswith(usual + after) or len(labels) > LONGEST_SHAPE or _is_odd(pieces[-1]):
        return None
    return _new(
        Plan, (head, name, usual, kind, help_text, lines, labels, b"\n" + usual + after, b"")
    )


def _is_odd(rest: bytes) -> bool:
    """Tell whether a line has a comma or timestamp in what follows its last label's value."""
    return rest.count(b" ") != 1 or rest.startswith(b",")

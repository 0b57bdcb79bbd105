"""What the groups of a format hold in the lines of a block: a column for each group.

A call a block is cheap where a call an event is not, and a tuple for each event costs as much as to
find it.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import chain, compress
from typing import NamedTuple

Column = Sequence[str | None]
"""What a group holds in each event; if it had no part in the match, nothing: empty or None."""
Columns = Mapping[str, Column]


class Found(NamedTuple):
    """The events of a block of lines.

    Attributes:
        columns: What each group holds in each event, in the order of the lines.
        events: How many lines are known.
        lines: How many lines there are.
    """

    columns: Columns
    events: int
    lines: int


class Splitter:
    r"""Finds what is in whole lines, each ending in ``\n``.

    Args:
        source: For ``re``, free of backtracking, for a line without its newline; what it captures
            are its groups.
        groups: What they are called.
    """

    def __init__(self, source: str, groups: Sequence[str]) -> None:
        self.groups = groups
        self._split = re.compile(rf"{source}\n|([^\n]*+\n)").split

    def split(self, text: str) -> tuple[list[list[str | None]], list[str | None]]:
        """Return a column for each group, and one of lines that aren't known, else None."""
        # in turn what is between two matches, which is nothing, and what their groups hold
        flat = self._split(text)
        width = len(self.groups) + 2
        return [flat[place::width] for place in range(1, width - 1)], flat[width - 1 :: width]

    def found(self, columns: Sequence[Column], others: Column) -> Found:
        """Return what :meth:`split` did, without the lines that aren't known."""
        lines, events = len(others), others.count(None)
        if events < lines:
            flags = [other is None for other in others]
            columns = [list(compress(column, flags)) for column in columns]
        return Found(dict(zip(self.groups, columns, strict=True)), events, lines)

    def find(self, text: str, lines: int | None = None) -> Found:  # noqa: ARG002  # it finds them
        """See :meth:`LineFormat.find`."""
        return self.found(*self.split(text))


def join(found: Sequence[Found]) -> Found:
    """Return as one what is in several parts of a text, at least one."""
    if len(found) == 1:
        return found[0]
    columns = {
        name: list(chain.from_iterable(each.columns[name] for each in found))
        for name in found[0].columns
    }
    return Found(columns, sum(each.events for each in found), sum(each.lines for each in found))

"""How lines look: from a block of lines to rows of what their groups hold."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import re2

from exporter_proxy.log_metrics.predictive import group_names, literal_text, predictive
from exporter_proxy.log_metrics.quick import QuickRows, Row, known_rows, quick_source
from exporter_proxy.log_metrics.regex_syntax import UnjudgedError, parse

LINE = "line"
"""The group that is the whole line, in every format."""
# Captures the line without going over it.
_WHOLE = r"(?=([^\n]*+))"


class LineFormat(Protocol):
    """Tells what is in lines."""

    @property
    def groups(self) -> Sequence[str]:
        """Return what the columns of rows are; the first ones of a row."""

    def rows(self, text: str) -> tuple[list[Row], int]:
        r"""Return a row for each line of ``text`` that is known, in order, and the number of lines.

        A group that had no part in the match is empty. Rows may have more columns than there are
        groups.
        """


class OwnFormat:
    r"""A format that is ours, for ``re``, free of backtracking.

    Args:
        source: For a line without its newline; named groups are its groups.
        groups: Those that are needed.
    """

    def __init__(self, source: str, groups: Collection[str]) -> None:
        self.groups = [name for name in re.findall(r"\(\?P<(\w+)>", source) if name in groups]
        source = re.sub(
            r"\(\?P<(\w+)>", lambda name: "(" if name[1] in self.groups else "(?:", source
        )
        if LINE in groups:
            self.groups.insert(0, LINE)
            source = _WHOLE + source
        self._find = _rows_of(source)
        quick = quick_source(source)
        self._quick = QuickRows(_rows_of(quick), self._find) if quick else None

    def rows(self, text: str) -> tuple[list[Row], int]:
        """See :meth:`LineFormat.rows`."""
        if self._quick is not None:
            return self._quick.rows(text)
        rows = self._find(text)
        return known_rows(rows), len(rows)


class Re2Format:
    """A regular expression of the operator's, searched in each line.

    Args:
        pattern: Taken by RE2.
        groups: Those that are needed.
    """

    def __init__(self, pattern: str, groups: Collection[str]) -> None:
        self._regex = compile_re2(pattern)
        self._whole = LINE in groups
        names: dict[str, int] = self._regex.groupindex
        self.groups = [name for name in names if name in groups and name != LINE]
        self._places = [names[name] for name in self.groups]
        if self._whole:
            self.groups.insert(0, LINE)
        self._fast, self._literal = None, ""
        self._is_final = False
        try:
            parsed = parse(pattern)
        except UnjudgedError:
            return
        self._literal = literal_text(parsed.node)
        self._fast, self._is_final = self._try_fast(parsed), parsed.at_start

    def _try_fast(self, parsed: Any) -> Any:
        """Return what finds most lines' rows without RE2, or None if nothing can."""
        own = [name for name in self.groups if name != LINE]
        try:
            source = predictive(parsed, tuple(own))
        except UnjudgedError:
            return None
        order = [name for name in group_names(parsed.node) if name in own]
        if len(order) != len(own):  # one name for two groups
            return None
        self.groups = [LINE, *order] if self._whole else order
        self._places = [self._regex.groupindex[name] for name in order]
        front = _WHOLE if self._whole else ""
        return re.compile(rf"{front}{source}\n()|([^\n]*+\n)").findall

    def rows(self, text: str) -> tuple[list[Row], int]:
        """See :meth:`LineFormat.rows`."""
        if self._fast is None:
            found = [self.row(line) for line in text.split("\n")[:-1]]
        else:
            found = self._fast(text)
            if any(row[-1] for row in found):
                # A match further on in the line is RE2's to find.
                found = [
                    row if not row[-1] else None if self._is_final else self.row(row[-1][:-1])
                    for row in found
                ]
        return [row for row in found if row is not None], len(found)

    def row(self, line: str) -> Row | None:
        """Return what is in one line, or None if it isn't known."""
        if self._literal not in line:
            return None
        match = self._regex.search(line.encode())
        if match is None:
            return None
        found = (match.group(place) or b"" for place in self._places)
        row = tuple(group.decode(errors="replace") for group in found)
        return (line, *row) if self._whole else row


class AnyLine:
    """Every line, of which nothing but the whole is known."""

    groups = (LINE,)

    def rows(self, text: str) -> tuple[list[Row], int]:
        """See :meth:`LineFormat.rows`."""
        rows: list[Row] = [(line,) for line in text.split("\n")[:-1]]
        return rows, len(rows)


def _rows_of(source: str) -> Callable[[str], list[Row]]:
    """Return what makes a row of each line; the last column is a line that isn't known."""
    # a match of nothing more, so that there are two groups at least, hence tuples
    return re.compile(rf"{source}\n()|([^\n]*+\n)").findall


def compile_re2(pattern: str) -> Any:
    """Return ``pattern`` for bytes in UTF-8.

    Raises:
        re2.error: RE2 doesn't take it.
    """
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)

"""How lines look: from a block of lines to what their groups hold."""

import re
from collections.abc import Collection
from itertools import repeat
from typing import Any, Protocol

import re2

from exporter_proxy.log_metrics.columns import Columns, Found, Splitter
from exporter_proxy.log_metrics.predictive import group_names, literal_text, predictive
from exporter_proxy.log_metrics.quick import QuickSplitter, quick_source
from exporter_proxy.log_metrics.regex_syntax import Parsed, UnjudgedError, parse

LINE = "line"
"""The group that is the whole line, in every format."""
# Captures the line without going over it.
_WHOLE = r"(?=([^\n]*+))"


Row = tuple[str, ...]
"""What the groups of a line hold; empty: the group had no part in the match."""


class LineFormat(Protocol):
    """Tells what is in lines."""

    def find(self, text: str, lines: int | None = None) -> Found:
        r"""Return what is in ``text``.

        Args:
            text: Lines that end in ``\n``; at least one.
            lines: How many; None: it isn't known.
        """


class OwnFormat:
    r"""A format that is ours, for ``re``, free of backtracking.

    Args:
        source: For a line without its newline; named groups are its groups.
        groups: Those that are needed.
    """

    def __init__(self, source: str, groups: Collection[str]) -> None:
        own = [name for name in re.findall(r"\(\?P<(\w+)>", source) if name in groups]
        source = re.sub(r"\(\?P<(\w+)>", lambda name: "(" if name[1] in own else "(?:", source)
        if LINE in groups:
            own.insert(0, LINE)
            source = _WHOLE + source
        strict, quick = Splitter(source, own), quick_source(source)
        self.find = QuickSplitter(Splitter(quick, own), strict).find if quick else strict.find


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
        self._fast: Splitter | None = None
        self._literal, self._is_final = "", False
        try:
            parsed = parse(pattern)
        except UnjudgedError:
            return
        self._literal = literal_text(parsed.node)
        self._fast, self._is_final = self._try_fast(parsed), parsed.at_start

    def _try_fast(self, parsed: Parsed) -> Splitter | None:
        """Return what finds most lines without RE2, or None if nothing can."""
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
        return Splitter(front + source, self.groups)

    def find(self, text: str, lines: int | None = None) -> Found:  # noqa: ARG002  # it finds them
        """See :meth:`LineFormat.find`."""
        if self._fast is None:
            found = [self.row(line) for line in text.split("\n")[:-1]]
            rows = [row for row in found if row is not None]
            return Found(self._columns(rows), len(rows), len(found))
        columns, others = self._fast.split(text)
        if not self._is_final and others.count(None) < len(others):
            # a match further on in the line is RE2's to find
            for place, line in enumerate(others):
                row = self.row(line[:-1]) if line else None
                if row is not None:
                    others[place] = None
                    for column, value in zip(columns, row, strict=True):
                        column[place] = value
        return self._fast.found(columns, others)

    def _columns(self, rows: list[Row]) -> Columns:
        columns = zip(*rows, strict=True) if rows else repeat(())
        return dict(zip(self.groups, columns, strict=False))

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

    def find(self, text: str, lines: int | None = None) -> Found:  # noqa: ARG002  # it finds them
        """See :meth:`LineFormat.find`."""
        found = text.split("\n")[:-1]
        return Found({LINE: found}, len(found), len(found))


def compile_re2(pattern: str) -> Any:
    """Return ``pattern`` for bytes in UTF-8.

    Raises:
        re2.error: RE2 doesn't take it.
    """
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)

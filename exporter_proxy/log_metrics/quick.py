r"""Access logs, three times as fast: patterns that don't look for the end of the line.

``re`` passes over ``[^"]*`` in a tight loop, over ``[^"\\\n]*`` and ``[^"\n]*`` slowly, so lines
without backslashes, where a quote always ends its field, are tried with the former first. Each
match takes one newline at least and follows the one before: where there are as many matches as
lines, each took one newline, and none went beyond its line, where the strict pattern would have
stopped. So what was found is what the strict pattern finds; where there are fewer, that one is
asked. It has the last word on lines that aren't known, too.
"""

import re

from exporter_proxy.log_metrics.columns import Found, Splitter, join
from exporter_proxy.log_metrics.log_format import QUOTED
from exporter_proxy.log_metrics.newlines import count_newlines

# One character that ends a field: [^ \n]*+
_FIELD = re.compile(r"\[\^(\\?[^\\\n])\\n\]\*\+")
# What comes before the first quote is shorter, in any log but one that is made to waste time: there
# each of very many lines would be searched for a quote to the end of the piece.
_LONGEST_FIELD = 200
_PIECE_CHARACTERS = 65_536
# So much is not tried from a line on that has a backslash.
_STRICT_CHARACTERS = 2_048
# So many pieces are not tried after one in vain.
_PAUSE = 4


def quick_source(source: str) -> str:
    """Return the pattern to try first; empty: there is none."""
    if QUOTED not in source:
        return ""
    quick = source.replace(QUOTED, r'[^"]*+')
    return _FIELD.sub(lambda field: rf"[^{field[1]}]{{0,{_LONGEST_FIELD}}}+", quick)


class QuickSplitter:
    """Finds what is in a block.

    Args:
        quick: Tries to; its source is that of :func:`quick_source`.
        strict: Does.
    """

    def __init__(self, quick: Splitter, strict: Splitter) -> None:
        self._quick = quick
        self._strict = strict
        self._pause = 0

    def find(self, text: str, lines: int | None = None) -> Found:
        """See :meth:`LineFormat.find`."""
        found: list[Found] = []
        start = 0
        while start < len(text):
            stop = _end_of_lines(text, start, _PIECE_CHARACTERS)
            if self._pause:
                self._pause -= 1
                found.append(self._strict.find(text[start:stop]))
                start = stop
                continue
            backslash = text.find("\\", start, stop)
            if backslash >= 0:
                stop = text.rfind("\n", start, backslash) + 1 or start
            if start < stop:
                piece = text[start:stop]
                is_whole = len(piece) == len(text)
                found.append(self._piece(piece, lines if is_whole else None))
                start = stop
            if backslash >= 0:
                stop = _end_of_lines(text, start, _STRICT_CHARACTERS)
                found.append(self._strict.find(text[start:stop]))
                start = stop
        return join(found)

    def _piece(self, text: str, lines: int | None) -> Found:
        """Return what is in text without backslashes."""
        if lines is None:
            lines = count_newlines(text.encode())
        columns, others = self._quick.split(text)
        if len(others) == lines:
            # one with a field longer than those that are tried may be known
            unknown = "" if others.count(None) == len(others) else "".join(filter(None, others))
            if not unknown or not self._strict.find(unknown).events:
                return self._quick.found(columns, others)
        self._pause = _PAUSE
        return self._strict.find(text)


def _end_of_lines(text: str, start: int, size: int) -> int:
    """Return where the last line ends that is within ``size`` characters, or the first."""
    return text.rfind("\n", start, start + size) + 1 or text.index("\n", start) + 1

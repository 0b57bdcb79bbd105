"""The lines of an rsync daemon's log, as one pattern for ``re``.

Possessive throughout and told apart by their first letters: no line is gone over more than a fixed
number of times. Fixed counts are possessive, too: ``re`` passes over them faster.
"""

import re
from collections.abc import Callable

from exporter_proxy.log_metrics.prefixes import RSYNCD

Row = tuple[str, str, str, str, str, str, str, str, str]
"""A line, or several that are one event; empty is what it has not.

Process id; ``c`` of a connection; beginning of an execution, with its module; three totals; a line
of which there are few; operation of a line about a file; a line that isn't known.
"""
BEGINNINGS = {"rsync on ": "send", "rsync to ": "receive"}
"""Directions of executions, by the words with which they begin."""

_BEGINS = r"rsync (?:on|to) "
_NUMBER = r"([0-9][0-9.,']*+[KMGTPE]?+)"
_TOTALS = (
    rf"(?:sent|wrote) {_NUMBER} bytes  (?:received|read) {_NUMBER} bytes  total size {_NUMBER}"
)
_FEW = (
    r"rsync error: |rsync warning: |rsync: "
    r"|file has vanished: |Deletions stopped due to --max-delete "
    r"|module-list request from |rsync denied on module |max connections \("
    r"|unknown module '|auth failed on module "
)
# Lines that tell of nothing that is counted.
_QUIET = (
    r"(?:building file list|receiving file list|rsync allowed access on module [^\n]*+"
    r"|rsyncd version [^\n]*+|name lookup failed [^\n]*+|(?:reverse|forward) name lookup [^\n]*+"
    r"|skipping (?:non-regular file|directory) [^\n]*+|ERROR: [^\n]*+|\[[A-Za-z]++\] [^\n]*+"
    r"|IO error encountered -- [^\n]*+|WARNING: [^\n]*+|done)"
)
_FRONT = r"[0-9/]{10}+ [0-9:]{8}+ \["
# The commonest of them in the daemon's own file, which are gone over without an event for each.
_QUIET_LINES = (
    rf"(?:{_FRONT}[0-9]++\] (?:building file list|receiving file list"
    r"|rsync allowed access on module [^\n]*+)\n)*+"
)
# A connection whose execution begins at once is one event with it; \1 is its process id.
_CONNECTION = rf"(c)onnect from [^\n]*+(?:\n{_QUIET_LINES}{_FRONT}\1\] (?={_BEGINS}))?+"


def row_finder(transfer: str) -> Callable[[str], list[Row]]:
    r"""Return what makes rows of whole lines, each ending in ``\n``.

    Args:
        transfer: Pattern for lines about single files, of
            :func:`~exporter_proxy.log_metrics.rsyncd.transfer_line.transfer_pattern`.
    """
    return re.compile(
        rf"{RSYNCD}(?:{_CONNECTION})?+"
        # after a connection whose execution doesn't begin at once: nothing
        rf"(?:({_BEGINS}[^/\n]*+)[^\n]*+|{_TOTALS}|((?:{_FEW})[^\n]*+)|(?(2)|(?!))|{_QUIET}"
        rf"|{transfer})\n{_QUIET_LINES}|([^\n]*+\n)"
    ).findall

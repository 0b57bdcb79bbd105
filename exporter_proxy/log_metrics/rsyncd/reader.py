"""Reads the log of an rsync daemon: its own file, or what syslog or the journal made of it.

The messages are those of rsync 3.1 to 3.5 (``clientserver.c``, ``loadparm.c``, ``log.c``,
``main.c``). What follows the message's first words is the peers' to choose: before 3.4.1
names of files may even hold raw newlines. Hence only whole lines count as totals, and only
the first of an execution.
"""

import re
from collections import Counter
from typing import Any

from exporter_proxy.log_metrics.families import LONGEST_LABEL, OVERFLOW, Family
from exporter_proxy.log_metrics.numbers import read_count
from exporter_proxy.log_metrics.prefixes import RSYNCD
from exporter_proxy.log_metrics.rsyncd.errors import cause_code, exit_code
from exporter_proxy.log_metrics.rsyncd.metrics import RsyncdMetrics

UNKNOWN = "__unknown__"
"""The module of totals whose execution's beginning was not seen."""
MOST_SESSIONS = 10_000
"""Processes of a stream whose module is remembered; beyond, the oldest is forgotten."""
_MOST_STREAMS = 1_000
_MOST_MODULES = 2_000

_NUMBER = r"([0-9][0-9.,']*+[KMGTPE]?+)"
_TOTALS = (
    rf"(?:sent|wrote) {_NUMBER} bytes  (?:received|read) {_NUMBER} bytes  total size {_NUMBER}"
)
# Lines that tell of nothing that is counted.
_QUIET = (
    r"(?:building file list|receiving file list|rsync allowed access on module [^\n]*+"
    r"|rsyncd version [^\n]*+|name lookup failed [^\n]*+|(?:reverse|forward) name lookup [^\n]*+"
    r"|skipping (?:non-regular file|directory) [^\n]*+|ERROR: [^\n]*+|\[[A-Za-z]++\] [^\n]*+"
    r"|IO error encountered -- [^\n]*+|WARNING: [^\n]*+|done)"
)
# The commonest of them in the daemon's own file, which are gone over without an event for each.
_QUIET_LINES = (
    r"(?:[0-9/]{10} [0-9:]{8} \[[0-9]++\] (?:building file list|receiving file list"
    r"|rsync allowed access on module [^\n]*+)\n)*+"
)
# A connection whose execution begins at once is one event with it; \1 is its process id.
_CONNECTED = (
    r"(?:[0-9/]{10} [0-9:]{8} \[([0-9]{1,20}+)\] connect from [^\n]*+\n"
    rf"{_QUIET_LINES}(?=[0-9/]{{10}} [0-9:]{{8}} \[\1\] rsync (?:on|to) ))?+"
)
_WORDS = (
    r"connect from |rsync on |rsync to |rsync error: |rsync warning: |rsync: "
    r"|file has vanished: |Deletions stopped due to --max-delete "
    r"|module-list request from |rsync denied on module |max connections \("
    r"|unknown module '|auth failed on module "
)
_NOTHING = ("0", "0", "0")
# The directions of executions, by the words with which they begin.
_BEGINNINGS = {"rsync on ": "send", "rsync to ": "receive"}
_WORD_OF = {way: word for word, way in _BEGINNINGS.items()}
_OPERATIONS = {"send": "send", "recv": "receive", "del.": "delete"}


class _Tally:
    """What one block of lines had about one module and direction, until it is counted.

    Attributes:
        closed: Takes what comes after the totals of an execution and is not believed.
    """

    __slots__ = ("closed", "executions", "files", "is_closed", "module", "totals", "way")

    def __init__(self, module: str, way: str, *, is_closed: bool = False) -> None:
        self.module = module
        self.way = way
        self.is_closed = is_closed
        self.totals: list[tuple[str, str, str]] = []
        self.executions = 0
        self.files: list[str] = []
        self.closed: _Tally = self if is_closed else _Tally(module, way, is_closed=True)


class RsyncdReader:
    """Counts what an rsync daemon logs.

    Args:
        transfer: Pattern for lines about single files, of
            :func:`~exporter_proxy.log_metrics.rsyncd.transfer_line.transfer_pattern`.
        max_series: Label sets of each metric.
    """

    def __init__(self, transfer: str, max_series: int = 1000) -> None:
        self.unread_values = 0
        self._metrics = RsyncdMetrics(max_series)
        self.families: list[Family[Any]] = list(self._metrics.families())
        # Possessive throughout and told apart by their first letters: no line is gone over more
        # than a fixed number of times.
        self._find = re.compile(
            rf"{_CONNECTED}{RSYNCD}(?:{_TOTALS}|({_WORDS})([^/\n]*+)([^\n]*+)|{_QUIET}|{transfer})\n"
            rf"{_QUIET_LINES}|([^\n]*+\n)"
        ).findall
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._unknown = self._tallies["", ""] = _Tally(UNKNOWN, UNKNOWN)
        self._streams: dict[str, dict[str, _Tally]] = {}
        # codes that were counted for an execution that is not over
        self._codes: dict[tuple[str, str], set[str]] = {}

    # one loop over the lines: calls from it would cost a tenth each
    def read(self, text: str, stream: str) -> tuple[int, int]:  # noqa: C901, PLR0912
        """See :meth:`Reader.read`."""
        sessions = self._sessions(stream)
        no_one, tallies, codes = self._unknown, self._tallies, self._codes
        unknown = connections = 0
        for (
            connected, pid, sent, received, size, word, front, rest, operation, other
        ) in self._find(text):  # fmt: skip
            if sent:
                tally = sessions.get(pid, no_one)
                tally.totals.append((sent, received, size))
                if pid and tally is not no_one:
                    sessions[pid] = tally.closed
            elif word in _BEGINNINGS:
                tally = tallies.get((word, front)) or self._begin(word, front)
                tally.executions += 1
                if connected:
                    connections += 1
                sessions[pid] = tally
                if len(sessions) > MOST_SESSIONS:
                    _forget(sessions)
                if codes:
                    codes.pop((stream, pid), None)
            elif word == "connect from ":
                connections += 1
                if pid in sessions:
                    del sessions[pid]
                if codes:
                    codes.pop((stream, pid), None)
            elif operation:
                sessions.get(pid, no_one).files.append(operation)
            elif word:
                self._rare(stream, sessions.get(pid), pid, word, front + rest)
            elif other:
                unknown += 1
        self._metrics.connections.add((), connections)
        self._count()
        lines = text.count("\n")
        return lines, lines - unknown

    def _sessions(self, stream: str) -> dict[str, _Tally]:
        """Return {process id: the module and direction of its execution} of ``stream``."""
        found = self._streams.get(stream)
        if found is None:
            if len(self._streams) >= _MOST_STREAMS:
                del self._streams[next(iter(self._streams))]
            found = self._streams[stream] = {}
        return found

    def _begin(self, word: str, front: str) -> _Tally:
        """Return the tally for executions whose request is ``front``, up to its first slash."""
        module = front.partition(" from ")[0]
        if len(self._tallies) >= _MOST_MODULES or len(front) > LONGEST_LABEL:
            front = module = OVERFLOW
        tally = self._tallies.get((word, front))
        if tally is None:
            tally = self._tallies[word, front] = _Tally(module, _BEGINNINGS[word])
        return tally

    def _rare(self, stream: str, tally: _Tally | None, pid: str, word: str, rest: str) -> None:
        """Count a line of which there are few."""
        metrics = self._metrics
        if word in ("rsync error: ", "rsync warning: "):
            self._error(stream, pid, exit_code(rest))
        elif word in ("rsync: ", "file has vanished: ") or word.startswith("Deletions "):
            self._error(stream, pid, cause_code(word, rest, begun=tally is not None))
        elif word.startswith("module-list "):
            metrics.listings.add((), 1)
        elif word.startswith("rsync denied "):
            metrics.denied.add((_module_before_host(rest), "host"), 1)
        elif word.startswith("max connections "):
            metrics.denied.add((UNKNOWN, "max_connections"), 1)
        elif word.startswith("unknown module "):
            metrics.unknown_modules.add((), 1)
        else:
            metrics.auth_failures.add((_module_before_host(rest),), 1)

    def _error(self, stream: str, pid: str, code: str | None) -> None:
        """Count an exit code, once for an execution."""
        if code is None:
            return
        if pid:
            if len(self._codes) >= MOST_SESSIONS:
                del self._codes[next(iter(self._codes))]
            seen = self._codes.setdefault((stream, pid), set())
            if code in seen:
                return
            seen.add(code)
        self._metrics.errors.add((code,), 1)

    def _count(self) -> None:
        """Count what the lines of a block had about modules."""
        for tally in self._tallies.values():
            if tally.executions:
                self._metrics.executions.add((tally.module, tally.way), tally.executions)
                tally.executions = 0
            if tally.totals:
                self._count_totals(tally)
            tally.closed.totals.clear()
            for each in (tally, tally.closed):
                for found, count in Counter(each.files).items():
                    # a format without %o leaves it to the execution
                    operation = _OPERATIONS.get(found, tally.way)
                    self._metrics.files.add((tally.module, operation), count, count)
                each.files.clear()

    def _count_totals(self, tally: _Tally) -> None:
        labels, metrics, totals = (tally.module,), self._metrics, tally.totals
        if tally is self._unknown:
            # the daemon itself writes these when it is stopped
            totals = [each for each in totals if each != _NOTHING]
        try:
            numbers = [(int(sent), int(got), int(size)) for sent, got, size in totals]
        except ValueError:
            numbers = self._slowly(totals)
        tally.totals = []
        if not numbers:
            return
        sent, received, size = zip(*numbers, strict=True)
        exchanged = list(map(int.__add__, sent, received))
        metrics.sent.add(labels, sum(sent), len(sent))
        metrics.received.add(labels, sum(received), len(sent))
        metrics.exchanged.add(labels, sum(exchanged), len(sent))
        metrics.file_size.add(labels, sum(size), len(sent))
        metrics.exchange.observe(labels, exchanged)

    def _slowly(self, totals: list[tuple[str, str, str]]) -> list[tuple[int, int, int]]:
        """Return numbers not all of which are plain, without totals that can't be read."""
        numbers = []
        for sent, received, size in totals:
            try:
                numbers.append((read_count(sent), read_count(received), read_count(size)))
            except ValueError:
                self.unread_values += 1
        return numbers

    def memory(self) -> dict[str, dict[str, str]]:
        """See :meth:`Reader.memory`."""
        memory = {
            stream: {
                pid: f"{'-' if tally.is_closed else '+'}{_WORD_OF[tally.way]}/{tally.module}"
                for pid, tally in sessions.items()
            }
            for stream, sessions in self._streams.items()
        }
        for (stream, pid), codes in self._codes.items():
            memory.setdefault(stream, {})[f"!{pid}"] = ",".join(sorted(codes))
        return memory

    def remember(self, memory: dict[str, dict[str, str]]) -> None:
        """See :meth:`Reader.remember`."""
        for stream, sessions in memory.items():
            known = self._sessions(stream)
            for pid, text in sessions.items():
                if pid.startswith("!"):
                    self._codes[stream, pid[1:]] = set(text.split(","))
                    continue
                word, _, module = text[1:].partition("/")
                if word in _BEGINNINGS:
                    tally = self._begin(word, module)
                    known[pid] = tally.closed if text.startswith("-") else tally


def _forget(sessions: dict[str, _Tally]) -> None:
    """Make room for some time: forget the older half of the executions that ended, if there are.

    What is left of the oldest would otherwise cost those that go on for hours their modules.
    """
    ended = [pid for pid, tally in sessions.items() if tally.is_closed]
    if len(ended) < MOST_SESSIONS // 10:
        ended = list(sessions)[: MOST_SESSIONS // 5]
    for pid in ended[: len(ended) // 2]:
        del sessions[pid]


def _module_before_host(rest: str) -> str:
    """Return the module of ``<module> from <host> (<address>)…``."""
    return rest.partition(" from ")[0]

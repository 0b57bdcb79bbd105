"""Reads the log of an rsync daemon: its own file, or what syslog or the journal made of it.

The messages are those of rsync 3.1 to 3.5 (``clientserver.c``, ``loadparm.c``, ``log.c``,
``main.c``). What follows the message's first words is the peers' to choose: before 3.4.1
names of files may even hold raw newlines. Hence only whole lines count as totals, and only
the first of an execution.
"""

from typing import Any

from exporter_proxy.log_metrics.families import LONGEST_LABEL, OVERFLOW, Family
from exporter_proxy.log_metrics.rsyncd.errors import cause_code, exit_code
from exporter_proxy.log_metrics.rsyncd.lines import BEGINNINGS, row_finder
from exporter_proxy.log_metrics.rsyncd.metrics import RsyncdMetrics
from exporter_proxy.log_metrics.rsyncd.tally import UNKNOWN, Tally

MOST_SESSIONS = 10_000
"""Processes of a stream whose module is remembered; beyond, the oldest is forgotten."""
_MOST_STREAMS = 1_000
_MOST_MODULES = 2_000
# Lines whose tallies wait to be counted: what a module costs then is shared by that many.
_MOST_WAITING = 2_000
_WORDS_OF = {way: words for words, way in BEGINNINGS.items()}
_DENIED = "rsync denied on module "
_AUTH_FAILED = "auth failed on module "


class RsyncdReader:
    """Counts what an rsync daemon logs.

    Args:
        transfer: Pattern for lines about single files, of
            :func:`~exporter_proxy.log_metrics.rsyncd.transfer_line.transfer_pattern`.
        max_series: Label sets of each metric.
    """

    def __init__(self, transfer: str, max_series: int = 1000) -> None:
        self._metrics = RsyncdMetrics(max_series)
        self.families: list[Family[Any]] = list(self._metrics.families())
        self.unread_values = 0
        self._find = row_finder(transfer)
        # by the words with which their executions begin, up to the first slash
        self._tallies: dict[str, Tally] = {}
        self._unknown = self._tallies[""] = Tally(UNKNOWN, UNKNOWN)
        self._waiting = 0
        self._streams: dict[str, dict[str, Tally]] = {}
        # codes that were counted for an execution that is not over
        self._codes: dict[tuple[str, str], set[str]] = {}

    # one loop over the lines: calls from it would cost a tenth each
    def read(self, text: str, stream: str, lines: int) -> int:  # noqa: C901, PLR0912
        """See :meth:`Reader.read`."""
        sessions = self._sessions(stream)
        no_one, tallies, codes = self._unknown, self._tallies, self._codes
        unknown = connections = 0
        rows = self._find(text)
        for pid, connected, beginning, sent, received, size, rare, operation, other in rows:
            if sent:
                tally = sessions.get(pid, no_one)
                tally.totals += (sent, received, size)
                if pid and tally is not no_one:
                    sessions[pid] = tally.closed
            elif beginning:
                tally = tallies.get(beginning) or self._begin(beginning)
                tally.executions += 1
                if connected:
                    connections += 1
                sessions[pid] = tally
                if len(sessions) > MOST_SESSIONS:
                    _forget(sessions)
                if codes:
                    codes.pop((stream, pid), None)
            elif operation:
                sessions.get(pid, no_one).files.append(operation)
            elif connected:
                connections += 1
                if pid in sessions:
                    del sessions[pid]
                if codes:
                    codes.pop((stream, pid), None)
            elif rare:
                self._rare(stream, sessions.get(pid), pid, rare)
            elif other:
                unknown += 1
        self._metrics.connections.add((), connections)
        self._waiting += len(rows)
        # the more modules, the fewer: a turn takes half a millisecond
        if self._waiting >= _MOST_WAITING // (1 + len(tallies) // 50):
            self.settle()
        return lines - unknown

    def settle(self) -> None:
        """See :meth:`Reader.settle`."""
        if self._waiting:
            self._waiting = 0
            for tally in self._tallies.values():
                self.unread_values += tally.count(self._metrics)

    def _sessions(self, stream: str) -> dict[str, Tally]:
        """Return {process id: the module and direction of its execution} of ``stream``."""
        found = self._streams.get(stream)
        if found is None:
            if len(self._streams) >= _MOST_STREAMS:
                del self._streams[next(iter(self._streams))]
            found = self._streams[stream] = {}
        return found

    def _begin(self, beginning: str) -> Tally:
        """Return the tally for executions that begin so; up to the first slash of their request."""
        word, front = beginning[:9], beginning[9:]
        module = front.partition(" from ")[0]
        if len(self._tallies) >= _MOST_MODULES or len(front) > LONGEST_LABEL:
            module = OVERFLOW
            beginning = word + module
        tally = self._tallies.get(beginning)
        if tally is None:
            tally = self._tallies[beginning] = Tally(module, BEGINNINGS[word])
        return tally

    def _rare(self, stream: str, tally: Tally | None, pid: str, message: str) -> None:
        """Count a line of which there are few."""
        metrics = self._metrics
        if message.startswith(("rsync error: ", "rsync warning: ")):
            self._error(stream, pid, exit_code(message))
        elif message.startswith(("rsync: ", "file has vanished: ", "Deletions stopped ")):
            self._error(stream, pid, cause_code(message, begun=tally is not None))
        elif message.startswith("module-list request "):
            metrics.listings.add((), 1)
        elif message.startswith(_DENIED):
            metrics.denied.add((_module_before_host(message, _DENIED), "host"), 1)
        elif message.startswith("max connections "):
            metrics.denied.add((UNKNOWN, "max_connections"), 1)
        elif message.startswith("unknown module "):
            metrics.unknown_modules.add((), 1)
        else:
            metrics.auth_failures.add((_module_before_host(message, _AUTH_FAILED),), 1)

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

    def memory(self) -> dict[str, dict[str, str]]:
        """See :meth:`Reader.memory`."""
        memory = {
            stream: {
                pid: f"{'-' if tally.is_closed else '+'}{_WORDS_OF[tally.way]}/{tally.module}"
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
                words, _, module = text[1:].partition("/")
                if words in BEGINNINGS:
                    tally = self._begin(words + module)
                    known[pid] = tally.closed if text.startswith("-") else tally


def _forget(sessions: dict[str, Tally]) -> None:
    """Make room for some time: forget the older half of the executions that ended, if there are.

    What is left of the oldest would otherwise cost those that go on for hours their modules.
    """
    ended = [pid for pid, tally in sessions.items() if tally.is_closed]
    if len(ended) < MOST_SESSIONS // 10:
        ended = list(sessions)[: MOST_SESSIONS // 5]
    for pid in ended[: len(ended) // 2]:
        del sessions[pid]


def _module_before_host(message: str, words: str) -> str:
    """Return the module of ``<words><module> from <host> (<address>)…``."""
    return message.removeprefix(words).partition(" from ")[0]

"""What lines had about one module and direction, until it is counted."""

from collections import Counter
from collections.abc import Iterator

from exporter_proxy.log_metrics.numbers import read_count, read_integers
from exporter_proxy.log_metrics.rsyncd.metrics import RsyncdMetrics

UNKNOWN = "__unknown__"
"""The module of totals whose execution's beginning was not seen."""

_NOTHING = ("0", "0", "0")
_OPERATIONS = {"send": "send", "recv": "receive", "del.": "delete"}


class Tally:
    """What lines had about one module and direction.

    Args:
        module: The module.
        way: The direction.
        is_closed: Whether it takes what comes after the totals of an execution.

    Attributes:
        executions: How many began.
        totals: Of each that ended three: bytes sent and received, and the size of all files.
        files: What was done, for each line about a file.
        closed: Takes what comes after the totals of an execution; its totals are not believed.
    """

    __slots__ = ("closed", "executions", "files", "is_closed", "module", "totals", "way")

    def __init__(self, module: str, way: str, *, is_closed: bool = False) -> None:
        self.module = module
        self.way = way
        self.is_closed = is_closed
        self.executions = 0
        self.totals: list[str] = []
        self.files: list[str] = []
        self.closed: Tally = self if is_closed else Tally(module, way, is_closed=True)

    def count(self, metrics: RsyncdMetrics) -> int:
        """Count what there is, and forget it; return how many totals couldn't be read."""
        if self.executions:
            metrics.executions.add((self.module, self.way), self.executions, self.executions)
            self.executions = 0
        unread = self._count_totals(metrics) if self.totals else 0
        self.closed.totals.clear()
        for each in (self, self.closed):
            if each.files:
                self._count_files(each.files, metrics)
        return unread

    def _count_files(self, files: list[str], metrics: RsyncdMetrics) -> None:
        for found, count in Counter(files).items():
            # a format without %o leaves it to the execution
            operation = _OPERATIONS.get(found, self.way)
            metrics.files.add((self.module, operation), count, count)
        files.clear()

    def _count_totals(self, metrics: RsyncdMetrics) -> int:
        texts, self.totals = self.totals, []
        if self.way == UNKNOWN:
            texts = _without_zeros(texts)
        numbers, unread = read_integers(texts), 0
        if numbers is None:
            numbers, unread = _read_slowly(texts)
        if not numbers:
            return unread
        sent, received, size = numbers[0::3], numbers[1::3], numbers[2::3]
        exchanged = list(map(int.__add__, sent, received))
        labels, events = (self.module,), len(exchanged)
        metrics.sent.add(labels, sum(sent), events)
        metrics.received.add(labels, sum(received), events)
        total = sum(exchanged)
        metrics.exchanged.add(labels, total, events)
        metrics.file_size.add(labels, sum(size), events)
        metrics.exchange.observe(labels, exchanged, None, total)
        return unread


def _without_zeros(texts: list[str]) -> list[str]:
    """Leave out totals that are nothing: the daemon itself writes these when it is stopped."""
    return [text for totals in _in_threes(texts) if totals != _NOTHING for text in totals]


def _read_slowly(texts: list[str]) -> tuple[list[int], int]:
    """Return numbers not all of which are plain, and how many totals can't be read."""
    numbers: list[int] = []
    unread = 0
    for totals in _in_threes(texts):
        try:
            numbers += [read_count(text) for text in totals]
        except ValueError:
            unread += 1
    return numbers, unread


def _in_threes(texts: list[str]) -> Iterator[tuple[str, str, str]]:
    return zip(texts[0::3], texts[1::3], texts[2::3], strict=True)

"""Counts metrics of lines that one format describes."""

from collections.abc import Sequence
from typing import Any

from exporter_proxy.log_metrics.families import Family
from exporter_proxy.log_metrics.line_format import LineFormat
from exporter_proxy.log_metrics.metric import Metric


class FormatReader:
    """Has a format find the events of a block, and metrics count them.

    Args:
        line_format: Finds the events.
        metrics: Count them.
        any_line: Whether the format takes every line, so that a line is known only if a metric
            counted it.
    """

    def __init__(
        self, line_format: LineFormat, metrics: Sequence[Metric], *, any_line: bool = False
    ) -> None:
        self._format = line_format
        self._metrics = metrics
        self._any_line = any_line
        self._unread_before = 0
        # presets may count in one family in several ways
        self.families: list[Family[Any]] = list(dict.fromkeys(metric.family for metric in metrics))

    @property
    def unread_values(self) -> int:
        """How many numbers in matched lines couldn't be read."""
        return self._unread_before + sum(metric.unread for metric in self._metrics)

    @unread_values.setter
    def unread_values(self, count: int) -> None:
        for metric in self._metrics:
            metric.unread = 0
        self._unread_before = count

    def read(self, text: str, stream: str, lines: int) -> int:  # noqa: ARG002  # no line depends on another
        """See :meth:`Reader.read`."""
        columns, events, _ = self._format.find(text, lines)
        if not events:
            return 0
        fits = [metric.count(columns, events) for metric in self._metrics]
        if sum(metric.waiting for metric in self._metrics) > 1:
            for metric in self._metrics:
                metric.relieve()
        if not self._any_line:
            return events
        known = [each for each in fits if each is not None]
        if len(known) == len(fits):
            events = sum(map(any, zip(*known, strict=True)))
        return events

    def settle(self) -> None:
        """See :meth:`Reader.settle`."""
        for metric in self._metrics:
            metric.settle()

    def memory(self) -> dict[str, dict[str, str]]:
        """See :meth:`Reader.memory`."""
        return {}

    def remember(self, memory: dict[str, dict[str, str]]) -> None:
        """See :meth:`Reader.remember`."""

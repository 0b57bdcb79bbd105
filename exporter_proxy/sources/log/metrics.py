"""What the proxy tells about the logs that it follows."""

from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter_proxy.sources.log.compiling import Counter
from exporter_proxy.sources.log.status import LogStatus, ReadFault, Rotation

Statuses = Callable[[], Iterable[tuple[LogStatus, Counter]]]


class LogCollector(Collector):
    """Reads the plain counters of sections when it is asked.

    Args:
        statuses: Returns how each section fares, and what counts its lines.
    """

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses

    def describe(self) -> list[Metric]:
        """Say nothing at registration, instead of being asked for all metrics."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return the metric families as they are now."""
        found = list(self._statuses())
        if not found:
            return
        for name, text, value in (
            ("lines", "Lines that were read.", lambda _, counter: counter.lines),
            ("matched_lines", "Lines that were known.", lambda _, counter: counter.matched),
            ("unmatched_lines", "Lines that were not.", lambda _, counter: counter.unmatched),
            ("cut_lines", "Lines longer than max_line.", lambda status, _: status.cut),
            ("read_bytes", "Bytes of whole lines that were read.", lambda status, _: status.bytes),
            ("checkpoints", "Checkpoints written.", lambda status, _: status.checkpoints),
        ):
            family = CounterMetricFamily(f"exporter_proxy_log_{name}", text, labels=("app",))
            for status, counter in found:
                family.add_metric((_unicode(status.app),), value(status, counter))
            yield family
        yield from _by_kind(found)
        lag = GaugeMetricFamily(
            "exporter_proxy_log_unread_bytes",
            "Bytes that were written to the file and are not read.",
            labels=("app", "file"),
        )
        for status, _ in found:
            for path, unread in status.lag.items():
                lag.add_metric((_unicode(status.app), _unicode(path)), unread)
        yield lag


def _by_kind(found: Iterable[tuple[LogStatus, Counter]]) -> Iterator[Metric]:
    rotations = CounterMetricFamily(
        "exporter_proxy_log_rotations",
        "Files that were rotated away, or truncated, by kind.",
        labels=("app", "kind"),
    )
    errors = CounterMetricFamily(
        "exporter_proxy_log_errors",
        "Files that couldn't be read, and checkpoints that couldn't be read or written.",
        labels=("app", "kind"),
    )
    for status, _ in found:
        app = _unicode(status.app)
        for rotation in get_args(Rotation):
            rotations.add_metric((app, rotation), status.rotations[rotation])
        for fault in get_args(ReadFault):
            errors.add_metric((app, fault), status.errors[fault])
    return iter((rotations, errors))


def _unicode(text: str) -> str:
    """Return ``text`` with escapes for what is not Unicode, such as parts of a path."""
    return text.encode(errors="backslashreplace").decode()

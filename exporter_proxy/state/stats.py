"""How saving goes, as plain numbers and as metrics."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


@dataclass(slots=True)
class StateStats:
    """Counters of one state file; written by its keeper, read when metrics are rendered.

    Attributes:
        saves: Batches that were written.
        saved_apps: Apps in them.
        seconds: How long writing them took.
        failures: Batches that could not be written.
        last_save_ns: When all that there was to save was saved last, in nanoseconds since the
            epoch; 0: not yet.
        file_bytes: How large the file is, with its log.
        restored_apps: Apps that the file brought at the start.
        set_aside: Files that were damaged.
    """

    saves: int = 0
    saved_apps: int = 0
    seconds: float = 0.0
    failures: int = 0
    last_save_ns: int = 0
    file_bytes: int = 0
    restored_apps: int = 0
    set_aside: int = 0


class StateCollector(Collector):
    """Makes metrics of the numbers.

    Args:
        stats: The numbers.
        pending: Gives how many apps, and bytes of payloads, are not yet saved.
    """

    def __init__(self, stats: StateStats, pending: Callable[[], tuple[int, int]]) -> None:
        self._stats = stats
        self._pending = pending

    def describe(self) -> Iterable[Metric]:
        """Say nothing at registration, instead of being asked for all metrics."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the metric families as they are now."""
        stats = self._stats
        apps, size = self._pending()
        front = "exporter_proxy_state_"
        yield GaugeMetricFamily(
            f"{front}last_save_timestamp_seconds",
            "When nothing was left to save last, in Unix time; 0 before the first time.",
            stats.last_save_ns / 1_000_000_000,
        )
        yield SummaryMetricFamily(
            f"{front}save_duration_seconds",
            "How long it took to write a batch of changes to the state file.",
            count_value=stats.saves,
            sum_value=stats.seconds,
        )
        yield CounterMetricFamily(
            f"{front}saved_apps", "Changes of apps that were saved.", stats.saved_apps
        )
        yield CounterMetricFamily(
            f"{front}save_failures", "Times that changes could not be saved.", stats.failures
        )
        yield GaugeMetricFamily(
            f"{front}pending_apps", "Apps with changes that are not saved yet.", apps
        )
        yield GaugeMetricFamily(
            f"{front}pending_bytes", "Payloads that are kept until they are saved.", size
        )
        yield GaugeMetricFamily(
            f"{front}file_bytes", "Size of the state file and its log.", stats.file_bytes
        )
        yield GaugeMetricFamily(
            f"{front}restored_apps",
            "Apps that the state file brought when the proxy started.",
            stats.restored_apps,
        )
        yield CounterMetricFamily(
            f"{front}files_set_aside", "State files that were found damaged.", stats.set_aside
        )

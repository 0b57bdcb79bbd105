"""What the self-metrics say of connections to the scrape port that nobody answers."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter_proxy.front.front import FrontStats


class FrontCollector(Collector):
    """Reads plain counters when it is asked.

    Args:
        stats: Which.
    """

    def __init__(self, stats: FrontStats) -> None:
        self._stats = stats

    def describe(self) -> Iterable[Metric]:
        """Say nothing at registration, instead of being asked for all metrics."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the metric families as they are now."""
        yield GaugeMetricFamily(
            "exporter_proxy_scrape_port_waiting_connections",
            "Connections to the scrape port that have not said yet what they want.",
            value=self._stats.waiting,
        )
        closed = CounterMetricFamily(
            "exporter_proxy_scrape_port_connections_refused",
            "Connections to the scrape port that ended before a request was there, by reason.",
            labels=("reason",),
        )
        for reason, count in self._stats.closed.items():
            closed.add_metric((reason,), count)
        yield closed

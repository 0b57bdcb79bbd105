"""What the self-metrics say of access."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter_proxy.access.access import AccessStats
from exporter_proxy.access.tls_gate import TlsListener


class AccessCollector(Collector):
    """Reads plain counters when it is asked.

    Args:
        stats: Of HTTP requests and files.
        listeners: Those that may speak TLS, by name.
        refresh: Looks whether files have changed, so that what is said of them is true.
    """

    def __init__(
        self,
        stats: AccessStats,
        listeners: Mapping[str, TlsListener],
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        self._refresh = refresh
        self._stats = stats
        self._listeners = listeners

    def describe(self) -> Iterable[Metric]:
        """Say nothing at registration, instead of being asked for all metrics."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the metric families as they are now."""
        self._refresh()
        refused = CounterMetricFamily(
            "exporter_proxy_http_requests_refused",
            "HTTP requests whose sender may not do what they ask for, by reason.",
            labels=("reason",),
        )
        # All reasons from the start: rate() doesn't see the step from nothing to 1.
        for reason, count in self._stats.refused.items():
            refused.add_metric((reason,), count)
        yield refused
        failed = CounterMetricFamily(
            "exporter_proxy_tls_failures",
            "Connections to a listener that speaks TLS which did not come to use it, by reason.",
            labels=("listener", "reason"),
        )
        for name, listener in self._listeners.items():
            if listener.speaks_tls:
                for why, count in listener.stats.failures.items():
                    failed.add_metric((name, why), count)
        if failed.samples:
            yield failed
        successful = GaugeMetricFamily(
            "exporter_proxy_access_last_reload_successful",
            "Whether files were usable when they last changed; else what they had before counts.",
            labels=("files",),
        )
        failures = CounterMetricFamily(
            "exporter_proxy_access_reload_failures",
            "How often files had changed and were not usable.",
            labels=("files",),
        )
        reloads = self._stats.reloads
        for files, good in sorted(reloads.successful.items()):
            successful.add_metric((files,), int(good))
            failures.add_metric((files,), reloads.failures[files])
        if successful.samples:
            yield successful
            yield failures

"""What the proxy tells about itself: one more row of the page, and a page of its own."""

import logging
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from exporter_proxy import __version__
from exporter_proxy.errors import RejectReason
from exporter_proxy.exposition.series import family, sample
from exporter_proxy.guests import GuestState
from exporter_proxy.repeats import Streak
from exporter_proxy.sources.base import ClosingReason, Source, TargetStatus
from exporter_proxy.table import Table

logger = logging.getLogger(__name__)


CutReason = Literal["timeout", "generation"]


class ScrapeStats:
    """Plain counters of the scrapes, written by the metrics view."""

    __slots__ = ("cut", "evicted", "failing", "failures", "scrapes", "seconds")

    def __init__(self) -> None:
        # readers that were disconnected as they were too slow
        self.cut: Counter[CutReason] = Counter()
        # connections that were closed to make place, by what they were doing
        self.evicted: Counter[GuestState] = Counter()
        self.scrapes = 0
        self.failures = 0
        # whether the last scrape of the whole page ended in an error of ours
        self.failing = False
        # until the page was ready to be sent, all scrapes together
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count a scrape whose page was ready after ``seconds``."""
        self.scrapes += 1
        self.seconds += seconds


class SelfMetrics:
    """Renders the self-metrics.

    Args:
        table: Whose apps are counted.
        sources: All that write the table.
        targets: Gives the state of every polled target; a target is a label value and has to be
            named once.
        interval: Seconds for which what was rendered is kept.
        monotonic: The clock for ``interval``.
        others: Tell of what only some proxies have.
    """

    def __init__(
        self,
        table: Table,
        sources: Sequence[Source],
        targets: Callable[[], Iterable[TargetStatus]],
        interval: float,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        others: Iterable[Collector] = (),
    ) -> None:
        self.scrapes = ScrapeStats()
        self._targets = targets
        self._interval = interval
        self._monotonic = monotonic
        # A registry of our own: prometheus-client's global one has unprefixed process metrics.
        self._registry = CollectorRegistry()
        self._registry.register(_ProxyCollector(table, sources, self.scrapes))
        for collector in others:
            self._registry.register(collector)
        ProcessCollector(namespace="exporter_proxy", registry=self._registry)
        self._streak = Streak(logger, "rendering of the self-metrics", monotonic=monotonic)
        self._rendered = b""
        self._render_at = float("-inf")

    def set_interval(self, interval: float) -> None:
        """Change how long what is rendered is kept; what was rendered before is not."""
        if interval != self._interval:
            self._interval = interval
            self._render_at = float("-inf")

    def render(self) -> bytes:
        """Return all self-metrics but those of apps; the same object until ``interval`` passed."""
        now = self._monotonic()
        if now >= self._render_at:
            self._render_at = now + self._interval
            try:
                self._rendered = generate_latest(self._registry) + _render_targets(self._targets())
                self._streak.worked()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged
                # The last ones stay: our own metrics must never cost the apps theirs.
                self._streak.failed(repr(error), level=logging.ERROR, bug=error)
        return self._rendered


def _render_targets(targets: Iterable[TargetStatus]) -> bytes:
    """Render the state of polled targets, of which there may be thousands."""
    # Two series of the same labels would make Prometheus refuse the page.
    by_name = {status.target: status for status in targets}
    if not by_name:
        return b""
    polled = {name: status for name, status in by_name.items() if status.up is not None}
    up, duration = "exporter_proxy_poll_up", "exporter_proxy_poll_duration_seconds"
    polls, failures = "exporter_proxy_polls_total", "exporter_proxy_poll_failures_total"
    return b"".join(
        [
            family(up, "gauge", "Whether the last poll of the target succeeded."),
            *(sample(up, [("target", t)], int(bool(s.up))) for t, s in polled.items()),
            family(duration, "gauge", "How long the last poll of the target took."),
            *(sample(duration, [("target", t)], s.duration_seconds) for t, s in polled.items()),
            family(polls, "counter", "Polls of the target that ended, failed ones too."),
            *(sample(polls, [("target", t)], s.polls) for t, s in by_name.items()),
            family(failures, "counter", "Polls of the target that failed, by reason."),
            *(
                sample(failures, [("target", t), ("reason", reason)], count)
                for t, s in by_name.items()
                for reason, count in sorted(s.failures.items())
            ),
        ]
    )


class _ProxyCollector(Collector):
    """Reads the plain counters of table, sources and scrapes when it is asked."""

    def __init__(self, table: Table, sources: Sequence[Source], scrapes: ScrapeStats) -> None:
        self._table = table
        self._sources = sources
        self._scrapes = scrapes

    def describe(self) -> Iterable[Metric]:
        """Say nothing at registration, instead of being asked for all metrics."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the metric families as they are now."""
        build = GaugeMetricFamily(
            "exporter_proxy_build_info",
            "The version of exporter-proxy and of Python; always 1.",
            labels=("version", "python_version"),
        )
        build.add_metric((__version__, platform.python_version()), 1)
        yield build
        yield GaugeMetricFamily("exporter_proxy_apps", "Apps in the table.", len(self._table))
        yield GaugeMetricFamily(
            "exporter_proxy_max_apps",
            "Apps that the table takes (exporter.max_apps).",
            self._table.max_apps,
        )
        yield from self._by_source()
        yield from self._by_reason()
        scrapes = self._scrapes
        yield CounterMetricFamily(
            "exporter_proxy_scrapes", "Scrapes of /metrics and /metrics/self.", scrapes.scrapes
        )
        yield CounterMetricFamily(
            "exporter_proxy_scrape_failures",
            "Scrapes that ended in an error of the proxy.",
            scrapes.failures,
        )
        cut = CounterMetricFamily(
            "exporter_proxy_scrapes_cut",
            "Scrapes whose readers were too slow and were disconnected, by reason.",
            labels=("reason",),
        )
        for reason in get_args(CutReason):
            cut.add_metric((reason,), scrapes.cut[reason])
        yield cut
        evicted = CounterMetricFamily(
            "exporter_proxy_scrape_connections_evicted",
            "Connections to the scrape port that were closed as few file descriptors were left.",
            labels=("state",),
        )
        for state in get_args(GuestState):
            evicted.add_metric((state,), scrapes.evicted[state])
        yield evicted
        yield SummaryMetricFamily(
            "exporter_proxy_scrape_duration_seconds",
            "Time from the request of a scrape until its page was ready to be sent.",
            count_value=scrapes.scrapes - scrapes.failures,
            sum_value=scrapes.seconds,
        )

    def _by_source(self) -> Iterator[Metric]:
        updates = CounterMetricFamily(
            "exporter_proxy_updates", "Updates of apps by the source.", labels=("source",)
        )
        connections = CounterMetricFamily(
            "exporter_proxy_connections", "Connections that the source took.", labels=("source",)
        )
        opened = GaugeMetricFamily(
            "exporter_proxy_open_connections", "Open connections of the source.", labels=("source",)
        )
        for source in self._sources:
            labels = (_unicode(source.name),)
            updates.add_metric(labels, source.stats.updates)
            if source.stats.listens:
                connections.add_metric(labels, source.stats.connections)
                opened.add_metric(labels, source.stats.open_connections)
        return iter((updates, connections, opened))

    def _by_reason(self) -> Iterator[Metric]:
        rejected = CounterMetricFamily(
            "exporter_proxy_rejected_messages",
            "Messages that the source refused, by reason; their senders were told.",
            labels=("source", "reason"),
        )
        closed = CounterMetricFamily(
            "exporter_proxy_closed_connections",
            "Connections that the proxy closed although nothing was wrong with a message.",
            labels=("source", "reason"),
        )
        for source in self._sources:
            if not source.stats.listens:
                continue
            name = _unicode(source.name)
            # All reasons from the start: rate() doesn't see the step from nothing to 1.
            for reason in get_args(RejectReason):
                rejected.add_metric((name, reason), source.stats.rejected[reason])
            for closing in get_args(ClosingReason):
                closed.add_metric((name, closing), source.stats.closed_connections[closing])
        return iter((rejected, closed))


def _unicode(text: str) -> str:
    """Return ``text`` with escapes for what is not Unicode, such as parts of a socket's path."""
    return text.encode(errors="backslashreplace").decode()

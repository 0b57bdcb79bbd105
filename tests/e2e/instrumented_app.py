"""An application with everything that prometheus-client has; run as a program, with a port."""

import signal
import sys
import time
from collections.abc import Iterator

from prometheus_client import (
    REGISTRY,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    Metric,
    Summary,
    start_http_server,
)
from prometheus_client.core import (
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    UnknownMetricFamily,
)
from prometheus_client.registry import Collector


class Collected(Collector):
    """What applications don't observe themselves, but pass on."""

    def __init__(self) -> None:
        # Exact in milliseconds and as a float: it is the same in both formats.
        self._time = int(time.time()) + 0.125

    def collect(self) -> Iterator[Metric]:
        """Yield the rest of the types, and a sample with a timestamp."""
        yield UnknownMetricFamily("shop_legacy", "Nobody knows what this is.", value=0.1)
        buckets = [("0.5", 1.0), ("1.0", 2.0), ("+Inf", 4.0)]
        yield GaugeHistogramMetricFamily("shop_waiting", "Now in line.", buckets, gsum_value=7.5)
        dated = GaugeMetricFamily("shop_weighed_bytes", "With a timestamp.", unit="bytes")
        dated.add_metric([], 1e-9, timestamp=self._time)
        yield dated


def observe() -> None:
    """Fill the registry."""
    orders = Counter("shop_orders", 'Orders\ntaken, with a \\ and a "quote".', ["shop", "paid"])
    orders.labels('a "b" \\ c\nd', "yes").inc(3, exemplar={"trace_id": "4bf92f3577b34da6"})
    orders.labels("größe, 日本", "").inc(2**53 + 2)
    Counter("shop_starts", "Without labels.").inc()
    took = Histogram(
        "shop_duration_seconds", "Time.", ["step"], unit="seconds", buckets=(0.1, 1, 10)
    )
    for seconds in (0.05, 0.5, 5, 50):
        took.labels("pack").observe(seconds, exemplar={"trace_id": f"t{seconds}"})
    took.labels("ship")
    sizes = Summary("shop_sizes", "Sizes.", ["kind"])
    sizes.labels("parcel").observe(0.1)
    sizes.labels("parcel").observe(0.2)
    gauges = Gauge("shop_gauge", "Values that are special.", ["is"])
    for value in (float("nan"), float("inf"), float("-inf"), -0.0, 1e300, 5e-324):
        gauges.labels(repr(value)).set(value)
    Info("shop", "What runs.").info({"version": "1.2.3", "edition": "e{x}"})
    Enum("shop_state", "Open or not.", states=["open", "closed"]).state("closed")
    REGISTRY.register(Collected())


def main() -> None:
    """Serve until told to end."""
    observe()
    start_http_server(int(sys.argv[1]), "127.0.0.1")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()

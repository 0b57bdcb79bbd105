"""Push of a small app while a table of 1,000,000 samples is scraped and pushed all the time."""

import itertools
import time
from collections.abc import Iterator
from statistics import median

import payloads
from load import push_stream, push_times
from report import Figure, micro, percentile
from scale import Scale
from servers import Bench

_AIM_SECONDS = 0.020
# As if each of 1,000 apps pushed every five seconds.
_PUSHES_A_SECOND = 200
_SAMPLES = 4
_PAUSE_SECONDS = 0.01
_WARM_SECONDS = 1.0


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield one figure."""
    apps = scale.pages[1]
    proxy = bench.proxy(exporter={"exposition": "merged"})
    push_stream(b"".join(payloads.large_messages(apps)), 1, unix=proxy.unix)
    texts = (payloads.exposition(_SAMPLES, f"small_{number}") for number in range(2))
    messages = itertools.cycle([payloads.message("small", text) for text in texts])
    count = scale.paced_pushes * scale.page_rounds
    quiet = push_times(messages, scale.paced_pushes, proxy.unix, _PAUSE_SECONDS)
    loads = [
        bench.script("load_pushes.py", proxy.unix, str(apps), str(_PUSHES_A_SECOND)),
        # The next scrape begins when the last has ended.
        bench.script("load_scrapes.py", str(proxy.http_port), "0"),
    ]
    time.sleep(_WARM_SECONDS)
    before, started = proxy.cpu_ns(), time.perf_counter()
    busy = push_times(messages, count, proxy.unix, _PAUSE_SECONDS)
    share = (proxy.cpu_ns() - before) / 1e9 / (time.perf_counter() - started)
    for load in loads:
        if load.process.poll() is not None:
            raise RuntimeError("what was to keep the server busy has ended")
        load.stop()
    tail = percentile(busy, 99)
    samples = apps * payloads.SAMPLES_AN_APP
    shown = [micro(seconds * 1e9) for seconds in (tail, median(busy), max(busy))]
    yield Figure(
        f"push of {_SAMPLES} samples, {samples:,} samples scraped and pushed",
        f"p99 {shown[0]}, median {shown[1]}, most {shown[2]}",
        [
            f"p99 {micro(percentile(quiet, 99) * 1e9)} with nothing else to do",
            f"{_PUSHES_A_SECOND} pushes a second, scrapes without pause: {share:.0%} of a core",
        ],
        aim=f"p99 below {_AIM_SECONDS * 1e3:.0f} ms",
        met=tail < _AIM_SECONDS,
    )

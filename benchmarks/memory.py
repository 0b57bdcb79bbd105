"""Memory of a table of 1,000,000 samples that is pushed and scraped with gzip."""

import time
from collections.abc import Iterator

import payloads
from cpu import peak_bytes
from load import push_stream
from report import Figure, mib
from scale import Scale
from servers import Bench

_AIM = 3.0
_INTERVAL_SECONDS = 5.0


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield one figure."""
    apps = scale.pages[1]
    proxy = bench.proxy(exporter={"exposition": "merged"})
    messages = payloads.large_messages(apps)
    size = sum(len(payloads.large_app(f"app_{number}")) for number in range(apps))
    push_stream(b"".join(messages), 1, unix=proxy.unix)
    filled = proxy.rss()
    del messages
    loads = [
        bench.script("load_pushes.py", proxy.unix, str(apps), str(apps / _INTERVAL_SECONDS)),
        bench.script("load_scrapes.py", str(proxy.http_port), str(_INTERVAL_SECONDS)),
    ]
    resident = []
    until = time.monotonic() + scale.steady_seconds
    while time.monotonic() < until:
        time.sleep(0.1)
        resident.append(proxy.rss())
    for load in loads:
        if load.process.poll() is not None:
            raise RuntimeError("pushes or scrapes have ended before their time")
        load.stop()
    after = proxy.rss()
    steady = resident[len(resident) // 2 :]
    yield Figure(
        f"memory, {apps * payloads.SAMPLES_AN_APP:,} samples, pushed and scraped with gzip "
        f"every {_INTERVAL_SECONDS:.0f} s for {scale.steady_seconds:.0f} s",
        f"{mib(after)}, peak {mib(peak_bytes(proxy.pid))}",
        [
            f"{mib(size)} of exposition text",
            f"{mib(filled)} when filled, before the first scrape",
            f"{mib(min(steady))} to {mib(max(steady))} in the second half",
        ],
        after / size,
        f"at most {_AIM:g} x the text",
        after / size <= _AIM,
    )

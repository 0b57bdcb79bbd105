"""One app of 1,000 pushed between two gzip scrapes, beside compressing the whole page once."""

import itertools
import time
from collections.abc import Iterator
from statistics import median

import payloads
from isal import igzip
from load import HttpLoad, push_stream
from report import Figure, median_ratio, micro
from scale import Scale
from servers import Bench

_AIM = 1 / 5
# A push costs too little to be measured alone.
_ROUNDS = 4


def run(_: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield a figure for families of each app's own, and for such that all apps share."""
    apps = scale.pages[1]
    for own in (True, False):
        with Bench() as bench:
            yield _figure(bench, apps, scale.page_rounds * _ROUNDS, own=own)


def _figure(bench: Bench, apps: int, rounds: int, *, own: bool) -> Figure:
    proxy = bench.proxy(exporter={"exposition": "merged"})
    push_stream(b"".join(payloads.large_messages(apps, own=own)), 1, unix=proxy.unix)
    plain = HttpLoad(proxy.http_port, "/metrics", gzip=False, connections=1)
    page = plain.body()
    plain.close()
    load = HttpLoad(proxy.http_port, "/metrics", gzip=True, connections=1)
    load.scrape(2)
    ours: list[float] = []
    pushes: list[float] = []
    unchanged: list[float] = []
    whole: list[float] = []
    # Apps from all over the table, each time with other values.
    numbers = itertools.islice(itertools.cycle(range(0, apps, max(1, apps // 7))), rounds + 1)
    for count, number in enumerate(numbers):
        name = f"app_{number}"
        message = payloads.message(name, payloads.large_app(name, variant=1 + count % 2, own=own))
        before = proxy.cpu_ns()
        push_stream(message, 1, unix=proxy.unix)
        pushed = proxy.cpu_ns()
        load.scrape(1)
        scraped = proxy.cpu_ns()
        load.scrape(1)
        again = proxy.cpu_ns()
        if count:
            ours.append(scraped - before)
            pushes.append(pushed - before)
            unchanged.append(again - scraped)
            whole.append(_compress(page))
    load.close()
    ratio = median_ratio(ours, whole)
    kind = "families of its own" if own else f"the {payloads.FAMILIES} families of all apps"
    figure = Figure(
        f"/metrics, {apps * payloads.SAMPLES_AN_APP:,} samples, one app pushed, gzip, {kind}",
        f"{micro(median(ours))} push and scrape",
        [f"{micro(median(whole))} isal compressing the whole page"],
        ratio,
        f"at most 1/{1 / _AIM:.0f} of compressing the whole page",
        ratio <= _AIM,
    )
    if not figure.met:
        rest = median(ours) - median(pushes) - median(unchanged)
        figure.breakdown = [
            f"{micro(median(pushes))} the push",
            f"{micro(median(unchanged))} a scrape of the unchanged page: sending it",
            f"{micro(rest)} reading the payload, laying the page out, compressing what changed",
        ]
    return figure


def _compress(page: bytes) -> float:
    started = time.thread_time_ns()
    igzip.compress(page, 1)
    return time.thread_time_ns() - started

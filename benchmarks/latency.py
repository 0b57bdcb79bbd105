"""How long a push of 1,000 samples takes, by the number of apps in the table."""

import itertools
from collections.abc import Iterator
from statistics import median

import payloads
from load import push_stream, push_times
from report import Figure, micro, percentile
from scale import Scale
from servers import Bench, Proxy

_TIMES = 1.3
# As many are pushed to, whatever the size of the table.
_PUSHED = 10
# What the others have: the table is to be long, not the page.
_SMALL = 10
_PAUSE_SECONDS = 0.01
_SCRAPE_SECONDS = 1.0


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield a figure without scrapes, and one with a scrape a second."""
    proxies = {apps: _start(bench, apps) for apps in scale.tables}
    for scraped in (False, True):
        yield _figure(bench, proxies, scale, scraped=scraped)


def _start(bench: Bench, apps: int) -> Proxy:
    proxy = bench.proxy(exporter={"exposition": "merged"})
    names = [f"app_{number}" for number in range(apps)]
    small = (payloads.message(name, payloads.exposition(_SMALL, name)) for name in names[_PUSHED:])
    large = (payloads.message(name, payloads.large_app(name)) for name in names[:_PUSHED])
    push_stream(b"".join((*large, *small)), 1, unix=proxy.unix)
    return proxy


def _figure(bench: Bench, proxies: dict[int, Proxy], scale: Scale, *, scraped: bool) -> Figure:
    names = [f"app_{number}" for number in range(min(_PUSHED, *proxies))]
    texts = ((name, payloads.large_app(name, variant=each)) for each in (1, 2) for name in names)
    messages = itertools.cycle([payloads.message(*text) for text in texts])
    seconds: dict[int, list[list[float]]] = {apps: [] for apps in proxies}
    costs: dict[int, list[float]] = {apps: [] for apps in proxies}
    for number in range(scale.page_rounds + 1):
        for apps, proxy in proxies.items():
            scraper = None
            if scraped:
                every = [str(proxy.http_port), str(_SCRAPE_SECONDS)]
                scraper = bench.script("load_scrapes.py", *every)
            before = proxy.cpu_ns()
            pause = _PAUSE_SECONDS if scraped else 0.0
            took = push_times(messages, scale.paced_pushes, proxy.unix, pause)
            if number:
                costs[apps].append((proxy.cpu_ns() - before) / len(took))
                seconds[apps].append(took)
            if scraper is not None:
                scraper.stop()
    tails = {
        apps: [percentile(took, 99) * 1e9 for took in rounds] for apps, rounds in seconds.items()
    }
    least, most = (tails[chosen(proxies)] for chosen in (min, max))
    ratio = median(one / other for one, other in zip(most, least, strict=True))
    peers = [f"median {' / '.join(micro(_median(rounds)) for rounds in seconds.values())}"]
    if not scraped:
        peers.append(f"CPU {' / '.join(micro(median(each)) for each in costs.values())}")
    return Figure(
        f"push of 1,000 samples, {_counts(proxies)} apps"
        + (", a scrape every second" if scraped else ""),
        f"p99 {' / '.join(micro(median(each)) for each in tails.values())}",
        peers,
        ratio,
        f"p99 at most {_TIMES:g} x that of {min(proxies)} apps",
        ratio <= _TIMES,
    )


def _counts(proxies: dict[int, Proxy]) -> str:
    return " / ".join(f"{apps:,}" for apps in proxies)


def _median(rounds: list[list[float]]) -> float:
    return median(itertools.chain.from_iterable(rounds)) * 1e9

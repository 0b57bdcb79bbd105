"""Push of a small app beside one that is as large as it may be, and beside a huge polled page."""

import itertools
import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median
from urllib.request import urlopen

import payloads
from load import push_times
from report import Figure, median_ratio, micro, percentile
from scale import Scale
from servers import Bench, Proxy, Server, free_port

_AIM_TIMES = 2.0
_SAMPLES = 4
_PAUSE_SECONDS = 0.01
_SCRAPE_SECONDS = 1.0
_WARM_SECONDS = 1.0
_WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """What is pushed or polled beside the small app.

    Attributes:
        name: For the table.
        sections: Of the proxy's configuration.
        start: Begins to push; None: the proxy polls from its start on.
        app: By which app of the table it is known that it has begun.
    """

    name: str
    sections: Mapping[str, Mapping[str, object]]
    start: Callable[[Proxy], Server] | None
    app: str


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield a figure for each neighbour."""
    size = scale.flood_bytes
    for wire, name in (("json", "JSON"), ("capnp", "Cap'n Proto")):
        flood = partial(_flood, bench, wire, size)
        title = f"messages of {size / 2**20:.0f} MiB, {name}"
        yield _figure(bench, scale, _Neighbour(title, {}, flood, "flood"))
    port = free_port()
    bench.script("load_target.py", str(port), str(scale.polled_bytes))
    url, app = f"http://127.0.0.1:{port}/metrics", f"external_poll: 127.0.0.1:{port}"
    poll = {
        "poll_other_scrape_endpoints": True,
        "other_scrape_endpoints": [url],
        "max_body_size": "4GiB",
        "poll_interval": 5,
        "client_timeout": 300,
    }
    samples = scale.polled_bytes // payloads.SAMPLE_BYTES
    title = f"a polled page of {samples / 1e6:.1f}M samples"
    yield _figure(bench, scale, _Neighbour(title, {"poll_external": poll}, None, app))


def _flood(bench: Bench, wire: str, size: int, proxy: Proxy) -> Server:
    return bench.script("load_flood.py", proxy.unix, wire, str(size))


def _figure(bench: Bench, scale: Scale, neighbour: _Neighbour) -> Figure:
    """Measure two proxies in turns: one with the neighbour, one without."""
    quiet = bench.proxy()
    # A message that is under way stands still while it is the other's turn.
    beside = bench.proxy(**{"receiver": {"message_timeout": 120}, **neighbour.sections})
    load = [] if neighbour.start is None else [neighbour.start(beside)]
    _wait_for(beside, neighbour.app)
    texts = (payloads.exposition(_SAMPLES, f"small_{number}") for number in range(2))
    messages = itertools.cycle([payloads.message("small", text) for text in texts])
    tails: dict[str, list[float]] = {"quiet": [], "beside": []}
    middles: dict[str, list[float]] = {"quiet": [], "beside": []}
    most, shares = 0.0, []
    for number in range(scale.page_rounds + 1):
        _stop([beside, *load])
        took, _ = _turn(bench, quiet, messages, scale.paced_pushes)
        rounds = {"quiet": took}
        _go_on([beside, *load])
        rounds["beside"], share = _turn(bench, beside, messages, scale.paced_pushes)
        if number:
            shares.append(share)
            most = max(most, *rounds["beside"])
            for name, took in rounds.items():
                tails[name].append(percentile(took, 99))
                middles[name].append(median(took))
    for server in (quiet, beside, *load):
        server.stop()
    ratio = median_ratio(tails["beside"], tails["quiet"])
    shown = [micro(median(each) * 1e9) for each in (tails["beside"], middles["beside"])]
    alone = [micro(median(each) * 1e9) for each in (tails["quiet"], middles["quiet"])]
    return Figure(
        f"push of {_SAMPLES} samples beside {neighbour.name}",
        f"p99 {shown[0]}, median {shown[1]}, most {micro(most * 1e9)}",
        [
            f"p99 {alone[0]}, median {alone[1]} without it",
            f"a scrape every second: {median(shares):.0%} of a core",
        ],
        ratio,
        f"p99 at most {_AIM_TIMES:g} x that without",
        ratio <= _AIM_TIMES,
    )


def _turn(
    bench: Bench, proxy: Proxy, messages: Iterator[bytes], count: int
) -> tuple[list[float], float]:
    """Push to a proxy that is scraped; return the seconds of each push, and its share of a core."""
    scraper = bench.script("load_scrapes.py", str(proxy.http_port), str(_SCRAPE_SECONDS))
    time.sleep(_WARM_SECONDS)
    before, started = proxy.cpu_ns(), time.perf_counter()
    took = push_times(messages, count, proxy.unix, _PAUSE_SECONDS)
    share = (proxy.cpu_ns() - before) / 1e9 / (time.perf_counter() - started)
    if scraper.process.poll() is not None:
        raise RuntimeError("the scraper has ended")
    scraper.stop()
    return took, share


def _wait_for(proxy: Proxy, app: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    url = f"http://127.0.0.1:{proxy.http_port}/apps?format=json"
    while True:
        with urlopen(url, timeout=_WAIT_SECONDS) as answer:
            apps = json.load(answer)["apps"]
        if any(each["app"] == app and each["bytes"] for each in apps):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"no metrics of {app} after {_WAIT_SECONDS:g} s")
        time.sleep(0.1)


def _stop(servers: Iterable[Server]) -> None:
    for server in servers:
        if server.process.poll() is not None:
            raise RuntimeError("a neighbour has ended")
        server.process.send_signal(signal.SIGSTOP)


def _go_on(servers: Iterable[Server]) -> None:
    for server in servers:
        server.process.send_signal(signal.SIGCONT)

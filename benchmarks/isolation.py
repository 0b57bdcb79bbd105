"""Push of a small app beside one that is as large as it may be, and beside a huge polled page.

A neighbour costs others by what it costs the machine, too: the same bytes go to a server that only
drains them, while an idle proxy is pushed to.
"""

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from urllib.request import urlopen

import payloads
from cpu import waited_ns
from load import PacedPush, paced_pushes
from report import Figure, median_ratio, micro, percentile
from scale import Scale
from servers import HERE, Bench, Proxy, Server, free_port

_AIM_TIMES = 2.0
_SAMPLES = 4
_PAUSE_SECONDS = 0.01
_SCRAPE_SECONDS = 1.0
_POLL_SECONDS = 5.0
_WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """What is pushed or polled beside the small app.

    Attributes:
        name: For the table.
        sections: Of the proxy's configuration.
        start: Begins to push; None: the proxy polls from its start on.
        elsewhere: Does the same to a server that only drains it, given how often a second the proxy
            could take it; gives all that runs for that.
        app: By which app of the table it is known that it has begun.
    """

    name: str
    sections: Mapping[str, Mapping[str, object]]
    start: Callable[[Proxy], Server] | None
    elsewhere: Callable[[float], list[Server]]
    app: str


@dataclass(slots=True)
class _Times:
    """Seconds of pushes to one proxy, a number for each round.

    Attributes:
        tail: The 99th percentile.
        middle: The median.
        unhindered: The 99th percentile without what client and proxy have waited for a CPU.
        most: The longest of all.
        share: Of a core that the proxy used.
    """

    tail: list[float] = field(default_factory=list)
    middle: list[float] = field(default_factory=list)
    unhindered: list[float] = field(default_factory=list)
    most: float = 0.0
    share: list[float] = field(default_factory=list)

    def add(self, pushes: list[PacedPush], share: float) -> None:
        """Add a round."""
        took = [push.seconds for push in pushes]
        self.tail.append(percentile(took, 99))
        self.middle.append(median(took))
        # What was waited in part before the push counts as a whole.
        served = [max(0.0, push.seconds - push.grown / 1e9) for push in pushes]
        self.unhindered.append(percentile(served, 99))
        self.most = max(self.most, *took)
        self.share.append(share)


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield a figure for each neighbour."""
    size = scale.flood_bytes
    for wire, name in (("json", "JSON"), ("capnp", "Cap'n Proto")):
        flood = partial(_flood, bench, wire, size)
        elsewhere = partial(_flood_elsewhere, bench, wire, size)
        title = f"messages of {size / 2**20:.0f} MiB, {name}"
        yield _figure(bench, scale, _Neighbour(title, {}, flood, elsewhere, "flood"))
    port = free_port()
    bench.script("load_target.py", str(port), str(scale.polled_bytes))
    url, app = f"http://127.0.0.1:{port}/metrics", f"external_poll: 127.0.0.1:{port}"
    poll = {
        "poll_other_scrape_endpoints": True,
        "other_scrape_endpoints": [url],
        "max_body_size": "4GiB",
        "poll_interval": _POLL_SECONDS,
        "client_timeout": 300,
    }
    samples = scale.polled_bytes // payloads.SAMPLE_BYTES
    title = f"a polled page of {samples / 1e6:.1f}M samples"
    elsewhere = partial(_poll_elsewhere, bench, scale.polled_bytes)
    yield _figure(bench, scale, _Neighbour(title, {"poll_external": poll}, None, elsewhere, app))


def _flood(bench: Bench, wire: str, size: int, proxy: Proxy) -> Server:
    return bench.script("load_flood.py", proxy.unix, wire, str(size))


def _flood_elsewhere(bench: Bench, wire: str, size: int, rate: float) -> list[Server]:
    drain = bench.floor("floor_drain.py")
    return [drain, bench.script("load_flood.py", drain.unix, wire, str(size), str(size * rate))]


def _poll_elsewhere(bench: Bench, size: int, _: float) -> list[Server]:
    port = free_port()
    command = [sys.executable, str(HERE / "load_target.py"), str(port), str(size)]
    target = bench.start(command, port=port)
    return [target, bench.script("load_drain.py", str(port), str(_POLL_SECONDS))]


def _figure(bench: Bench, scale: Scale, neighbour: _Neighbour) -> Figure:
    """Measure two proxies in turns: one with the neighbour; one without, and with it elsewhere."""
    quiet = bench.proxy()
    # A message that is under way stands still while it is the other's turn.
    beside = bench.proxy(**{"receiver": {"message_timeout": 120}, **neighbour.sections})
    load = [] if neighbour.start is None else [neighbour.start(beside)]
    _wait_for(beside, neighbour.app)
    rate = (
        0.0
        if neighbour.start is None
        else _updates_a_second(beside, neighbour.app, 3 * scale.warm_seconds)
    )
    _stop([beside, *load])
    elsewhere = neighbour.elsewhere(rate)
    texts = (payloads.exposition(_SAMPLES, f"small_{number}") for number in range(2))
    messages = itertools.cycle([payloads.message("small", text) for text in texts])
    turns = {
        "alone": (quiet, []),
        "elsewhere": (quiet, elsewhere),
        "beside": (beside, [beside, *load]),
    }
    times = {name: _Times() for name in turns}
    _stop(elsewhere)
    for number in range(scale.page_rounds + 1):
        for name, (proxy, others) in turns.items():
            _go_on(others)
            pushes, share = _turn(bench, proxy, messages, scale)
            _stop(others)
            if number:
                times[name].add(pushes, share)
    # One that stands still does not end when it is told to.
    _go_on([beside, *load, *elsewhere])
    for server in (*load, *elsewhere, quiet, beside):
        server.stop()
    return _shown(neighbour, **times)


def _shown(neighbour: _Neighbour, alone: _Times, elsewhere: _Times, beside: _Times) -> Figure:
    ratio = median_ratio(beside.tail, alone.tail)
    to_machine = median_ratio(beside.tail, elsewhere.tail)
    unhindered = [median_ratio(beside.unhindered, other.unhindered) for other in (alone, elsewhere)]
    return Figure(
        f"push of {_SAMPLES} samples beside {neighbour.name}",
        f"{_p99_and_median(beside)}, most {micro(beside.most * 1e9)}",
        [
            f"{_p99_and_median(alone)} without it: {ratio:.2f} x",
            f"{_p99_and_median(elsewhere)} its bytes just drained: {to_machine:.2f} x",
            f"but for waits for a CPU p99 {_p99(beside.unhindered)}:",
            f"p99 {_p99(alone.unhindered)} without it: {unhindered[0]:.2f} x",
            f"p99 {_p99(elsewhere.unhindered)} its bytes just drained: {unhindered[1]:.2f} x",
            f"a scrape every second: {median(beside.share):.0%} of a core",
        ],
        ratio,
        f"p99 at most {_AIM_TIMES:g} x that without",
        ratio <= _AIM_TIMES,
    )


def _p99_and_median(times: _Times) -> str:
    return f"p99 {_p99(times.tail)}, median {micro(median(times.middle) * 1e9)}"


def _p99(tails: list[float]) -> str:
    return micro(median(tails) * 1e9)


def _turn(
    bench: Bench, proxy: Proxy, messages: Iterator[bytes], scale: Scale
) -> tuple[list[PacedPush], float]:
    """Push to a proxy that is scraped; return the pushes, and its share of a core."""
    scraper = bench.script("load_scrapes.py", str(proxy.http_port), str(_SCRAPE_SECONDS))
    time.sleep(scale.warm_seconds)
    before, started = proxy.cpu_ns(), time.perf_counter()

    def waited() -> int:
        return waited_ns(os.getpid()) + waited_ns(proxy.pid)

    pushes = paced_pushes(messages, scale.paced_pushes, proxy.unix, _PAUSE_SECONDS, waited)
    share = (proxy.cpu_ns() - before) / 1e9 / (time.perf_counter() - started)
    if scraper.process.poll() is not None:
        raise RuntimeError("the scraper has ended")
    scraper.stop()
    return pushes, share


def _updates_a_second(proxy: Proxy, app: str, seconds: float) -> float:
    """Return how often an app is pushed."""
    counted, started = _app(proxy, app)["updates"], time.perf_counter()
    time.sleep(seconds)
    return (_app(proxy, app)["updates"] - counted) / (time.perf_counter() - started)


def _wait_for(proxy: Proxy, app: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not _app(proxy, app).get("bytes"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no metrics of {app} after {_WAIT_SECONDS:g} s")
        time.sleep(0.1)


def _app(proxy: Proxy, name: str) -> dict[str, int]:
    """Return what the proxy tells of an app; nothing if there is none."""
    url = f"http://127.0.0.1:{proxy.http_port}/apps?format=json"
    with urlopen(url, timeout=_WAIT_SECONDS) as answer:
        apps = json.load(answer)["apps"]
    return next((each for each in apps if each["app"] == name), {})


def _stop(servers: Iterable[Server]) -> None:
    for server in servers:
        if server.process.poll() is not None:
            raise RuntimeError("a neighbour has ended")
        server.process.send_signal(signal.SIGSTOP)


def _go_on(servers: Iterable[Server]) -> None:
    for server in servers:
        server.process.send_signal(signal.SIGCONT)

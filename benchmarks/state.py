"""What it costs to keep the table on disk: a push with a state file beside one without."""

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import payloads
from load import push_stream, push_times
from report import Figure, median_ratio, mib, micro, percentile
from scale import Scale
from servers import Bench, Proxy

_APPS = 100
_PAUSE_SECONDS = 0.005
# What was pushed is on disk then, and counted.
_SAVED_SECONDS = 1.0
# The file is looked at after so many tables have been pushed, and again after so many more.
_TABLES = 10


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield CPU and time of pushes, the size of the file, and the time of a restart."""
    file = bench.directory / "state.db"
    with_file = bench.proxy(exporter={"state_file": str(file)})
    proxies = [with_file, bench.proxy()]
    for samples in (4, payloads.SAMPLES_AN_APP):
        yield _pushes(proxies, samples, scale)
    yield _file_size(with_file, file)
    with_file.stop()
    yield _restart(bench, scale)


def _pushes(proxies: Sequence[Proxy], samples: int, scale: Scale) -> Figure:
    messages = itertools.cycle(payloads.json_messages(samples, _APPS))
    costs: list[list[float]] = [[] for _ in proxies]
    tails: list[list[float]] = [[] for _ in proxies]
    for number in range(scale.rounds + 1):
        for proxy, cost, tail in zip(proxies, costs, tails, strict=True):
            before = proxy.cpu_ns()
            took = push_times(messages, scale.paced_pushes, proxy.unix, _PAUSE_SECONDS)
            time.sleep(_SAVED_SECONDS)
            if number:
                cost.append((proxy.cpu_ns() - before) / len(took))
                tail.append(percentile(took, 99) * 1e9)
    shown = [
        f"{micro(median(cost))}, p99 {micro(median(tail))}"
        for cost, tail in zip(costs, tails, strict=True)
    ]
    return Figure(
        f"push of {samples:,} samples with a state file, {_APPS} apps, "
        f"{1 / _PAUSE_SECONDS:,.0f}/s on disk within a second",
        shown[0],
        [f"{shown[1]} without", f"p99 {median_ratio(*tails):.2f} x that without"],
        median_ratio(*costs),
    )


def _file_size(proxy: Proxy, file: Path) -> Figure:
    messages = payloads.large_messages(_APPS)
    size = sum(len(payloads.large_app(f"app_{number}")) for number in range(_APPS))
    found = []
    for _ in range(2):
        for _ in range(_TABLES):
            push_stream(b"".join(messages), 1, unix=proxy.unix)
            time.sleep(_SAVED_SECONDS)
        found.append(_on_disk(file))
    return Figure(
        f"state file, {_APPS} apps of 1,000 samples, pushed {2 * _TABLES} times",
        mib(found[1]),
        [f"{mib(found[0])} after {_TABLES} times", f"{mib(size)} of exposition text"],
        found[1] / size,
        "no larger than before",
        found[1] <= 1.1 * found[0],
    )


def _on_disk(file: Path) -> int:
    return sum(each.stat().st_size for each in file.parent.glob(f"{file.name}*"))


def _restart(bench: Bench, scale: Scale) -> Figure:
    apps = scale.pages[1]
    state = {"state_file": str(bench.directory / "restart.db")}
    proxy = bench.proxy(exporter=state)
    size = sum(len(payloads.large_app(f"app_{number}")) for number in range(apps))
    push_stream(b"".join(payloads.large_messages(apps)), 1, unix=proxy.unix)
    time.sleep(_SAVED_SECONDS)
    proxy.process.kill()
    proxy.process.wait()
    seconds: dict[str, list[float]] = {"": [], "state_file": []}
    for _ in range(scale.starts):
        for key, took in seconds.items():
            started = time.perf_counter()
            running = bench.proxy(exporter=state if key else {})
            took.append(time.perf_counter() - started)
            running.stop()
    restored, empty = (median(seconds[key]) for key in ("state_file", ""))
    return Figure(
        f"start after `kill -9` with {apps:,} apps, {mib(size)}",
        f"{restored * 1e3:.0f} ms until it listens",
        [f"{empty * 1e3:.0f} ms with nothing to bring back"],
        restored / empty,
    )

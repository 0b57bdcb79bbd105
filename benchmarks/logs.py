"""Following logs: CPU a million lines, beside mtail; and how far it is behind while lines come in.

The lines are those of ``log_files.py``; mtail has a program of the same metrics for each, and what
it counts must be what the proxy does.
"""

import os
import re
import subprocess
import threading
import time
import urllib.request
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import log_files
from report import Figure, median_ratio, percentile
from scale import Scale
from servers import HERE, Bench, MissingError, Proxy, free_port, tool

from exporter_proxy.config import read
from exporter_proxy.log_metrics.compile import compile_log

_AIM = 8
_LAG_AIM_SECONDS = 1.0
# What both count must be the same here.
_COUNTED = {"rsyncd": rb"\nrsync_connections_total", "nginx": rb"\nnginx_requests_total"}
_BLOCK_BYTES = 2**18
_DEADLINE_SECONDS = 120.0
_LIVE_LINES = 50_000
_PACE_SECONDS = 0.02
# Portions that are written over and over.
_DIFFERENT = 50
_SCRAPE_SECONDS = 0.25
_UPDATE_SECONDS = 0.25
_NAMES = {"rsyncd": "an rsync daemon", "nginx": "nginx"}


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield a figure for each kind of log read from its beginning, and one of lines coming in."""
    for kind in log_files.LOGS:
        path = bench.directory / f"{kind}.log"
        log_files.write(path, kind, scale.log_lines)
        yield _from_the_start(bench, kind, path, scale)
        path.unlink()
    yield _live(bench, scale)


def _from_the_start(bench: Bench, kind: str, path: Path, scale: Scale) -> Figure:
    expected, in_process = _read_in_process(kind, path)
    ours: list[float] = []
    theirs: list[float] = []
    missing = ""
    for _ in range(scale.log_rounds):
        ours.append(_read_with_proxy(bench, kind, path, expected))
        try:
            seconds, count = _read_with_mtail(kind, path)
        except MissingError as error:
            missing = str(error)
            continue
        if count != expected:
            raise RuntimeError(f"{kind}: {expected} counted here, {count} by mtail")
        theirs.append(seconds)
    millions = scale.log_lines / 1e6
    ratio = median_ratio(ours, theirs) if theirs else None
    return Figure(
        f"log of {_NAMES[kind]}, {scale.log_lines:,} lines from the start",
        f"{median(ours) / millions:.2f} s a million",
        [f"{median(theirs) / millions:.2f} s mtail" if theirs else missing],
        ratio,
        f"at most 1/{_AIM} of mtail",
        None if ratio is None else ratio <= 1 / _AIM,
        [f"counting alone, without files and loop: {in_process / millions:.2f} s a million"],
    )


def _read_in_process(kind: str, path: Path) -> tuple[int, float]:
    """Return how often what is compared happens, and the CPU seconds of the preset alone."""
    counter = compile_log(read({"log": [{"path": str(path), "preset": kind}]}).logs[0], "log[0]")
    used = 0
    with path.open("rb") as file:
        rest = b""
        while data := file.read(_BLOCK_BYTES):
            began = time.thread_time_ns()
            block, newline, rest = (rest + data).rpartition(b"\n")
            counter.feed(block + newline)
            used += time.thread_time_ns() - began
    return _value(counter.exposition(), kind), used / 1e9


def _read_with_proxy(bench: Bench, kind: str, path: Path, expected: int) -> float:
    """Return the CPU seconds, without those that a proxy takes to start."""
    empty = bench.directory / "empty.log"
    empty.touch()
    idle, reading = (_proxy(bench, kind, each) for each in (empty, path))
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while (count := _value(_page(reading), kind)) != expected:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{kind}: {count} counted instead of {expected}")
        time.sleep(0.2)
    used = reading.cpu_ns() - idle.cpu_ns()
    idle.stop()
    reading.stop()
    return used / 1e9


def _read_with_mtail(kind: str, path: Path) -> tuple[float, int]:
    """Return the CPU seconds, and how often what is compared happened.

    Raises:
        MissingError: It isn't installed.
    """
    command = [tool("mtail"), "-one_shot", "-one_shot_format", "prometheus"]
    command += ["-progs", str(HERE / "mtail" / f"{kind}.mtail"), "-logs", str(path)]
    command += ["-address", "127.0.0.1", "-port", str(free_port()), "-log_dir", str(path.parent)]
    with (path.parent / "mtail.out").open("w+b") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"mtail ended with {process.returncode}")
        output.seek(0)
        return usage.ru_utime + usage.ru_stime, _value(output.read(), kind)


def _live(bench: Bench, scale: Scale) -> Figure:
    """Write so many lines a second, scrape meanwhile, and look how old the counts are."""
    path = bench.directory / "live.log"
    path.touch()
    proxy = _proxy(bench, "rsyncd", path, update_interval=_UPDATE_SECONDS)
    began = proxy.cpu_ns()
    writing = _Writing(path, _LIVE_LINES, scale.log_seconds)
    thread = threading.Thread(target=writing.run)
    thread.start()
    lags = []
    while thread.is_alive():
        time.sleep(_SCRAPE_SECONDS)
        lags.append(writing.lag(_value(_page(proxy), "rsyncd"), time.monotonic()))
    thread.join()
    used = proxy.cpu_ns() - began
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while _value(_page(proxy), "rsyncd") != writing.counts[-1]:
        if time.monotonic() > deadline:
            raise RuntimeError("lines are missing")
        time.sleep(_SCRAPE_SECONDS)
    rate, seconds = writing.lines / scale.log_seconds, scale.log_seconds
    return Figure(
        f"{rate:,.0f} lines a second for {seconds:g} s, scraped every {_SCRAPE_SECONDS} s",
        f"{percentile(lags, 99):.2f} s behind (99 %), {max(lags):.2f} s at most",
        aim=f"less than {_LAG_AIM_SECONDS:g} s",
        met=max(lags) < _LAG_AIM_SECONDS and rate >= 0.95 * _LIVE_LINES,
        breakdown=[f"{used / 1e9 / seconds:.0%} of a core, scrapes included"],
    )


class _Writing:
    """Writes an rsync daemon's log at a rate.

    Args:
        path: Where to.
        rate: Lines a second.
        seconds: For how long.

    Attributes:
        lines: How many were written.
        counts: How often what is compared stands in the log after each portion.
        times: When it was written, in seconds of the monotonic clock.
    """

    def __init__(self, path: Path, rate: int, seconds: float) -> None:
        self._path = path
        self._rate = rate
        self._portions = round(seconds / _PACE_SECONDS)
        self.lines = 0
        self.counts: list[int] = []
        self.times: list[float] = []

    def run(self) -> None:
        """Write; what is late is written at once."""
        each = round(self._rate * _PACE_SECONDS)
        source = log_files.rsyncd()
        count = 0
        portions = [list(islice(source, each)) for _ in range(_DIFFERENT)]
        texts = ["".join(f"{line}\n" for line in lines).encode() for lines in portions]
        connects = [text.count(b"] connect from ") for text in texts]
        began = time.monotonic()
        with self._path.open("ab", buffering=0) as file:
            for number in range(self._portions):
                time.sleep(max(0.0, began + number * _PACE_SECONDS - time.monotonic()))
                place = number % _DIFFERENT
                count += connects[place]
                file.write(texts[place])
                self.times.append(time.monotonic())
                self.counts.append(count)
                self.lines += each

    def lag(self, seen: int, now: float) -> float:
        """Return for how long there has been a portion that a scrape didn't show, in seconds."""
        place = bisect_right(self.counts, seen)
        return max(0.0, now - self.times[place]) if place < len(self.times) else 0.0


def _proxy(bench: Bench, kind: str, path: Path, **keys: object) -> Proxy:
    section = {"path": str(path), "app": "log", "preset": kind, "start": "beginning", **keys}
    return bench.proxy(log=[section])


def _page(proxy: Proxy) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{proxy.http_port}/metrics", timeout=30) as page:
        body: bytes = page.read()
        return body


def _value(page: bytes, kind: str) -> int:
    """Return the sum of the counter that is compared."""
    found = re.findall(_COUNTED[kind] + rb"(?:\{[^}]*\})? (\S+)\n", page)
    return sum(int(float(value)) for value in found)

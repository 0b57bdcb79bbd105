"""From exec to the first answered scrape, and memory at rest."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from statistics import median

from load import HttpLoad
from report import Figure, mib
from scale import Scale
from servers import HERE, ROOT, Bench, Server

AIM_SECONDS = 0.4
AIM_BYTES = 60e6
_SETTLE_SECONDS = 1.0
_IMPORTS = "import exporter_proxy.cli, uvloop, exporter_proxy.running"
# In the order in which the proxy's modules ask for them.
_PACKAGES = (
    "asyncio",
    "uvloop",
    "aiohttp.web",
    "prometheus_client",
    "msgspec",
    "re2",
    "isal.isal_zlib",
    "exporter_proxy.cli",
    "exporter_proxy.running",
)
_IMPORT_LINE = re.compile(r"import time: +(?P<own>\d+) \| +\d+ \| (?P<indent> *)(?P<name>[\w.]+)")
_SIZES_SCRIPT = """
import importlib, os, sys
from cpu import rss_bytes
size = rss_bytes(os.getpid())
print(f"{size / 1e6:5.1f} MB python itself")
for name in sys.argv[1:]:
    importlib.import_module(name)
    size, before = rss_bytes(os.getpid()), size
    print(f"{(size - before) / 1e6:5.1f} MB {name}")
print(f"{size / 1e6:5.1f} MB all of it")
"""


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield one figure for time, one for memory."""
    seconds, sizes = [], []
    bare_seconds, bare_sizes = [], []
    body = bench.directory / "empty"
    body.write_bytes(b"")
    for _ in range(scale.starts):
        with Bench() as own:
            started = time.perf_counter()
            server = own.proxy()
            seconds.append(_first_scrape(server.http_port, started))
            sizes.append(_memory_at_rest(server))
        with Bench() as own:
            started = time.perf_counter()
            bare = own.floor("floor_scrape.py", str(body))
            bare_seconds.append(_first_scrape(bare.port, started))
            bare_sizes.append(_memory_at_rest(bare))
    took, size = median(seconds), median(sizes)
    bare_took, bare_size = median(bare_seconds), median(bare_sizes)
    yield Figure(
        f"exec to first answered scrape, median of {scale.starts}",
        f"{took * 1e3:.0f} ms ({min(seconds) * 1e3:.0f} to {max(seconds) * 1e3:.0f})",
        [f"{bare_took * 1e3:.0f} ms bare aiohttp on uvloop"],
        took / bare_took,
        "at most 400 ms",
        took <= AIM_SECONDS,
        _import_times(),
    )
    yield Figure(
        "memory at rest, after one scrape",
        mib(size),
        [f"{mib(bare_size)} bare aiohttp on uvloop"],
        size / bare_size,
        "at most 60 MB",
        size <= AIM_BYTES,
        _import_sizes(),
    )


def _first_scrape(port: int, started: float) -> float:
    load = HttpLoad(port, "/metrics", gzip=False, connections=1)
    load.scrape(1)
    load.close()
    return time.perf_counter() - started


def _memory_at_rest(server: Server) -> int:
    time.sleep(_SETTLE_SECONDS)
    return server.rss()


def _import_times() -> list[str]:
    """Return the CPU of imports by package; standard modules count for who asks for them first."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", _IMPORTS],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    owners: Counter[str] = Counter()
    # Children come before their parents: read backwards, it is a tree from the root.
    path: list[tuple[int, str]] = []
    for line in reversed(result.stderr.splitlines()):
        found = _IMPORT_LINE.fullmatch(line)
        if found is None:
            continue
        depth, package = len(found["indent"]), found["name"].partition(".")[0]
        while path and path[-1][0] >= depth:
            path.pop()
        if package in sys.stdlib_module_names:
            package = path[-1][1] if path else "python itself"
        path.append((depth, package))
        owners[package] += int(found["own"])
    return [
        f"{owners.total() / 1e3:.0f} ms of imports, each timed by -X importtime, which slows them:",
        *(f"{time / 1e3:6.1f} ms {package}" for package, time in owners.most_common(12)),
    ]


def _import_sizes() -> list[str]:
    """Return what each package adds to the resident memory, in the order of their imports."""
    result = subprocess.run(
        [sys.executable, "-c", _SIZES_SCRIPT, *_PACKAGES],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{HERE}:{ROOT}"},
    )
    return result.stdout.splitlines()

"""10,000 connections open at once: memory, and the time of a scrape meanwhile."""

import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import payloads
from load import Background, HttpLoad, connect, push_each, sources
from report import Figure, mib
from scale import Scale
from servers import Bench, Proxy, Server, raise_descriptor_limit

APPS = 100
SCRAPES = 30
# As if each of them pushed every five seconds.
PUSHES_A_SECOND = 2000
# CPU time in a tenth of a second, of a server that has nothing to do.
_AT_REST_NS = 10_000_000


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield memory and scrape times, for connections over TCP and over the Unix socket."""
    raise_descriptor_limit()
    messages = payloads.json_messages(4, APPS)
    for transport in ("TCP", "Unix"):
        floor = bench.floor("floor_push.py", "lines")
        bare = _open(floor, transport, scale.connections, messages)
        _close(bare[0])
        proxy = bench.proxy(
            exporter={"concurrent_requests": scale.connections + 100},
            receiver={"idle_timeout": "10m"},
        )
        yield from _figures(proxy, transport, scale, messages, bare[1:])


def _figures(
    proxy: Proxy,
    transport: str,
    scale: Scale,
    messages: list[bytes],
    bare: tuple[int, int],
) -> Iterator[Figure]:
    page = payloads.json_messages(1000, 1)[0].replace(b'"app_0"', b'"large"', 1)
    push_each([page], 1, port=proxy.port)
    scrapes = HttpLoad(proxy.http_port, "/metrics", gzip=False, connections=1)
    scrapes.scrape(5)
    alone = scrapes.scrape(SCRAPES)
    connections, before, after = _open(proxy, transport, scale.connections, messages)
    a_connection = (after - before) / scale.connections
    a_bare_one = (bare[1] - bare[0]) / scale.connections
    yield Figure(
        f"{scale.connections:,} connections open, {transport}: memory",
        f"{mib(before)} -> {mib(after)} ({a_connection:,.0f} bytes each)",
        [f"{mib(bare[0])} -> {mib(bare[1])} ({a_bare_one:,.0f} bytes each) bare uvloop"],
        a_connection / a_bare_one if a_bare_one > 0 else None,
    )
    idle = scrapes.scrape(SCRAPES)
    every = itertools.cycle(connections)
    numbers = itertools.cycle(range(APPS))

    def push() -> None:
        next(every).sendall(messages[next(numbers)])

    with Background(push, PUSHES_A_SECOND) as pushing:
        started = time.perf_counter()
        busy = scrapes.scrape(SCRAPES, pause=0.05)
        rate = pushing.done / (time.perf_counter() - started)
    scrapes.close()
    yield Figure(
        f"{scale.connections:,} connections open, {transport}: time of a scrape",
        f"{_times(idle)}; with {rate:,.0f} pushes/s {_times(busy)}",
        [f"{_times(alone)} before they were opened"],
        median(idle) / median(alone),
    )
    _close(connections)


def _open(
    server: Server, transport: str, count: int, messages: list[bytes]
) -> tuple[list[socket.socket], int, int]:
    """Open connections, push once on each; return them and the memory before and after."""
    push_each(messages, APPS, port=server.port)
    before = server.rss()
    addresses = sources()
    connections = []
    for number in range(count):
        if transport == "Unix":
            connection = connect(0, unix=server.unix)
        else:
            connection = connect(server.port, source=next(addresses))
        connection.sendall(messages[number % APPS])
        connections.append(connection)
    _wait_for(server, count)
    return connections, before, server.rss()


def _wait_for(server: Server, count: int) -> None:
    """Wait until the server has accepted them all and has come to rest."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        used = server.cpu_ns()
        time.sleep(0.1)
        descriptors = sum(1 for _ in Path(f"/proc/{server.pid}/fd").iterdir())
        if descriptors > count and server.cpu_ns() - used < _AT_REST_NS:
            return
    raise RuntimeError(f"the server has not taken {count} connections within 30 s")


def _close(connections: list[socket.socket]) -> None:
    for connection in connections:
        connection.close()


def _times(seconds: list[float]) -> str:
    return f"{median(seconds) * 1e3:.2f} ms, at most {max(seconds) * 1e3:.2f}"

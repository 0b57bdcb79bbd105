"""Scrapes of an unchanged page of 100,000 and 1,000,000 samples, beside nginx and aiohttp."""

from collections.abc import Iterator
from statistics import median

import payloads
from gateway import GatewayLoad
from load import HttpLoad, push_stream
from report import Figure, median_ratio, micro
from scale import Scale
from servers import Bench, MissingError, Server

_TIMES = 1.5
Servers = list[tuple[str, Server, int]]


def run(_: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield one figure for each size and coding."""
    for apps in scale.pages:
        # Pushgateway takes seconds for a page of 1,000,000 samples.
        with_gateway = apps == scale.pages[0]
        with Bench() as bench:
            servers, missing = _start(bench, apps, with_gateway=with_gateway)
            scrapes = max(1, scale.page_scrapes * scale.pages[0] // apps)
            for gzip in (False, True):
                yield _figure(servers, missing, scale.page_rounds, scrapes, apps, gzip=gzip)


def _start(bench: Bench, apps: int, *, with_gateway: bool) -> tuple[Servers, list[str]]:
    """Start all that can be started, with the same page; also return what is missing."""
    proxy = bench.proxy(exporter={"exposition": "merged"})
    push_stream(b"".join(payloads.large_messages(apps)), 1, unix=proxy.unix)
    plain, packed = _pages(proxy.http_port)
    body = bench.directory / "body"
    body.write_bytes(plain)
    servers: Servers = [("ours", proxy, proxy.http_port)]
    bare = bench.floor("floor_scrape.py", str(body))
    servers.append(("aiohttp sending ready bytes", bare, bare.port))
    missing = []
    try:
        nginx = bench.nginx(plain, packed)
        servers.append(("nginx", nginx, nginx.port))
    except MissingError as exc:
        missing.append(str(exc))
    if with_gateway:
        try:
            # Filled without its check, which makes no difference to a scrape.
            gateway = bench.pushgateway(checked=False)
            load = GatewayLoad(gateway.port)
            names = (f"app_{number}" for number in range(apps))
            load.push((name, payloads.large_app(name).encode()) for name in names)
            load.close()
            servers.append(("Pushgateway", gateway, gateway.port))
        except MissingError as exc:
            missing.append(str(exc))
    return servers, missing


def _pages(port: int) -> tuple[bytes, bytes]:
    plain, packed = (HttpLoad(port, "/metrics", gzip=gzip) for gzip in (False, True))
    pages = plain.body(), packed.body()
    plain.close()
    packed.close()
    return pages


def _figure(
    servers: Servers, missing: list[str], rounds: int, scrapes: int, apps: int, *, gzip: bool
) -> Figure:
    costs: dict[str, list[float]] = {name: [] for name, _, _ in servers}
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in servers}
    loads = {
        name: HttpLoad(port, "/metrics", gzip=gzip, connections=1) for name, _, port in servers
    }
    for number in range(rounds + 1):
        for name, server, _ in servers:
            # A compressed page is soon sent: more often, so that a round is long enough.
            count = 1 if name == "Pushgateway" else scrapes * (10 if gzip else 1)
            before = server.cpu_ns()
            took = loads[name].scrape(count)
            if number:
                costs[name].append((server.cpu_ns() - before) / count)
                seconds[name] += took
    size = loads["ours"].size()
    for load in loads.values():
        load.close()
    shown = [
        f"{micro(median(costs[name]))}, wall {micro(median(seconds[name]) * 1e9)}"
        for name, _, _ in servers
    ]
    peers = [f"{text} {server[0]}" for text, server in zip(shown[1:], servers[1:], strict=True)]
    # The one that costs more is the measure. Pushgateway is not: it makes its page each time.
    floors = [name for name, _, _ in servers[1:] if name != "Pushgateway"]
    measure = max(floors, key=lambda name: median(costs[name]))
    ratio = median_ratio(costs["ours"], costs[measure])
    return Figure(
        f"/metrics, {apps * payloads.SAMPLES_AN_APP:,} samples unchanged, "
        f"{'gzip' if gzip else 'plain'} ({size / 1e6:.1f} MB)",
        shown[0],
        [*missing, *peers],
        ratio,
        f"at most {_TIMES:g} x the slower of nginx and aiohttp",
        None if missing and "nginx" not in costs else ratio <= _TIMES,
    )

"""Scrapes of an unchanged table of 1,000 samples, beside Pushgateway and aiohttp on its own."""

import http.client
from collections.abc import Iterator
from statistics import median

import payloads
from load import HttpLoad, push_each
from report import Figure, median_ratio, micro
from scale import Scale
from servers import Bench, MissingError, Server

SAMPLES = 1000


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield one figure for plain and one for gzip."""
    text = payloads.exposition(SAMPLES).encode()
    body = bench.directory / "body"
    body.write_bytes(text)
    proxy = bench.proxy()
    message = payloads.json_messages(SAMPLES, 1)
    push_each(message, 1, port=proxy.port)
    servers: list[tuple[str, Server, int]] = [("ours", proxy, proxy.http_port)]
    missing = ""
    try:
        gateway = bench.pushgateway()
        _push_to(gateway.port, text)
        servers.append(("Pushgateway", gateway, gateway.port))
    except MissingError as exc:
        missing = str(exc)
    bare = bench.floor("floor_scrape.py", str(body))
    servers.append(("aiohttp sending ready bytes", bare, bare.port))
    for gzip in (False, True):
        yield _figure(servers, scale, missing, gzip=gzip)


def _figure(
    servers: list[tuple[str, Server, int]], scale: Scale, missing: str, *, gzip: bool
) -> Figure:
    costs: dict[str, list[float]] = {name: [] for name, _, _ in servers}
    loads = {name: HttpLoad(port, "/metrics", gzip=gzip) for name, _, port in servers}
    for number in range(scale.rounds + 1):
        for name, server, _ in servers:
            before = server.cpu_ns()
            # The cheap ones more often, so that a round is long enough for them too.
            count = scale.scrapes if name == "Pushgateway" else scale.scrapes * 10
            loads[name].scrape(count)
            if number:
                costs[name].append((server.cpu_ns() - before) / count)
    size = loads["ours"].size()
    for load in loads.values():
        load.close()
    peers = [f"{micro(median(costs[name]))} {name}" for name, _, _ in servers[1:]]
    figure = Figure(
        f"/metrics, 1,000 samples unchanged, {'gzip' if gzip else 'plain'}",
        f"{micro(median(costs['ours']))} ({size:,} bytes)",
        peers,
        aim="at most 1/30 of Pushgateway",
    )
    if missing:
        figure.peers = [missing, *peers]
        return figure
    figure.ratio = median_ratio(costs["ours"], costs["Pushgateway"])
    figure.met = figure.ratio <= 1 / 30
    if figure.met:
        return figure
    floor = median(costs["aiohttp sending ready bytes"])
    figure.breakdown = [
        f"{micro(floor)} aiohttp, sending ready bytes",
        f"{micro(median(costs['ours']) - floor)} the page's state, codings accepted, counting",
    ]
    return figure


def _push_to(port: int, text: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("PUT", "/metrics/job/bench", text)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"Pushgateway: {answer.status} {answer.read()!r}")
    connection.close()

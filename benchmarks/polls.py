"""Polling many targets: CPU seconds a million samples, beside vmagent and bare clients.

All poll the same targets at the same time, so that all meet the same machine.
"""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path

import payloads
from report import Figure
from scale import Scale
from servers import Bench, MissingError, Server, free_port, raise_descriptor_limit, tool

SAMPLES = 1000
_FLOORS = {"aiohttp": "bare aiohttp client", "uvloop": "bare uvloop client"}


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield one figure for targets that answer plain, one for targets that answer in gzip."""
    raise_descriptor_limit()
    body = bench.directory / "target-body"
    body.write_text(payloads.exposition(SAMPLES), encoding="ascii")
    for packed in (False, True):
        # Its processes end with it, so that the next figure has the machine for itself.
        with Bench() as own:
            yield _figure(own, scale, body, packed=packed)


def _figure(bench: Bench, scale: Scale, body: Path, *, packed: bool) -> Figure:
    targets = bench.floor("poll_targets.py", str(scale.targets), str(body), str(int(packed)))
    ports = json.loads(Path(targets.unix).read_text(encoding="ascii"))
    pollers: dict[str, Server] = {"ours": _proxy(bench, ports, scale)}
    missing = []
    try:
        pollers["vmagent"] = _vmagent(bench, ports, scale, targets.port)
    except MissingError as exc:
        missing.append(str(exc))
    for kind in _FLOORS:
        pollers[kind] = bench.floor("floor_poll.py", kind, targets.unix, str(scale.poll_interval))
    _wait_for_first_polls(targets.port, list(pollers), scale)
    before, polls_before = _cpu(pollers), _polls(targets.port)
    time.sleep(scale.poll_seconds)
    after, polls_after = _cpu(pollers), _polls(targets.port)
    cost = {
        name: (after[name] - before[name])
        / 1e9
        / ((polls_after[f"/{name}"] - polls_before[f"/{name}"]) * SAMPLES)
        * 1e6
        for name in pollers
    }
    due = scale.targets * scale.poll_seconds / scale.poll_interval
    done = polls_after["/ours"] - polls_before["/ours"]
    figure = Figure(
        f"polling {scale.targets} targets of 1,000 samples every {scale.poll_interval:g} s, "
        f"{'gzip' if packed else 'plain'}",
        f"{cost['ours']:.2f} s a million samples ({done / due:.0%} of the polls due)",
        [
            *missing,
            *([f"{cost['vmagent']:.2f} s vmagent"] if "vmagent" in cost else []),
            *(f"{cost[kind]:.2f} s {name}" for kind, name in _FLOORS.items()),
        ],
        aim="at most vmagent",
    )
    if "vmagent" in cost:
        figure.ratio = cost["ours"] / cost["vmagent"]
        figure.met = figure.ratio <= 1.0
        if not figure.met:
            figure.breakdown = [
                f"{cost['uvloop']:.2f} s bytes in, cut by Content-Length, kept",
                f"{cost['aiohttp'] - cost['uvloop']:.2f} s aiohttp's client",
                f"{cost['ours'] - cost['aiohttp']:.2f} s schedule, time-out, limits, checks",
            ]
    return figure


def _proxy(bench: Bench, ports: list[int], scale: Scale) -> Server:
    return bench.proxy(
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [f"http://127.0.0.1:{port}/ours" for port in ports],
            "poll_interval": scale.poll_interval,
            "client_timeout": min(2.0, scale.poll_interval),
        }
    )


def _vmagent(bench: Bench, ports: list[int], scale: Scale, sink: int) -> Server:
    config = bench.directory / "vmagent.yml"
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": f"{scale.poll_interval * 1000:.0f}ms"},
                "scrape_configs": [
                    {
                        "job_name": "bench",
                        "metrics_path": "/vmagent",
                        "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}],
                    }
                ],
            }
        ),
        encoding="ascii",
    )
    port = free_port()
    command = [
        tool("vmagent"),
        f"-promscrape.config={config}",
        f"-remoteWrite.url=http://127.0.0.1:{sink}/write",
        f"-remoteWrite.tmpDataPath={bench.directory / 'vmagent'}",
        f"-httpListenAddr=127.0.0.1:{port}",
    ]
    return bench.start(command, port=port)


def _wait_for_first_polls(port: int, names: list[str], scale: Scale) -> None:
    """Wait until everyone has polled every target: what is done once is no part of the figure."""
    deadline = time.monotonic() + 4 * scale.poll_interval + 20
    while time.monotonic() < deadline:
        polls = _polls(port)
        if all(polls.get(f"/{name}", 0) >= scale.targets for name in names):
            return
        time.sleep(0.1)
    raise RuntimeError(f"not every target was polled: {polls}")


def _cpu(servers: dict[str, Server]) -> dict[str, int]:
    return {name: server.cpu_ns() for name, server in servers.items()}


def _polls(port: int) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    counts: dict[str, int] = json.loads(connection.getresponse().read())
    connection.close()
    return counts

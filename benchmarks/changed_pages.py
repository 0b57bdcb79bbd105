"""Every app pushed between two scrapes: the pushes and the scrape together, beside Pushgateway."""

from collections.abc import Callable, Iterator
from statistics import median

import payloads
from gateway import GatewayLoad
from load import HttpLoad, push_stream
from report import Figure, micro
from scale import Scale
from servers import Bench, MissingError, Proxy, Server

# Ours are compared with a Pushgateway that checks each push against all it holds, and with one that
# doesn't: 112 ms and 4.6 ms a push were seen.
_AIMS = {True: 1 / 80, False: 1 / 4}
_NAMES = {True: "Pushgateway, its check on", False: "Pushgateway, its check off"}
VARIANTS = 2


def run(_: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield figures for both sizes, plain and gzip, one for each that ours is compared with."""
    for apps in scale.pages:
        small = apps == scale.pages[0]
        with Bench() as bench:
            ours = _measure_ours(bench, apps, scale.page_rounds if small else 2)
            # A push with the check on takes longer the more there is: hours for the larger one.
            for checked in (True, False) if small else (False,):
                rounds = 1 if checked or not small else scale.page_rounds
                yield from _compare(bench, apps, ours, rounds, checked=checked)


def _compare(
    bench: Bench, apps: int, ours: dict[bool, list[float]], rounds: int, *, checked: bool
) -> Iterator[Figure]:
    theirs: dict[bool, list[float]] = {}
    missing = ""
    try:
        theirs = _measure_gateway(bench, apps, rounds, checked=checked)
    except MissingError as exc:
        missing = str(exc)
    for gzip, costs in ours.items():
        figure = Figure(
            f"/metrics, {apps * payloads.SAMPLES_AN_APP:,} samples, all {apps:,} apps pushed, "
            f"{'gzip' if gzip else 'plain'}",
            f"{micro(median(costs))} pushes and scrape",
            [missing],
            aim=f"at most 1/{1 / _AIMS[checked]:.0f} of {_NAMES[checked]}",
        )
        if gzip in theirs:
            figure.peers = [f"{micro(median(theirs[gzip]))} {_NAMES[checked]}"]
            figure.ratio = median(costs) / median(theirs[gzip])
            figure.met = figure.ratio <= _AIMS[checked]
        yield figure


def _measure_ours(bench: Bench, apps: int, rounds: int) -> dict[bool, list[float]]:
    proxy: Proxy = bench.proxy(exporter={"exposition": "merged"})
    data = [b"".join(payloads.large_messages(apps, variant=each)) for each in range(VARIANTS)]

    def push(variant: int) -> None:
        push_stream(data[variant], 1, unix=proxy.unix)

    return _measure(proxy, proxy.http_port, push, rounds)


def _measure_gateway(
    bench: Bench, apps: int, rounds: int, *, checked: bool
) -> dict[bool, list[float]]:
    gateway = bench.pushgateway(checked=checked)
    load = GatewayLoad(gateway.port)
    names = [f"app_{number}" for number in range(apps)]

    def push(variant: int) -> None:
        load.push((name, payloads.large_app(name, variant=variant).encode()) for name in names)

    costs = _measure(gateway, gateway.port, push, rounds)
    load.close()
    return costs


def _measure(
    server: Server, port: int, push: Callable[[int], None], rounds: int
) -> dict[bool, list[float]]:
    """Return the CPU time of each round of pushes and a scrape, by whether it was gzip."""
    costs: dict[bool, list[float]] = {False: [], True: []}
    loads = {gzip: HttpLoad(port, "/metrics", gzip=gzip, connections=1) for gzip in (False, True)}
    # Filled first: what apps have sent is replaced from then on.
    push(0)
    for load in loads.values():
        load.scrape(1)
    number = 0
    for _ in range(rounds):
        for gzip, load in loads.items():
            number += 1
            before = server.cpu_ns()
            push(number % VARIANTS)
            load.scrape(1)
            costs[gzip].append(server.cpu_ns() - before)
    for load in loads.values():
        load.close()
    return costs

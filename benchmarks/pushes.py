"""Pushes: CPU of the server a push, beside bare uvloop protocols in the same run."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import payloads
from load import push_each, push_stream, sources
from push_parts import parts_of_a_connection, parts_of_a_message
from report import Figure, median_ratio, micro
from scale import Scale
from servers import Bench, Server

APPS = 100
# A message of 1,000 samples is as much work as so many of 4.
_LARGE = 40
_SOURCES = sources()

Load = Callable[[Server], float]


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield one figure for each wire, transport and size."""
    proxy = bench.proxy()
    eof = bench.floor("floor_push.py", "eof")
    for samples in (4, 1000):
        messages = payloads.json_messages(samples, APPS)
        count = scale.pushes if samples == 4 else max(10, scale.pushes // _LARGE * 4)
        for transport in ("TCP", "Unix"):
            load = partial(_push_each, messages=messages, count=count, transport=transport)
            yield _compare(
                f"JSON, a connection a push, {transport}, {samples} samples",
                [proxy, eof],
                load,
                count,
                scale,
                1.3,
                partial(parts_of_a_connection, messages[0]),
            )
    for wire, floors in (("JSON lines", ("lines", "packet")), ("Cap'n Proto", ("capnp",))):
        servers = [proxy, *(bench.floor("floor_push.py", kind) for kind in floors)]
        for samples in (4, 1000):
            yield _stream(wire, samples, servers, scale)


def _stream(wire: str, samples: int, servers: list[Server], scale: Scale) -> Figure:
    make = payloads.json_messages if wire == "JSON lines" else payloads.capnp_messages
    messages = make(samples, APPS)
    wanted = scale.messages if samples == 4 else scale.messages // _LARGE // 4
    at_a_time = APPS * 50 if samples == 4 else APPS
    at_a_time = min(at_a_time, max(wanted, 1))
    times = max(1, wanted // at_a_time)
    data = b"".join(messages[number % APPS] for number in range(at_a_time))

    def load(server: Server) -> float:
        return push_stream(data, times, port=server.port)

    return _compare(
        f"{wire} on one connection, {samples} samples",
        servers,
        load,
        at_a_time * times,
        scale,
        4.0,
        partial(parts_of_a_message, wire, data),
    )


def _push_each(server: Server, *, messages: list[bytes], count: int, transport: str) -> float:
    if transport == "Unix":
        return push_each(messages, count, unix=server.unix)
    return push_each(messages, count, port=server.port, source=next(_SOURCES))


def _compare(
    scenario: str,
    servers: list[Server],
    load: Load,
    count: int,
    scale: Scale,
    aim: float,
    breakdown: Callable[[float], list[str]],
) -> Figure:
    """Let the servers take turns; the first is ours, the second the one that the aim names.

    ``breakdown`` says where the CPU goes if the aim is missed; it is given the other's.
    """
    # The first round warms up: code paths, buffers, imports of a wire's library.
    costs: list[list[float]] = [[] for _ in servers]
    seconds: list[float] = []
    for number in range(scale.rounds + 1):
        for server, cost in zip(servers, costs, strict=True):
            before = server.cpu_ns()
            took = load(server)
            if number:
                cost.append((server.cpu_ns() - before) / count)
                if server is servers[0]:
                    seconds.append(took)
    ratio = median_ratio(costs[0], costs[1])
    names = ["bare uvloop", "the same, all lines of a packet in one call"]
    figure = Figure(
        scenario,
        f"{micro(median(costs[0]))} ({count / median(seconds):,.0f}/s)",
        [f"{micro(median(cost))} {name}" for cost, name in zip(costs[1:], names, strict=False)],
        ratio,
        f"at most {aim:g} x bare uvloop",
        ratio <= aim,
    )
    if not figure.met:
        figure.breakdown = breakdown(median(costs[1]))
    return figure

"""Pushes over HTTP, as Pushgateway takes them: CPU of the server a push, beside Pushgateway.

Connections are kept. What is pushed has the series of the push before and other values, into groups
that are there. Pushgateway checks each push against all it holds, unless it is told not to.
"""

import re
import selectors
import socket
from collections.abc import Iterator
from statistics import median

from report import Figure, median_ratio, micro
from scale import Scale
from servers import Bench, Proxy, Server

_HEADERS = "Host: 127.0.0.1\r\nContent-Type: text/plain; version=0.0.4\r\n"
_FAMILIES = 50
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
# A push of 1,000 samples is as much work as so many of 4.
_LARGE = 25
# One that is checked takes as long as all that is held: few tell enough, and with more groups
# filling it would take minutes.
_CHECKED_PUSHES = 10
_CHECKED_GROUPS = 1000
# Groups that get 1,000 samples.
_LARGE_GROUPS = 10


def run(bench: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield one figure for each size, number of groups and number of clients."""
    proxy = bench.proxy()
    unchecked = bench.pushgateway(checked=False)
    checked = bench.pushgateway()
    held = 0
    for groups in scale.groups:
        few = [proxy, unchecked, *([checked] if groups <= _CHECKED_GROUPS else [])]
        for server in few:
            _push(server, _requests(4, groups - held, held), 1)
        held = groups
        for samples in (4, 1000):
            for clients in scale.clients:
                yield _figure(few, samples, groups, clients, scale)


def _figure(servers: list[Server], samples: int, groups: int, clients: int, scale: Scale) -> Figure:
    pushes = max(clients, scale.pushes if samples == 4 else scale.pushes // _LARGE)
    some = groups if samples == 4 else min(groups, _LARGE_GROUPS)
    requests = [_request(samples, number % some, number) for number in range(pushes)]
    taken: list[list[float]] = [[] for _ in servers]
    for server in servers:
        _push(server, _requests(samples, some if samples != 4 else 1), 1)
    for _ in range(scale.rounds):
        for server, times in zip(servers, taken, strict=True):
            wanted = requests[:_CHECKED_PUSHES] if server in servers[2:] else requests
            before = server.cpu_ns()
            _push(server, wanted, clients)
            times.append((server.cpu_ns() - before) / len(wanted))
    if samples != 4:
        # As it was, for the next.
        for server in servers:
            _push(server, _requests(4, some), 1)
    ours, unchecked, *rest = taken
    ratio = median_ratio(ours, unchecked)
    checked = [median_ratio(ours, times) for times in rest]
    aim = 1 / 30 if samples == 4 else 1 / 50
    shown = f"{clients} client{'s' if clients > 1 else ''}"
    return Figure(
        f"push over HTTP, {samples:,} samples, {groups:,} groups, {shown}",
        micro(median(ours)),
        [
            f"{micro(median(unchecked))} Pushgateway, its check off",
            *(
                f"{micro(median(times))} its check on (1/{1 / one:.0f})"
                for times, one in zip(rest, checked, strict=True)
            ),
        ],
        ratio,
        f"at most 0.50 of unchecked, 1/{1 / aim:.0f} of checked",
        ratio <= 0.5 and all(one <= aim for one in checked),
    )


def _requests(samples: int, groups: int, first: int = 0) -> list[bytes]:
    return [_request(samples, group, 0) for group in range(first, first + groups)]


def _request(samples: int, group: int, number: int) -> bytes:
    each = max(1, samples // _FAMILIES)
    lines: list[str] = []
    for family in range(samples // each):
        name = f"job_{samples}_family_{family}_total"
        lines.append(f"# HELP {name} What was counted.\n# TYPE {name} counter\n")
        lines += [
            f'{name}{{code="{200 + code}",method="get"}} {number + code}\n' for code in range(each)
        ]
    body = "".join(lines).encode()
    head = f"PUT /metrics/job/batch/instance/host{group} HTTP/1.1\r\n{_HEADERS}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class _Client:
    """A kept connection that has one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self._received = b""

    def is_answered(self) -> bool:
        """Take what has come; tell whether that is a whole answer."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._received += data
        head, found, body = self._received.partition(_END)
        if not found:
            return False
        length = _LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return False
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            raise RuntimeError(self._received.decode(errors="replace"))
        self._received = b""
        return True


def _push(server: Server, requests: list[bytes], clients: int) -> None:
    """Send requests, one at a time on each connection, and wait for all answers."""
    port = server.http_port if isinstance(server, Proxy) else server.port
    left = iter(requests)
    with selectors.DefaultSelector() as selector:
        connections = [_Client(port) for _ in range(min(clients, len(requests)))]
        try:
            for client in connections:
                client.socket.sendall(next(left))
                selector.register(client.socket, selectors.EVENT_READ, client)
            waiting = len(connections)
            while waiting:
                for key, _ in selector.select(30):
                    if not key.data.is_answered():
                        continue
                    request = next(left, None)
                    if request is None:
                        waiting -= 1
                        selector.unregister(key.fileobj)
                    else:
                        key.data.socket.sendall(request)
        finally:
            for client in connections:
                client.socket.close()

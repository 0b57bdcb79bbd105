"""When there is too little of everything: descriptors, patience of readers, sense in the clock."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import StartProxy
from tests.proxy_process import ProxyProcess, replace, until

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n"


def limited(descriptors: int) -> tuple[str, ...]:
    """Return how to start a proxy that may have so many file descriptors."""
    start = f'ulimit -n {descriptors}; exec "$@"'
    return ("sh", "-c", start, "sh", sys.executable, "-m", "exporter_proxy")


def used(running: ProxyProcess) -> int:
    return len(os.listdir(f"/proc/{running.process.pid}/fd"))  # noqa: PTH208


def own(running: ProxyProcess, line: str) -> float:
    """Return a self-metric."""
    page = running.get("/metrics/self").body.decode()
    (found,) = [each for each in page.splitlines() if each.startswith(f"{line} ")]
    return float(found.rpartition(" ")[2])


@pytest.fixture
def connect(proxy: StartProxy) -> Iterator[Callable[[int, bytes], socket.socket]]:
    """Connect to a port, say something, and stay."""
    with ExitStack() as stack:

        def open_one(port: int, data: bytes = b"") -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", port), 20)
            stack.enter_context(connection)
            connection.sendall(data)
            return connection

        yield open_one


@pytest.mark.parametrize("descriptors", [64, 128, 256])
@pytest.mark.parametrize("data", [b"", b"GET /metr", SCRAPE], ids=["silent", "half", "kept alive"])
def test_peers_of_the_scrape_port_take_no_descriptor_for_good(
    proxy: StartProxy, connect, descriptors: int, data: bytes
):
    """However many connect, and say nothing, or half of something: all others are served."""
    running = proxy(
        command=limited(descriptors),
        exporter={"self_metrics_interval": 0},
    )
    before = used(running)
    for _ in range(2 * descriptors):
        connect(running.http_port, data)
    for number in range(5):
        for push in (running.push_tcp, running.push_unix):
            assert push(json.dumps({"a": f"x {number}"}).encode()) == ""
        assert f"\nx {number}\n" in running.metrics()
    assert before < used(running) < descriptors
    # Those that have asked for something, and those that haven't.
    left = own(running, 'exporter_proxy_scrape_connections_evicted_total{state="silent"}')
    left += own(running, 'exporter_proxy_scrape_port_connections_refused_total{reason="evicted"}')
    assert left > 0
    lines = [record["message"] for record in running.log_records()]
    assert sum("few file descriptors are left" in line for line in lines) <= 1


def test_half_messages_take_no_descriptor_of_scrapes(proxy: StartProxy, connect):
    """Accepting pauses, and goes on as soon as the first of them has taken too long."""
    running = proxy(command=limited(64), receiver={"message_timeout": 1})
    for _ in range(100):
        connect(running.tcp_port, b'{"a":"')
    for _ in range(10):
        assert running.get("/metrics").status == 200
    assert running.push_unix(b'{"b":"x 1"}') == ""
    assert "\nx 1\n" in running.metrics()


def test_polls_have_descriptors_left(proxy: StartProxy, connect, http_server, tmp_path: Path):
    (tmp_path / "metrics").write_text("polled 1\n")
    url = f"http://127.0.0.1:{http_server(tmp_path)}/metrics"
    poll = {"poll_other_scrape_endpoints": True, "other_scrape_endpoints": [url]}
    running = proxy(command=limited(64), poll_external=poll | {"poll_interval": 0.2})
    running.wait_metrics("polled 1\n")
    for _ in range(100):
        connect(running.http_port, b"GET /metr")
        connect(running.tcp_port)
    replace(tmp_path / "metrics", "polled 2\n")
    running.wait_metrics("polled 2\n")


READERS = 200
# More than the kernel takes for each connection (net.ipv4.tcp_wmem): else all would have been sent.
PAGE_BYTES = 6_000_000


def slow_reader(running: ProxyProcess, stack: ExitStack) -> socket.socket:
    """Ask for the page, with next to no room for the answer."""
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(("127.0.0.1", running.http_port))
    connection.sendall(SCRAPE)
    connection.setblocking(False)
    return connection


def sip(readers: list[socket.socket]) -> int:
    """Let each reader take a few bytes; return how many were cut off."""
    cut = 0
    for reader in readers:
        try:
            cut += reader.recv(250) == b""
        except BlockingIOError:
            pass
        except ConnectionError:
            cut += 1
    return cut


def test_hundreds_of_slow_readers(proxy: StartProxy):
    """They read 1 kB/s of ever new pages: memory stays bounded, scrapes are served, all are cut."""
    running = proxy(exporter={"scrape_timeout": 3, "self_metrics_interval": 0})

    def push(number: int) -> None:
        text = "".join(f'x{{n="{n:06}"}} {number}\n' for n in range(PAGE_BYTES // 16))
        assert running.push_tcp(json.dumps({"a": text}).encode()) == ""

    push(10)
    assert len(running.metrics()) > PAGE_BYTES
    before = running.memory_bytes()
    most, number = before, 10
    with ExitStack() as stack:
        readers: list[socket.socket] = []
        while len(readers) < READERS:
            readers += [slow_reader(running, stack) for _ in range(10)]
            number += 1
            push(number)
            assert f'x{{n="000000"}} {number}\n' in running.metrics()
            sip(readers)
            most = max(most, running.memory_bytes())
        until(lambda: time.sleep(0.25) or sip(readers) == READERS, "all readers to be cut off")
    cut = [
        own(running, f'exporter_proxy_scrapes_cut_total{{reason="{reason}"}}')
        for reason in ("timeout", "generation")
    ]
    assert sum(cut) == READERS
    assert cut[1] > 0
    # As many generations as are allowed, which are four, and what a push, its page and a busy
    # machine's untrimmed heap have of them; all that were begun would be 20, and that.
    assert most - before < 12 * PAGE_BYTES


@pytest.mark.parametrize("jump", ["+30d", "-30d"])
def test_time_of_day_that_jumps(proxy: StartProxy, tool, tmp_path: Path, jump: str):
    """Nothing expires for it, nothing stays for it, polls and the house go on."""
    faketime, clock = tool("faketime"), tmp_path / "clock"
    clock.write_text("+0")
    set_clock = ("env", f"FAKETIME_TIMESTAMP_FILE={clock}", "FAKETIME_CACHE_DURATION=1")
    command = (*set_clock, "FAKETIME_DONT_FAKE_MONOTONIC=1", f"LD_PRELOAD={library(faketime)}")
    running = proxy(
        command=(*command, sys.executable, "-m", "exporter_proxy"),
        exporter={"self_metrics_interval": 0, "expire_after": "10m"},
    )
    assert running.push_tcp(b'{"stays":"x 1"}{"goes":{"metrics":"y 1","ttl":"4s"}}') == ""
    first = updated(running, "stays")
    assert abs(first - time.time()) < 60
    clock.write_text(jump)
    days = 30 if jump.startswith("+") else -30

    def has_jumped() -> bool:
        assert running.push_tcp(b'{"later":"z 1"}') == ""
        return abs(updated(running, "later") - time.time() - days * 86_400) < 60

    until(has_jumped, "the clock of the process to jump")
    assert "\nx 1\n" in running.metrics()
    until(lambda: "y 1\n" not in running.metrics(), "the app to expire at its time")
    assert "\nx 1\n" in running.metrics()
    assert updated(running, "stays") == first
    assert running.get("/apps").status == 200
    assert running.get("/-/healthy").status == 200


def library(faketime: str) -> str:
    """Return what the program preloads."""
    folder = Path(faketime).resolve().parent.parent
    (found,) = folder.glob("lib/**/libfaketimeMT.so.1")
    return str(found)


def updated(running: ProxyProcess, app: str) -> float:
    """Return when an app was updated, by the clock of the process."""
    return own(running, f'exporter_proxy_app_last_update_timestamp_seconds{{app="{app}"}}')

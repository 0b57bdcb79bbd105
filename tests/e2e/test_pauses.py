"""SIGSTOP and SIGCONT, as a debugger, a container's freezer or a machine out of memory do it."""

import contextlib
import json
import signal
import socket
import threading
import time
from pathlib import Path

from tests.conftest import StartProxy
from tests.proxy_process import ProxyProcess, replace

IDLE_SECONDS = 4.0
PAUSE_SECONDS = 10.0


class Pause(threading.Thread):
    """Stops it now, and lets it go on after some time.

    Attributes:
        ends: When it goes on, at the earliest, in seconds of the monotonic clock.
    """

    def __init__(self, running: ProxyProcess, seconds: float) -> None:
        super().__init__()
        running.process.send_signal(signal.SIGSTOP)
        self._running = running
        self._seconds = seconds
        self.ends = 0.0
        self.start()

    def run(self) -> None:
        """Wait, and let it go on."""
        time.sleep(self._seconds)
        self.ends = time.monotonic()
        self._running.process.send_signal(signal.SIGCONT)


def connect(running: ProxyProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.tcp_port), 30)


def age(running: ProxyProcess, app: str) -> float:
    """Return how old an app's metrics are, by the clock of this process."""
    start = f'exporter_proxy_app_last_update_timestamp_seconds{{app="{app}"}} '
    (line,) = [line for line in running.metrics().splitlines() if line.startswith(start)]
    return time.time() - float(line.rpartition(" ")[2])


def test_what_was_sent_meanwhile_arrives(proxy: StartProxy, http_server, tmp_path: Path):
    """New peers wait in the backlog, open connections are as they were, polls go on."""
    (tmp_path / "metrics").write_text("polled 1\n")
    url = f"http://127.0.0.1:{http_server(tmp_path)}/metrics"
    running = proxy(
        exporter={"self_metrics_interval": 0},
        receiver={"idle_timeout": IDLE_SECONDS, "message_timeout": IDLE_SECONDS},
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [{"url": url, "name": "polled"}],
            "poll_interval": 0.5,
        },
    )
    running.wait_metrics("polled 1\n")
    with connect(running) as idle, connect(running) as within:
        idle.sendall(b'{"idle":"a 1"}')
        within.sendall(b'{"before":"b 1"}{"within":"')
        running.wait_metrics("b 1\n")
        over = Pause(running, PAUSE_SECONDS)
        # They have to wait, and are served: none of them has done anything wrong.
        idle.sendall(b'{"idle":"a 2"}')
        within.sendall(b'c 1"}')
        waiting = [connect(running) for _ in range(50)]
        for number, peer in enumerate(waiting):
            peer.sendall(json.dumps({f"new{number}": f"n{number} 1"}).encode())
            peer.shutdown(socket.SHUT_WR)
        replace(tmp_path / "metrics", "polled 2\n")
        for peer in waiting:
            assert peer.recv(1000) == b""
            peer.close()
        over.join()
        page = running.wait_metrics("polled 2\n")
        assert all(f"\nn{number} 1\n" in page for number in range(50))
        running.wait_metrics("a 2\n")
        running.wait_metrics("c 1\n")
        assert 0 <= age(running, "new0") < PAUSE_SECONDS
        assert 0 <= age(running, "polled") < PAUSE_SECONDS
        # Who sends nothing more is closed in the end, as ever.
        assert b"(receiver.idle_timeout)" in idle.recv(1000)
    assert running.apps_json()["apps"][0]["app"] == "polled"


def test_requests_that_went_on_meanwhile_are_answered(proxy: StartProxy):
    """First and later ones, of the HTTP server and of pushes that are answered without it."""
    running = proxy(exporter={"header_timeout": 3})
    get = b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n"
    push = b"PUT /push/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\na 1\n"
    with contextlib.ExitStack() as peers:
        requests = [(b"", get), (get, get), (push, push), (push, get)]
        waiting = []
        for before, request in requests:
            peer = socket.create_connection(("127.0.0.1", running.http_port), 30)
            peers.enter_context(peer)
            if before:
                peer.sendall(before)
                assert peer.recv(1000).startswith(b"HTTP/1.1 200 ")
            waiting.append((peer, request))
        for peer, request in waiting:
            peer.sendall(request[:20])
        running.get("/-/healthy")
        over = Pause(running, 5)
        for peer, request in waiting:
            peer.sendall(request[20:])
        over.join()
        assert [peer.recv(1000)[:13] for peer, _ in waiting] == [b"HTTP/1.1 200 "] * 4


def test_one_that_never_ends_is_cut_off_all_the_same(proxy: StartProxy):
    """A pause gives time, once."""
    running = proxy(receiver={"message_timeout": 2})
    with connect(running) as within:
        within.sendall(b'{"before":"b 1"}{"within":"')
        running.wait_metrics("b 1\n")
        over = Pause(running, 4)
        over.join()
        assert b"(receiver.message_timeout)" in within.recv(1000)
        assert time.monotonic() - over.ends > 1.9

"""The proxy as a process: start, signals, what it says where it can't start."""

import os
import re
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import StartProxy
from tests.proxy_process import ProxyProcess, until

# What is shown is what was sent, and nothing else.
BARE = {"exposition": "verbatim", "self_metrics": False}


def log_messages(running: ProxyProcess) -> list[str]:
    return [record["message"] for record in running.log_records()]


def connect(running: ProxyProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.tcp_port), 20)


def answer(connection: socket.socket) -> str:
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_in_order(proxy: StartProxy, number: signal.Signals):
    """Exit code 0, the socket file is gone, the ports are free."""
    running = proxy()
    assert running.unix_socket.is_socket()
    running.process.send_signal(number)
    assert running.wait() == 0
    assert not running.unix_socket.exists()
    for port in (running.tcp_port, running.http_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert log_messages(running)[-2:] == ["stopping", "stopped"]


def test_start_line_names_every_address(proxy: StartProxy):
    running = proxy()
    line = log_messages(running)[-1]
    assert re.fullmatch(
        rf"exporter-proxy \S+ serves http://127\.0\.0\.1:{running.http_port}/metrics, "
        rf"takes metrics from: 127\.0\.0\.1:{running.tcp_port}, {running.unix_socket}, "
        "pushes over HTTP",
        line,
    )


def test_nothing_is_turned_on(proxy: StartProxy):
    """It serves an empty page, and says why it is empty."""
    running = proxy(
        exporter=BARE,
        receiver={"receive_on_tcp_socket": False, "receive_on_unix_socket": False},
        push={"pushgateway_api": False, "app_api": False},
    )
    assert running.metrics() == ""
    assert "no source is turned on: the page stays empty" in log_messages(running)
    assert log_messages(running)[-1].endswith("takes metrics from: nobody")


def test_message_under_way_is_finished(proxy: StartProxy):
    """A sender that has begun may end within the grace; idle ones are let go at once."""
    running = proxy()
    with connect(running) as busy, connect(running) as idle:
        busy.sendall(b'{"first":"x 1"}{"second":"')
        running.wait_metrics("x 1\n")
        running.process.terminate()
        assert answer(idle) == ""
        busy.sendall(b'x 2"}{"third":')
        busy.sendall(b"7}")
        assert answer(busy) == (
            'error: the metrics of "third" are a number, expected text or an array of lines\n'
        )
    assert running.wait() == 0


def test_message_that_never_ends_does_not_hold_it(proxy: StartProxy):
    """After the grace of 5 s it ends, whoever is still sending."""
    running = proxy(receiver={"message_timeout": 60})
    with connect(running) as busy:
        busy.sendall(b'{"a":"x 1"}{"b":"')
        running.wait_metrics("x 1\n")
        assert running.stop() == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_it_at_once(proxy: StartProxy, second: signal.Signals):
    """It is told whom it waits for; a second signal cuts them off, and nothing is left behind."""
    running = proxy(receiver={"message_timeout": 60})
    with connect(running) as busy:
        busy.sendall(b'{"a":"x 1"}{"b":"')
        running.wait_metrics("x 1\n")
        running.process.terminate()
        waiting = (
            "waiting up to 5 s for 1 connection within a message; a second signal ends at once: "
            f"source=127.0.0.1:{running.tcp_port}"
        )
        until(lambda: waiting in log_messages(running), "the log line")
        running.process.send_signal(second)
        assert running.wait() == 0
    messages = log_messages(running)
    assert "a second signal: ending at once, what is under way is cut off" in messages
    assert messages[-1] == "stopped"
    assert not running.unix_socket.exists()


def test_port_that_is_free(proxy: StartProxy):
    """Port 0 is any free one; the log and /apps say which."""
    running = proxy(receiver={"receiver_tcp_socket": "127.0.0.1:0"})
    found = re.search(r"takes metrics from: 127\.0\.0\.1:(\d+), ", log_messages(running)[-1])
    assert found
    running.tcp_port = int(found[1])
    assert running.tcp_port > 0
    assert running.push_tcp(b'{"a":"x 1"}') == ""
    [row] = [row for row in running.apps_json()["apps"] if row["app"] == "a"]
    assert row["source"] == f"127.0.0.1:{running.tcp_port}"


def test_stale_socket_of_a_proxy_that_was_killed(proxy: StartProxy):
    """The next one takes its place."""
    first = proxy()
    first.process.kill()
    first.wait()
    assert first.unix_socket.is_socket()
    second = proxy(receiver={"receiver_unix_socket": str(first.unix_socket)})
    second.unix_socket = first.unix_socket
    assert second.push_unix(b'{"a":"x 1"}') == ""
    assert "x 1\n" in second.metrics()


def test_mode_of_the_socket(proxy: StartProxy):
    running = proxy(receiver={"unix_socket_mode": "0600"})
    assert stat.S_IMODE(running.unix_socket.stat().st_mode) == 0o600


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def ends_with(running: ProxyProcess, line: str) -> None:
    """See that it ends with exit code 1 and that line, and leaves nothing behind."""
    assert running.wait() == 1
    last = running.log_records()[-1]
    assert (last["level"], last["message"]) == ("ERROR", line)
    assert "Traceback" not in running.log_text()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", running.http_port))


def test_receiver_port_is_taken(proxy: StartProxy, taken_port: int):
    address = f"127.0.0.1:{taken_port}"
    running = proxy(wait=False, receiver={"receiver_tcp_socket": address})
    ends_with(
        running, f"receiver.receiver_tcp_socket: can't listen on {address}: address already in use"
    )
    assert not running.unix_socket.exists()


def test_scrape_port_is_taken(proxy: StartProxy, taken_port: int):
    """The receivers that were open already are closed again."""
    address = f"127.0.0.1:{taken_port}"
    running = proxy(wait=False, exporter={"scrape_expose_endpoint": address})
    ends_with(
        running,
        f"exporter.scrape_expose_endpoint: can't listen on {address}: address already in use",
    )
    assert not running.unix_socket.exists()


def test_regular_file_where_the_socket_should_be(proxy: StartProxy):
    with tempfile.TemporaryDirectory(prefix="taken-") as directory:
        path = Path(directory) / "s"
        path.write_text("precious")
        running = proxy(wait=False, receiver={"receiver_unix_socket": str(path)})
        ends_with(
            running,
            f"receiver.receiver_unix_socket: {path} is there and is no socket; "
            "remove it or name another path",
        )
        assert path.read_text() == "precious"


def test_two_proxies_on_one_socket(proxy: StartProxy):
    """The second doesn't start, the first goes on."""
    first = proxy()
    second = proxy(wait=False, receiver={"receiver_unix_socket": str(first.unix_socket)})
    ends_with(
        second,
        f"receiver.receiver_unix_socket: another process listens on {first.unix_socket}; "
        "stop it or name another path",
    )
    assert first.push_unix(b'{"a":"x 1"}') == ""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("unix_socket_user", 'receiver.unix_socket_user: there is no user "nobody-at-all"'),
        ("unix_socket_group", 'receiver.unix_socket_group: there is no group "nobody-at-all"'),
    ],
)
def test_owner_that_is_not_there(proxy: StartProxy, key: str, line: str):
    running = proxy(wait=False, receiver={key: "nobody-at-all"})
    ends_with(running, line)
    assert not running.unix_socket.exists()


def test_apps_expire(proxy: StartProxy):
    """The time to live of the sender counts before that of the configuration."""
    running = proxy(exporter=BARE | {"expire_after": 3600})
    assert running.push_tcp(b'{"stays":"x 1","goes":{"metrics":"y 1","ttl":"200ms"}}') == ""
    until(lambda: running.metrics() == "x 1\n", "the app to expire")
    assert "app expired: app=goes" in log_messages(running)


def test_few_descriptors(proxy: StartProxy):
    """With 256 descriptors and 500 silent connections, pushes and scrapes still work.

    Whichever receiver the silent ones came to, and also after all have been counted.
    """
    limited = ("sh", "-c", 'ulimit -n 256; exec "$@"', "sh", sys.executable, "-m", "exporter_proxy")
    running = proxy(command=limited, exporter=BARE)
    used = Path(f"/proc/{running.process.pid}/fd")

    def push_all(number: int) -> None:
        document = b'{"a":"x %d"}' % number
        for push in (running.push_unix, running.push_unix, running.push_tcp):
            assert push(document) == ""
        assert running.metrics() == f"x {number}\n"

    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(connect(running))
        push_all(1)
        # One more is taken before listening pauses, and a scrape may have its own.
        assert len(os.listdir(used)) <= 256 - 62  # noqa: PTH208
        stack.enter_context(connect(running)).sendall(b'{"slow":"')
        for number in range(2, 12):
            push_all(number)
    push_all(99)

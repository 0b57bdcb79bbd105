"""The proxy under a service manager: what it tells, and the sockets that it is passed."""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartProxy
from tests.ports import free_port
from tests.process.test_notify import Manager
from tests.proxy_process import ProxyProcess, until

PROGRAM = [sys.executable, "-m", "exporter_proxy"]


@pytest.fixture
def directory() -> Iterator[Path]:
    # Not pytest's: the path of a Unix socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="manager-") as directory:
        yield Path(directory)


@pytest.fixture(params=["path", "abstract"])
def manager(request, directory: Path) -> Iterator[Manager]:
    manager = Manager(f"{'@' if request.param == 'abstract' else ''}{directory}/notify")
    yield manager
    manager.socket.close()


def under(manager: Manager, **variables: str) -> list[str]:
    """Return a command that starts the proxy as ``manager`` would."""
    fields = {"NOTIFY_SOCKET": manager.address, **variables}
    return ["env", *(f"{name}={value}" for name, value in fields.items()), *PROGRAM]


def test_tells_its_manager(manager: Manager, proxy: StartProxy):
    """When everything listens it is ready; how many apps it has; and that it ends."""
    running = proxy(command=under(manager, WATCHDOG_USEC="400000"), wait=False)
    assert manager.told() == ["READY=1", "STATUS=0 apps, 0 samples"]
    # At this moment, not a little later.
    for port in (running.http_port, running.tcp_port):
        socket.create_connection(("127.0.0.1", port)).close()
    assert running.get("/-/ready").status == 200
    assert running.push_unix(b'{"a": "x 1\\ny 2"}') == ""
    assert "x 1\n" in running.metrics()
    until(lambda: manager.told() == ["WATCHDOG=1", "STATUS=1 app, 2 samples"], "the status")
    running.process.terminate()
    until(lambda: manager.told() == ["STOPPING=1", "STATUS=stopping"], "the end")
    assert running.wait() == 0
    assert manager.heard_nothing()


def test_process_that_hangs_tells_nothing(manager: Manager, proxy: StartProxy):
    """Its manager would end it; once it goes on, it beats again."""
    running = proxy(command=under(manager, WATCHDOG_USEC="100000"))
    running.process.send_signal(signal.SIGSTOP)
    until(lambda: stopped(running), "the process to stop")
    while not manager.heard_nothing():
        manager.told()
    manager.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.told()
    manager.socket.settimeout(20)
    running.process.send_signal(signal.SIGCONT)
    until(lambda: manager.told()[0] == "WATCHDOG=1", "the next beat")


def test_tells_of_a_reload(manager: Manager, proxy: StartProxy):
    """When it begins, on the clock that Type=notify-reload wants, and when it has ended."""
    running = proxy(command=under(manager))
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    running.process.send_signal(signal.SIGHUP)
    told = until(lambda: reloading(manager), "the reload")
    assert before <= int(told) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    until(lambda: manager.told()[0] == "READY=1", "its end")
    # One that fails has an end, too.
    running.config_file.write_text("[exporter]\nmax_apps = 0\n")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: reloading(manager), "the reload")
    until(lambda: manager.told()[0] == "READY=1", "its end")


def reloading(manager: Manager) -> str:
    """Return the moment at which a reload began; nothing if something else is told next."""
    first, *others = manager.told()
    return others[0].removeprefix("MONOTONIC_USEC=") if first == "RELOADING=1" else ""


def stopped(running: ProxyProcess) -> bool:
    stat = Path(f"/proc/{running.process.pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0] == "T"


def test_failed_start_is_never_ready(manager: Manager, proxy: StartProxy):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        running = proxy(
            command=under(manager),
            wait=False,
            receiver={"receiver_tcp_socket": address},
        )
        assert running.wait() == 1
    assert manager.heard_nothing()


Activated = Callable[..., ProxyProcess]


@pytest.fixture
def activated(tool, proxy: StartProxy, directory: Path) -> Activated:
    """Start the proxy by systemd's own tool, which listens and starts it at the first peer."""

    def start(
        *, names: str | None = None, more: tuple[str, ...] = (), **receiver: object
    ) -> ProxyProcess:
        scrape, push = free_port(), free_port()
        path = str(directory / "push.sock")
        addresses = [f"127.0.0.1:{scrape}", f"127.0.0.1:{push}", path, *more]
        command = [tool("systemd-socket-activate")]
        command += [f"--listen={address}" for address in addresses]
        if names is not None:
            command.append(f"--fdname={names}")
        running = proxy(
            command=[*command, *PROGRAM],
            wait=False,
            exporter={"scrape_expose_endpoint": f"127.0.0.1:{scrape}"},
            receiver={
                "receiver_tcp_socket": f"127.0.0.1:{push}",
                "receiver_unix_socket": path,
                **receiver,
            },
        )
        running.http_port, running.tcp_port, running.unix_socket = scrape, push, Path(path)
        until(lambda: f"Listening on {addresses[-1]}" in running.log_text(), "the sockets")
        return running

    return start


def test_sockets_found_by_their_addresses(activated: Activated):
    """They are served, not bound anew; the socket's file is not ours to remove."""
    running = activated()
    before = running.unix_socket.stat().st_ino
    # The tool starts the proxy when somebody is there, who waits for the answer.
    running.wait_ready()
    assert running.push_tcp(b'{"tcp": "by_tcp 1"}') == ""
    assert running.push_unix(b'{"unix": "by_unix 1"}') == ""
    page = running.metrics()
    assert "by_tcp 1\n" in page
    assert "by_unix 1\n" in page
    sources = {row["app"]: row["source"] for row in running.apps_json()["apps"]}
    assert sources["tcp"] == f"127.0.0.1:{running.tcp_port}"
    assert sources["unix"] == str(running.unix_socket)
    assert running.stop() == 0
    assert running.unix_socket.stat().st_ino == before


def test_sockets_found_by_their_names(activated: Activated):
    """The manager's word counts, whatever the configuration says of addresses."""
    other = f"127.0.0.1:{free_port()}"
    running = activated(
        names="scrape:receiver-tcp:receiver-unix",
        receiver_tcp_socket=other,
        receiver_unix_socket="/nowhere/at/all.sock",
    )
    running.wait_ready()
    assert running.push_tcp(b'{"tcp": "by_tcp 1"}') == ""
    assert running.push_unix(b'{"unix": "by_unix 1"}') == ""
    sources = {row["app"]: row["source"] for row in running.apps_json()["apps"]}
    # As people find it, not as it was configured.
    assert sources["tcp"] == f"127.0.0.1:{running.tcp_port}"
    assert sources["unix"] == str(running.unix_socket)


def test_socket_that_nobody_asked_for(activated: Activated):
    """It does not start, and says which it is."""
    stray = f"127.0.0.1:{free_port()}"
    running = activated(more=(stray,))
    socket.create_connection(("127.0.0.1", running.http_port)).close()
    assert running.wait() == 1
    assert f"socket activation: {stray} is nothing that the configuration" in running.log_text()
    assert running.unix_socket.exists()


def test_receiver_that_is_turned_off(activated: Activated):
    """What is passed for it is one too many."""
    running = activated(receive_on_tcp_socket=False)
    socket.create_connection(("127.0.0.1", running.http_port)).close()
    assert running.wait() == 1
    assert f"socket activation: 127.0.0.1:{running.tcp_port} is nothing" in running.log_text()


def test_children_inherit_nothing(activated: Activated):
    """Neither variables nor sockets: what the proxy starts is no service of the manager's."""
    running = activated()
    running.wait_ready()
    environment = Path(f"/proc/{running.process.pid}/environ").read_bytes()
    assert b"LISTEN_FDS=3" in environment
    for descriptor in (3, 4, 5):
        info = Path(f"/proc/{running.process.pid}/fdinfo/{descriptor}").read_text()
        flags = int(
            next(line for line in info.splitlines() if line.startswith("flags")).split()[1], 8
        )
        assert flags & os.O_CLOEXEC

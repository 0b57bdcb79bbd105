"""Sockets passed by a service manager: which is taken for what, and which is refused."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from exporter_proxy.config import Address
from exporter_proxy.errors import StartError
from exporter_proxy.process.inherited import Inherited, InheritedSockets
from tests.proxy_process import ROOT


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def tcp(stack: ExitStack, name: str = "", host: str = "127.0.0.1") -> Inherited:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = stack.enter_context(socket.create_server((host, 0), family=family))
    return Inherited(name, str(Address(*made.getsockname()[:2])), made)


def unix(stack: ExitStack, path: Path, name: str = "") -> Inherited:
    made = stack.enter_context(socket.socket(socket.AF_UNIX))
    made.bind(str(path))
    made.listen()
    return Inherited(name, str(path), made)


def same(stack: ExitStack, claimed: socket.socket | None, given: Inherited) -> bool:
    """Tell whether both are the same socket; a claimed one is its owner's to close."""
    if claimed is None:
        return False
    stack.enter_context(claimed)
    return os.fstat(claimed.fileno()).st_ino == os.fstat(given.socket.fileno()).st_ino


def port(given: Inherited) -> int:
    found: int = given.socket.getsockname()[1]
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_found_by_address(stack: ExitStack, host: str):
    first, second = tcp(stack, host=host), tcp(stack, host=host)
    sockets = InheritedSockets((first, second))

    claimed = sockets.tcp("scrape", Address(host, port(second)))

    assert same(stack, claimed, second)


def test_found_by_the_name_of_its_host(stack: ExitStack):
    given = tcp(stack)

    claimed = InheritedSockets((given,)).tcp("scrape", Address("localhost", port(given)))

    assert same(stack, claimed, given)


def test_found_by_path(stack: ExitStack, tmp_path: Path):
    """Also by one that leads there: /var/run is /run."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var").symlink_to(tmp_path / "run")
    given = unix(stack, tmp_path / "run" / "socket")
    sockets = InheritedSockets((given,))

    for way in ("run", "var"):
        claimed = sockets.unix("receiver-unix", str(tmp_path / way / "socket"))
        assert same(stack, claimed, given)
    assert sockets.unix("receiver-unix", str(tmp_path / "other")) is None


def test_found_by_name(stack: ExitStack):
    """Whatever its address, and before one that has the address."""
    named, other = tcp(stack, "receiver-tcp"), tcp(stack)
    sockets = InheritedSockets((other, named))

    assert same(stack, sockets.tcp("receiver-tcp", Address("127.0.0.1", port(other))), named)
    assert sockets.tcp("scrape", Address("127.0.0.1", 1)) is None


def test_found_again_after_it_was_closed(stack: ExitStack):
    """A configuration may let go of an address and come back to it."""
    given = tcp(stack)
    sockets = InheritedSockets((given,))
    address = Address("127.0.0.1", port(given))
    for _ in range(2):
        claimed = sockets.tcp("scrape", address)
        assert claimed is not None
        claimed.close()

    assert given.socket.fileno() != -1


def test_one_that_nobody_asked_for(stack: ExitStack):
    """Who connects to it would wait for ever."""
    given, stray = tcp(stack), tcp(stack, "stray")
    sockets = InheritedSockets((given, stray))
    claimed = sockets.tcp("scrape", Address("127.0.0.1", port(given)))
    assert same(stack, claimed, given)
    assert sockets.unix("receiver-unix", "/run/x") is None

    with pytest.raises(StartError) as error:
        sockets.check_all_claimed()

    assert str(error.value) == (
        f'socket activation: {stray.where} (named "stray") is nothing that the configuration '
        f"listens on: scrape on {given.where}, receiver-unix on /run/x; a socket is taken "
        "by its address, or by one of these names (FileDescriptorName=)"
    )


def test_all_are_asked_for(stack: ExitStack):
    given = tcp(stack)
    sockets = InheritedSockets((given,))
    assert same(stack, sockets.tcp("scrape", Address("127.0.0.1", port(given))), given)

    sockets.check_all_claimed()


SCRIPT = """
import os, socket, sys
from exporter_proxy.errors import StartError
from exporter_proxy.process.inherited import InheritedSockets
kind, count, names = sys.argv[1:4]
if kind in ("tcp", "other"):
    made = socket.create_server(("127.0.0.1", 0))
elif kind == "silent":
    made = socket.socket()
elif kind == "udp":
    made = socket.socket(type=socket.SOCK_DGRAM)
elif kind == "file":
    made = open("/dev/null")
if kind != "none":
    os.dup2(made.fileno(), 3, inheritable=True)
else:
    os.closerange(3, 100)
process = "1" if kind == "other" else str(os.getpid())
environment = {"LISTEN_PID": process, "LISTEN_FDS": count, "LISTEN_FDNAMES": names, "A": ""}
try:
    sockets = InheritedSockets.from_environment(environment)
except StartError as error:
    print(error)
else:
    for each in sockets._sockets:
        print(each.name, each.where, os.get_inheritable(3), each.socket.getblocking())
assert environment == {"A": ""}, environment
"""


def take(kind: str, count: str = "1", names: str = "") -> str:
    """Return what a process says of the sockets that it is passed."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, kind, count, names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("names", "name"), [("", ""), ("scrape", "scrape"), ("a:b:c", "a")])
def test_taken_from_the_environment(names: str, name: str):
    """Not handed on to children, and ready for an event loop."""
    said = take("tcp", names=names)

    assert said.startswith(f"{name} 127.0.0.1:".strip())
    assert said.endswith(" False False")


def test_those_of_another_process_are_not_ours():
    assert take("other") == ""


@pytest.mark.parametrize(
    ("kind", "count", "why"),
    [
        ("silent", "1", 'descriptor 3 (named "x"): not a listening stream socket'),
        ("udp", "1", 'descriptor 3 (named "x"): not a listening stream socket'),
        ("file", "1", 'descriptor 3 (named "x"): socket operation on non-socket'),
        ("none", "1", 'descriptor 3 (named "x"): bad file descriptor'),
        ("tcp", "many", 'LISTEN_FDS="many" is no number of sockets'),
        ("tcp", "-1", 'LISTEN_FDS="-1" is no number of sockets'),
        ("tcp", "1000000000", 'LISTEN_FDS="1000000000" is no number of sockets'),
    ],
)
def test_what_can_not_be_served(kind: str, count: str, why: str):
    assert take(kind, count, "x").startswith(f"socket activation: {why}")

"""What the service manager is told, by a datagram socket that stands for its own."""

import asyncio
import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter_proxy.process.notify import Heartbeat, Notifier


class Manager:
    """A service manager's socket.

    Attributes:
        address: As ``$NOTIFY_SOCKET`` has it.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0"))
        self.socket.settimeout(20)

    def told(self) -> list[str]:
        """Return the lines of the next datagram."""
        return self.socket.recv(65_536).decode().split("\n")

    def heard_nothing(self) -> bool:
        """Tell whether no datagram waits."""
        return not select.select([self.socket], [], [], 0)[0]


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(f"{'@' if request.param == 'abstract' else ''}{tmp_path}/notify")
    yield manager
    manager.socket.close()


@pytest.fixture
def notifier(manager: Manager) -> Iterator[Notifier]:
    notifier = Notifier(manager.address, 30.0)
    yield notifier
    notifier.close()


def test_life_of_a_service(manager: Manager, notifier: Notifier):
    """One datagram for each step, with a status for people."""
    notifier.ready("serves 3 apps")
    notifier.alive("serves 4 apps")
    notifier.stopping()

    assert manager.told() == ["READY=1", "STATUS=serves 3 apps"]
    assert manager.told() == ["WATCHDOG=1", "STATUS=serves 4 apps"]
    assert manager.told() == ["STOPPING=1", "STATUS=stopping"]
    assert manager.heard_nothing()


def test_reload_has_its_moment(manager: Manager, notifier: Notifier):
    """As Type=notify-reload wants it, on the clock that the manager has."""
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    notifier.reloading()
    name, moment, status = manager.told()

    assert (name, status) == ("RELOADING=1", "STATUS=reloading")
    assert moment.startswith("MONOTONIC_USEC=")
    microseconds = int(moment.partition("=")[2])
    assert before - 1e-6 <= microseconds / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC)


def test_no_status_is_another_field(manager: Manager, notifier: Notifier):
    notifier.status("a\nSTOPPING=1\udcff")

    assert manager.told() == [r"STATUS=a STOPPING=1\udcff"]


def test_nobody_asks():
    notifier = Notifier.from_environment({})
    notifier.ready("x")
    notifier.close()

    assert not notifier.asked
    assert notifier.watchdog_seconds is None


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_environment(variables: dict[str, str], seconds: float | None):
    """It is read once, and no child of ours finds it."""
    environment = {"NOTIFY_SOCKET": "/run/notify", "HOME": "/", **variables}
    notifier = Notifier.from_environment(environment)

    assert notifier.asked
    assert notifier.watchdog_seconds == seconds
    assert environment == {"HOME": "/"}


def test_watchdog_without_a_socket_is_none():
    assert Notifier.from_environment({"WATCHDOG_USEC": "1"}).watchdog_seconds is None


def test_unknown_kind_of_socket(caplog: pytest.LogCaptureFixture):
    assert not Notifier.from_environment({"NOTIFY_SOCKET": "vsock:2:1234"}).asked
    assert caplog.messages == ["the service manager's socket is of an unknown kind: vsock:2:1234"]


def test_manager_that_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """It is logged once, and when it is back."""
    caplog.set_level("INFO")
    notifier = Notifier(f"{tmp_path}/notify")
    notifier.ready("x")
    notifier.status("x")
    manager = Manager(f"{tmp_path}/notify")
    notifier.status("y")

    assert manager.told() == ["STATUS=y"]
    telling = "telling the service manager"
    where = f"socket={tmp_path}/notify"
    assert caplog.messages == [
        f"{telling} failing: {where} No such file or directory",
        f"{telling} works again: {where} after 2 failures, 0s",
    ]
    notifier.close()
    manager.socket.close()


def test_full_queue_holds_nobody(manager: Manager, notifier: Notifier):
    """What is told again and again is left out; what has to arrive waits a moment."""
    for number in range(10_000):
        notifier.status(str(number))
        if notifier._streak.failures:
            break
    took = []
    for _ in range(5):
        before = time.monotonic()
        notifier.alive("x")
        took.append(time.monotonic() - before)
    # Not the longest: a busy machine may have this process wait, too.
    assert min(took) < 0.5
    before = time.monotonic()
    notifier.ready("at last")
    assert 0.5 < time.monotonic() - before < 10


class TestHeartbeat:
    """How often, and when not."""

    async def test_beats_twice_in_the_watchdogs_time(self, manager: Manager):
        """From the start on, until it is stopped."""
        notifier = Notifier(manager.address, 0.1)
        heartbeat = Heartbeat(notifier, lambda: "fine", lambda: True)
        loop = asyncio.get_running_loop()
        began = loop.time()
        heartbeat.start()
        for _ in range(4):
            told = await loop.run_in_executor(None, manager.told)
            assert told == ["WATCHDOG=1", "STATUS=fine"]
        assert loop.time() - began >= 0.15 - 0.001
        heartbeat.stop()
        heartbeat.stop()
        notifier.close()

    async def test_one_that_is_not_well(self, manager: Manager):
        """It says so, and the watchdog hears nothing."""
        notifier = Notifier(manager.address, 0.1)
        heartbeat = Heartbeat(notifier, lambda: "4 apps", lambda: False)
        heartbeat.start()

        assert manager.told() == ["STATUS=not well: 4 apps"]

        heartbeat.stop()
        notifier.close()

    async def test_without_a_watchdog(self, manager: Manager):
        """The status alone."""
        notifier = Notifier(manager.address)
        heartbeat = Heartbeat(notifier, lambda: "fine", lambda: True)
        heartbeat.start()

        assert manager.told() == ["STATUS=fine"]

        heartbeat.stop()
        notifier.close()

    async def test_nobody_asks(self):
        """Nothing is done, the status is not even made."""
        heartbeat = Heartbeat(Notifier(None), pytest.fail, pytest.fail)
        heartbeat.start()
        heartbeat.stop()

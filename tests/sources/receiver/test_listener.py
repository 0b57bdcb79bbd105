"""Pausing and resuming a listener, in any order, at any moment."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from exporter_proxy.config import Address
from exporter_proxy.sources.receiver.listener import PausableListener
from exporter_proxy.sources.receiver.sockets import listen_on_tcp
from tests.sources.receiver.peers import until


class Accepted(asyncio.Protocol):
    """Notes that it was made and closes."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count."""
        type(self).count += 1
        transport.close()


class Stage:
    """A listener, the peers that connect to it, and how often it said that one waits."""

    def __init__(self) -> None:
        class Counted(Accepted):
            count = 0

        self.accepted = Counted
        self.waiting = 0
        self.socket = listen_on_tcp(Address("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.listener = PausableListener(self.socket, Counted, self._on_waiting)

    def _on_waiting(self) -> None:
        self.waiting += 1

    def connect(self) -> None:
        """Connect, as far as the kernel does it."""
        socket.create_connection(self.address).close()

    async def took(self, count: int) -> None:
        """Wait until so many were accepted, and see that it stays at that."""
        await until(lambda: self.accepted.count >= count, f"{count} to be accepted")
        for _ in range(5):
            await asyncio.sleep(0)
        assert self.accepted.count == count


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    await made.listener.start()
    yield made
    made.listener.close()
    made.listener.close()


async def test_accepts(stage: Stage):
    assert stage.listener.accepting
    for _ in range(3):
        stage.connect()
    await stage.took(3)


async def test_nobody_is_accepted_while_paused(stage: Stage):
    """And all are when it goes on."""
    stage.listener.pause()
    assert not stage.listener.accepting
    assert not stage.listener.peer_waits()
    for _ in range(5):
        stage.connect()
    assert stage.listener.peer_waits()
    await stage.took(0)
    stage.listener.resume()
    await stage.took(5)
    assert not stage.listener.peer_waits()


async def test_says_once_that_a_peer_waits(stage: Stage):
    stage.listener.pause()
    stage.listener.watch()
    stage.listener.watch()
    await stage.took(0)
    assert stage.waiting == 0
    stage.connect()
    stage.connect()
    await until(lambda: stage.waiting, "the word")
    await stage.took(0)
    assert stage.waiting == 1
    stage.listener.watch()
    await until(lambda: stage.waiting == 2, "the second word")
    stage.listener.resume()
    await stage.took(2)


async def test_resuming_ends_the_watch(stage: Stage):
    stage.listener.pause()
    stage.listener.watch()
    stage.listener.resume()
    stage.connect()
    await stage.took(1)
    assert stage.waiting == 0


Step = Callable[[PausableListener], None]


@pytest.mark.parametrize(
    ("steps", "accepts"),
    [
        (["pause", "resume"], True),
        (["pause", "resume", "pause"], False),
        (["pause", "resume", "pause", "resume"], True),
        (["pause", "pause"], False),
        (["resume", "resume"], True),
        (["pause", "resume", "resume", "pause", "watch", "resume"], True),
    ],
)
async def test_last_word_counts(stage: Stage, steps: list[str], *, accepts: bool):
    """However fast it is told to pause and to go on."""
    for step in steps:
        getattr(stage.listener, step)()
    stage.connect()
    await stage.took(int(accepts))
    assert stage.listener.accepting is accepts


async def test_pause_while_it_starts(stage: Stage):
    """The server that is being made then is not kept."""
    stage.listener.pause()
    stage.listener.resume()
    await asyncio.sleep(0)
    stage.listener.pause()
    stage.connect()
    await stage.took(0)
    stage.listener.resume()
    await stage.took(1)


async def test_no_descriptor_left_to_accept_with(stage: Stage):
    """It stays paused; its owner tries again."""

    class NoDuplicate:
        family = socket.AF_INET

        def __init__(self, real: socket.socket) -> None:
            self.fileno = real.fileno

        def dup(self) -> socket.socket:
            raise OSError(24, "Too many open files")

    stage.listener.pause()
    stage.listener._listener = NoDuplicate(stage.socket)  # type: ignore[assignment]
    stage.listener.resume()
    await until(lambda: not stage.listener.accepting, "it to give up")
    stage.listener._listener = stage.socket
    stage.connect()
    stage.listener.resume()
    await stage.took(1)


async def test_closed_for_good(stage: Stage):
    """Nothing that is asked of it later opens it again."""
    stage.listener.close()
    stage.listener.resume()
    stage.listener.watch()
    assert not stage.listener.accepting
    with pytest.raises(ConnectionRefusedError):
        stage.connect()

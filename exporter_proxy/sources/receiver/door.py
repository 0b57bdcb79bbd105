"""Connections that others have accepted, and how a receiver takes them: at once, or one by one."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

from exporter_proxy.access import ProtocolFactory


class Listening(Protocol):
    """Where the connections of a receiver come from; accepting can be paused."""

    @property
    def accepting(self) -> bool:
        """Whether connections are accepted, or will be as soon as the loop gets to it."""

    async def start(self) -> None:
        """Accept connections."""

    def pause(self) -> None:
        """Leave new peers waiting."""

    def resume(self) -> None:
        """Accept again."""

    def watch(self) -> None:
        """Have the receiver called when a peer waits; for one that has paused."""

    def peer_waits(self) -> bool:
        """Whether a peer waits at this moment."""

    def close(self) -> None:
        """Take no more. Idempotent."""


class _Waiting(NamedTuple):
    """A connection that was accepted and is not ours yet.

    Attributes:
        transport: It.
        head: What it has said.
        ended: Whether that was all.
    """

    transport: asyncio.Transport
    head: bytes
    ended: bool


class Door:
    """Takes connections from one who has accepted them and read their first bytes, with pauses.

    Args:
        protocol_factory: Makes the protocol of each connection.
        on_waiting: Called once after each :meth:`watch`, when a connection waits.
    """

    def __init__(self, protocol_factory: ProtocolFactory, on_waiting: Callable[[], None]) -> None:
        self._protocol_factory = protocol_factory
        self._on_waiting = on_waiting
        self._waiting: deque[_Waiting] = deque()
        self._wanted = False
        self._watching = False
        self._closed = False

    def take(self, transport: asyncio.Transport, head: bytes, ended: bool) -> bool:  # noqa: FBT001
        """Go on with a connection, now or when there is place; tell whether it is taken at all.

        Args:
            transport: It; not read from while it waits.
            head: What it has said.
            ended: Whether that was all.
        """
        if self._closed:
            return False
        each = _Waiting(transport, head, ended)
        if self._wanted and not self._waiting:
            self._admit(each)
            return True
        if not ended:
            transport.pause_reading()
        self._waiting.append(each)
        if self._watching:
            self._watching = False
            asyncio.get_running_loop().call_soon(self._on_waiting)
        return True

    @property
    def accepting(self) -> bool:
        """Whether connections are taken."""
        return self._wanted

    async def start(self) -> None:
        """Take connections."""
        self.resume()

    def pause(self) -> None:
        """Let connections wait."""
        self._wanted = False

    def resume(self) -> None:
        """Take them again."""
        if self._closed:
            return
        self._wanted, self._watching = True, False
        # Each may be the last that there is place for.
        while self._wanted and self._waiting:
            each = self._waiting.popleft()
            if not each.transport.is_closing():
                if not each.ended:
                    each.transport.resume_reading()
                self._admit(each)

    def watch(self) -> None:
        """Have ``on_waiting`` called when a connection waits."""
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._on_waiting)
        else:
            self._watching = True

    def peer_waits(self) -> bool:
        """Whether a connection waits."""
        return bool(self._waiting)

    def close(self) -> None:
        """Take no more; those that wait are closed. Idempotent."""
        self._closed, self._wanted, self._watching = True, False, False
        for each in self._waiting:
            each.transport.abort()
        self._waiting.clear()

    def _admit(self, each: _Waiting) -> None:
        protocol = cast("asyncio.Protocol", self._protocol_factory())
        each.transport.set_protocol(protocol)
        protocol.connection_made(each.transport)
        protocol.data_received(each.head)
        if each.ended and not protocol.eof_received():
            each.transport.close()

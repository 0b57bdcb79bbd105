"""A listener that takes pushes: its connections, their limits, what they write."""

import asyncio
import contextlib
import itertools
import logging
import math
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from exporter_proxy.config import ReceiverConfig
from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.detect import Wire
from exporter_proxy.payload.json_reader import JsonReader
from exporter_proxy.payload.message import Message, MessageReader
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.receiver.connection import Connection
from exporter_proxy.sources.receiver.descriptors import Descriptors
from exporter_proxy.sources.receiver.listener import PausableListener
from exporter_proxy.sources.receiver.sockets import remove_own_socket, socket_identity
from exporter_proxy.sources.receiver.unfinished import Unfinished
from exporter_proxy.table import Table

logger = logging.getLogger(__name__)

# How long a refused peer has to read its line.
_LINGER_SECONDS = 2.0
# How often time-outs are looked at; a connection may live that much longer.
_SWEEP_SECONDS = 1.0
# How long a connection is left alone after a message, or after it was accepted, even if others
# wait: a peer that is about to send or to end needs no line that it was closed.
_LEFT_ALONE_SECONDS = 0.05
# How long the peers in the backlog, and what they have sent, may take to arrive at the end.
_DRAIN_SECONDS = 0.1

_TAKES = {"json": "JSON", "capnp": "Cap'n Proto", "auto": "JSON or Cap'n Proto"}


@dataclass(frozen=True, slots=True)
class Shared:
    """What the receivers of a proxy have in common.

    Attributes:
        unfinished: The messages that are under way.
        descriptors: How many file descriptors are left.
        receivers: All of them: one that is idle has to make place for the peers of another when
            descriptors are short.
    """

    unfinished: Unfinished
    descriptors: Descriptors
    receivers: list["Receiver"] = field(default_factory=list)


class Receiver:
    """Takes pushes on one listening socket; a :class:`~exporter_proxy.sources.base.Source`.

    Args:
        name: The listening address or the socket's path, as ``/apps`` shows it.
        listener: Makes the listening socket.
        config: The ``[receiver]`` section.
        table: Where updates go.
        shared: Limits over all receivers.
        concurrent_requests: Connections at once. With that many, accepting pauses; while peers
            wait, the connection that has been idle longest between messages is closed.
        expire_after: Seconds to live of apps whose sender names none.
    """

    def __init__(
        self,
        name: str,
        listener: Callable[[], socket.socket],
        *,
        config: ReceiverConfig,
        table: Table,
        shared: Shared,
        concurrent_requests: int,
        expire_after: float = math.inf,
    ) -> None:
        self.name = name
        self.stats = SourceStats()
        self.takes = _TAKES[config.format]
        self._make_listener = listener
        self._config = config
        self._table = table
        self._unfinished = shared.unfinished
        self._descriptors = shared.descriptors
        self._receivers = shared.receivers
        self._limit = concurrent_requests
        self._expire_after = expire_after
        self._loop: asyncio.AbstractEventLoop
        self._listener: PausableListener
        self._socket_path: tuple[str, int] | None = None
        self._connections: set[Connection] = set()
        # Between messages, the one that has been silent longest first.
        self._idle: dict[Connection, None] = {}
        # Refused, with their line on the way, the oldest first.
        self._lingering: dict[Connection, None] = {}
        # A peer waits, and there was nobody to make place.
        self._retry: asyncio.TimerHandle | None = None
        self._stopping = False
        self._all_gone = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweep_seconds = max(
            0.01, min(_SWEEP_SECONDS, config.message_timeout / 4, config.idle_timeout / 4)
        )

    async def start(self) -> None:
        """Listen.

        Raises:
            StartError: The address can't be had.
        """
        self._loop = asyncio.get_running_loop()
        listener = self._make_listener()
        if listener.family == socket.AF_UNIX:
            self._socket_path = socket_identity(listener)
        self._listener = PausableListener(
            listener, lambda: Connection(self), on_waiting=self._make_place
        )
        await self._listener.start()
        self._receivers.append(self)
        self._sweeper = self._loop.call_later(self._sweep_seconds, self._sweep)

    def pause(self) -> None:
        """Begin to stop; peers that wait in the backlog are still taken, see :meth:`stop`."""
        self._stopping = True

    async def stop(self, grace_seconds: float) -> None:
        """Take what peers have sent already, then close. Idempotent.

        A peer that waits in the backlog may have sent all it has and gone: success is silent, so to
        it the push is done. Hence these are taken first, for a moment; then messages under way may
        come to their end.
        """
        if self._sweeper is None:
            return
        self._stopping = True
        end = self._loop.time() + grace_seconds
        drained = min(end, self._loop.time() + 10 * _DRAIN_SECONDS)
        while self._listener.peer_waits() and self._loop.time() < drained:
            if self._full:
                self._evict()
            self._resume()
            await asyncio.sleep(0.001)
        self._listener.close()
        self._receivers.remove(self)
        if self._socket_path is not None:
            remove_own_socket(*self._socket_path)
        await asyncio.sleep(min(_DRAIN_SECONDS, grace_seconds))
        for connection in list(self._idle):
            connection.close()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), end - self._loop.time())
        self._sweeper.cancel()
        self._sweeper = None
        for connection in list(self._connections):
            connection.abort()
        # The transports close in the next round of the loop.
        await asyncio.sleep(0)

    # What connections tell and ask.

    def reader(self, wire: Wire) -> MessageReader | None:
        """Return a reader for ``wire``, or None if it isn't taken here."""
        takes = self._config.format
        size = self._config.max_message_size
        # Of text that is no JSON its reader says best what is wrong with it.
        if wire in {"json", "text"} and takes != "capnp":
            return JsonReader(size)
        if wire == "capnp" and takes != "json":
            # Its library is needed by those alone who use it.
            from exporter_proxy.payload.capnp_reader import CapnpReader  # noqa: PLC0415

            return CapnpReader(size)
        return None

    def apply(self, message: Message) -> None:
        """Write a message's pushes into the table, all or none.

        Raises:
            PayloadError: ``too_many_apps``.
        """
        table = self._table
        if len(message) > 1:
            table.check_room(sum(push.app not in table for push in message))
        for app, payload, ttl in message:
            table.update(
                app,
                payload,
                source=self.name,
                expire_after=self._expire_after if ttl is None else ttl,
            )
        self.stats.updates += len(message)

    def count(self, error: PayloadError, connection: Connection) -> None:
        """Count a refused message."""
        self.stats.rejected[error.reason] += 1
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "message refused: source=%s peer=%s: %s", self.name, connection.peer, error
            )

    def opened(self, connection: Connection) -> None:
        """Take note of a new connection."""
        stats = self.stats
        stats.connections += 1
        stats.open_connections += 1
        self._connections.add(connection)
        connection.since = self._loop.time()
        self._idle[connection] = None
        self._descriptors.opened()
        if self._full:
            self._listener.pause()
            if not self._stopping:
                self._listener.watch()

    def closed(self, connection: Connection) -> None:
        """Take note that a connection is gone."""
        self.stats.open_connections -= 1
        self._connections.discard(connection)
        if self._stopping and not self._connections:
            self._all_gone.set()
        self._idle.pop(connection, None)
        self._lingering.pop(connection, None)
        self._unfinished.remove(connection, self._loop.time())
        self._descriptors.closed()
        # Each of them may have waited for this descriptor.
        for receiver in self._receivers:
            receiver.resume()

    def settle(self, connection: Connection, buffered: int, *, began: bool) -> None:
        """Take note of what a connection holds, now that all complete messages are applied.

        Args:
            connection: Which.
            buffered: Bytes of a message that isn't complete; 0: it is between messages.
            began: A message was completed since the last call.
        """
        now = self._loop.time()
        connection.since = now
        self._idle.pop(connection, None)
        if buffered:
            self._unfinished.set(connection, buffered, now=now, began=began)
            return
        if connection in self._unfinished:
            self._unfinished.remove(connection, now)
        self._idle[connection] = None

    def busy(self, connection: Connection) -> None:
        """Take note that a connection waits for us; no time-out runs."""
        self._idle.pop(connection, None)
        self._unfinished.remove(connection, self._loop.time())

    def linger(self, connection: Connection) -> None:
        """Close a refused connection after its line had time to arrive."""
        self.busy(connection)
        connection.since = self._loop.time()
        self._lingering[connection] = None

    # Limits.

    @property
    def _full(self) -> bool:
        return self._at_limit or self._descriptors.short

    @property
    def _at_limit(self) -> bool:
        return self.stats.open_connections >= self._limit

    def resume(self) -> None:
        """Accept again, if accepting has paused and there is place."""
        if not self._listener.accepting:
            self._resume()

    def _make_place(self) -> None:
        """Close the connection that has been idle longest, for a peer that waits."""
        if self._stopping or self._listener.accepting or self._retry is not None:
            return
        if not self._evict():
            self._retry = self._loop.call_later(_LEFT_ALONE_SECONDS, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self.resume()

    def _evict(self) -> bool:
        """Close the connection that has been idle longest; tell whether there is one."""
        # A place of this receiver is free only if one of its own goes; a descriptor is, whoever
        # goes.
        receivers = [self] if self._at_limit else self._receivers
        idle = filter(None, (receiver._longest_idle() for receiver in receivers))  # noqa: SLF001  # its own kind
        longest = min(idle, key=lambda connection: connection.since, default=None)
        if longest is not None:
            longest.receiver.evict(longest)
            return True
        moment = self._loop.time() - _LEFT_ALONE_SECONDS
        lingering = next((c for each in receivers for c in _oldest(each._lingering, moment)), None)  # noqa: SLF001
        if lingering is not None:
            lingering.abort()
        return lingering is not None

    def _longest_idle(self) -> Connection | None:
        # One whose bytes wait to be read is not idle: nothing that was sent may get lost.
        return next(
            (
                connection
                for connection in _oldest(self._idle, self._loop.time() - _LEFT_ALONE_SECONDS)
                if not connection.has_input()
            ),
            None,
        )

    def evict(self, connection: Connection) -> None:
        """Close an idle connection to make place."""
        self.stats.closed_connections["evicted"] += 1
        limit = "exporter.concurrent_requests" if self._at_limit else "limit of open files"
        connection.say_goodbye(f"closed to make place, this connection was idle longest ({limit})")
        connection.close()

    def _resume(self) -> None:
        """Accept again, if there is place; if not, make some as soon as a peer waits."""
        if self._full:
            self._listener.watch()
        else:
            self._listener.resume()

    def _sweep(self) -> None:
        """Close what has taken too long."""
        now = self._loop.time()
        config = self._config
        for sender in self._unfinished.overdue(now - config.message_timeout):
            if sender in self._connections:
                sender.refuse(
                    PayloadError(
                        "the message was not complete after "
                        f"{config.message_timeout:g} s (receiver.message_timeout)",
                        reason="message_timeout",
                    )
                )
        for connection in _before(self._idle, now - config.idle_timeout):
            self.stats.closed_connections["idle_timeout"] += 1
            connection.say_goodbye(
                f"nothing came for {config.idle_timeout:g} s (receiver.idle_timeout)"
            )
        for connection in _before(self._lingering, now - _LINGER_SECONDS):
            connection.abort()
        if self._descriptors.tight:
            self._descriptors.count()
        if not self._stopping:
            self.resume()
        self._sweeper = self._loop.call_later(self._sweep_seconds, self._sweep)


def _before(connections: dict[Connection, None], moment: float) -> list[Connection]:
    """Return those at the front that have been silent since before ``moment``."""
    return list(_oldest(connections, moment))


def _oldest(connections: dict[Connection, None], moment: float) -> Iterator[Connection]:
    return itertools.takewhile(lambda connection: connection.since < moment, connections)

"""The places of a receiver: who has one, and who gives it up for a peer that waits."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from exporter_proxy.descriptors import Descriptors
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.receiver.connection import Connection
from exporter_proxy.sources.receiver.door import Listening

# How long a refused peer has to read its line.
_LINGER_SECONDS = 2.0
# How long a connection is left alone after a message, or after it was accepted, even if others
# wait: a peer that is about to send or to end needs no line that it was closed.
_LEFT_ALONE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class PlaceLimits:
    """What bounds the connections of a receiver.

    Attributes:
        connections: How many it may have at once. With that many, accepting pauses; while peers
            wait, the connection that has been idle longest between messages is closed.
        idle_timeout: Seconds after which an idle one is closed.
        descriptors: How many file descriptors are left, to all receivers.
        siblings: The places of all receivers: one that is idle has to make place for the peers of
            another when descriptors are short.
    """

    connections: int
    idle_timeout: float
    descriptors: Descriptors
    siblings: list["Places"]


class Places:
    """Connections of one receiver, and its accepting of more.

    Args:
        listening: Makes that from which connections come; given what to call when a peer waits.
        stats: Of the receiver.
        limits: What bounds the connections.

    Attributes:
        connections: All of them.
        idle: Those between messages, the one that has been silent longest first.
        lingering: Those refused, with their line on the way, the oldest first.
    """

    def __init__(
        self,
        listening: Callable[[Callable[[], None]], Listening],
        *,
        stats: SourceStats,
        limits: PlaceLimits,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._stats = stats
        self._limits = limits
        self._descriptors = limits.descriptors
        self._siblings = limits.siblings
        self._listener = listening(self._make_place)
        self.connections: set[Connection] = set()
        self.idle: dict[Connection, None] = {}
        self.lingering: dict[Connection, None] = {}
        # A peer waits, and there was nobody to make place.
        self._retry: asyncio.TimerHandle | None = None
        self._stopping = False

    async def open(self) -> None:
        """Accept connections."""
        await self._listener.start()
        self._siblings.append(self)

    def set_limits(self, limits: PlaceLimits) -> None:
        """Change what bounds the connections.

        Those that are too many now stay until peers wait: then the one idle longest goes.
        """
        self._limits = limits
        if self._full and self._listener.accepting:
            self._listener.pause()
            self._listener.watch()
        elif not self._stopping:
            self.resume()

    def pause(self) -> None:
        """Begin to stop: nobody has to make place any more, see :meth:`drain`."""
        self._stopping = True

    async def drain(self, deadline: float) -> None:
        """Take the peers that wait in the backlog, until that moment of the loop's clock."""
        while self._listener.peer_waits() and self._loop.time() < deadline:
            if self._full:
                self._evict()
            self._resume()
            await asyncio.sleep(0.001)

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._listener.close()
        if self in self._siblings:
            self._siblings.remove(self)

    # What connections tell.

    def opened(self, connection: Connection) -> None:
        """Take note of a new connection."""
        stats = self._stats
        stats.connections += 1
        stats.open_connections += 1
        self.connections.add(connection)
        connection.since = self._loop.time()
        self.idle[connection] = None
        self._descriptors.opened()
        if self._full:
            self._listener.pause()
            if not self._stopping:
                self._listener.watch()

    def closed(self, connection: Connection) -> None:
        """Take note that a connection is gone."""
        self._stats.open_connections -= 1
        self.connections.discard(connection)
        self.idle.pop(connection, None)
        self.lingering.pop(connection, None)
        self._descriptors.closed()
        # Each of them may have waited for this descriptor.
        for places in self._siblings:
            places.resume()

    def linger(self, connection: Connection) -> None:
        """Close a refused connection after its line had time to arrive."""
        connection.since = self._loop.time()
        self.lingering[connection] = None

    # Limits.

    @property
    def _full(self) -> bool:
        return self._at_limit or self._descriptors.short

    @property
    def _at_limit(self) -> bool:
        return self._stats.open_connections >= self._limits.connections

    def resume(self) -> None:
        """Accept again, if accepting has paused and there is place."""
        if not self._listener.accepting:
            self._resume()

    def sweep(self, now: float) -> None:
        """Close what has taken too long, and see whether there is place again."""
        idle_timeout = self._limits.idle_timeout
        for connection in list(_oldest(self.idle, now - idle_timeout)):
            self._stats.closed_connections["idle_timeout"] += 1
            connection.say_goodbye(f"nothing came for {idle_timeout:g} s (receiver.idle_timeout)")
        for connection in list(_oldest(self.lingering, now - _LINGER_SECONDS)):
            connection.abort()
        if self._descriptors.tight:
            self._descriptors.count()
        if not self._stopping:
            self.resume()

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
        siblings = [self] if self._at_limit else self._siblings
        idle = filter(None, (places.longest_idle() for places in siblings))
        longest = min(idle, key=lambda connection: connection.since, default=None)
        if longest is not None:
            longest.receiver.places.evict(longest)
            return True
        moment = self._loop.time() - _LEFT_ALONE_SECONDS
        lingering = next((c for each in siblings for c in _oldest(each.lingering, moment)), None)
        if lingering is not None:
            lingering.abort()
        return lingering is not None

    def longest_idle(self) -> Connection | None:
        """Return the connection that has been idle longest, and may be closed for that."""
        # One whose bytes wait to be read is not idle: nothing that was sent may get lost.
        return next(
            (
                connection
                for connection in _oldest(self.idle, self._loop.time() - _LEFT_ALONE_SECONDS)
                if not connection.has_input()
            ),
            None,
        )

    def evict(self, connection: Connection) -> None:
        """Close an idle connection to make place."""
        self._stats.closed_connections["evicted"] += 1
        limit = "exporter.concurrent_requests" if self._at_limit else "limit of open files"
        connection.say_goodbye(f"closed to make place, this connection was idle longest ({limit})")
        connection.close()

    def _resume(self) -> None:
        """Accept again, if there is place; if not, make some as soon as a peer waits."""
        if self._full:
            self._listener.watch()
        else:
            self._listener.resume()


def _oldest(connections: dict[Connection, None], moment: float) -> Iterator[Connection]:
    """Return those at the front that have been silent since before ``moment``."""
    return itertools.takewhile(lambda connection: connection.since < moment, connections)

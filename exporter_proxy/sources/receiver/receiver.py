"""A listener that takes pushes: its connections, their limits, what they write."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from exporter_proxy.access import Access, ProtocolFactory, TlsListener
from exporter_proxy.config import ReceiverConfig
from exporter_proxy.descriptors import Descriptors
from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.detect import Wire
from exporter_proxy.payload.json_reader import JsonReader
from exporter_proxy.payload.message import Message, MessageReader
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.receiver.checked import CheckedReader
from exporter_proxy.sources.receiver.connection import Connection
from exporter_proxy.sources.receiver.door import Listening
from exporter_proxy.sources.receiver.listener import PausableListener
from exporter_proxy.sources.receiver.permitted import Permit, PermittedReader
from exporter_proxy.sources.receiver.places import PlaceLimits, Places
from exporter_proxy.sources.receiver.sockets import remove_own_socket, socket_identity
from exporter_proxy.sources.receiver.standstill import Standstill
from exporter_proxy.sources.receiver.unfinished import Unfinished
from exporter_proxy.sources.refusals import RefusalLog
from exporter_proxy.table import FOR_EVER, Life
from exporter_proxy.turns import Turns, turns_of_loop

logger = logging.getLogger(__name__)

# How often time-outs are looked at; a connection may live that much longer.
_SWEEP_SECONDS = 1.0
# How long the peers in the backlog, and what they have sent, may take to arrive at the end.
_DRAIN_SECONDS = 0.1

MakeHttp = Callable[[Callable[[asyncio.BaseProtocol], None]], asyncio.Protocol]

_TAKES = {"json": "JSON", "capnp": "Cap'n Proto", "auto": "JSON or Cap'n Proto"}


@dataclass(frozen=True, slots=True)
class Shared:
    """What the receivers of a proxy have in common.

    Attributes:
        unfinished: The messages that are under way.
        descriptors: How many file descriptors are left.
        places: Those of all receivers.
        turns: Of connections that have much to do; None: those of all long work on the loop.
        access: Knows which Unix peers may write what; None: all may.
        tls: Comes before each connection to a TCP port; None: nothing does.
        http: Answers HTTP on Unix sockets, given what has a protocol get what comes of a
            connection; None: nobody does.
    """

    unfinished: Unfinished
    descriptors: Descriptors
    places: list[Places] = field(default_factory=list)
    turns: Turns | None = None
    access: Access | None = None
    tls: TlsListener | None = None
    http: "MakeHttp | None" = None


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """What the configuration says of a receiver; may change while it runs.

    Attributes:
        section: The ``[receiver]`` section.
        concurrent_requests: Connections at once, see :class:`PlaceLimits`.
        life: That of apps of which nothing else is said.
    """

    section: ReceiverConfig
    concurrent_requests: int = 2048
    life: Life = FOR_EVER


class Receiver:
    """Takes pushes on one listening socket; a :class:`~exporter_proxy.sources.base.Source`.

    Args:
        name: The listening address or the socket's path, as ``/apps`` shows it. Where it ends in
            port 0 it has the port that was given once the receiver is started.
        listener: Makes the listening socket.
        settings: Limits, ages, formats.
        admission: Where updates go.
        shared: Limits over all receivers.
        owns_path: Whether the file of a Unix socket is ours to remove in the end.
    """

    def __init__(
        self,
        name: str,
        listener: Callable[[], socket.socket],
        *,
        settings: ReceiverSettings,
        admission: Admission,
        shared: Shared,
        owns_path: bool = True,
    ) -> None:
        self.name = name
        self.owns_path = owns_path
        self.stats = SourceStats()
        self._make_listener = listener
        # Answers HTTP on a Unix socket; None: nobody does.
        self.http = shared.http
        self._admission = admission
        self._shared = shared
        self._unfinished = shared.unfinished
        self._shared_turns = shared.turns
        self._loop: asyncio.AbstractEventLoop
        # Made at the start.
        self.listener: socket.socket
        self.turns: Turns
        self.places: Places
        self._refusals: RefusalLog
        self._is_unix = False
        self._socket_path: tuple[str, int] | None = None
        self._stopping = False
        self._all_gone = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None
        self._standstill = Standstill()
        # Connections that began a message under settings that are no longer in force.
        self._outdated: set[Connection] = set()
        self._take_over(settings)

    def _take_over(self, settings: ReceiverSettings) -> None:
        section = settings.section
        self.takes = _TAKES[section.format]
        self._config = section
        self._life = settings.life
        self._limits = PlaceLimits(
            connections=settings.concurrent_requests,
            idle_timeout=section.idle_timeout,
            descriptors=self._shared.descriptors,
            siblings=self._shared.places,
        )
        self._sweep_seconds = max(
            0.01, min(_SWEEP_SECONDS, section.message_timeout / 4, section.idle_timeout / 4)
        )

    def configure(self, settings: ReceiverSettings) -> None:
        """Put other settings into force; connections stay open.

        A connection that is between messages is under them at once, any other as soon as its
        message is complete.
        """
        self._take_over(settings)
        self.places.set_limits(self._limits)
        self._outdated = self.places.connections - self.places.idle.keys()
        for connection in self.places.idle:
            connection.renew()

    async def start(self) -> None:
        """Listen.

        Raises:
            StartError: The address can't be had.
        """
        self._loop = asyncio.get_running_loop()
        self.turns = self._shared_turns or turns_of_loop()
        listening = self._listen(lambda: Connection(self))
        self._refusals = RefusalLog(self.name)
        self.places = Places(listening, stats=self.stats, limits=self._limits)
        await self.places.open()
        self._sweep_later()
        self.stats.listening = True

    def _listen(self, factory: ProtocolFactory) -> Callable[[Callable[[], None]], Listening]:
        """Make the listening socket, and return what accepts connections on it.

        Raises:
            StartError: The address can't be had.
        """
        listener = self.listener = self._make_listener()
        if listener.family == socket.AF_UNIX:
            self._is_unix = True
            self._socket_path = socket_identity(listener) if self.owns_path else None
        else:
            # Those of other machines have no Unix peer's rights to what is there for people.
            self.http = None
            if self.name.endswith(":0"):
                # Any free port was asked for: which one it is can be told only now.
                self.name = f"{self.name[:-1]}{listener.getsockname()[1]}"
            if self._shared.tls is not None:
                factory = self._shared.tls.wrap(factory)
        return partial(PausableListener, listener, factory)

    def pause(self) -> None:
        """Begin to stop; peers that wait in the backlog are still taken, see :meth:`stop`."""
        self._stopping = True
        self.stats.listening = False
        if self._sweeper is not None:
            self.places.pause()

    async def stop(self, grace_seconds: float) -> None:
        """Take what peers have sent already, then close. Idempotent.

        A peer that waits in the backlog may have sent all it has and gone: success is silent, so to
        it the push is done. Hence these are taken first, for a moment; then messages under way may
        come to their end.
        """
        if self._sweeper is None:
            return
        self.pause()
        places = self.places
        end = self._loop.time() + grace_seconds
        await places.drain(min(end, self._loop.time() + 10 * _DRAIN_SECONDS))
        places.close()
        if self._socket_path is not None:
            remove_own_socket(*self._socket_path)
        await asyncio.sleep(min(_DRAIN_SECONDS, grace_seconds))
        for connection in list(places.idle):
            connection.close()
        others = places.connections - places.idle.keys() - places.lingering.keys()
        # Those that speak HTTP end with its server.
        under_way = sum(not connection.speaks_http for connection in others)
        if under_way and grace_seconds:
            logger.info(
                "waiting up to %g s for %s connection%s within a message; a second signal ends at "
                "once: source=%s",
                grace_seconds,
                under_way,
                "" if under_way == 1 else "s",
                self.name,
            )
        if places.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), end - self._loop.time())
        self._sweeper.cancel()
        self._sweeper = None
        for connection in list(places.connections):
            connection.abort()
        # The transports close in the next round of the loop.
        await asyncio.sleep(0)
        self._refusals.close()

    # What connections tell and ask.

    def reader(self, wire: Wire, connection: Connection) -> MessageReader | None:
        """Return a reader for what a connection speaks, or None if it isn't taken here.

        Raises:
            PayloadError: Its sender may not push anything.
        """
        reader = self._plain_reader(wire)
        if reader is None:
            return None
        permit = self._permit(connection)
        if permit is not None:
            # Before what costs more.
            reader = PermittedReader(reader, permit)
        if not self._admission.looks:
            return reader
        return CheckedReader(reader, partial(self._admission.look_into, source=self.name))

    def _permit(self, connection: Connection) -> Permit | None:
        """Return what tells which apps a connection may write; None: all."""
        access = self._shared.access
        # Who reaches a TCP port may push; a Unix peer shows who it is.
        if access is None or not access.active or not self._is_unix:
            return None
        peer = connection.identity
        return lambda app: access.refusal(peer, "push", app, raw=True)

    def _plain_reader(self, wire: Wire) -> MessageReader | None:
        takes = self._config.format
        size = self._config.max_message_size
        # Of text that is no JSON its reader says best what is wrong with it.
        if wire in {"json", "text"} and takes != "capnp":
            return JsonReader(size, max_apps=self._admission.max_apps)
        if wire == "capnp" and takes != "json":
            # Its library is needed by those alone who use it.
            from exporter_proxy.payload.capnp_reader import CapnpReader  # noqa: PLC0415

            return CapnpReader(size)
        return None

    def apply(self, message: Message) -> Iterator[None] | None:
        """Write a message's pushes into the table, all or none.

        Returns:
            Steps that remain to be made, without any other message of the same connection between
            them, for one of very many pushes; None: all is done.

        Raises:
            PayloadError: ``too_many_apps`` or ``app_over_rate``.
        """
        steps = self._admission.apply(message, source=self.name, life=self._life)
        if steps is not None:
            return self._counted(steps)
        self.stats.updates += len(message)
        self.stats.last_success_ns = time.time_ns()
        return None

    def _counted(self, steps: Iterator[int]) -> Iterator[None]:
        for applied in steps:
            self.stats.updates += applied
            self.stats.last_success_ns = time.time_ns()
            yield

    def count(self, error: PayloadError, connection: Connection) -> None:
        """Count a refused message."""
        self.stats.rejected[error.reason] += 1
        self.stats.fail(str(error))
        self._refusals.note(error, connection.peer)

    def opened(self, connection: Connection) -> None:
        """Take note of a new connection."""
        self.places.opened(connection)

    def closed(self, connection: Connection) -> None:
        """Take note that a connection is gone."""
        self._unfinished.remove(connection, self._loop.time())
        self._outdated.discard(connection)
        self.places.closed(connection)
        if self._stopping and not self.places.connections:
            self._all_gone.set()

    def settle(self, connection: Connection, buffered: int, *, began: bool) -> None:
        """Take note of what a connection holds, now that all complete messages are applied.

        Args:
            connection: Which.
            buffered: Bytes of a message that isn't complete; 0: it is between messages.
            began: A message was completed since the last call.
        """
        now = self._loop.time()
        connection.since = now
        idle = self.places.idle
        idle.pop(connection, None)
        if buffered:
            self._unfinished.set(connection, buffered, now=now, began=began)
            return
        if connection in self._unfinished:
            self._unfinished.remove(connection, now)
        idle[connection] = None
        if self._outdated and connection in self._outdated:
            self._outdated.discard(connection)
            connection.renew()

    def busy(self, connection: Connection) -> None:
        """Take note that a connection waits for us; no time-out runs."""
        self.places.idle.pop(connection, None)
        self._unfinished.remove(connection, self._loop.time())

    def linger(self, connection: Connection) -> None:
        """Close a refused connection after its line had time to arrive."""
        self.busy(connection)
        self.places.linger(connection)

    def _sweep(self) -> None:
        """Close what has taken too long, but for what could not be read meanwhile."""
        now = self._loop.time()
        if not self._standstill.over(now):
            self._close_overdue(now)
        self._sweep_later()

    def _sweep_later(self) -> None:
        self._standstill.expect(self._loop.time() + self._sweep_seconds)
        self._sweeper = self._loop.call_later(self._sweep_seconds, self._sweep)

    def _close_overdue(self, now: float) -> None:
        config = self._config
        since = now - config.message_timeout
        for sender in self._unfinished.overdue(since) if self._standstill.none_since(since) else ():
            if sender in self.places.connections:
                sender.refuse(
                    PayloadError(
                        "the message was not complete after "
                        f"{config.message_timeout:g} s (receiver.message_timeout)",
                        reason="message_timeout",
                    )
                )
        self.places.sweep(now)

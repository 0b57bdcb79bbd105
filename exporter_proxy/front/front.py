"""The connections of the scrape port that have not said yet what they are."""

import asyncio
import heapq
import itertools
import logging
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from exporter_proxy.front.opening import Install, Opening
from exporter_proxy.front.pushes import BODY_SECONDS, PushConnection, Taking, is_push
from exporter_proxy.repeats import Throttle

logger = logging.getLogger(__name__)

Reason = Literal["cut_off", "evicted", "header_timeout", "not_http", "silent", "tls"]
"""Why a connection came to nothing."""

Server = Callable[[], asyncio.Protocol]
"""Makes what answers HTTP on a connection."""

Raw = Callable[[asyncio.Transport, bytes, bool], bool]
"""Takes over a connection that speaks no HTTP, its first bytes, and whether it has ended with them;
False: it doesn't."""

_SWEEP_SECONDS = 1.0
# Of all file descriptors that the process may have, more than these parts are not for connections
# that have not said what they want, nor for those that are kept between pushes.
_WAITING_PART = 16
_KEPT_PART = 8
# Of more that wait, some go at once, even if they have only just come.
_CROWD_PART = 4
# So many of those that were silent longest are looked at: what they sent may wait to be read.
_LOOKED_AT = 8
# How long a refused peer has to read its line.
_LINGER_SECONDS = 2.0
# A connection is left alone that long even if there are too many.
_LEFT_ALONE_SECONDS = 0.05
# How often it is looked at the end whether all is done.
_GRACE_STEP = 0.02
# Those are no mistakes: a port scan, a connection that is kept for later.
_SILENT_REASONS: frozenset[Reason] = frozenset({"evicted", "silent"})


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """What the configuration says; may change while it runs.

    Attributes:
        header_timeout: Seconds that the head of a request, or what tells a message, may take.
        connections: How many may wait at once; beyond it the one that is silent longest goes.
        silent_timeout: Seconds that a connection may say nothing at all.
    """

    header_timeout: float = 10.0
    connections: int = 2048
    silent_timeout: float = 130.0


class FrontStats:
    """Plain counters, read by the self-metrics when they are rendered.

    Attributes:
        waiting: Connections that have not said what they are.
        closed: Those that came to nothing, by reason.
    """

    __slots__ = ("closed", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.closed: Counter[Reason] = Counter(dict.fromkeys(get_args(Reason), 0))


@dataclass(slots=True)
class Hooks:
    """Who goes on with a connection that is not for the server.

    Attributes:
        raw: Those without HTTP; None: nobody.
        pushes: Takes small pushes over HTTP; None: the server does.
    """

    raw: Raw | None = None
    pushes: Taking | None = None


class Front:
    """What the ports of a proxy have in common.

    Args:
        settings: Limits.
        hooks: Who goes on with connections.
    """

    def __init__(self, settings: FrontSettings, hooks: Hooks) -> None:
        self.stats = FrontStats()
        self.hooks = hooks
        self.settings: FrontSettings
        self._descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._throttle: Throttle[tuple[str, str]] = Throttle(_tell)
        self.configure(settings)

    def configure(self, settings: FrontSettings) -> None:
        """Go by this from now on."""
        self.settings = settings
        self.most_waiting = max(1, min(settings.connections, self._descriptors // _WAITING_PART))
        self.crowd = max(2, self._descriptors // _CROWD_PART)
        self.most_kept = max(1, min(settings.connections, self._descriptors // _KEPT_PART))

    def note(self, reason: Reason, peer: str, line: str) -> None:
        """Count and log a connection that came to nothing."""
        self.stats.closed[reason] += 1
        # Each connection of a peer has a port of its own.
        host = peer.rpartition(":")[0] or peer
        told = reason not in _SILENT_REASONS and self._throttle.is_first((host, reason))
        logger.log(
            logging.WARNING if told else logging.DEBUG,
            "connection to the scrape port refused: peer=%s: %s",
            peer,
            line,
        )

    def close(self) -> None:
        """Log what has not been logged."""
        self._throttle.close()


class FrontPort:
    """The connections of one listener.

    Args:
        front: What ports have in common.
        server: Answers HTTP.
    """

    def __init__(self, front: Front, server: Server) -> None:
        self._front = front
        self._server = server
        # Each in the order of ``since``.
        self._silent: dict[Opening, None] = {}
        self._begun: dict[Opening, None] = {}
        self._lingering: dict[Opening, None] = {}
        # Of pushes: between two requests, and within one.
        self._kept: dict[PushConnection, None] = {}
        self._pushing: dict[PushConnection, None] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        # Those that were too many had only just come.
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def connection(self, install: Install | None = None) -> Opening:
        """Return the protocol of a new connection.

        Args:
            install: Has another protocol go on in its place; None: the transport does. With one,
                only HTTP is taken.
        """
        return Opening(self, install)

    async def close(self, grace_seconds: float) -> None:
        """Close the connections that wait, and those with a push under way after it. Idempotent.

        Args:
            grace_seconds: What these may take.
        """
        self._closed = True
        for kept in list(self._kept):
            kept.close()
        end = self._loop.time() + grace_seconds
        while self._pushing and self._loop.time() < end:  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(_GRACE_STEP)
        for late in list(self._pushing):
            late.close()
        for each in [*self._silent, *self._begun, *self._lingering]:
            each.close()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    # What connections ask and tell.

    @property
    def settings(self) -> FrontSettings:
        """What the configuration says."""
        return self._front.settings

    def note(self, reason: Reason, peer: str, line: str) -> None:
        """Count and log a connection that is refused."""
        self._front.note(reason, peer, line)

    @property
    def raw(self) -> Raw | None:
        """Who goes on with a connection that speaks no HTTP."""
        return self._front.hooks.raw

    def answerer(self, head: bytes, install: Install | None) -> asyncio.Protocol:
        """Return what answers a connection whose first request has this head."""
        pushes = self._front.hooks.pushes
        if pushes is not None and is_push(head, pushes):
            return PushConnection(self, pushes, install)
        return self._server()

    def server(self) -> asyncio.Protocol:
        """Return what answers any request."""
        return self._server()

    def opened(self, opening: Opening) -> None:
        """Take note of a new connection."""
        front = self._front
        front.stats.waiting += 1
        opening.since = self._loop.time()
        self._silent[opening] = None
        waiting = front.stats.waiting
        if waiting > front.crowd or (waiting > front.most_waiting and self._retry is None):
            self._make_place()
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        if self._closed:
            # It was accepted just before the listener closed.
            opening.close()

    def began(self, opening: Opening) -> None:
        """Take note that a connection has begun to say something."""
        del self._silent[opening]
        opening.since = self._loop.time()
        self._begun[opening] = None

    def left(self, opening: Opening) -> None:
        """Take note that a connection is given on, or gone."""
        if opening in self._silent:
            del self._silent[opening]
        elif opening in self._begun:
            del self._begun[opening]
        else:
            self._lingering.pop(opening, None)
            return
        self._front.stats.waiting -= 1

    def refused(self, opening: Opening, reason: Reason, line: str) -> None:
        """Take note of a connection that is refused: it is closed after a moment."""
        self.left(opening)
        self._front.note(reason, opening.peer, line)
        opening.since = self._loop.time()
        self._lingering[opening] = None

    def keeps(self, connection: PushConnection, *, under_way: bool, anew: bool) -> None:
        """Take note of a connection that pushes.

        Args:
            connection: Which.
            under_way: A request of it has begun, and is not whole.
            anew: It is another one than at the last call.
        """
        if under_way:
            if connection in self._pushing and not anew:
                return
            self._kept.pop(connection, None)
            self._pushing.pop(connection, None)
            self._pushing[connection] = None
        else:
            self._pushing.pop(connection, None)
            self._kept.pop(connection, None)
            self._kept[connection] = None
            if len(self._kept) > self._front.most_kept:
                self._close_longest_idle()
        connection.since = self._loop.time()
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        if self._closed and not under_way:
            connection.close()

    def lets_go(self, connection: PushConnection) -> None:
        """Take note that a connection pushes no more."""
        self._kept.pop(connection, None)
        self._pushing.pop(connection, None)

    # Limits.

    def _close_longest_idle(self) -> None:
        """Close the connection that has pushed nothing for longest."""
        longest = next(iter(self._kept))
        if longest.since < self._loop.time() - _LEFT_ALONE_SECONDS and not longest.has_input():
            self.lets_go(longest)
            longest.close()

    def _make_place(self) -> None:
        """Close those that have been silent longest, until no more wait than may."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        front = self._front
        while front.stats.waiting > front.most_waiting:
            longest = self._silent_longest(crowded=front.stats.waiting > front.crowd)
            if longest is None:
                # They have only just come.
                self._retry = self._loop.call_later(_LEFT_ALONE_SECONDS, self._make_place)
                return
            self._drop(longest, "evicted", "others wait (exporter.concurrent_requests)")

    def _silent_longest(self, *, crowded: bool) -> Opening | None:
        """Return the one to go; where it is crowded, whether it has just come or not."""
        moment = float("inf") if crowded else self._loop.time() - _LEFT_ALONE_SECONDS
        # Also among those with a part of a request: else one that has only just come, and is slow
        # to speak, would go before them.
        each_longest = (_since_before(waiting, moment) for waiting in (self._silent, self._begun))
        by_age = heapq.merge(*each_longest, key=lambda each: each.since)
        longest = list(itertools.islice(by_age, _LOOKED_AT))
        for each in longest:
            if not each.has_input():
                return each
        return longest[0] if crowded else None

    def _drop(self, opening: Opening, reason: Reason, why: str) -> None:
        self._front.note(reason, opening.peer, why)
        opening.close()

    def _sweep(self) -> None:
        self._sweeper = None
        now, settings = self._loop.time(), self.settings
        for each in _late(self._silent, now - settings.silent_timeout):
            self._drop(each, "silent", "nothing came")
        for each in _late(self._begun, now - settings.header_timeout):
            each.too_late()
        for each in list(_since_before(self._lingering, now - _LINGER_SECONDS)):
            each.close()
        for idle in _late(self._kept, now - settings.silent_timeout):
            idle.close()
        least = min(settings.header_timeout, BODY_SECONDS)
        for pushing in _late(self._pushing, now - least):
            seconds = settings.header_timeout if pushing.within_head else BODY_SECONDS
            if pushing.since < now - seconds:
                pushing.too_late()
        if self._silent or self._begun or self._lingering or self._kept or self._pushing:
            seconds = max(0.01, min(_SWEEP_SECONDS, settings.header_timeout / 4))
            self._sweeper = self._loop.call_later(seconds, self._sweep)


_Waiting = TypeVar("_Waiting", Opening, PushConnection)


def _since_before(waiting: dict[_Waiting, None], moment: float) -> Iterator[_Waiting]:
    return itertools.takewhile(lambda each: each.since < moment, waiting)


def _late(waiting: dict[_Waiting, None], moment: float) -> list[_Waiting]:
    """Return those that have waited since before ``moment``, and of whom nothing waits to be read.

    What peers sent while the process stood still may be read only after this: then their time is
    over, and it is not they who are late.
    """
    return [each for each in _since_before(waiting, moment) if not each.has_input()]


def _tell(kind: tuple[str, str] | None, count: int) -> None:
    connections = "connection" if count == 1 else "connections"
    if kind is None:
        logger.warning("%d more %s of other peers to the scrape port refused", count, connections)
        return
    logger.warning(
        "%d more %s to the scrape port refused: peer=%s reason=%s", count, connections, *kind
    )

"""The connections of the scrape port, some of which make place for others where there is none."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Literal, get_args

from aiohttp import web

from exporter_proxy.descriptors import Descriptors
from exporter_proxy.repeats import Throttle

logger = logging.getLogger(__name__)

GuestState = Literal["silent", "busy"]
Guest = web.RequestHandler
Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_SWEEP_SECONDS = 1.0


class Guests:
    """Who is connected to the scrape port, and in which order they leave.

    Whoever comes is taken. Where file descriptors are short others go for it: those that have been
    silent longest, between requests or with half a request; if there are none, the one whose answer
    has been under way longest. So peers that connect and say nothing, or read a byte a second,
    never keep a scrape out, nor do they keep pushes out.

    Args:
        descriptors: How many file descriptors are left.
        evicted: Where connections that had to go are counted.
    """

    def __init__(self, descriptors: Descriptors, evicted: Counter[GuestState]) -> None:
        self._descriptors = descriptors
        self._evicted = evicted
        # With the moment since which they are, the longest first.
        self._silent: dict[Guest, float] = {}
        self._busy: dict[Guest, float] = {}
        self._serve: Serve
        self._sweeper: asyncio.TimerHandle | None = None
        self._throttle: Throttle[GuestState] = Throttle(_tell)
        # When file descriptors were counted.
        self._counted = 0.0
        for state in get_args(GuestState):
            evicted[state] += 0

    def follow(self, server: web.Server) -> None:
        """Follow a server: what its connections ask, from now on."""
        # Each connection takes over what is there when it is made.
        self._serve = server.request_handler
        server.request_handler = self._handle
        self._sweep()

    def close(self) -> None:
        """Follow it no more. Idempotent."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
            self._throttle.close()

    def let_in(self, guest: Guest) -> None:
        """Take note of a new connection."""
        self._silent[guest] = asyncio.get_running_loop().time()
        self._descriptors.opened()
        if self._descriptors.short:
            self._make_place()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        guest = request.protocol
        loop = asyncio.get_running_loop()
        self._silent.pop(guest, None)
        self._busy[guest] = loop.time()
        try:
            return await self._serve(request)
        finally:
            if self._busy.pop(guest, None) is not None:
                self._silent[guest] = loop.time()

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for guests in (self._silent, self._busy):
            # One that was only just accepted has no transport yet.
            for guest in [each for each in guests if each.transport is None]:
                if now - guests[guest] >= _SWEEP_SECONDS:
                    del guests[guest]
                    self._descriptors.closed()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _make_place(self) -> None:
        """Have some leave for the one that came last: one more than it takes, for pushes."""
        now = asyncio.get_running_loop().time()
        if now - self._counted >= _SWEEP_SECONDS:
            self._counted = now
            self._descriptors.count()
        for _ in range(2):
            if not (self._descriptors.short and self._evict()):
                return

    def _evict(self) -> bool:
        """Have one leave, if there are too many; tell whether one did."""
        reserve, exhausted = self._descriptors.reserve, self._descriptors.exhausted
        if len(self._silent) > reserve // 2 or exhausted:
            # But for the last one, which has only just come.
            for guest in list(self._silent)[:-1]:
                if guest.transport is not None:
                    self._close(guest, self._silent, "silent")
                    return True
        if len(self._busy) > 2 * reserve or exhausted:
            for guest in self._busy:
                if guest.transport is not None:
                    self._close(guest, self._busy, "busy")
                    return True
        return False

    def _close(self, guest: Guest, guests: dict[Guest, float], state: GuestState) -> None:
        transport = guest.transport
        assert transport is not None
        guest.force_close()
        # At once: what was to be sent is not waited for.
        transport.abort()
        del guests[guest]
        self._descriptors.closed()
        self._evicted[state] += 1
        if self._throttle.is_first(state):
            logger.warning(
                "few file descriptors are left, closing a connection to the scrape port: "
                "the one that was %s longest (limit of open files)",
                state,
            )


def _tell(state: GuestState | None, more: int) -> None:
    logger.warning("closed %d more connections to the scrape port that were %s", more, state)

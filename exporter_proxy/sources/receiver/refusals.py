"""What the log says of refused messages: enough to notice, never enough to fill it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from exporter_proxy.errors import PayloadError, RejectReason

logger = logging.getLogger(__name__)

# Of each reason, one line in that time after the first.
_QUIET_SECONDS = 60.0


class Timer(Protocol):
    """What :meth:`asyncio.AbstractEventLoop.call_later` returns, as far as it is used."""

    def cancel(self) -> None:
        """Call nothing."""


class RefusalLog:
    """Logs the refusals of one source: the first of each reason, then how many there were since.

    A sender that repeats its mistake a thousand times a second costs a line a minute. Reasons come
    from a fixed set, so what is kept is bounded.

    Args:
        source: The source's name.
        call_later: Calls a function after so many seconds; None: the running loop's.
    """

    def __init__(
        self,
        source: str,
        call_later: Callable[[float, Callable[[RejectReason], None], RejectReason], Timer]
        | None = None,
    ) -> None:
        self._source = source
        self._call_later = call_later or asyncio.get_running_loop().call_later
        # Reasons that were logged less than a minute ago: refusals since, and what ends the minute.
        self._since: dict[RejectReason, int] = {}
        self._timers: dict[RejectReason, Timer] = {}

    def note(self, error: PayloadError, peer: Callable[[], str]) -> None:
        """Take note of a refused message.

        Args:
            error: Why it is refused.
            peer: Tells who sent it; asked only if it is logged.
        """
        reason = error.reason
        if reason in self._since:
            self._since[reason] += 1
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("message refused: source=%s peer=%s: %s", self._source, peer(), error)
            return
        logger.warning("message refused: source=%s peer=%s: %s", self._source, peer(), error)
        self._begin(reason)

    def close(self) -> None:
        """Log what has not been logged."""
        for reason, timer in self._timers.items():
            timer.cancel()
            self._tell(reason)
        self._timers.clear()
        self._since.clear()

    def _begin(self, reason: RejectReason) -> None:
        self._since[reason] = 0
        self._timers[reason] = self._call_later(_QUIET_SECONDS, self._minute_is_over, reason)

    def _minute_is_over(self, reason: RejectReason) -> None:
        if self._tell(reason):
            self._begin(reason)
        else:
            # The next one is news again.
            del self._since[reason], self._timers[reason]

    def _tell(self, reason: RejectReason) -> bool:
        """Log how many were refused since the last line; tell whether there were any."""
        count = self._since[reason]
        if count:
            logger.warning(
                "%s more message%s refused: source=%s reason=%s",
                count,
                "" if count == 1 else "s",
                self._source,
                reason,
            )
        return count > 0

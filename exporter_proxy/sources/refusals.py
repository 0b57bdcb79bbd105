"""What the log says of refused messages: enough to notice, never enough to fill it."""

import logging
from collections.abc import Callable

from exporter_proxy.errors import PayloadError, RejectReason
from exporter_proxy.repeats import Throttle, Timer

logger = logging.getLogger(__name__)

# A peer, without its port, and what was wrong with its messages.
_Kind = tuple[str, RejectReason]


class RefusalLog:
    """Logs the refusals of one source: the first of each peer and reason, then how many more.

    A sender that repeats its mistake a thousand times a second costs a line a minute, and keeps
    nobody else's mistakes out of the log.

    Args:
        source: The source's name.
        call_later: Calls a function after so many seconds; None: the running loop's.
    """

    def __init__(
        self,
        source: str,
        call_later: Callable[[float, Callable[[_Kind | None], None], _Kind | None], Timer]
        | None = None,
    ) -> None:
        self._source = source
        self._throttle: Throttle[_Kind] = Throttle(self._tell, call_later)

    def note(self, error: PayloadError, peer: str) -> None:
        """Take note of a message that ``peer`` sent and that is refused."""
        # Each connection of a peer has a port of its own.
        host = peer.rpartition(":")[0] or peer
        first = self._throttle.is_first((host, error.reason))
        logger.log(
            logging.WARNING if first else logging.DEBUG,
            "message refused: source=%s peer=%s: %s",
            self._source,
            peer,
            error,
        )

    def close(self) -> None:
        """Log what has not been logged."""
        self._throttle.close()

    def _tell(self, kind: _Kind | None, count: int) -> None:
        messages = "message" if count == 1 else "messages"
        if kind is None:
            logger.warning(
                "%d more %s of other peers refused: source=%s", count, messages, self._source
            )
        else:
            logger.warning(
                "%d more %s refused: source=%s peer=%s reason=%s",
                count,
                messages,
                self._source,
                *kind,
            )

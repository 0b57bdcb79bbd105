"""What every wire is read into, and the contract of those who read one.

A reader is an object without I/O. It is fed the bytes of one connection, as they come, and gives
messages. ``feed`` adds bytes; then ``next_message`` is called until it returns None. It

- returns a message: complete, checked, to be applied as a whole before the next call;
- returns :data:`WORKING`: a message is complete, but there is more to do than the event loop should
  be held for; call again, after others had their turn;
- returns :data:`READING`: the same, within a message that is not complete;
- returns None: more bytes are needed;
- raises :class:`~exporter_proxy.errors.PayloadError`: the message is refused and framing is lost.
  Messages returned before it stand. The reader must not be used again.
"""

import enum
from typing import Final, NamedTuple, Protocol

from exporter_proxy.errors import PayloadError


class Push(NamedTuple):
    """The metrics of one application.

    Attributes:
        app: Its name, checked.
        payload: Exposition text: UTF-8, no NUL, in pieces cut at line ends.
        ttl: Seconds to live that the sender asked for; None: as the source is configured; infinite:
            for ever.
    """

    app: str
    payload: tuple[bytes, ...]
    ttl: float | None


Message = list[Push]
"""The pushes that one message carries, at least one, no app twice."""


class Progress(enum.Enum):
    """What :data:`WORKING` and :data:`READING` are."""

    WORKING = enum.auto()
    READING = enum.auto()


WORKING: Final = Progress.WORKING
READING: Final = Progress.READING


class MessageReader(Protocol):
    """Cuts one connection's bytes into messages; see the module."""

    @property
    def buffered(self) -> int:
        """Bytes received of a message that is not complete; 0 between two messages."""

    def feed(self, data: bytes) -> None:
        """Add received bytes."""

    def next_message(self) -> Message | Progress | None:
        """Return the next complete message, if there is one.

        Raises:
            PayloadError: The message is refused; nothing after it can be read.
        """


def truncated(buffered: int) -> PayloadError:
    """Return the error for a connection that ended within a message."""
    return PayloadError(
        f"the connection ended within a message, after {buffered} bytes of it", reason="truncated"
    )


def too_large(limit: int) -> PayloadError:
    """Return the error for a message of more than ``limit`` bytes."""
    return PayloadError(
        f"the message exceeds {limit} bytes (receiver.max_message_size)",
        reason="message_too_large",
    )

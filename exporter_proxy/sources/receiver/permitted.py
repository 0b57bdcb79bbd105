"""A reader whose messages count only as far as their sender may write."""

from collections.abc import Callable

from exporter_proxy.access import Refusal
from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.message import Message, MessageReader, Progress

Permit = Callable[[str], Refusal | None]
"""Given an app, returns why the sender may not write it; None: it may."""


class PermittedReader:
    """Refuses messages with an app that their sender may not write, as a whole.

    Args:
        reader: Whose messages.
        permit: Asked for each app of each message, so that a change counts for connections that
            are open.
    """

    __slots__ = ("_permit", "_reader")

    def __init__(self, reader: MessageReader, permit: Permit) -> None:
        self._reader = reader
        self._permit = permit

    @property
    def buffered(self) -> int:
        """Bytes received of a message that is not complete."""
        return self._reader.buffered

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._reader.feed(data)

    def next_message(self) -> Message | Progress | None:
        """Return the next complete message, a :class:`Progress`, or None if more bytes are needed.

        Raises:
            PayloadError: The message is refused; ``forbidden`` if its sender may not write.
        """
        message = self._reader.next_message()
        if message is None or isinstance(message, Progress):
            return message
        for push in message:
            refusal = self._permit(push.app)
            if refusal is not None:
                raise PayloadError(refusal.message, reason="forbidden")
        return message

"""A reader whose messages are looked into before they count."""

from collections.abc import Callable, Generator

from exporter_proxy.payload.message import WORKING, Message, MessageReader, Progress

LookInto = Callable[[Message], Generator[None, None, None]]
"""Looks into a message in steps, and raises PayloadError if it is to be refused."""

# What is looked at in one go: a millisecond or two.
_SMALL_BYTES = 131_072
_FEW_PUSHES = 100


class CheckedReader:
    """Has each message looked into before it gives it.

    Args:
        reader: Whose messages.
        look_into: Looks into each.
    """

    __slots__ = ("_look_into", "_reader", "_under_way")

    def __init__(self, reader: MessageReader, look_into: LookInto) -> None:
        self._reader = reader
        self._look_into = look_into
        # The look into a large message.
        self._under_way: Generator[None, None, Message] | None = None

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
            PayloadError: The message is refused, by the reader or by who looks into it.
        """
        steps = self._under_way
        small = False
        if steps is None:
            message = self._reader.next_message()
            if message is None or isinstance(message, Progress):
                return message
            size = sum(len(piece) for push in message for piece in push.payload)
            small = size <= _SMALL_BYTES and len(message) <= _FEW_PUSHES
            steps = self._looked_into(message)
        try:
            next(steps)
            while small:
                next(steps)
        except StopIteration as done:
            self._under_way = None
            checked: Message = done.value
            return checked
        self._under_way = steps
        return WORKING

    def _looked_into(self, message: Message) -> Generator[None, None, Message]:
        yield from self._look_into(message)
        return message

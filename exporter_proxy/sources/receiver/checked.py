"""A reader whose messages are looked into before they count."""

from collections.abc import Generator

from exporter_proxy.errors import PayloadError, quote
from exporter_proxy.payload.message import WORKING, Message, MessageReader, Progress
from exporter_proxy.sources.checking import PayloadCheck

# What is looked at in one go: a millisecond or two.
_SMALL_BYTES = 131_072


class CheckedReader:
    """Refuses messages with a payload that a check finds something wrong with, as a whole.

    Args:
        reader: Whose messages.
        check: Looks at each payload.
    """

    __slots__ = ("_check", "_reader", "_under_way")

    def __init__(self, reader: MessageReader, check: PayloadCheck) -> None:
        self._reader = reader
        self._check = check
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
            PayloadError: The message is refused; ``invalid_metrics`` by the check.
        """
        steps = self._under_way
        small = False
        if steps is None:
            message = self._reader.next_message()
            if message is None or isinstance(message, Progress):
                return message
            size = sum(len(piece) for push in message for piece in push.payload)
            small = size <= _SMALL_BYTES
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
        for push in message:
            fault = yield from self._check(push.payload)
            if fault is not None:
                raise PayloadError(
                    f"the metrics of {quote(push.app)}: {fault}", reason="invalid_metrics"
                )
        return message

"""The messages that have begun and are not complete, over all receivers."""

from typing import Protocol


class Sender(Protocol):
    """A connection within a message."""

    begun: float
    """When its message began, in seconds of the loop's clock; later, if it had to wait."""

    def pause_reading(self) -> None:
        """Take nothing from the peer."""

    def resume_reading(self) -> None:
        """Take from the peer again."""


class Unfinished:
    """Connections within a message, in the order in which their messages began.

    All their bytes together are bounded: beyond that, no one may go on but the one that began
    first, which either ends within the bound of a message or is cut off by its time-out. So there
    is always progress.

    Args:
        max_buffered: Bytes that all of them may hold.
    """

    def __init__(self, max_buffered: int) -> None:
        self._max_buffered = max_buffered
        self._buffered = 0
        # Insertion order is the order of their begin.
        self._senders: dict[Sender, int] = {}
        self._paused: dict[Sender, None] = {}

    def __len__(self) -> int:
        return len(self._senders)

    def __contains__(self, sender: Sender) -> bool:
        return sender in self._senders

    @property
    def buffered(self) -> int:
        """Bytes held at present."""
        return self._buffered

    def set_limit(self, max_buffered: int, now: float) -> None:
        """Change how many bytes all may hold."""
        self._max_buffered = max_buffered
        if self._paused:
            self._resume(now)

    def set(self, sender: Sender, buffered: int, *, now: float, began: bool) -> None:
        """Tell how many bytes of an unfinished message ``sender`` holds.

        Args:
            sender: The connection.
            buffered: Bytes held.
            now: The loop's time.
            began: The message is another one than at the last call.
        """
        previous = self._senders.get(sender)
        if previous is not None and began:
            del self._senders[sender]
        if previous is None or began:
            sender.begun = now
        self._senders[sender] = buffered
        self._buffered += buffered - (previous or 0)
        if self._buffered > self._max_buffered and sender is not self._first():
            self._paused[sender] = None
            sender.pause_reading()
        if self._paused:
            # The one that began first may be another now.
            self._resume(now)

    def remove(self, sender: Sender, now: float) -> None:
        """Tell that ``sender`` is between messages, or gone."""
        buffered = self._senders.pop(sender, None)
        if buffered is None:
            return
        self._buffered -= buffered
        if sender in self._paused:
            # It came to the end of its message with what was here already.
            del self._paused[sender]
            sender.resume_reading()
        if self._paused:
            self._resume(now)

    def overdue(self, begun_before: float) -> list[Sender]:
        """Return the connections whose message began before that, and that don't wait for us."""
        # Who had to wait began later than the order says.
        return [
            sender
            for sender in self._senders
            if sender.begun < begun_before and sender not in self._paused
        ]

    def _first(self) -> Sender:
        return next(iter(self._senders))

    def _resume(self, now: float) -> None:
        """Let those go on that had to wait: all of them, or at least the one that began first."""
        first = self._first()
        if self._buffered > self._max_buffered:
            waiting = [first] if first in self._paused else []
        else:
            waiting = list(self._paused)
        for sender in waiting:
            # The time it waited is not its own. Its place in the order is: behind the others it
            # would have to wait again, and so would all.
            del self._paused[sender]
            sender.begun = now
            sender.resume_reading()

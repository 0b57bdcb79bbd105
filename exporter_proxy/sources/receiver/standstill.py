"""Know when this process stood still: stopped (SIGSTOP), swapped out, or starved."""

LONG_SECONDS = 0.5
"""Later than that is no delay of the event loop's own."""


class Standstill:
    """Tells time that peers had from time that was taken from them.

    While a process stands still what peers send waits to be read, and all their time-outs run out
    at once when it goes on, before any of it is read.
    """

    __slots__ = ("_due", "_ended")

    def __init__(self) -> None:
        self._due = float("inf")
        self._ended = float("-inf")

    def expect(self, due: float) -> None:
        """Tell when :meth:`over` is to be called next, in seconds of the loop's clock."""
        self._due = due

    def over(self, now: float) -> bool:
        """Tell whether there was one until now."""
        if now - self._due <= LONG_SECONDS:
            return False
        self._ended = now
        return True

    def none_since(self, moment: float) -> bool:
        """Tell whether there was none after a moment."""
        return self._ended <= moment

"""When an endpoint is due. Pure: the time is passed in."""

import math


class Slots:
    """The moments ``start + k * interval`` at which an endpoint is polled.

    They are counted, not added up, so that neither a late timer nor a slow poll moves them.

    Args:
        start: When the first poll is due, in seconds of a monotonic clock.
        interval: Seconds from one slot to the next; more than 0.
    """

    __slots__ = ("_interval", "_number", "_start")

    def __init__(self, start: float, interval: float) -> None:
        self._start = start
        self._interval = interval
        self._number = 0

    @property
    def due(self) -> float:
        """When the next poll is due."""
        return self._start + self._number * self._interval

    def advance(self, now: float) -> None:
        """Move on after a poll that ended at ``now``; slots that it has overrun are skipped."""
        reached = math.ceil((now - self._start) / self._interval)
        self._number = max(self._number + 1, reached)


def spacing(intervals: list[float], longest: float = 0.002) -> float:
    """Return how many seconds after one another the endpoints get their first poll.

    Polls that begin in the same instant would hold the event loop until the last request is
    written: a third of a millisecond each. Two milliseconds apart they leave it free, and all are
    under way after a fraction of the shortest interval.
    """
    if not intervals:
        return longest
    return min(longest, min(intervals) / len(intervals))

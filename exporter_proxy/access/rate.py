"""A token bucket."""

import time
from collections.abc import Callable


class RateLimiter:
    """Lets ``burst`` requests through at once, and one more after each interval.

    Args:
        interval: Seconds.
        burst: How many the bucket holds.
        monotonic: A clock, in seconds.
    """

    __slots__ = ("_burst", "_filled_at", "_interval", "_left", "_monotonic")

    def __init__(
        self, interval: float, burst: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = interval
        self._burst = float(burst)
        self._left = self._burst
        self._monotonic = monotonic
        self._filled_at = monotonic()

    def allows(self) -> bool:
        """Tell whether one more may come now, and count it."""
        now = self._monotonic()
        come = (now - self._filled_at) / self._interval
        self._left = min(self._burst, self._left + come)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

"""Know when the process runs out of file descriptors, before it does."""

import os
import resource

RESERVE = 64
"""Descriptors that receivers leave to scrapes, polls and files; less where there are few at all."""
KEPT = 16
"""Of these, what scrapes leave to polls and files."""

_FOLDER = "/proc/self/fd"


def raise_limit() -> int:
    """Raise the soft limit of descriptors to the hard one; return the limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft
    return hard


class Descriptors:
    """Counts the descriptors in use.

    Counting costs a look at every one of them. So what is counted is corrected by the connections
    opened and closed since, which the receivers tell, and counted anew only where it matters.

    Args:
        limit: How many the process may have.

    Attributes:
        reserve: How many of these receivers leave to others.
    """

    __slots__ = ("_kept", "_limit", "_serving", "_used", "reserve")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.reserve = min(RESERVE, limit // 4)
        self._kept = min(KEPT, limit // 8)
        self._used = 0
        # Whether a connection came: before that, most of what is open at the end isn't yet.
        self._serving = False
        self.count()

    def count(self) -> None:
        """Count those in use."""
        try:
            self._used = len(os.listdir(_FOLDER))  # noqa: PTH208  # no need for Path objects
        except OSError:
            # No descriptor left to look with, or no /proc.
            self._used = max(self._used, 0)

    def opened(self) -> None:
        """Tell of a connection that was accepted."""
        if not self._serving:
            self._serving = True
            self.count()
            return
        self._used += 1

    def closed(self) -> None:
        """Tell of a connection that is closed."""
        self._used -= 1

    @property
    def short(self) -> bool:
        """Whether fewer than the reserve are left, as far as is known."""
        return self._used > self._limit - self.reserve

    @property
    def exhausted(self) -> bool:
        """Whether even of the reserve there is left only what polls and files need."""
        return self._used > self._limit - self._kept

    @property
    def tight(self) -> bool:
        """Whether it is time to look more closely."""
        return self._used * 4 > self._limit * 3 or self._used > self._limit - 4 * self.reserve

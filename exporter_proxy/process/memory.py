"""Give memory back to the system that the C library keeps after much was replaced."""

import ctypes
import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

WORTH_TRIMMING = 64 << 20
"""Bytes of payloads that were replaced; below that there is little to give back."""


def find_trim() -> Callable[[], object] | None:
    """Return glibc's ``malloc_trim``; None where the C library has no such thing."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    trim.argtypes = [ctypes.c_size_t]
    return lambda: trim(0)


class Trimmer:
    """Decides when to trim: once in a while, after much was replaced.

    Replaced payloads leave holes between what lives on, in several arenas; glibc gives back only
    what is at an arena's end. It takes some milliseconds for a table of 100 MB, without the
    interpreter lock: to be called in a thread.

    Args:
        trim: What gives memory back; None: nothing can.
        interval: Seconds between two times.
    """

    def __init__(self, trim: Callable[[], object] | None, *, interval: float = 5.0) -> None:
        self._trim = trim
        self._interval = interval
        self._replaced = 0
        self._last = float("-inf")

    def due(self, replaced: int, now: float) -> Callable[[], object] | None:
        """Return what to call, if it is time.

        Args:
            replaced: Bytes that were replaced since the process began.
            now: Seconds of a monotonic clock.
        """
        if self._trim is None or replaced - self._replaced < WORTH_TRIMMING:
            return None
        if now - self._last < self._interval:
            return None
        self._replaced, self._last = replaced, now
        return self._trim

"""The clock that ages are taken with."""

import time
from pathlib import Path


def boot_seconds() -> float:
    """Return seconds since some moment in the past, those included in which the machine slept.

    Nobody can set this clock, so that no change of the time of day expires or keeps anything. It is
    Linux's ``CLOCK_BOOTTIME``: metrics that are eight hours old are that old after a night in which
    a laptop was closed or a virtual machine was paused, too. ``CLOCK_MONOTONIC``, which stands
    still meanwhile, would show them as fresh. Where there is no such clock it is the monotonic one.
    """
    if _BOOT_CLOCK is None:
        return time.monotonic()
    return time.clock_gettime(_BOOT_CLOCK)


def boot_id() -> str:
    """Return what tells this start of the machine from all others; "" where nothing does.

    What :func:`boot_seconds` gives can be compared as long as it is the same.
    """
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _find_boot_clock() -> int | None:
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:
        return None
    try:
        time.clock_gettime(clock)
    except OSError:
        # The library knows it, the kernel doesn't.
        return None
    return clock


# https://docs.kernel.org/admin-guide/sysctl/kernel.html#random
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOT_CLOCK = _find_boot_clock()

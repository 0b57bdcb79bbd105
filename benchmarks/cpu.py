"""CPU time and memory of another process, as the kernel counts them."""

import re
import time
from pathlib import Path

_SLEEP_SECONDS = 0.003


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process, user and system, all its threads, in nanoseconds.

    This is the clock that ``clock_getcpuclockid(3)`` names, which the standard library has no call
    for: exact where ``/proc/PID/stat`` counts in ticks of 10 ms, and it keeps what threads used
    that have ended.
    """
    # What a thread uses is counted when it goes to sleep: let it.
    time.sleep(_SLEEP_SECONDS)
    return time.clock_gettime_ns((~pid << 3) | 2)


def waited_ns(pid: int) -> int:
    """Return how long the first thread of a process was ready to run, with no CPU for it.

    The second number of ``/proc/PID/schedstat``, which Linux gives for each thread.
    """
    with open(f"/proc/{pid}/task/{pid}/schedstat", "rb", buffering=0) as file:  # noqa: PTH123 - quick
        return int(file.read().split()[1])


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return _status_bytes(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """Return the most resident memory that a process ever had."""
    return _status_bytes(pid, "VmHWM")


def _status_bytes(pid: int, key: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(rf"^{key}:\s+(\d+) kB", status, re.MULTILINE)
    if found is None:
        raise ProcessLookupError(pid)
    return int(found[1]) * 1024

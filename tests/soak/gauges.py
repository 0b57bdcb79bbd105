"""What the process takes, second by second, and whether that stays level."""

import asyncio
import statistics
import time
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from tests.proxy_process import wait_for_disk
from tests.soak.subject import Subject

MIB = 1 << 20


class Reading(NamedTuple):
    """What it took at one moment.

    Attributes:
        when: In seconds of the monotonic clock.
        life: Which start of the process it was.
        memory: Resident, in bytes.
        descriptors: File descriptors.
        cpu: Seconds of CPU time since its start.
    """

    when: float
    life: int
    memory: int
    descriptors: int
    cpu: float


class Gauges:
    """Reads them each second.

    Args:
        subject: Of whom.

    Attributes:
        readings: One a second.
        stalled: The longest that this process, or the disk, stood still at a time.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.readings: list[Reading] = []
        self.stalled = 0.0
        self._lately: deque[float] = deque(maxlen=3)

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            self.read()
            self._lately.append(0.0)
            for _ in range(20):
                before = time.monotonic()
                await asyncio.sleep(0.05)
                await asyncio.to_thread(wait_for_disk, self._subject.process.directory / "disk")
                late = time.monotonic() - before - 0.05
                self._lately[-1] = max(self._lately[-1], late)
                self._subject.stalled = max(self._lately)
            self.stalled = max(self.stalled, self._lately[-1])

    def read(self) -> None:
        """Read once, if there is a process."""
        subject = self._subject
        if subject.is_up:
            with suppress(OSError, AssertionError):
                self.readings.append(
                    Reading(
                        time.monotonic(),
                        subject.disturbances["kill -9"],
                        subject.memory(),
                        subject.descriptors(),
                        subject.process.cpu_seconds(),
                    )
                )

    def last_life(self) -> list[Reading]:
        """Return the readings since it was started last."""
        life = self.readings[-1].life
        return [each for each in self.readings if each.life == life]

    def memory_levels(self) -> tuple[float, float]:
        """Return the memory in the second and in the last quarter since the last start, in bytes.

        In the first quarter it fills its table.
        """
        readings = [each.memory for each in self.last_life()]
        quarter = max(1, len(readings) // 4)
        early = statistics.median(readings[quarter : 2 * quarter] or readings)
        return early, statistics.median(readings[-quarter:])

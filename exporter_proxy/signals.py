"""What the operator asks of the process by signals."""

import asyncio
import signal

# Who signals a process group may reach us twice: directly, and through a parent that passes it on.
_SAME_SIGNAL_SECONDS = 0.05


class StopSignals:
    """Tells the first signal to stop from the second, which is in a hurry.

    Attributes:
        once: One came.
        again: Another came.
    """

    def __init__(self) -> None:
        self.once = asyncio.Event()
        self.again = asyncio.Event()
        self._first = 0.0

    def listen(self) -> None:
        """Take note of SIGTERM and SIGINT from now on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: self.note(loop.time()))

    def note(self, now: float) -> None:
        """Take note of a signal at that moment."""
        if not self.once.is_set():
            self._first = now
            self.once.set()
        elif now - self._first > _SAME_SIGNAL_SECONDS:
            self.again.set()

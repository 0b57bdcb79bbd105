"""SIGHUP while the process starts: it asks for a reload, and must not end what can't reload yet.

This comes before all else, so that it imports next to nothing.
"""

import signal
from types import FrameType


class EarlyHangups:
    """Notes each SIGHUP until it is known what is to be done at one.

    Attributes:
        came: One came since they are held.
    """

    def __init__(self) -> None:
        self.came = False
        self._held = False
        self._before: signal._HANDLER = None

    def hold(self) -> None:
        """Note each from now on, instead of being ended by it."""
        self._before = signal.signal(signal.SIGHUP, self._note)
        self._held = True

    def release(self) -> None:
        """Have SIGHUP do what it did before, also one that came since. Idempotent."""
        if self._held:
            self._held = False
            signal.signal(signal.SIGHUP, self._before)
            if self.came:
                signal.raise_signal(signal.SIGHUP)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True


early_hangups = EarlyHangups()
"""Those of this process."""

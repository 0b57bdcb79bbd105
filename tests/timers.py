"""Timers on a clock that the test moves."""

from collections.abc import Callable
from typing import Any


class ManualTimers:
    """Calls functions when their time has come.

    Attributes:
        now: The time, in seconds.
        timers: What is due later.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[ManualTimer] = []

    def call_later(
        self, delay: float, function: Callable[[Any], object], argument: object
    ) -> "ManualTimer":
        """Have ``function`` called when that time has passed."""
        timer = ManualTimer(self, self.now + delay, lambda: function(argument))
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Let that time pass."""
        self.now += seconds
        for timer in [timer for timer in self.timers if timer.due <= self.now]:
            self.timers.remove(timer)
            timer.function()


class ManualTimer:
    """A call that is due."""

    def __init__(self, timers: ManualTimers, due: float, function: Callable[[], object]) -> None:
        self.timers = timers
        self.due = due
        self.function = function

    def cancel(self) -> None:
        """Call nothing."""
        self.timers.timers.remove(self)

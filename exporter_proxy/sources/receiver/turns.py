"""Turns of the event loop, for connections that have more to do than others should wait for."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

TURN_SECONDS = 0.004
"""How long turns follow one another before the loop is served; a turn may take as long again."""


class Turns:
    """Gives each that waits its turn, one after another, a few at a time.

    However many connections have large messages at the same moment, the loop is served after some
    milliseconds of their work.

    Args:
        clock: Measures how long turns take.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._scheduled = False

    def wait(self, turn: Callable[[], None]) -> None:
        """Have ``turn`` called after all that wait already, never before this call has returned."""
        self._waiting.append(turn)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        waiting = self._waiting
        until = self._clock() + TURN_SECONDS
        try:
            # Those that wait again have their next turn when the loop was served.
            for _ in range(len(waiting)):
                waiting.popleft()()
                if self._clock() >= until:
                    break
        finally:
            self._scheduled = False
            if waiting:
                self._schedule()

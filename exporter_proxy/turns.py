"""Turns of the event loop, for work that is longer than others should wait for."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

TURN_SECONDS = 0.0002
"""How long turns follow one another before the loop is served; a turn may take as long again."""

# A push on a connection of its own is three rounds of the loop: the message, the peer's end, the
# closing. It meets at most one turn then, the one that is under way when it comes.
_ROUNDS_TO_STAND_BACK = 3


class Turns:
    """Gives each that waits its turn, one after another, a few at a time.

    However many have long work at the same moment, the loop is served after less than half a
    millisecond of it. While peers with little to do are served, those with much stand back for some
    rounds of the loop, but never for ever.

    Args:
        clock: Measures how long turns take.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._scheduled = False
        # A coroutine was given its turn, which it has in the next round.
        self._given = False
        # A peer was served since a turn was given last, and for how many rounds that counted.
        self._served = False
        self._stood_back = 0

    def note_served(self) -> None:
        """Take note that a peer was served, and more of it may be to come."""
        self._served = True

    def wait(self, turn: Callable[[], None]) -> None:
        """Have ``turn`` called after all that wait already, never before this call has returned."""
        self._waiting.append(turn)
        self._schedule()

    async def turn(self) -> None:
        """Wait for a turn, which lasts until the caller waits again; cancellation is safe."""
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def give() -> None:
            if not given.done():
                given.set_result(None)
                self._given = True

        self.wait(give)
        await given

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        try:
            if not self._stands_back():
                self._give()
        finally:
            self._scheduled = False
            if self._waiting:
                self._schedule()

    def _stands_back(self) -> bool:
        if self._given:
            # One that was given its turn has it in this round.
            self._given = False
            return True
        if self._served and self._stood_back < _ROUNDS_TO_STAND_BACK:
            self._served = False
            self._stood_back += 1
            return True
        self._served = False
        self._stood_back = 0
        return False

    def _give(self) -> None:
        until = self._clock() + TURN_SECONDS
        # Those that wait again have their next turn when the loop was served.
        for _ in range(len(self._waiting)):
            self._waiting.popleft()()
            if self._given or self._clock() >= until:
                break


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def turns_of_loop() -> Turns:
    """Return what all long work on the running loop waits for."""
    loop = asyncio.get_running_loop()
    turns = _of_loops.get(loop)
    if turns is None:
        turns = _of_loops[loop] = Turns()
    return turns

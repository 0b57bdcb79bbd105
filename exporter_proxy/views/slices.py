"""Long work in short steps, with the event loop served between them."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator, Hashable
from typing import Any, Generic, TypeVar

from exporter_proxy.turns import TURN_SECONDS, turns_of_loop

_T = TypeVar("_T")

HOLD_SECONDS = TURN_SECONDS
"""How long steps follow one another before the loop is served; a step may take as long again."""


async def in_slices(
    steps: Generator[None, None, _T], *, clock: Callable[[], float] = time.perf_counter
) -> _T:
    """Run a generator that yields after each step of about a millisecond; return its value.

    Work that is shorter than ``HOLD_SECONDS`` runs through at once.
    """
    turns = turns_of_loop()
    serve_at = clock() + HOLD_SECONDS
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: _T = end.value
            return value
        if clock() >= serve_at:
            await turns.turn()
            serve_at = clock() + HOLD_SECONDS


class Flight(Generic[_T]):
    """Lets callers that come at the same time share one run of something long.

    A caller never gets the result of a run that began with an older key than its own before it
    came: it waits for that run to end, and then shares the next one with all others that waited.
    So there is never more than one run at a time, and nobody waits for more than two.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[_T] | None = None
        self._key: Hashable = None

    async def join(self, key: Hashable, run: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Return what a run gives that has the same ``key`` or began after this call.

        A caller that is cancelled doesn't cancel the run.

        Args:
            key: What the result depends on, as it is now.
            run: Starts a run.
        """
        task = self._task
        if task is not None and self._key != key:
            await asyncio.wait([task])
        if self._task is None:
            self._key = key
            self._task = asyncio.create_task(run())
            self._task.add_done_callback(self._landed)
        return await asyncio.shield(self._task)

    def _landed(self, task: asyncio.Task[_T]) -> None:
        self._task = None
        if not task.cancelled():
            # All who wanted to know may have gone; then nobody else asks for the exception.
            task.exception()

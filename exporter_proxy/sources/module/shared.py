"""Runs that askers share, as long as there is one."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class GaveUpError(Exception):
    """An asker has waited for as long as it wanted to."""


class _Run(Generic[_T]):
    def __init__(self, task: "asyncio.Task[_T]") -> None:
        self.task = task
        self.askers = 0


class SharedRuns(Generic[_T]):
    """Lets those who ask for the same at the same time share one run; it ends when all have gone.

    Args:
        begin: Makes a run of a key.
    """

    def __init__(self, begin: Callable[[Hashable], Coroutine[Any, Any, _T]]) -> None:
        self._begin = begin
        self._runs: dict[Hashable, _Run[_T]] = {}
        # Those that nobody waits for, until they have cleaned up.
        self._tasks: set[asyncio.Task[_T]] = set()

    async def join(self, key: Hashable, timeout: float) -> _T:  # noqa: ASYNC109 - others go on
        """Return what a run of ``key`` brings; it may have begun before.

        Raises:
            GaveUpError: Nothing, within ``timeout`` seconds.
            asyncio.CancelledError: All runs were ended.
        """
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run(asyncio.create_task(self._begin(key)))
            self._tasks.add(run.task)
            run.task.add_done_callback(lambda task: self._landed(key, task))
        run.askers += 1
        try:
            done, _ = await asyncio.wait({run.task}, timeout=timeout)
        finally:
            run.askers -= 1
            if not run.askers and not run.task.done():
                self._forget(key, run.task)
                run.task.cancel()
        if not done:
            raise GaveUpError
        return run.task.result()

    async def close(self, grace_seconds: float) -> None:
        """Let runs go on for at most ``grace_seconds``, then end them. Idempotent."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _landed(self, key: Hashable, task: "asyncio.Task[_T]") -> None:
        self._tasks.discard(task)
        self._forget(key, task)
        if not task.cancelled():
            # All who wanted to know may have gone; then nobody else asks for the exception.
            task.exception()

    def _forget(self, key: Hashable, task: "asyncio.Task[_T]") -> None:
        run = self._runs.get(key)
        if run is not None and run.task is task:
            del self._runs[key]

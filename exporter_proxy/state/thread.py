"""A thread of its own for what waits for the disk."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")


class DiskThread:
    """Calls functions one after another, in the order in which they were given.

    Not one of the workers: a disk that hangs must not keep pages waiting, nor, as the threads of an
    executor would, the end of the process.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], _T]) -> asyncio.Future[_T]:
        """Have ``function`` called; the future gets what it returns or raises.

        It is called whether the future is cancelled or not.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="state", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()

        def job() -> None:
            settle: Callable[[Any], None] = future.set_result
            outcome: object
            try:
                outcome = function()
            except Exception as error:  # noqa: BLE001 - it is raised where the future is awaited
                settle, outcome = future.set_exception, error
            # RuntimeError: the loop is closed, nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_unless_done, future, settle, outcome)

        self._jobs.put(job)
        return future

    def close(self) -> None:
        """Let the thread end after what it was given. Idempotent."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread = None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            # What it held may be large, and the next one may be long in coming.
            del job


def _unless_done(
    future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: object
) -> None:
    if not future.done():
        settle(outcome)

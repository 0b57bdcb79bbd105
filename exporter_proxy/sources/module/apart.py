"""Calls that may hang, such as those of a file system: in threads of their own."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from exporter_proxy.errors import ModuleError

_T = TypeVar("_T")


def apart(function: Callable[[], _T]) -> asyncio.Future[_T]:
    """Call ``function`` in a thread of its own, which delays not even the process's end."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # there is one without an error

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except Exception as exc:  # noqa: BLE001, handed to the one who waits
            error = exc
        # The loop may have ended meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="module", daemon=True).start()
    return answer


class OneApart(Generic[_T]):
    """Calls a function apart, never twice at once, however many want to know.

    Args:
        function: What is called.
    """

    def __init__(self, function: Callable[[], _T]) -> None:
        self._function = function
        self._under_way: asyncio.Future[_T] | None = None

    async def call(self, timeout: float) -> _T:  # noqa: ASYNC109 - the call itself goes on
        """Return what the function returns; of a call that is under way, what that one does.

        Raises:
            ModuleError: ``timeout``: it has not returned after so many seconds.
        """
        answer = self._under_way
        if answer is None:
            answer = self._under_way = apart(self._function)
            answer.add_done_callback(self._landed)
        await asyncio.wait({answer}, timeout=timeout)
        if not answer.done():
            raise ModuleError(
                f"no answer of the file system within {timeout:g} s", reason="timeout"
            )
        return answer.result()

    def _landed(self, answer: asyncio.Future[_T]) -> None:
        self._under_way = None
        if not answer.cancelled():
            # All who wanted to know may have gone; then nobody else asks for the exception.
            answer.exception()

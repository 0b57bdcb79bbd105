"""What the operator asks of the process by signals."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)

# Who signals a process group may reach us twice: directly, and through a parent that passes it on.
_SAME_SIGNAL_SECONDS = 0.05


def on_signal(number: signal.Signals, call: Callable[[], None]) -> None:
    """Have a function called in the running loop at each signal of that number.

    Until :func:`ignore_signals`, which has to come before the loop is closed. The loop's own way
    would leave the signal to end the process between that and the process's end.
    """
    loop = asyncio.get_running_loop()

    def pass_on(*_: object) -> None:
        # Closed already: the start failed.
        if not loop.is_closed():
            loop.call_soon_threadsafe(call)

    signal.signal(number, pass_on)


def ignore_signals() -> None:
    """Let no signal spoil an end in order any more: all is done."""
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


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
            on_signal(number, lambda: self.note(loop.time()))

    def end(self) -> None:
        """Stop, without hurry, however often this is called."""
        if not self.once.is_set():
            self._first = asyncio.get_running_loop().time()
            self.once.set()

    def note(self, now: float) -> None:
        """Take note of a signal at that moment."""
        if not self.once.is_set():
            self._first = now
            self.once.set()
        elif now - self._first > _SAME_SIGNAL_SECONDS:
            self.again.set()


async def stop_in_order(
    stop: Callable[..., Coroutine[Any, Any, None]], hurry: asyncio.Event
) -> None:
    """Stop in order, or at once as soon as ``hurry`` is set.

    Args:
        stop: Stops; may be cancelled and called again, with 0: without patience.
        hurry: Nothing is waited for any more.
    """
    stopping = asyncio.ensure_future(stop())
    hurried = asyncio.ensure_future(hurry.wait())
    await asyncio.wait({stopping, hurried}, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if not stopping.done():
        logger.warning("a second signal: ending at once, what is under way is cut off")
        stopping.cancel()
        await asyncio.wait({stopping})
        stopping = asyncio.ensure_future(stop(0))
    await stopping

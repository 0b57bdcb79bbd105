"""What ``exporter-proxy push`` does: read, send, try again, and wait for the next time."""

import asyncio
import contextlib
import random
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from exporter_proxy import logs
from exporter_proxy.commands.sending import Route, Sender, SendError

MAX_BYTES = 1 << 30
# The wait before the first try again; each is twice the one before, up to the longest.
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of the command.

    Attributes:
        app: Whose metrics they are.
        file: Where they are; ``-`` for standard input.
        first: What was read already; None: nothing.
        ttl: Their time to live in seconds; None: the receiver's.
        retries: How often a push is tried again.
        every: Seconds from one push to the next; None: there is one.
        verbose: Whether success is told.
        route: Where to, and how.
    """

    app: str
    file: str
    first: str | None
    ttl: float | None
    retries: int
    every: float | None
    verbose: bool
    route: Route

    async def run(self) -> int:
        """Push, once or until a signal asks to end; return the exit code.

        Raises:
            SendError: The only push did not count.
        """
        sender = self.route.open()
        try:
            if self.every is None:
                assert self.first is not None, "nothing was read"
                await self._push(sender, self.first)
                return 0
            await self._watch(sender, self.every)
            return 0
        finally:
            await sender.close()

    async def _watch(self, sender: Sender, every: float) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        watching = asyncio.ensure_future(self._again_and_again(sender, every))
        ending = asyncio.ensure_future(ended.wait())
        await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        ending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    async def _again_and_again(self, sender: Sender, every: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        told = ""
        while True:
            wrong = await self._once(sender)
            if wrong and wrong != told:
                _tell(f"exporter-proxy push: {wrong}")
            elif told and not wrong:
                _tell("exporter-proxy push: works again")
            told = wrong
            # What took too long is not made up for.
            due = max(due + every, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _once(self, sender: Sender) -> str:
        """Read and push; return what went wrong."""
        try:
            await self._push(sender, await asyncio.to_thread(read, self.file))
        except (SendError, OSError) as error:
            return str(error)
        return ""

    async def _push(self, sender: Sender, metrics: str) -> None:
        for attempt in range(self.retries + 1):
            try:
                await sender.send(self.app, metrics, self.ttl)
            except SendError as error:
                if not error.may_pass or attempt == self.retries:
                    raise
                wait = min(_FIRST_WAIT_SECONDS * 2**attempt, _LONGEST_WAIT_SECONDS)
                # So that many who lost the same proxy don't come back at the same moment.
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            else:
                break
        if self.verbose:
            size = len(metrics.encode())
            _tell(f"pushed {size} bytes as {self.app} to {self.route.to.shown}")


def read(file: str) -> str:
    """Return the text of a file, or of standard input.

    Raises:
        OSError: It can't be read, is too large, or is no text.
    """
    name = "<stdin>" if file == "-" else file
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise OSError(f"{name}: can't be read: {why}") from error
    if len(data) > MAX_BYTES:
        raise OSError(f"{name}: larger than {MAX_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise OSError(f"{name}: not UTF-8 at byte {error.start}") from error


def _tell(line: str) -> None:
    sys.stderr.write(logs.one_line(line) + "\n")
    sys.stderr.flush()

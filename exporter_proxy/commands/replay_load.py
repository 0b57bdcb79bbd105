"""What ``exporter-proxy replay`` does: pushes at a given rate, counted and timed."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from exporter_proxy.commands.sending import Route, Sender, SendError
from exporter_proxy.exposition.series import escape_label

_PROGRESS_SECONDS = 0.1
# More are not kept: percentiles of so many are as good.
_MOST_TIMES = 1_000_000


@dataclass(slots=True)
class Results:
    """What became of the pushes.

    Attributes:
        taken: How many were taken.
        failed: How many were not, by reason.
        examples: The first text of each reason.
        bytes: Of metrics that were taken.
        seconds: From the first push to the end of the last.
        times: How long pushes took, in seconds, from the moment when each was due.
        interrupted: Whether it was ended before its time.
    """

    taken: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One run of the command.

    Attributes:
        payloads: What is pushed.
        apps: As whose.
        rate: Pushes a second.
        duration: For so many seconds.
        connections: Pushes under way at once.
        change: Whether a counter of its pushes is added to each app's metrics.
        route: Where to, and how.
    """

    payloads: Sequence[str]
    apps: Sequence[str]
    rate: float
    duration: float
    connections: int
    change: bool
    route: Route

    @property
    def pushes(self) -> int:
        """How many there are to be."""
        return max(1, round(self.rate * self.duration))

    async def run(self, *, quiet: bool) -> Results:
        """Push until the time is over, or a signal asks to end.

        Args:
            quiet: Whether no progress is shown.
        """
        results = Results()
        sender = self.route.open()
        began = time.monotonic()
        numbers = iter(range(self.pushes))
        workers = [
            asyncio.ensure_future(self._work(sender, numbers, began, results))
            for _ in range(min(self.connections, self.pushes))
        ]
        try:
            async with _interruptible(workers, results), _progress(self.pushes, results, quiet):
                await asyncio.wait(workers)
        finally:
            results.seconds = time.monotonic() - began
            await sender.close()
        return results

    async def _work(
        self, sender: Sender, numbers: Iterator[int], began: float, results: Results
    ) -> None:
        for number in numbers:
            due = began + number / self.rate
            # Also 0: a destination that answers at once must not keep signals waiting.
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            app, metrics = self._metrics(number)
            try:
                await sender.send(app, metrics, None)
            except SendError as error:
                results.failed[error.reason] += 1
                results.examples.setdefault(error.reason, str(error))
                continue
            results.taken += 1
            results.bytes += len(metrics)
            if len(results.times) < _MOST_TIMES:
                results.times.append(time.monotonic() - due)

    def _metrics(self, number: int) -> tuple[str, str]:
        turn, place = divmod(number, len(self.apps))
        app, metrics = self.apps[place], self.payloads[place % len(self.payloads)]
        if not self.change:
            return app, metrics
        end = "" if metrics.endswith("\n") or not metrics else "\n"
        label = escape_label(app)
        own = (
            "# HELP replay_pushes_total Pushes of this app by the load generator.\n"
            "# TYPE replay_pushes_total counter\n"
            f'replay_pushes_total{{replay_app="{label}"}} {turn + 1}\n'
        )
        return app, own + metrics + end


@contextlib.asynccontextmanager
async def _interruptible(
    workers: Sequence["asyncio.Future[None]"], results: Results
) -> AsyncIterator[None]:
    """End the workers at a signal."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        results.interrupted = True
        for worker in workers:
            worker.cancel()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _progress(pushes: int, results: Results, quiet: bool) -> AsyncIterator[None]:  # noqa: FBT001
    """Show a progress bar on a terminal."""
    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("pushing"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[taken]} taken, {task.fields[failed]} failed"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=pushes, taken=0, failed=0)

        async def follow() -> None:
            while True:
                failed = results.failed.total()
                progress.update(
                    task, completed=results.taken + failed, taken=results.taken, failed=failed
                )
                await asyncio.sleep(_PROGRESS_SECONDS)

        following = asyncio.ensure_future(follow())
        try:
            yield
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

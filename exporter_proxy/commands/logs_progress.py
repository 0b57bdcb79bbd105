"""How far reading a log has come, on a terminal."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from exporter_proxy.commands.logs_input import size

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_SECONDS = 0.1


class Progress:
    """Shows nothing."""

    def advance(self, data: int, lines: int) -> None:
        """Tell that so many more bytes were read, and so many lines in all."""


class _Shown(Progress):
    def __init__(self, bar: "Bar", task: "TaskID") -> None:
        self._bar = bar
        self._task = task
        self._bytes = 0
        self._due = 0.0

    def advance(self, data: int, lines: int) -> None:
        self._bytes += data
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _SECONDS
            self._bar.update(self._task, completed=self._bytes, lines=f"{lines:,}")


@contextmanager
def progress(paths: Sequence[str], *, quiet: bool) -> Iterator[Progress]:
    """Show a bar on standard error, if that is a terminal; it is gone when all was read."""
    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Progress()
        return
    from rich import progress as rich  # noqa: PLC0415

    sizes = [size(path) for path in paths]
    known = [each for each in sizes if each is not None]
    with rich.Progress(
        rich.TextColumn("reading"),
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        rich.DownloadColumn(),
        rich.TextColumn("{task.fields[lines]} lines"),
        rich.TransferSpeedColumn(),
        rich.TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        total = sum(known) if len(known) == len(sizes) else None
        yield _Shown(bar, bar.add_task("", total=total, lines="0"))

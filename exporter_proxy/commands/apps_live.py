"""The table of apps, kept up to date on a terminal."""

import asyncio
import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from exporter_proxy.commands.apps_table import App, Selection, draw, read, summary
from exporter_proxy.commands.asking import AskError, Proxy
from exporter_proxy.logs import one_line

# The lines of the table's head, the summary, the message, and one that stays free.
_OTHER_LINES = 6


class Rates:
    """Tells updates a second from two answers."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._at = 0.0

    def note(self, apps: Sequence[App], now: float) -> None:
        """Write into each app its rate since the answer before.

        Args:
            apps: All of an answer.
            now: When it came, in seconds of the monotonic clock.
        """
        passed = now - self._at
        for app in apps:
            before = self._seen.get(app.app)
            # Fewer than before: the proxy has begun anew.
            if before is not None and app.updates >= before and passed > 0:
                app.rate = (app.updates - before) / passed
        self._seen = {app.app: app.updates for app in apps}
        self._at = now


async def watch(
    proxy: Proxy, selection: Selection, every: float, console: Console | None = None
) -> None:
    """Show the apps until it is cancelled.

    A proxy that doesn't answer is asked again; what was last known stays on the screen with the
    reason.

    Args:
        proxy: Who is asked.
        selection: What is shown.
        every: Seconds from one question to the next.
        console: Where to; None: standard output.

    Raises:
        AskError: It doesn't answer the first time.
    """
    console = console or Console()
    rates = Rates()
    apps = read(await proxy.get("/apps", format="json"), proxy.shown)
    rates.note(apps, time.monotonic())
    wrong = ""
    screen = _screen(console, selection.of(apps), proxy, wrong)
    live = Live(
        screen, console=console, auto_refresh=False, screen=console.is_terminal, transient=False
    )
    with live:
        while True:
            await asyncio.sleep(every)
            try:
                apps = read(await proxy.get("/apps", format="json"), proxy.shown)
                rates.note(apps, time.monotonic())
                wrong = ""
            except AskError as error:
                wrong = str(error)
            live.update(_screen(console, selection.of(apps), proxy, wrong), refresh=True)


def _screen(console: Console, apps: Sequence[App], proxy: Proxy, wrong: str) -> RenderableType:
    """Return what fits on the screen."""
    room = max(1, console.height - _OTHER_LINES) if console.is_terminal else len(apps)
    table = draw(apps[:room], time.time_ns(), rates=True, width=console.width, cut=True)
    parts: list[RenderableType] = [summary(apps, proxy.shown), Text(), table]
    if len(apps) > room:
        parts.append(Text(f"… and {len(apps) - room} more: --sort and --filter choose", "dim"))
    if wrong:
        parts.append(Text(one_line(wrong), "bold red", overflow="ellipsis", no_wrap=True))
    return Group(*parts)

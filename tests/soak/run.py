"""One soak, from the first start to the last look."""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from tests.soak.gauges import MIB, Gauges
from tests.soak.ledger import Ledger
from tests.soak.peers import Peers
from tests.soak.plan import Plan
from tests.soak.scraper import Scraper
from tests.soak.subject import Subject
from tests.soak.targets import Targets
from tests.soak.wires import Wires

# What memory may grow by between the second and the last quarter: a part, and as much besides.
_GROWTH = 0.10
_SLACK_BYTES = 16 * MIB
# In a shorter life much happens for the first time in its last quarter: there is only a bound.
_LEVEL_SECONDS = 40
_MOST_BYTES = 128 * MIB
# Descriptors that may be there more than at the start when all peers are gone: connections of
# endpoints that are kept, sockets that close.
_DESCRIPTORS_LEFT = 30
_SETTLE_SECONDS = 30.0


@dataclass(slots=True)
class Soak:
    """All that takes part, and what came of it.

    Attributes:
        plan: What is done.
        directory: For the files of the process; short.
        on_second: Called each second, with what is there so far.
        ended: When the load ended, in seconds from the start.
        at_rest: Descriptors before the first peer came, and after the last one was gone.
        log_levels: Lines of the log, by level.
    """

    plan: Plan
    directory: Path
    on_second: Callable[["Soak"], None] = lambda _: None
    ledger: Ledger = field(default_factory=Ledger)
    ended: float = 0.0
    at_rest: tuple[int, int] = (0, 0)
    log_levels: dict[str, int] = field(default_factory=dict)
    targets: Targets = field(init=False)
    subject: Subject = field(init=False)
    scraper: Scraper = field(init=False)
    peers: Peers = field(init=False)
    wires: Wires = field(init=False)
    gauges: Gauges = field(init=False)
    started: float = 0.0

    async def run(self) -> None:
        """Do all of it. What is wrong is in the ledger's complaints."""
        chance = random.Random(self.plan.seed)
        self.targets = Targets(self.ledger, chance)
        port = await self.targets.start()
        self.subject = Subject(self.directory, self.plan, port, self.ledger)
        self.scraper = Scraper(self.subject, self.ledger)
        self.peers = Peers(self.plan, self.subject, self.ledger, chance)
        self.wires = Wires(self.plan, self.subject, self.ledger)
        self.gauges = Gauges(self.subject)
        await self.subject.start()
        try:
            await self._load()
            await self._look_at_the_end()
        finally:
            await self.targets.stop()
            await self._stop_subject()

    @property
    def elapsed(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self.started

    async def _load(self) -> None:
        before = self.subject.descriptors()
        self.started = time.monotonic()
        wires = self.wires.start()
        others = [
            asyncio.create_task(work)
            for work in (
                self.scraper.run(),
                self.peers.run(),
                self.gauges.run(),
                self._tell(),
            )
        ]
        disturbing = asyncio.create_task(self._disturb())
        done, _ = await asyncio.wait(
            {*others, *wires}, timeout=self.plan.seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        # Never left alone within something that is done to the process.
        await disturbing
        self.ended = self.elapsed
        for task in others:
            task.cancel()
        for outcome in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        for task in done:
            task.result()
        self.targets.heal()
        self.wires.stop()
        await asyncio.wait(wires, timeout=2 * _SETTLE_SECONDS)
        for task in wires:
            if not task.done():
                self.ledger.complain("soak", "an app that pushes did not come to its end")
                task.cancel()
            elif not task.cancelled():
                task.result()
        self.at_rest = before, before

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.on_second(self)

    async def _disturb(self) -> None:
        """Reload, pause and kill, as planned; one at a time."""
        plan, subject = self.plan, self.subject
        todo: list[tuple[float, Callable[[], object]]] = [
            (part * plan.seconds, lambda seconds=seconds: subject.pause(seconds))
            for part, seconds in plan.pauses
        ]
        todo += [(part * plan.seconds, subject.kill) for part in plan.kills]
        turns = int((plan.seconds - 1) / plan.reload_seconds)
        todo += [
            (turn * plan.reload_seconds, lambda turn=turn: subject.reload(usable=turn % 3 != 0))
            for turn in range(1, turns + 1)
        ]
        for when, act in sorted(todo, key=lambda each: each[0]):
            await asyncio.sleep(max(0.0, when - self.elapsed))
            if self.elapsed > plan.seconds:
                break
            await act()  # type: ignore[misc]

    async def _look_at_the_end(self) -> None:
        """See that everything is there when it is quiet, and that nothing was kept."""
        expected = dict(self.ledger.sent)
        pushed = {app for names in self.plan.names().values() for app in names}
        for app in pushed:
            if self.ledger.arrived.get(app) != expected.get(app):
                self.ledger.complain(
                    "soak", f"{app}: {self.ledger.arrived.get(app)} of {expected.get(app)} arrived"
                )
        polled = {f"t{number}" for number in range(self.plan.targets)}
        end = time.monotonic() + _SETTLE_SECONDS
        while True:
            await self.scraper.scrape()
            missing = {
                app for app in polled if self.scraper.shown.get(app, 0) < expected.get(app, 0)
            }
            left = self.subject.descriptors() - self.at_rest[0]
            if not missing and left <= _DESCRIPTORS_LEFT:
                break
            if time.monotonic() > end:
                if missing:
                    self.ledger.complain("lost", f"not polled any more: {sorted(missing)[:5]}")
                if left > _DESCRIPTORS_LEFT:
                    self.ledger.complain("descriptors", f"{left} more than at the start")
                break
            await asyncio.sleep(0.5)
        self.at_rest = self.at_rest[0], self.subject.descriptors()
        self.gauges.read()
        self._look_at_memory()
        await self._read_pages()

    def _look_at_memory(self) -> None:
        early, late = self.gauges.memory_levels()
        if len(self.gauges.last_life()) < _LEVEL_SECONDS:
            if late > _MOST_BYTES:
                self.ledger.complain("memory", f"grew to {late / MIB:.1f} MiB in a moment")
        elif late > early * (1 + _GROWTH) + _SLACK_BYTES:
            self.ledger.complain(
                "memory", f"grew from {early / MIB:.1f} to {late / MIB:.1f} MiB under the same load"
            )

    async def _read_pages(self) -> None:
        """Have others read the page, in both formats."""
        get = self.subject.process.get
        text = await asyncio.to_thread(get, "/metrics", {"Accept": "text/plain"})
        wanted = {"Accept": "application/openmetrics-text;version=1.0.0"}
        openmetrics = await asyncio.to_thread(get, "/metrics", wanted)
        for page, read in (
            (text, text_string_to_metric_families),
            (openmetrics, openmetrics_families),
        ):
            try:
                for _ in read(page.body.decode()):
                    pass
            except ValueError as error:
                self.ledger.complain("unreadable", f"{page.headers['content-type']}: {error}")

    async def _stop_subject(self) -> None:
        process = self.subject.process
        if not process.running:
            self.ledger.complain("died", f"the proxy ended with {process.process.poll()}")
            return
        self.subject.is_up = False
        with suppress(TimeoutError):
            code = await asyncio.to_thread(process.stop)
            if code:
                self.ledger.complain("died", f"SIGTERM ended it with {code}")
        if self.ledger.wrong:
            kept = Path(tempfile.gettempdir()) / f"soak-{process.process.pid}.log"
            kept.write_text(process.log_text(), encoding="utf-8")
            self.ledger.complain("log", f"it is kept: {kept}")
            if self.scraper.kept is not None:
                form, page = self.scraper.kept
                kept.with_suffix(".page").write_bytes(page)
                self.ledger.complain("page", f"{form}: it is kept: {kept.with_suffix('.page')}")
        for record in process.log_records():
            level = str(record["level"])
            self.log_levels[level] = self.log_levels.get(level, 0) + 1
            if "exception" in record:
                self.ledger.complain(
                    "traceback", f"{record['message']}: {record['exception'][-1500:]}"
                )


async def soak(plan: Plan, on_second: Callable[[Soak], None] = lambda _: None) -> Soak:
    """Run one in a directory of its own."""
    # Not pytest's: the path of a Unix socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        one = Soak(plan, Path(directory), on_second)
        await one.run()
        return one

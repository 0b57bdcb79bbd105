"""The source that has all modules: polls them on their intervals, and asks them on demand."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from exporter_proxy.changes import Change
from exporter_proxy.config import ModuleConfig
from exporter_proxy.errors import ModuleError, PollError, PollReason, quote
from exporter_proxy.modules import Answer, Ask, Joined, ModuleStatus
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.module.directory import DirectoryModule
from exporter_proxy.sources.module.http import HttpModule, endpoint_of
from exporter_proxy.sources.module.kind import Kind
from exporter_proxy.sources.module.process import GRACE_SECONDS
from exporter_proxy.sources.module.program import ExecModule
from exporter_proxy.sources.module.textfile import FileModule
from exporter_proxy.sources.module.unit import Unit
from exporter_proxy.sources.poll.client import PollClient
from exporter_proxy.sources.poll.schedule import Slots, spacing
from exporter_proxy.table import Life, Table


class Runner:
    """All modules.

    Args:
        modules: Their sections.
        table: Where the metrics of those go that are polled.
        admission: Lets them in.
        life: That of apps of which nothing else is said.
        monotonic: The clock of the schedules.
        sleep: Waits for so many seconds.
    """

    name = "modules"

    def __init__(
        self,
        modules: Sequence[ModuleConfig],
        table: Table,
        admission: Admission,
        *,
        life: Life,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._table = table
        self._admission = admission
        self._life = life
        self._monotonic = monotonic
        self._sleep = sleep
        self._configs = tuple(modules)
        self.stats = SourceStats(listens=False, kind="module")
        self._client: PollClient | None = None
        self._units: dict[str, Unit] = {}
        self._tasks: dict[Unit, asyncio.Task[None]] = {}
        # Those that wait for their next slot, and may be ended at any moment.
        self._waiting: set[asyncio.Task[None]] = set()
        # Polls that have not ended, and those of them that were asked for.
        self._under_way: dict[Unit, asyncio.Future[None]] = {}
        self._demanded: dict[Unit, asyncio.Task[None]] = {}
        # Who is asked for a page now.
        self._asking: set[asyncio.Task[Answer]] = set()
        self._pausing = False

    @property
    def modules(self) -> list[ModuleStatus]:
        """How each fares, in the order of the configuration."""
        return [unit.status for unit in self._units.values()]

    async def start(self) -> None:
        """Begin to poll, and to answer."""
        self._client = PollClient()
        _prepare(self._client, self._configs)
        self._units = {each.name: self._unit(each) for each in self._configs}
        for unit in self._units.values():
            unit.take_over()
        self._begin(list(self._units.values()))
        self.stats.listening = True

    async def ask(self, module: str, ask: Ask) -> Answer:
        """Return what a module brings now.

        Raises:
            ModuleError: Nothing that can be shown; ``unknown_module``: there is none.
        """
        unit = self._units.get(module)
        if unit is None:
            raise ModuleError(f"there is no module {quote(module)}", reason="unknown_module")
        if self._pausing:
            raise ModuleError("the proxy is stopping", reason="stopping")
        asking = asyncio.create_task(unit.ask(ask))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        try:
            return await asking
        except asyncio.CancelledError:
            if asking.cancelled():
                raise ModuleError("the module was ended", reason="stopping") from None
            asking.cancel()
            raise

    @property
    def apps(self) -> Collection[str]:
        """The apps that can be polled when they are asked for: all but those of programs.

        A program may take what it takes because its interval is long.
        """
        return Joined([each.apps for each in self._units.values() if each.config.kind != "exec"])

    async def poll_now(self, app: str) -> None:
        """Poll the module of an app, or wait for the poll of it that is under way.

        Whoever asks while it is under way shares it. A caller that is cancelled doesn't end it.

        Raises:
            PollError: The poll failed, or no module brings this app.
        """
        unit = next((each for each in self._units.values() if app in each.apps), None)
        if unit is None:
            raise PollError("no module brings it any more", reason="other")
        ended = self._under_way.get(unit) or self._begin_now(unit)
        await asyncio.wait([ended])
        entry = unit.entries.get(app)
        if ended.cancelled() or entry is None:
            raise PollError("no module brings it any more", reason="other")
        if entry.error is not None:
            reason: PollReason = "timeout" if entry.error.reason == "timeout" else "other"
            raise PollError(str(entry.error), reason=reason)

    def _begin_now(self, unit: Unit) -> asyncio.Task[None]:
        if self._pausing:
            raise PollError("the proxy is stopping", reason="other")

        def end(_: object) -> None:
            del self._under_way[unit], self._demanded[unit]

        task = asyncio.create_task(self._poll(unit))
        self._under_way[unit] = self._demanded[unit] = task
        task.add_done_callback(end)
        return task

    async def prepare(self, modules: Sequence[ModuleConfig], life: Life) -> Change:
        """Get ready for other modules; one that is as before goes on."""
        client = self._client
        assert client is not None
        # In a thread, as it reads the system's authorities.
        await asyncio.to_thread(_prepare, client, modules)
        leaving: list[Unit] = []

        def commit() -> None:
            before = self._units
            self._life = life
            self._configs = tuple(modules)
            self._units = {}
            begun: list[Unit] = []
            for config in modules:
                unit = before.get(config.name)
                if unit is None or unit.config != config:
                    unit = self._unit(config)
                    begun.append(unit)
                self._units[config.name] = unit
            leaving.extend(
                unit for name, unit in before.items() if self._units.get(name) is not unit
            )
            for unit in leaving:
                self._end(unit, self._units.get(unit.config.name))
            self._begin(begun)

        async def finish(grace_seconds: float) -> None:
            await asyncio.gather(*(unit.close(grace_seconds) for unit in leaving))

        return Change(commit, finish=finish)

    def pause(self) -> None:
        """Begin nothing more; what is under way goes on."""
        self._pausing = True
        self.stats.listening = False
        for task in self._waiting:
            task.cancel()

    async def stop(self, grace_seconds: float) -> None:
        """Let what is under way go on for at most ``grace_seconds``, then end it. Idempotent."""
        self.pause()
        tasks = {*self._tasks.values(), *self._asking, *self._demanded.values()}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks = {}
        # By now nobody waits for anything, but programs that were told to end may need a moment.
        left = min(grace_seconds, 2 * GRACE_SECONDS)
        await asyncio.gather(*(unit.close(left) for unit in self._units.values()))
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _unit(self, config: ModuleConfig) -> Unit:
        return Unit(
            config, self._table, self._admission, self._make_kind, monotonic=self._monotonic
        )

    def _make_kind(self, config: ModuleConfig, files: dict[str, float]) -> Kind:
        match config.kind:
            case "http":
                assert self._client is not None
                return HttpModule(config, self._client)
            case "exec":
                return ExecModule(config)
            case "file":
                return FileModule(config, files)
            case "directory":
                return DirectoryModule(config, files)

    def _begin(self, units: Sequence[Unit]) -> None:
        polled = [unit for unit in units if unit.config.interval]
        start = self._monotonic()
        step = spacing([unit.config.interval for unit in polled])
        for number, unit in enumerate(polled):
            slots = Slots(start + number * step, unit.config.interval)
            task = asyncio.create_task(self._run(unit, slots))
            task.set_name(unit.config.source)
            self._tasks[unit] = task
            self._waiting.add(task)

    def _end(self, unit: Unit, successor: Unit | None) -> None:
        """Poll a module no more; its apps are its successor's, if that has the same."""
        task = self._tasks.pop(unit, None)
        if task is not None:
            self._waiting.discard(task)
            task.cancel()
        if unit in self._demanded:
            self._demanded[unit].cancel()
        if (
            successor is not None
            and successor.config.interval
            and successor.config.app_name == unit.config.app_name
            and (successor.config.kind == "directory") == (unit.config.kind == "directory")
        ):
            successor.inherit(unit)
        else:
            unit.leave()

    async def _run(self, unit: Unit, slots: Slots) -> None:
        task = asyncio.current_task()
        assert task is not None
        while not self._pausing:
            if (delay := slots.due - self._monotonic()) > 0:
                self._waiting.add(task)
                await self._sleep(delay)
            self._waiting.discard(task)
            await self._poll_in_slot(unit)
            slots.advance(self._monotonic())

    async def _poll_in_slot(self, unit: Unit) -> None:
        demanded = self._under_way.get(unit)
        if demanded is not None:
            await asyncio.wait([demanded])
            return
        ended = self._under_way[unit] = asyncio.get_running_loop().create_future()
        try:
            await self._poll(unit)
            ended.set_result(None)
        finally:
            del self._under_way[unit]
            # Without effect on one that has its result.
            ended.cancel()

    async def _poll(self, unit: Unit) -> None:
        before = unit.updates
        await unit.poll(self._life)
        if unit.updates != before:
            self.stats.updates += unit.updates - before
            self.stats.last_success_ns = time.time_ns()
        if unit.status.last_error is not None:
            self.stats.fail(f"{unit.config.name}: {unit.status.last_error}")


def _prepare(client: PollClient, modules: Sequence[ModuleConfig]) -> None:
    for module in modules:
        if module.kind == "http":
            client.prepare(endpoint_of(module))

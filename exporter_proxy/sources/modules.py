"""The modules, made when there are any, from one configuration to the next."""

import asyncio
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from exporter_proxy.changes import Change
from exporter_proxy.config import Config
from exporter_proxy.errors import ModuleError, PollError, quote
from exporter_proxy.modules import Answer, Ask, ModuleStatus
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.lives import common_life
from exporter_proxy.table import Life, Table

if TYPE_CHECKING:
    from exporter_proxy.sources.module import Runner


class ModuleSource:
    """Has a runner as long as there are ``[[module]]`` sections: it takes time to load.

    Args:
        config: The configuration.
        table: Where metrics go.
        admission: Lets them in.
    """

    name = "modules"

    def __init__(self, config: Config, table: Table, admission: Admission) -> None:
        self._table = table
        self._admission = admission
        self._runner: Runner | None = None
        if config.modules:
            # Not needed by those who have none.
            from exporter_proxy.sources import module  # noqa: PLC0415

            self._runner = module.Runner(config.modules, table, admission, life=common_life(config))

    @property
    def sources(self) -> "list[Runner]":
        """The runner, if there is one."""
        return [] if self._runner is None else [self._runner]

    @property
    def modules(self) -> Sequence[ModuleStatus]:
        """How each module fares."""
        return () if self._runner is None else self._runner.modules

    @property
    def apps(self) -> Collection[str]:
        """The apps that can be polled when they are asked for."""
        return () if self._runner is None else self._runner.apps

    async def poll_now(self, app: str) -> None:
        """Poll the module of an app now; see :meth:`Runner.poll_now`."""
        if self._runner is None:
            raise PollError("no module brings it any more", reason="other")
        await self._runner.poll_now(app)

    async def ask(self, module: str, ask: Ask) -> Answer:
        """Return what a module brings now; see :meth:`Runner.ask`."""
        if self._runner is None:
            raise ModuleError(f"there is no module {quote(module)}", reason="unknown_module")
        return await self._runner.ask(module, ask)

    async def prepare(self, new: Config) -> Change:
        """Get ready for the modules that ``new`` has; see :meth:`Runner.prepare`."""
        before = self._runner
        runner = before
        if runner is None:
            if not new.modules:
                return Change(lambda: None)
            runner = await self._idle_runner()
        change = await runner.prepare(new.modules, common_life(new))
        if before is None:

            async def cancel() -> None:
                await runner.stop(0)

            change.cancel = cancel

        def commit() -> None:
            change.commit()
            self._runner = runner if new.modules else None

        async def finish(grace_seconds: float) -> None:
            if change.finish is not None:
                await change.finish(grace_seconds)
            if not new.modules:
                await runner.stop(grace_seconds)

        return Change(commit, change.cancel, finish)

    async def _idle_runner(self) -> "Runner":
        # In a thread: it takes a tenth of a second.
        module = await asyncio.to_thread(import_module, "exporter_proxy.sources.module")
        runner: Runner = module.Runner((), self._table, self._admission, life=Life())
        await runner.start()
        return runner

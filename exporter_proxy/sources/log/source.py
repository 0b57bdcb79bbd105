"""The source that reads: all ``[[log]]`` sections, from one configuration to the next."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from exporter_proxy.changes import Change
from exporter_proxy.config import LogConfig
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.log.compiling import Compile, Counter, compile_all, compile_section
from exporter_proxy.sources.log.section import Means, Section
from exporter_proxy.sources.log.status import LogStatus
from exporter_proxy.sources.log.watch import Watcher
from exporter_proxy.table import FOR_EVER, Life, Table

logger = logging.getLogger(__name__)

# Files that are read at once; one that hangs, on a network file system, costs one of them.
_THREADS = 4


class LogSource:
    """Follows what the sections name, each on its own.

    Args:
        configs: The sections.
        table: Where their apps are.
        admission: Lets them in.
        life: How long apps live whose files can't be followed.
        make: Makes what counts the lines.

    Raises:
        ConfigError: A format can't be used.
    """

    name = "log"

    def __init__(
        self,
        configs: Sequence[LogConfig],
        table: Table,
        admission: Admission,
        *,
        life: Life = FOR_EVER,
        make: Compile = compile_section,
    ) -> None:
        self.stats = SourceStats(listens=False, kind="log")
        self._table = table
        self._admission = admission
        self._life = life
        self._make = make
        self._watcher = Watcher()
        self._threads: ThreadPoolExecutor | None = None
        self._tasks: dict[Section, asyncio.Task[None]] = {}
        # Sections that are followed no more and haven't ended.
        self._leaving: set[asyncio.Task[None]] = set()
        self._initial = list(zip(configs, compile_all(configs, make), strict=True))

    @property
    def statuses(self) -> list[tuple[LogStatus, Counter]]:
        """How each section fares, and what counts its lines."""
        return [(section.status, section.counter) for section in self._tasks]

    async def start(self) -> None:
        """Begin to follow; what is there is read soon after, nothing is waited for."""
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="log")
        await self._watcher.start()
        for config, counter in self._initial:
            self._begin(config, counter)
        self._initial.clear()
        self.stats.listening = True

    def _begin(self, config: LogConfig, counter: Counter) -> Section:
        means = Means(self._table, self._admission, self.stats, self._apart, self._watcher.watch)
        section = Section(config, counter, means, life=self._life)
        self._tasks[section] = asyncio.create_task(section.run(), name=config.source)
        return section

    async def _apart(self, function: Callable[..., Any], *args: Any) -> Any:
        assert self._threads is not None
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(function, *args)
        )

    async def prepare(self, configs: Sequence[LogConfig], life: Life) -> Change:
        """Get ready to follow what ``configs`` have.

        A section that follows the same path goes on where it is. Its counts go on, too, unless what
        is counted has changed. Of one that is followed no more the app's metrics are taken away.

        Raises:
            ConfigError: A format can't be used.
        """
        # In a thread, as patterns take their time to compile.
        counters = await asyncio.to_thread(compile_all, configs, self._make)
        pairs = list(zip(configs, counters, strict=True))

        def commit() -> None:
            self._life = life
            heirs = _succession(list(self._tasks), configs)
            kept = {id(section) for section in heirs.values()}
            for section in [each for each in self._tasks if id(each) not in kept]:
                self._end(section)
            order: dict[Section, asyncio.Task[None]] = {}
            for number, (config, counter) in enumerate(pairs):
                heir = heirs.get(number)
                section = self._begin(config, counter) if heir is None else heir
                if heir is not None:
                    same = counter.fingerprint == heir.counter.fingerprint
                    heir.follow(config, None if same else counter, life)
                order[section] = self._tasks[section]
            self._tasks = order

        return Change(commit)

    def _end(self, section: Section) -> None:
        """Follow a section no more, and take its app away."""
        task = self._tasks.pop(section)
        task.cancel()
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        self._watcher.forget(section)
        section.leave()

    def pause(self) -> None:
        """Begin to stop: what was read is counted, nothing more is read."""
        self.stats.listening = False
        for section in self._tasks:
            section.stop()

    async def stop(self, grace_seconds: float) -> None:
        """Show and keep what was counted, for at most ``grace_seconds``, then end. Idempotent."""
        self.pause()
        tasks = [*self._tasks.values(), *self._leaving]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks = {}
        self._watcher.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _succession(sections: Sequence[Section], configs: Sequence[LogConfig]) -> dict[int, Section]:
    """Return which section goes on as which configuration: that of the same path."""
    free = list(sections)
    heirs: dict[int, Section] = {}
    alike: Sequence[Callable[[LogConfig, LogConfig], bool]] = (
        lambda old, new: old == new,
        lambda old, new: (old.path, old.app_name) == (new.path, new.app_name),
        lambda old, new: old.path == new.path and replace(old, app=None) == replace(new, app=None),
    )
    for is_heir in alike:
        for number, config in enumerate(configs):
            if number in heirs:
                continue
            for section in free:
                if is_heir(section.config, config):
                    heirs[number] = section
                    free.remove(section)
                    break
    return heirs

"""Read the configuration again, and put it into force: all of it, or nothing."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple, TypeVar

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter_proxy.config import Config
from exporter_proxy.errors import ConfigError, StartError

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

NEED_RESTART = ("exporter.state_file", "exporter.worker_threads")
"""Keys that a running proxy doesn't follow."""


class ReadFile(NamedTuple):
    """A configuration that was read.

    Attributes:
        path: The file; None: there is none.
        config: What is in it.
        doubts: What can be meant by it, but hardly is.
    """

    path: Path | None
    config: Config
    doubts: list[str]


class Differences(NamedTuple):
    """What a configuration has that another has not.

    Attributes:
        changed: Keys, in the order of the reference.
        need_restart: Those of them that a running proxy doesn't follow.
    """

    changed: tuple[str, ...]
    need_restart: tuple[str, ...]


def differences(old: Config, new: Config) -> Differences:
    """Return which keys differ. Pure."""
    changed = tuple(_changed(old, new))
    return Differences(changed, tuple(key for key in changed if key in NEED_RESTART))


def _changed(old: Config, new: Config) -> Iterator[str]:
    for section in fields(Config):
        before, after = getattr(old, section.name), getattr(new, section.name)
        if before == after:
            continue
        if isinstance(after, tuple):
            # Sections of which there may be several.
            yield f"[[{section.name.removesuffix('s')}]]"
            continue
        for key in fields(after):
            if getattr(before, key.name) != getattr(after, key.name):
                yield f"{section.name}.{key.name}"


@dataclass(slots=True)
class ReloadStatus:
    """How the last reload went; the start is the first.

    Attributes:
        path: The file; None: there is none, the defaults are in force.
        success_seconds: When the configuration in force was read, in Unix time.
        successful: Whether the last reload was.
        problems: Why it was not; a line each.
        tried_seconds: When it was tried, in Unix time.
    """

    path: Path | None
    success_seconds: float
    tried_seconds: float
    successful: bool = True
    problems: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """What became of a reload.

    Attributes:
        lines: What to tell who asked for it.
        successful: Whether the configuration that was read is in force.
        refused: The proxy is stopping: nothing was read.
    """

    lines: tuple[str, ...]
    successful: bool
    refused: bool = False


class Reloader:
    """Reloads one at a time.

    Who asks while a reload is under way gets the next one, together with all others who asked
    meanwhile: the file may have changed since it was read.

    Args:
        config: What is in force.
        path: The file that it was read from; None: there was none.
        read: Reads the file that is there now.
        apply: Puts a configuration into force, all of it or nothing.
        wall: The time of day, in seconds since the epoch.
        begins: Called when a reload begins.
        ended: Called when one has ended, whatever became of it.
    """

    def __init__(
        self,
        config: Config,
        path: Path | None,
        read: Callable[[], ReadFile],
        apply: Callable[[Config], Awaitable[None]],
        wall: Callable[[], float] = time.time,
        *,
        begins: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._begins = begins
        self._ended = ended
        self._started = config
        self._config = config
        self._read = read
        self._apply = apply
        self._wall = wall
        self.status = ReloadStatus(path, wall(), wall())
        self._is_closed = False
        self._running: asyncio.Task[Outcome] | None = None
        self._next: asyncio.Task[Outcome] | None = None

    async def reload(self) -> Outcome:
        """Read, check, put into force. Whoever waits may be cancelled; the reload goes on."""
        if self._is_closed:
            logger.warning("configuration not reloaded: the proxy is stopping")
            return Outcome(("error: exporter-proxy is stopping",), successful=False, refused=True)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
            return await asyncio.shield(self._running)
        if self._next is None:
            self._next = asyncio.create_task(self._run_after(self._running))
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Reload no more; one that is under way is taken back or finished. Idempotent."""
        self._is_closed = True
        tasks = [task for task in (self._next, self._running) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_after(self, running: "asyncio.Task[Outcome]") -> Outcome:
        await asyncio.wait({running})
        self._running, self._next = self._next, None
        return await self._run()

    async def _run(self) -> Outcome:
        self._begins()
        try:
            return await self._read_and_apply()
        except (ConfigError, StartError) as error:
            problems = error.problems if isinstance(error, ConfigError) else [str(error)]
            return self._failed(problems)
        except Exception as error:
            logger.exception("reloading failed")
            return self._failed([f"internal error: {type(error).__name__}, see the log"])
        finally:
            if not self._is_closed:
                self._ended()
            if self._running is asyncio.current_task():
                self._running = None

    async def _read_and_apply(self) -> Outcome:
        path, new, doubts = await _apart(self._read)
        if path is None:
            line = "no configuration file: nothing to read, the defaults are in force"
            logger.warning("reload: %s", line)
            return Outcome((line,), successful=True)
        await self._apply(new)
        changed = differences(self._config, new).changed
        self._config = new
        now = self._wall()
        self.status = ReloadStatus(path, now, now)
        what = f"changed: {', '.join(changed)}" if changed else "nothing changed"
        logger.info("configuration reloaded: %s: %s", path, what)
        late = differences(self._started, new).need_restart
        told = [f"{key}: needs a restart, until then it is what it was" for key in late]
        for each in (*told, *doubts):
            logger.warning("configuration: %s", each)
        lines = (f"reloaded: {path}: {what}", *(f"warning: {each}" for each in (*told, *doubts)))
        return Outcome(lines, successful=True)

    def _failed(self, problems: list[str]) -> Outcome:
        status = self.status
        status.successful = False
        status.problems = tuple(problems)
        status.tried_seconds = self._wall()
        for problem in problems:
            logger.error("configuration not reloaded: %s", problem)
        return Outcome(tuple(f"error: {problem}" for problem in problems), successful=False)


async def _apart(function: Callable[[], _T]) -> _T:
    """Call a function in a thread of its own, which holds up nothing, not even the end."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def settle(setter: Callable[[], None]) -> None:
        if not answer.done():
            setter()

    def work() -> None:
        try:
            value = function()
        except Exception as error:  # noqa: BLE001, handed to the one who waits
            failure = error
            tell = lambda: answer.set_exception(failure)  # noqa: E731
        else:
            tell = lambda: answer.set_result(value)  # noqa: E731
        # The loop may have ended meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, tell)

    threading.Thread(target=work, name="reload", daemon=True).start()
    return await answer


class ReloadCollector(Collector):
    """The reloads as self-metrics, named as Prometheus names its own.

    Args:
        status: Returns how the last one went.
    """

    def __init__(self, status: Callable[[], ReloadStatus]) -> None:
        self._status = status

    def describe(self) -> list[Metric]:
        """Say nothing at registration, instead of being asked for all metrics."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return the metric families as they are now."""
        status = self._status()
        yield GaugeMetricFamily(
            "exporter_proxy_config_last_reload_successful",
            "Whether the last attempt to reload the configuration was successful.",
            int(status.successful),
        )
        yield GaugeMetricFamily(
            "exporter_proxy_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read, in Unix time.",
            status.success_seconds,
        )

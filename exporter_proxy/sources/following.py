"""The following of logs, made when there are some, from one configuration to the next."""

import asyncio
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter_proxy.changes import Change
from exporter_proxy.config import Config
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.lives import common_life
from exporter_proxy.table import Table

if TYPE_CHECKING:
    from exporter_proxy.sources.log import LogSource


class FollowingLogs(Collector):
    """Has a source as long as there are ``[[log]]`` sections; tells of it as a collector.

    Args:
        config: The configuration.
        table: Where metrics go.
        admission: Lets them in.

    Raises:
        ConfigError: A format can't be used.
    """

    def __init__(self, config: Config, table: Table, admission: Admission) -> None:
        self._table = table
        self._admission = admission
        self._source: LogSource | None = None
        if config.logs:
            # Not needed by those who follow none.
            from exporter_proxy.sources import log  # noqa: PLC0415

            self._source = log.LogSource(config.logs, table, admission, life=common_life(config))

    @property
    def sources(self) -> "list[LogSource]":
        """The source, if there is one."""
        return [] if self._source is None else [self._source]

    @property
    def apps(self) -> list[str]:
        """The app of each section that is followed."""
        return [] if self._source is None else [each.app for each, _ in self._source.statuses]

    def describe(self) -> list[Metric]:
        """Say nothing at registration, instead of being asked for all metrics."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return the metric families as they are now."""
        if self._source is None:
            return
        from exporter_proxy.sources.log import LogCollector  # noqa: PLC0415, loaded already

        source = self._source
        yield from LogCollector(lambda: source.statuses).collect()

    async def prepare(self, new: Config) -> Change:
        """Get ready to follow what ``new`` has; see :meth:`LogSource.prepare`.

        Raises:
            ConfigError: A format can't be used.
        """
        before = self._source
        source = before
        if source is None:
            if not new.logs:
                return Change(lambda: None)
            # In a thread: it takes its time.
            module = await asyncio.to_thread(import_module, "exporter_proxy.sources.log")
            source = module.LogSource((), self._table, self._admission)
            await source.start()
        try:
            change = await source.prepare(new.logs, common_life(new))
        except BaseException:
            if before is None:
                await source.stop(0)
            raise

        def commit() -> None:
            change.commit()
            self._source = source if new.logs else None

        async def cancel() -> None:
            if before is None:
                await source.stop(0)

        return Change(commit, cancel, None if new.logs else source.stop)

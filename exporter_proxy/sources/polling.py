"""The poller, made when there is something to poll, from one configuration to the next."""

import asyncio
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from exporter_proxy.changes import Change
from exporter_proxy.config import Config, PollConfig
from exporter_proxy.errors import PollError
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import TargetStatus
from exporter_proxy.sources.lives import common_life
from exporter_proxy.table import Table

if TYPE_CHECKING:
    from exporter_proxy.sources.poll import Poller


class Polling:
    """Has a poller as long as ``[poll_external]`` is turned on: its client takes time to load.

    Args:
        config: The configuration.
        table: Where metrics go.
        admission: Lets them in.
    """

    def __init__(self, config: Config, table: Table, admission: Admission) -> None:
        self._table = table
        self._admission = admission
        self._poller: Poller | None = None
        section = config.poll_external
        if section.poll_other_scrape_endpoints:
            # Not needed by those who don't poll.
            from exporter_proxy.sources import poll  # noqa: PLC0415

            self._poller = poll.Poller(section, table, admission, life=common_life(config))

    @property
    def sources(self) -> "list[Poller]":
        """The poller, if there is one."""
        return [] if self._poller is None else [self._poller]

    @property
    def targets(self) -> Sequence[TargetStatus]:
        """How each endpoint fares."""
        return () if self._poller is None else self._poller.targets

    @property
    def apps(self) -> Collection[str]:
        """The apps that are polled."""
        return () if self._poller is None else self._poller.apps

    def status(self, app: str) -> TargetStatus | None:
        """Return how the endpoint of an app fares; None: it is not polled."""
        return None if self._poller is None else self._poller.status(app)

    async def poll_now(self, app: str) -> None:
        """Poll the endpoint of an app now; see :meth:`Poller.poll_now`.

        Raises:
            PollError: The poll failed, or nothing is polled.
        """
        if self._poller is None:
            raise PollError("nothing is polled any more", reason="other")
        await self._poller.poll_now(app)

    async def prepare(self, new: Config) -> Change:
        """Get ready to poll what ``new`` has; see :meth:`Poller.prepare`."""
        section = new.poll_external
        wanted = section.poll_other_scrape_endpoints
        before = self._poller
        poller = before
        if poller is None:
            if not wanted:
                return Change(lambda: None)
            poller = await self._idle_poller()
        change = await poller.prepare(section, common_life(new))
        if before is None:

            async def cancel() -> None:
                await poller.stop(0)

            change.cancel = cancel

        def commit() -> None:
            change.commit()
            self._poller = poller if wanted else None

        return Change(commit, change.cancel, None if wanted else poller.stop)

    async def _idle_poller(self) -> "Poller":
        # In a thread: it takes a tenth of a second.
        module = await asyncio.to_thread(import_module, "exporter_proxy.sources.poll")
        poller: Poller = module.Poller(PollConfig(), self._table, self._admission)
        await poller.start()
        return poller

"""The source that fetches: scrapes other exporters, each on its own schedule.

It departs from "scrape when scraped": a page shows what the last poll brought, and each app's time
of last update says how old that is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from exporter_proxy.config import EndpointConfig, PollConfig
from exporter_proxy.errors import PollError
from exporter_proxy.sources.admission import FOR_EVER, Admission, Life
from exporter_proxy.sources.base import SourceStats, TargetStatus
from exporter_proxy.sources.poll.client import PollClient
from exporter_proxy.sources.poll.schedule import Slots, spacing
from exporter_proxy.sources.poll.target import Target
from exporter_proxy.table import Table


class Poller:
    """Polls every endpoint, all side by side, never one of them twice at once.

    Args:
        config: The endpoints, with nothing left to defaults.
        table: Where their metrics go.
        admission: Lets them in; a poll fails that it refuses.
        life: That of apps whose endpoints say nothing.
        monotonic: The clock of the schedules.
        sleep: Waits for so many seconds.
    """

    name = "external_poll"

    def __init__(
        self,
        config: PollConfig,
        table: Table,
        admission: Admission,
        *,
        life: Life = FOR_EVER,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.stats = SourceStats(listens=False)
        self._monotonic = monotonic
        self._sleep = sleep
        self._targets = [
            Target(
                endpoint,
                table,
                admission,
                life=_life(endpoint, life),
                monotonic=monotonic,
            )
            for endpoint in config.other_scrape_endpoints
            if config.poll_other_scrape_endpoints
        ]
        self._client: PollClient | None = None
        self._tasks: list[asyncio.Task[None]] = []
        # Those that wait for their next slot, and may be ended at any moment.
        self._waiting: set[asyncio.Task[None]] = set()
        self._pausing = False

    @property
    def targets(self) -> list[TargetStatus]:
        """How each endpoint fares, in the order of the configuration."""
        return [target.status for target in self._targets]

    async def start(self) -> None:
        """Begin to poll; the first polls are under way soon after, none is waited for."""
        self._client = PollClient()
        for target in self._targets:
            self._client.prepare(target.endpoint)
        start = self._monotonic()
        step = spacing([target.endpoint.poll_interval for target in self._targets])
        for number, target in enumerate(self._targets):
            slots = Slots(start + number * step, target.endpoint.poll_interval)
            task = asyncio.create_task(self._run(target, slots, self._client))
            task.set_name(target.endpoint.source)
            self._tasks.append(task)
            self._waiting.add(task)

    def pause(self) -> None:
        """Begin no more polls; those under way go on."""
        self._pausing = True
        for task in self._waiting:
            task.cancel()

    async def stop(self, grace_seconds: float) -> None:
        """Let the polls under way finish for at most ``grace_seconds``, then end. Idempotent."""
        self.pause()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks = []
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _run(self, target: Target, slots: Slots, client: PollClient) -> None:
        task = asyncio.current_task()
        assert task is not None
        while not self._pausing:
            if (delay := slots.due - self._monotonic()) > 0:
                self._waiting.add(task)
                await self._sleep(delay)
            self._waiting.discard(task)
            await self._poll(target, client)
            slots.advance(self._monotonic())

    async def _poll(self, target: Target, client: PollClient) -> None:
        started = self._monotonic()
        try:
            payload = await client.scrape(target.endpoint, target.request)
            for _ in target.look_into(payload):
                # Others have their turn.
                await asyncio.sleep(0)
            target.succeed(payload, started)
        except PollError as exc:
            target.fail(exc, started)
        except Exception as exc:  # noqa: BLE001, a bug costs this poll, not the polling
            error = PollError(f"internal error: {type(exc).__name__}", reason="other")
            target.fail(error, started, bug=exc)
        else:
            self.stats.updates += 1


def _life(endpoint: EndpointConfig, default: Life) -> Life:
    age = endpoint.expire_after
    return Life(
        default.expire_after if age is None else age, endpoint.on_expire or default.on_expire
    )

"""The source that fetches: scrapes other exporters, each on its own schedule.

It departs from "scrape when scraped": a page shows what the last poll brought, and each app's time
of last update says how old that is. Who wants to know how a target is now has it polled now.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from exporter_proxy.changes import Change
from exporter_proxy.config import EndpointConfig, PollConfig
from exporter_proxy.errors import PollError
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import SourceStats, TargetStatus
from exporter_proxy.sources.lives import endpoint_life
from exporter_proxy.sources.poll.client import PollClient
from exporter_proxy.sources.poll.schedule import Slots, spacing
from exporter_proxy.sources.poll.succession import Succession, endpoints_of
from exporter_proxy.sources.poll.target import Target
from exporter_proxy.table import FOR_EVER, Life, Table
from exporter_proxy.turns import turns_of_loop


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
        self.stats = SourceStats(listens=False, kind="poll")
        self._table = table
        self._admission = admission
        self._monotonic = monotonic
        self._sleep = sleep
        # By the names of their apps, in the order of the configuration.
        self._named = {
            endpoint.name: self._target(endpoint, endpoint_life(endpoint, life))
            for endpoint in endpoints_of(config)
        }
        self._client: PollClient | None = None
        self._tasks: dict[Target, asyncio.Task[None]] = {}
        # Those that wait for their next slot, and may be ended at any moment.
        self._waiting: set[asyncio.Task[None]] = set()
        # What ends with the poll of a target that is under way.
        self._under_way: dict[Target, asyncio.Future[PollError | None]] = {}
        # Polls that somebody asked for: tasks of their own, so that nobody has to stay for them.
        self._asked: dict[Target, asyncio.Task[PollError | None]] = {}
        self._pausing = False

    def _target(self, endpoint: EndpointConfig, life: Life) -> Target:
        return Target(endpoint, self._table, self._admission, life=life, monotonic=self._monotonic)

    @property
    def targets(self) -> list[TargetStatus]:
        """How each endpoint fares, in the order of the configuration."""
        return [target.status for target in self._named.values()]

    @property
    def apps(self) -> Collection[str]:
        """The apps that the endpoints bring, in the same order."""
        return self._named.keys()

    def status(self, app: str) -> TargetStatus | None:
        """Return how the endpoint of an app fares; None: it has none."""
        target = self._named.get(app)
        return None if target is None else target.status

    async def poll_now(self, app: str) -> None:
        """Poll the endpoint of an app, or wait for the poll of it that is under way.

        Whoever asks while it is under way shares it. A caller that is cancelled doesn't end it.

        Raises:
            PollError: The poll failed, or no endpoint brings this app.
        """
        target = self._named.get(app)
        if target is None:
            raise PollError("no endpoint brings it any more", reason="other")
        ended = self._under_way.get(target) or self._begin_now(target)
        await asyncio.wait([ended])
        error = _no_more() if ended.cancelled() else ended.result()
        if error is not None:
            # One for each who waited.
            raise PollError(str(error), reason=error.reason)

    def _begin_now(self, target: Target) -> asyncio.Task[PollError | None]:
        client = self._client
        if self._pausing or client is None:
            raise _no_more()

        def end(_: object) -> None:
            del self._under_way[target], self._asked[target]

        task = asyncio.create_task(self._poll(target, client))
        self._under_way[target] = self._asked[target] = task
        task.add_done_callback(end)
        return task

    async def start(self) -> None:
        """Begin to poll; the first polls are under way soon after, none is waited for."""
        self._client = PollClient()
        self.stats.listening = True
        targets = [*self._named.values()]
        _prepare(self._client, [target.endpoint for target in targets])
        self._begin(targets)

    def _begin(self, targets: Sequence[Target]) -> None:
        assert self._client is not None
        start = self._monotonic()
        step = spacing([target.endpoint.poll_interval for target in targets])
        for number, target in enumerate(targets):
            slots = Slots(start + number * step, target.endpoint.poll_interval)
            task = asyncio.create_task(self._run(target, slots, self._client))
            task.set_name(target.endpoint.source)
            self._tasks[target] = task
            self._waiting.add(task)

    async def prepare(self, config: PollConfig, life: Life) -> Change:
        """Get ready to poll what ``config`` has.

        An endpoint that is asked the same as before keeps its connection, its schedule and its
        status. Of one that is polled no more the app's metrics are taken away.
        """
        ahead = Succession([*self._named.values()], config)
        client = self._client
        assert client is not None
        # In a thread, as it reads the system's authorities.
        await asyncio.to_thread(_prepare, client, ahead.new)

        def commit() -> None:
            for target in ahead.leaving:
                self._end(target, ahead.named.get(target.endpoint.name))
            targets = {target.endpoint.name: target for target in ahead.staying}
            for target in ahead.staying:
                name = target.endpoint.name
                target.follow(ahead.named[name], endpoint_life(ahead.named[name], life))
            begun = [self._target(each, endpoint_life(each, life)) for each in ahead.new]
            targets |= {target.endpoint.name: target for target in begun}
            self._named = {name: targets[name] for name in ahead.named}
            self._begin(begun)

        return Change(commit)

    def _end(self, target: Target, successor: EndpointConfig | None) -> None:
        """Poll a target no more; nothing comes of a poll that is under way."""
        task = self._tasks.pop(target)
        self._waiting.discard(task)
        task.cancel()
        if target in self._asked:
            self._asked[target].cancel()
        target.leave(successor)

    def pause(self) -> None:
        """Begin no more polls; those under way go on."""
        self._pausing = True
        self.stats.listening = False
        for task in self._waiting:
            task.cancel()

    async def stop(self, grace_seconds: float) -> None:
        """Let the polls under way finish for at most ``grace_seconds``, then end. Idempotent."""
        self.pause()
        tasks = [*self._tasks.values(), *self._asked.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks = {}
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
            await self._poll_in_slot(target, client)
            slots.advance(self._monotonic())

    async def _poll_in_slot(self, target: Target, client: PollClient) -> None:
        asked = self._under_way.get(target)
        if asked is not None:
            await asyncio.wait([asked])
            return
        ended = self._under_way[target] = asyncio.get_running_loop().create_future()
        try:
            ended.set_result(await self._poll(target, client))
        finally:
            del self._under_way[target]
            # Without effect on one that has its result.
            ended.cancel()

    async def _poll(self, target: Target, client: PollClient) -> PollError | None:
        """Poll a target, and return why that failed; None: it did not."""
        started = self._monotonic()
        try:
            payload = await client.scrape(target.endpoint, target.request)
            for _ in target.look_into(payload):
                # Others have their turn.
                await turns_of_loop().turn()
            target.succeed(payload, started)
        except PollError as exc:
            target.fail(exc, started)
            self.stats.last_error = target.status.last_failure
            return exc
        except Exception as exc:  # noqa: BLE001, a bug costs this poll, not the polling
            error = PollError(f"internal error: {type(exc).__name__}", reason="other")
            target.fail(error, started, bug=exc)
            self.stats.last_error = target.status.last_failure
            return error
        self.stats.updates += 1
        self.stats.last_success_ns = target.status.last_success_ns
        return None


def _no_more() -> PollError:
    return PollError("it is polled no more", reason="other")


def _prepare(client: PollClient, endpoints: Iterable[EndpointConfig]) -> None:
    for endpoint in endpoints:
        client.prepare(endpoint)

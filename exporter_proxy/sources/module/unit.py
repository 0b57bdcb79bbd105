"""One module: asked on demand, polled, and what is known of how it fares."""

import time
from collections.abc import Callable, Collection, Mapping

from exporter_proxy.config import ModuleConfig
from exporter_proxy.errors import ModuleError, quote
from exporter_proxy.modules import Answer, Ask, ModuleStatus
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.checking import unreadable_line
from exporter_proxy.sources.module.entry import Entry
from exporter_proxy.sources.module.kind import Kind, Outcome
from exporter_proxy.sources.module.streaks import ModuleStreaks
from exporter_proxy.table import Life, Payload, Table
from exporter_proxy.turns import turns_of_loop

MakeKind = Callable[[ModuleConfig, dict[str, float]], Kind]
"""Makes a module as its kind has it; told where it says when its files were last changed."""


class Unit:
    """A module.

    Args:
        config: Its section.
        table: Where polls go.
        admission: Lets them in.
        make: Makes what its kind does.
        monotonic: The clock that durations are taken with.

    Attributes:
        config: Its section.
        status: How it fares.
        entries: Its apps in the table, by name.
        updates: How often polls changed the table.
    """

    def __init__(
        self,
        config: ModuleConfig,
        table: Table,
        admission: Admission,
        make: MakeKind,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        declared = config.params
        if declared is None and config.kind != "http":
            declared = {}
        self.status = ModuleStatus(
            config.name,
            config.kind,
            app=config.app_name if config.interval else "",
            interval=config.interval,
            params=None if declared is None else tuple(declared),
        )
        self.entries: dict[str, Entry] = {}
        self.updates = 0
        self._table = table
        self._admission = admission
        self._kind = make(config, self.status.files)
        self._monotonic = monotonic
        self._streaks = ModuleStreaks(config.name, monotonic)

    @property
    def apps(self) -> Collection[str]:
        """The apps that its polls bring, or brought last if its files say which."""
        if not self.config.interval:
            return ()
        return self.entries.keys() if self.config.kind == "directory" else (self.config.app_name,)

    async def ask(self, ask: Ask) -> Answer:
        """Return a page now.

        Raises:
            ModuleError: There is none.
        """
        self.status.requests += 1
        timeout = self.config.timeout
        if ask.timeout is not None:
            timeout = min(timeout, ask.timeout)
        started = self._monotonic()
        try:
            answer = await self._kind.fetch(ask, timeout)
            if self.config.verify:
                await _check(answer.payload)
        except ModuleError as exc:
            if exc.reason == "bad_params":
                # Not the module's fault.
                self.status.failures[exc.reason] += 1
            else:
                self._ended(started, [exc])
            raise
        self._ended(started, list(answer.errors))
        return answer

    async def poll(self, life: Life) -> None:
        """Bring what there is now to the table.

        Args:
            life: Of the apps that nothing else is said of.
        """
        started = self._monotonic()
        bug: Exception | None = None
        try:
            outcomes = await self._kind.poll()
            errors = await self._put(outcomes, life)
        except ModuleError as exc:
            errors = [exc]
            self._fail_all(exc)
        except Exception as exc:  # noqa: BLE001 - a bug costs this poll, not the polling
            bug = exc
            error = ModuleError(f"internal error: {type(exc).__name__}", reason="other")
            errors = [error]
            self._fail_all(error)
        self._ended(started, errors, bug=bug)

    async def _put(self, outcomes: Mapping[str, Outcome], life: Life) -> list[ModuleError]:
        """Write what a poll brought, each app apart; return what is wrong with which."""
        errors: list[ModuleError] = []
        turns = turns_of_loop()
        for app in [app for app in self.entries if app not in outcomes]:
            self.entries.pop(app).leave()
        for app, outcome in outcomes.items():
            entry = self._entry(app)
            error = outcome.error
            if error is None:
                error = await self._put_one(entry, outcome, life)
            if error is not None:
                error.part = outcome.part
                entry.fail(error, drop=self._drops)
                errors.append(error)
            await turns.turn()
        return errors

    async def _put_one(self, entry: Entry, outcome: Outcome, life: Life) -> ModuleError | None:
        turns = turns_of_loop()
        putting = entry.put(outcome, life)
        while True:
            try:
                next(putting)
            except StopIteration as done:
                self.updates += done.value
                return None
            except ModuleError as exc:
                return exc
            await turns.turn()

    @property
    def _drops(self) -> bool:
        return self.config.on_failure == "drop"

    def _entry(self, app: str) -> Entry:
        entry = self.entries.get(app)
        if entry is None:
            entry = Entry(app, self.config.source, self._table, self._admission)
            self.entries[app] = entry
        return entry

    def _fail_all(self, error: ModuleError) -> None:
        if self.config.kind != "directory":
            self._entry(self.config.app_name)
        for entry in self.entries.values():
            entry.fail(error, drop=self._drops)

    def take_over(self) -> None:
        """Take the apps that an earlier run of the proxy left in the table as this module's."""
        for row in self._table:
            if row.source == self.config.source:
                self._entry(row.app)

    def inherit(self, before: "Unit") -> None:
        """Take over the apps of a module in whose place this one comes."""
        for app in before.entries:
            self._entry(app)
        before.entries.clear()

    def leave(self) -> None:
        """Take all of its apps out of the table."""
        for entry in self.entries.values():
            entry.leave()
        self.entries.clear()

    async def close(self, grace_seconds: float) -> None:
        """End what is under way."""
        await self._kind.close(grace_seconds)

    def _ended(
        self, started: float, errors: list[ModuleError], *, bug: Exception | None = None
    ) -> None:
        status = self.status
        status.runs += 1
        status.seconds += self._monotonic() - started
        status.up = not errors
        for error in errors:
            status.failures[error.reason] += 1
        if not errors:
            status.last_error = None
        else:
            first = errors[0]
            part = f"{quote(first.part)}: " if first.part else ""
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            status.last_error = f"{part}{first}{more}"
        self._streaks.note(errors, bug)


async def _check(payload: Payload) -> None:
    """Look whether a page is exposition.

    Raises:
        ModuleError: ``invalid_metrics``.
    """
    turns = turns_of_loop()
    looking = unreadable_line(payload)
    while True:
        try:
            next(looking)
        except StopIteration as done:
            if done.value is not None:
                raise ModuleError(done.value, reason="invalid_metrics") from None
            return
        await turns.turn()

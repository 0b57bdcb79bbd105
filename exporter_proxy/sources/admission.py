"""What every source asks before it writes the table: may this be taken, and on what terms?

A source has its messages looked into before they count (:meth:`Admission.look_into`, in steps),
and hands over what is to be written (:meth:`Admission.apply`, at once). Budgets, checks and times
to live of apps come with these two calls; where none is configured they cost a test for None.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from exporter_proxy.budgets import Budget, Rates, check_size
from exporter_proxy.clocks import boot_seconds
from exporter_proxy.errors import PayloadError, quote
from exporter_proxy.payload.message import Message, Push
from exporter_proxy.sources.checking import PayloadCheck
from exporter_proxy.table import Life, OnExpire, Payload, Table

# Pushes of one message that are written in one go: a millisecond or two.
_PUSHES_A_STEP = 500


@dataclass(frozen=True, slots=True)
class Terms:
    """What is configured for an app.

    Attributes:
        expire_after: Seconds to live, where its sender names none; None: as its source has it.
        on_expire: What becomes of it then; None: as its source has it.
        budget: What it may send; None: as much as it likes.
    """

    expire_after: float | None = None
    on_expire: OnExpire | None = None
    budget: Budget | None = None


NO_TERMS = Terms()
FindTerms = Callable[[str], Terms]
"""Gives the terms of an app, by its name."""


class Admission:
    """Lets updates into the table that are within their apps' budgets and can be read.

    Args:
        table: Where they go.
        terms: Those of each app; None: no app has any.
        check: Looks at each payload before it counts; None: nothing does.
        clock: Seconds of the clock of ages.
    """

    def __init__(
        self,
        table: Table,
        *,
        terms: FindTerms | None = None,
        check: PayloadCheck | None = None,
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self._table = table
        self._terms = terms
        self._check = check
        self._rates = Rates(clock)

    def configure(self, *, terms: FindTerms | None, check: PayloadCheck | None) -> None:
        """Let in on other terms from now on; what is in the table stays."""
        self._terms = terms
        self._check = check

    @property
    def max_apps(self) -> int:
        """How many apps the table takes."""
        return self._table.max_apps

    @property
    def looks(self) -> bool:
        """Whether messages have to be looked into before they are applied."""
        return self._terms is not None or self._check is not None

    def look_into(self, message: Message, *, source: str) -> Generator[None, None, None]:
        """Look for a reason to refuse a message as a whole, in steps of some milliseconds.

        Args:
            message: What was pushed.
            source: By whom it was taken, as ``/apps`` shows it.

        Raises:
            PayloadError: ``app_over_bytes``, ``app_over_rate``, ``app_over_samples`` or
                ``invalid_metrics``. The app's state says so until its next update.
        """
        for number, (app, payload, _) in enumerate(message, 1):
            try:
                yield from self.judge(app, payload)
            except PayloadError as error:
                raise self._refused(app, error, source) from error
            if number % _PUSHES_A_STEP == 0:
                yield

    def judge(self, app: str, payload: Payload) -> Generator[None, None, None]:
        """Look for a reason to refuse an update of one app, in steps of some milliseconds.

        Raises:
            PayloadError: See :meth:`look_into`, without the app's name; the table is told nothing.
        """
        if self._terms is not None:
            budget = self._terms(app).budget
            if budget is not None:
                # What is judged by a glance first: who sends too often costs least.
                if budget.rate is not None:
                    self._rates.check(app, budget.rate)
                yield from check_size(payload, budget)
        if self._check is not None:
            fault = yield from self._check(payload)
            if fault is not None:
                raise PayloadError(fault, reason="invalid_metrics")

    def apply(self, message: Message, *, source: str, life: Life) -> Iterator[int] | None:
        """Write a message's pushes into the table, all or none.

        Args:
            message: What was looked into, if :attr:`looks` asks for that. One of very many pushes
                is used up.
            source: Who writes, as ``/apps`` shows it.
            life: For apps of which nothing else is said.

        Returns:
            Steps that remain to be made, without any other message of the same connection between
            them, for one of very many pushes: each gives how many of them it wrote. None: all is
            done.

        Raises:
            PayloadError: ``too_many_apps`` or ``app_over_rate``; nothing is written.
        """
        if len(message) > _PUSHES_A_STEP:
            # Rates were looked at a moment ago: once more would take long.
            return self._apply_in_steps(message, self._promise_room(message), source, life)
        if self._terms is not None:
            self._check_rates(message, source)
        if len(message) > 1:
            self._table.room.check(sum(push.app not in self._table for push in message))
        self._update(message, source, life)
        return None

    def apply_one(self, app: str, payload: Payload, *, source: str, life: Life) -> None:
        """Write one app's metrics into the table, as :meth:`apply` does."""
        if self._terms is None:
            expire_after, on_expire = life
            self._table.update(
                app, payload, source=source, expire_after=expire_after, on_expire=on_expire
            )
        else:
            self.apply([Push(app, payload, None)], source=source, life=life)

    def _promise_room(self, message: Message) -> set[str]:
        """Have the table keep places for the apps that it doesn't have; return these."""
        new = {push.app for push in message if push.app not in self._table}
        self._table.room.promise(len(new))
        return new

    def _apply_in_steps(
        self, message: Message, new: set[str], source: str, life: Life
    ) -> Iterator[int]:
        """Apply pushes that there is room for; they are taken out of the message."""
        message.reverse()
        while message:
            step = message[: -_PUSHES_A_STEP - 1 : -1]
            del message[-_PUSHES_A_STEP:]
            self._table.room.take(sum(push.app in new for push in step))
            self._update(step, source, life, promised=True)
            yield len(step)

    def _update(
        self, pushes: list[Push], source: str, life: Life, *, promised: bool = False
    ) -> None:
        table, terms = self._table, self._terms
        expire_after, on_expire = life
        if terms is None:
            for app, payload, ttl in pushes:
                table.update(
                    app,
                    payload,
                    source=source,
                    expire_after=expire_after if ttl is None else ttl,
                    on_expire=on_expire,
                    own_ttl=ttl is not None,
                    promised=promised,
                )
            return
        for app, payload, ttl in pushes:
            own = terms(app)
            after = expire_after if own.expire_after is None else own.expire_after
            table.update(
                app,
                payload,
                source=source,
                expire_after=after if ttl is None else ttl,
                on_expire=own.on_expire or on_expire,
                own_ttl=ttl is not None,
                promised=promised,
            )
            if own.budget is not None and own.budget.rate is not None:
                self._rates.take(app, own.budget.rate)

    def _check_rates(self, message: Message, source: str) -> None:
        """Check once more, for others may have been applied since the message was looked into."""
        assert self._terms is not None
        for push in message:
            budget = self._terms(push.app).budget
            if budget is None or budget.rate is None:
                continue
            try:
                self._rates.check(push.app, budget.rate)
            except PayloadError as error:
                raise self._refused(push.app, error, source) from error

    def _refused(self, app: str, error: PayloadError, source: str) -> PayloadError:
        """Tell the table why an app's update is refused; return the error for its sender."""
        self._table.refuse(app, f"update refused: {error}", source=source)
        return PayloadError(f"the metrics of {quote(app)}: {error}", reason=error.reason)

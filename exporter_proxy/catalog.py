"""The table, read: payloads become families, families an index, of which pages are laid out.

Nothing is read at an update. A refresh reads what has changed since the one before; an update that
was overwritten meanwhile is never read.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from exporter_proxy.app_reading import AppReading
from exporter_proxy.app_series import app_series
from exporter_proxy.conflict_watch import ConflictWatch
from exporter_proxy.errors import quote
from exporter_proxy.exposition.escaping import DEFAULT_SCHEME, Scheme, escape_in_steps
from exporter_proxy.exposition.given import Given
from exporter_proxy.exposition.merged import PROXY, MergedIndex, told_of
from exporter_proxy.exposition.merged.held_findings import HeldFindings
from exporter_proxy.exposition.merged.name_claims import Lost, NameClaims, Settled
from exporter_proxy.exposition.model import Exposition, Family, Quarantined
from exporter_proxy.exposition.origin import Origin, pack, payload_of
from exporter_proxy.exposition.reader import read_in_steps
from exporter_proxy.exposition.rules import Applied, Rules, apply_in_steps
from exporter_proxy.repeats import Crowd, News
from exporter_proxy.table import Payload, Row, Table

logger = logging.getLogger(__name__)

# How much of a payload is read at a time when there are many: the loop is served between.
_APPS_A_STEP = 20
_APPS_COMPARED_A_STEP = 200
# How long a page waits for one payload: a sound one of 64 MiB takes about that long.
_PATIENCE_SECONDS = 1.0
_LARGE_BYTES = 1 << 20
# Pieces of a payload, of about a mebibyte, of which each takes some 50 µs to be freed.
_PIECES_FREED_A_STEP = 8
# Payloads from which on the small ones go first: one takes about a millisecond.
_SMALL_BYTES = 1 << 16


class Catalog:
    """Follows a table.

    Args:
        table: Is read.
        rules: What is done to an app's families, by the app's name; None: payloads are not read at
            all, because the page is a verbatim one.
        wall_ns: The clock that says which timestamps are old.
        given: What the source of a row knows of it besides its payload; None: nothing is known of
            any.
        monotonic: The clock that says which payloads take long.

    Attributes:
        index: All families, those that the proxy tells of itself included, with names that every
            reader takes.
        own: Those alone.
        conflicts: What apps are at odds about.
        bytes_read: Bytes of payloads that were read so far.
        samples: How many samples all apps had when they were read.
    """

    def __init__(
        self,
        table: Table,
        *,
        rules: Callable[[str], Rules] | None,
        wall_ns: Callable[[], int],
        given: Callable[[Row], Given | None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.index = MergedIndex()
        self.own = MergedIndex()
        self.conflicts = ConflictWatch(self.index)
        self.bytes_read = 0
        self.samples = 0
        # For readers that want names escaped another way, or not at all; made when first wanted.
        self._indexes: dict[Scheme, MergedIndex] = {DEFAULT_SCHEME: self.index}
        # Apps with names that some readers don't take.
        self._quoted: set[str] = set()
        # Who has the names that escapes make.
        self._claims = {DEFAULT_SCHEME: NameClaims(self.index)}
        # The names of apps by their numbers.
        self._apps: dict[int, str] = {}
        self._table = table
        self._rules = rules
        # Whether they are others than at the last refresh.
        self._other_rules = False
        self._is_closed = False
        self._given = given
        self._wall_ns = wall_ns
        self._monotonic = monotonic
        # Until when a refresh reads large payloads.
        self._patience = 0.0
        # Rows whose reading takes long, and how far it has come.
        self._set_aside: dict[str, tuple[Row, Generator[None, None, AppReading]]] = {}
        self._changed = table.feed()
        self._readings: dict[str, AppReading] = {}
        self._held: dict[str, AppReading] = {}
        # Under which number an app is in the index.
        self._numbers: dict[str, int] = {}
        # For apps that never were in the table: polled ones that have not answered yet.
        self._next_number = -1
        # What the log knows of an app: why some of it is in quarantine.
        # Of apps that ever had something held back.
        self._told: dict[str, News] = {}
        self._crowd = Crowd(
            logger,
            "metric families are held back of more apps than are named here: /apps has all of them",
            monotonic,
        )
        # What the OpenMetrics page shows in another way, while somebody asks for it.
        self._held_findings: HeldFindings | None = None

    @property
    def readings(self) -> Mapping[str, AppReading]:
        """What was read of each app, as of the last refresh."""
        return self._readings

    @property
    def held(self) -> Sequence[AppReading]:
        """Those of apps that have families in quarantine, in the order of the table."""
        return sorted(self._held.values(), key=lambda reading: reading.number)

    @property
    def numbers(self) -> Mapping[str, int]:
        """Under which number an app is in the index."""
        return self._numbers

    def name_of(self, number: int) -> str:
        """Return the name of the app that has a number in the index."""
        return self._apps.get(number, "exporter-proxy")

    @property
    def stale(self) -> bool:
        """Whether the table has changed since the last refresh, or that was not finished."""
        return bool(self._changed or self._set_aside or self._other_rules)

    def set_rules(self, rules: Callable[[str], Rules]) -> None:
        """Do something else to families from the next refresh on, to those read before, too."""
        assert self._rules is not None
        self._rules = rules
        self._other_rules = True

    def rules_of(self, app: str) -> Rules:
        """Return what is done to an app's families; payloads are read."""
        assert self._rules is not None
        return self._rules(app)

    def give_back(self) -> Generator[None, None, None]:
        """Follow the table no more, and give rows back what was read of them, in steps."""
        self._is_closed = True
        self._table.end_feed(self._changed)
        for app, reading in list(self._readings.items()):
            row = self._table.get(app)
            if row is None or row.updates != reading.updates or row.number != reading.number:
                continue
            payload = yield from payload_of(reading.origin)
            if not row.payload:
                row.payload = payload
            yield

    @property
    def is_finished(self) -> bool:
        """Whether nothing was set aside in the last refresh."""
        return not self._set_aside

    def set_self(self, families: Sequence[Family]) -> None:
        """Put what the proxy tells of itself, but for what it tells of each app."""
        self.own.set_app(PROXY, families)
        if self._rules is not None:
            for index in self._indexes.values():
                index.set_app(PROXY, families)

    @property
    def has_quoted_names(self) -> bool:
        """Whether there are names that some readers don't take."""
        return bool(self._quoted)

    def index_for(self, scheme: Scheme) -> Generator[None, None, MergedIndex]:
        """Return the index with names as a scheme wants them, in steps that nothing may interrupt.

        Made when it is first asked for, and followed from then on.
        """
        index = self._indexes.get(scheme)
        if index is not None:
            return index
        index = MergedIndex()
        self._claims[scheme] = NameClaims(index)
        again: set[int] = set()
        for count, (app, number) in enumerate(self._numbers.items(), 1):
            reading = self._readings.get(app)
            settled = yield from self._settle_names(number, reading, scheme)
            again |= settled.others
            yield from index.set_app_in_steps(number, settled.shown)
            index.set_app(told_of(number), _cells(self.own, told_of(number)))
            if count % _APPS_A_STEP == 0:
                yield
        index.set_app(PROXY, _cells(self.own, PROXY))
        self._indexes[scheme] = index
        yield from self._place_again(again, scheme)
        return index

    def search_duplicates(self) -> Generator[None, None, None]:
        """Search for series that two apps have, in steps; the index may change meanwhile."""
        yield from self.conflicts.search(self._apps)

    def settle_duplicates(self) -> bool:
        """Take over what was searched, at once; tell whether it is other than before."""
        touched = self.conflicts.settle()
        if touched is None:
            return False
        for _ in self._tell_of(touched):
            pass
        return True

    def tell_of_held(self, found: HeldFindings | None) -> Generator[None, None, bool]:
        """Take over what the OpenMetrics page shows in another way than it was sent, in steps.

        Not while a page is laid out, nor may one be between the steps.

        Args:
            found: What its writer has found; None: nobody asks for it any longer.

        Returns:
            Whether the findings of any app are others than before.
        """
        before, self._held_findings = self._held_findings, found
        touched: set[int] = set()
        if found is not None:
            touched = found.take()
        elif before is not None:
            touched = before.apps
        yield from self._tell_of(touched)
        return bool(touched)

    def refresh(self) -> Generator[None, None, None]:
        """Read what has changed until now, in steps. Only one refresh may run at a time.

        Between the steps nobody may look at an index. A payload that takes long to read is set
        aside after a while, so that it keeps nobody else waiting: the next refresh goes on with it,
        and until it is done the app has what it had.
        """
        self._patience = self._monotonic() + 2 * _PATIENCE_SECONDS
        if self._other_rules:
            yield from self._find_affected()
        large: list[str] = []
        for count, app in enumerate(list(self._changed), 1):
            if self._size(app) > _SMALL_BYTES:
                large.append(app)
            else:
                yield from self._follow(app)
            if count % _APPS_A_STEP == 0:
                yield
        for app in sorted(large, key=self._size):
            yield from self._follow(app)
            yield
        for app, (row, steps) in list(self._set_aside.items()):
            yield from self._go_on(app, row, steps)
        if self._rules is not None:
            yield from self._tell_of((yield from self.conflicts.follow()))

    def _find_affected(self) -> Generator[None, None, None]:
        """Note the apps for which rules are others than when they were read."""
        assert self._rules is not None
        self._other_rules = False
        self._changed.update(dict.fromkeys(self._set_aside))
        for count, (app, reading) in enumerate(list(self._readings.items()), 1):
            if reading.rules != self._rules(app):
                self._changed[app] = None
            if count % _APPS_COMPARED_A_STEP == 0:
                yield

    def _size(self, app: str) -> int:
        row = self._table.get(app)
        return 0 if row is None else row.size

    def _follow(self, app: str) -> Generator[None, None, None]:
        """Take in that an app changed."""
        # Taken out before it is read: a change from now on is the next refresh's.
        self._changed.pop(app, None)
        overtaken = self._set_aside.pop(app, None)
        row = self._table.get(app)
        if overtaken is not None and overtaken[0] is not row:
            yield from _let_go(overtaken[0])
        known = self._readings.get(app)
        if row is None:
            self.samples -= 0 if known is None else known.samples
            for what in (self._readings, self._held, self._told):
                what.pop(app, None)
            self._quoted.discard(app)
            yield from self._place(app, None, None)
        elif self._rules is None:
            yield from self._place(app, row, None)
        elif known is None or (known.number, known.updates) != (row.number, row.updates):
            yield from self._go_on(app, row, self._digest(row, self._rules(app)))
        elif known.rules != (rules := self._rules(app)):
            yield from self._go_on(app, row, self._digest_again(row, rules, known.origin))
        else:
            # Only what its source says of it has changed.
            yield from self._place(app, row, known)

    def _digest(self, row: Row, rules: Rules) -> Generator[None, None, AppReading]:
        """Read a row; nothing is changed by that."""
        payload = row.payload
        exposition = yield from self._read(payload)
        applied = yield from self._apply(row, exposition, rules)
        origin: Origin = exposition
        if applied.families is not exposition.families:
            origin = yield from pack(payload)
        escaped = yield from escape_in_steps(applied.families, DEFAULT_SCHEME)
        return AppReading(row, exposition, applied, escaped, rules, origin)

    def _digest_again(
        self, row: Row, rules: Rules, origin: Origin
    ) -> Generator[None, None, AppReading]:
        """Apply other rules to what was read of a row; nothing is changed by that."""
        if isinstance(origin, Exposition):
            exposition = origin
        else:
            exposition = yield from self._read((yield from origin.unpack()))
        applied = yield from self._apply(row, exposition, rules)
        if applied.families is exposition.families:
            origin = exposition
        escaped = yield from escape_in_steps(applied.families, DEFAULT_SCHEME)
        return AppReading(row, exposition, applied, escaped, rules, origin)

    def _apply(
        self, row: Row, exposition: Exposition, rules: Rules
    ) -> Generator[None, None, Applied]:
        """Do what the configuration, and the row's source, want done to its families."""
        given = None if self._given is None else self._given(row)
        if given is None:
            return (yield from apply_in_steps(exposition.families, rules))
        applied = yield from apply_in_steps(exposition.families, given.on(rules))
        return applied._replace(findings=(*applied.findings, *given.findings))

    def _read(self, payload: Payload) -> Generator[None, None, Exposition]:
        return (yield from read_in_steps(payload, now_ms=self._wall_ns() // 1_000_000))

    def _go_on(
        self, app: str, row: Row, steps: Generator[None, None, AppReading]
    ) -> Generator[None, None, None]:
        """Go on reading an app's row for a while, and take in what was read if it is done."""
        patience = self._monotonic() + _PATIENCE_SECONDS
        if row.size > _LARGE_BYTES:
            # There may be several of them.
            patience = min(patience, self._patience)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                self._set_aside.pop(app, None)
                yield from self._take(app, row, end.value)
                return
            yield
            if self._monotonic() >= patience:
                break
        if app not in self._set_aside:
            logger.info("a payload takes long to read: app=%s bytes=%d", app, row.size)
        self._set_aside[app] = row, steps

    def _take(self, app: str, row: Row, reading: AppReading) -> Generator[None, None, None]:
        """Take in what was read of an app."""
        self.bytes_read += row.size
        known = self._readings.get(app)
        self.samples += reading.samples - (0 if known is None else known.samples)
        self._readings[app] = reading
        if any(family.quoted for family in reading.families):
            self._quoted.add(app)
        else:
            self._quoted.discard(app)
        self._look_up(reading)
        yield from self._place(app, row, reading)
        if not self._is_closed:
            yield from _let_go(row)

    def _tell_of(self, numbers: Iterable[int]) -> Generator[None, None, None]:
        """Tell of apps, by number, what has come to be known of them since they were read."""
        for number in numbers:
            reading = self._readings.get(self._apps.get(number, ""))
            if reading is not None and reading.number == number:
                self._look_up(reading)
                yield from self._place(reading.app, reading, reading)
                yield

    def _look_up(self, reading: AppReading) -> None:
        """Look up what is known of an app's metrics beyond what was read."""
        reading.conflicts = self.conflicts.findings(reading.number)
        held = self._held_findings
        reading.later = (
            *self.conflicts.repeats(reading.number),
            *(() if held is None else held.of(reading.number)),
        )

    def _place(
        self, app: str, row: Row | AppReading | None, reading: AppReading | None
    ) -> Generator[None, None, None]:
        """Put an app's families and its own series into the indexes."""
        problem = self._table.problems.get(app)
        ghost = self._table.ghosts.get(app)
        previous = self._numbers.get(app)
        if row is None and ghost is None and problem is None:
            if previous is not None:
                del self._numbers[app]
                yield from self._drop(previous)
            return
        if row is not None:
            number, updated_ns = row.number, row.updated_ns
        elif ghost is not None:
            number, updated_ns = ghost.number, ghost.updated_ns
        else:
            number, updated_ns = self._number_of_unseen(previous), None
        if previous is not None and previous != number:
            yield from self._drop(previous)
        self._numbers[app] = number
        self._apps[number] = app
        settled = yield from self._settle_names(number, reading, DEFAULT_SCHEME)
        own = list(
            app_series(
                app,
                up=self._table.is_up(app),
                updated_ns=updated_ns,
                samples=None if reading is None else sum(each.count for each in settled.shown),
                findings=None if reading is None else reading.all_findings,
            )
        )
        self.own.set_app(told_of(number), own)
        if self._rules is not None:
            yield from self.index.set_app_in_steps(number, settled.shown)
            self.index.set_app(told_of(number), own)
            yield from self._place_again(settled.others, DEFAULT_SCHEME)
            for scheme, index in self._indexes.items():
                if scheme != DEFAULT_SCHEME:
                    settled = yield from self._settle_names(number, reading, scheme)
                    yield from index.set_app_in_steps(number, settled.shown)
                    index.set_app(told_of(number), own)
                    yield from self._place_again(settled.others, scheme)

    def _settle_names(
        self, number: int, reading: AppReading | None, scheme: Scheme
    ) -> Generator[None, None, Settled]:
        """Find out which of an app's families have a place among those of others."""
        families = yield from self._families(reading, scheme)
        settled = self._claims[scheme].settle(number, families)
        if reading is not None and scheme == DEFAULT_SCHEME:
            reading.lose([self._lost(each) for each in settled.lost])
            if reading.quarantined:
                self._held[reading.app] = reading
            else:
                self._held.pop(reading.app, None)
            self._tell(reading.app, reading.quarantined)
        return settled

    def _lost(self, lost: Lost) -> Quarantined:
        family = lost.family
        name = (family.origin or family.name).decode(errors="replace")
        message = (
            f"{quote(name)}: its name becomes {quote(family.name.decode())} for readers that don't "
            f"take UTF-8 names, as that of a family of app {quote(self.name_of(lost.app))} is"
        )
        return Quarantined(family.name, 0, "name_clash", message, family.samples)

    def _place_again(self, numbers: Iterable[int], scheme: Scheme) -> Generator[None, None, None]:
        """Put the families of apps into an index once more, as others gave or took names."""
        for number in numbers:
            reading = self._readings.get(self._apps.get(number, ""))
            if reading is None or reading.number != number:
                continue
            if scheme == DEFAULT_SCHEME:
                # With its findings.
                yield from self._place(reading.app, reading, reading)
            else:
                settled = yield from self._settle_names(number, reading, scheme)
                yield from self._indexes[scheme].set_app_in_steps(number, settled.shown)

    def _families(
        self, reading: AppReading | None, scheme: Scheme
    ) -> Generator[None, None, Sequence[Family]]:
        """Return what an app has for readers of a scheme."""
        if reading is None:
            return ()
        if scheme == DEFAULT_SCHEME:
            return reading.escaped
        return (yield from escape_in_steps(reading.families, scheme)).families

    def _number_of_unseen(self, previous: int | None) -> int:
        if previous is not None and previous < 0:
            return previous
        self._next_number -= 1
        return self._next_number

    def _drop(self, number: int) -> Generator[None, None, None]:
        self._apps.pop(number, None)
        self.own.drop_app(told_of(number))
        for scheme, index in self._indexes.items():
            settled = self._claims[scheme].settle(number, ())
            index.drop_app(told_of(number))
            yield from index.drop_app_in_steps(number)
            yield from self._place_again(settled.others, scheme)

    def _tell(self, app: str, quarantined: Sequence[Quarantined]) -> None:
        """Log an app's quarantines when they are others than before."""
        reasons = tuple(sorted({each.reason for each in quarantined}))
        news = self._told.get(app)
        if news is None:
            if not reasons:
                return
            news = self._told[app] = News(self._monotonic)
        if not news.is_news(reasons or None):
            return
        if not self._crowd.has_room():
            return
        if not reasons:
            logger.info("all metric families can be read again: app=%s%s", app, news.left_out())
            return
        first = min(quarantined, key=lambda each: each.line)
        logger.warning(
            "metric families are held back: app=%s families=%d: line %d: %s%s",
            app,
            len(quarantined),
            first.line,
            first.message,
            news.left_out(),
        )


def _cells(index: MergedIndex, number: int) -> list[Family]:
    return [index.families[name].cells[number] for name in index.apps.get(number, ())]


def _let_go(row: Row) -> Generator[None, None, None]:
    """Let go of a row's payload, in steps: the system takes its time to take memory back."""
    pieces = list(row.payload)
    row.release_payload()
    while len(pieces) > _PIECES_FREED_A_STEP:
        del pieces[-_PIECES_FREED_A_STEP:]
        yield

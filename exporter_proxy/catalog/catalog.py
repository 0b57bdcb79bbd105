"""Follows the table: reads what has changed, and has it placed in the indexes.

Nothing is read at an update. A refresh reads what has changed since the one before; an update that
was overwritten meanwhile is never read.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from exporter_proxy.catalog.app_reading import AppReading
from exporter_proxy.catalog.conflict_watch import ConflictWatch
from exporter_proxy.catalog.digest import Digester
from exporter_proxy.catalog.places import Places
from exporter_proxy.catalog.quarantines import Quarantines
from exporter_proxy.exposition.escaping import Scheme
from exporter_proxy.exposition.given import Given
from exporter_proxy.exposition.merged import MergedIndex
from exporter_proxy.exposition.merged.held_findings import HeldFindings
from exporter_proxy.exposition.model import Family
from exporter_proxy.exposition.origin import payload_of
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.table import Row, Table

logger = logging.getLogger(__name__)

# Apps that are read at a time when there are many: the loop is served between.
_APPS_A_STEP = 20
_APPS_COMPARED_A_STEP = 200
# How long a page waits for one payload: a sound one of 64 MiB takes about that long.
_PATIENCE_SECONDS = 1.0
_LARGE_BYTES = 1 << 20
# Pieces of a payload, of some 256 KiB, of which each takes some 15 µs to be freed.
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
        self._readings: dict[str, AppReading] = {}
        self._quarantines = Quarantines(monotonic)
        self._places = Places(table, self._readings, self._quarantines, reads=rules is not None)
        self._digester = Digester(wall_ns, given)
        self.index = self._places.index
        self.own = self._places.own
        self.conflicts = ConflictWatch(self.index)
        self.bytes_read = 0
        self.samples = 0
        # Apps with names that some readers don't take.
        self._quoted: set[str] = set()
        self._table = table
        self._rules = rules
        # Whether they are others than at the last refresh.
        self._other_rules = False
        # Whether one is under way: what it reads is noted as changed no more, and not yet read.
        self._is_refreshing = False
        self._is_closed = False
        self._monotonic = monotonic
        # Until when a refresh reads large payloads.
        self._patience = 0.0
        # Rows whose reading takes long, and how far it has come.
        self._set_aside: dict[str, tuple[Row, Generator[None, None, AppReading]]] = {}
        self._changed = table.feed()
        # What the OpenMetrics page shows in another way, while somebody asks for it.
        self._held_findings: HeldFindings | None = None

    @property
    def readings(self) -> Mapping[str, AppReading]:
        """What was read of each app, as of the last refresh."""
        return self._readings

    @property
    def held(self) -> Sequence[AppReading]:
        """Those of apps that have families in quarantine, in the order of the table."""
        return self._quarantines.readings

    @property
    def numbers(self) -> Mapping[str, int]:
        """Under which number an app is in the index."""
        return self._places.numbers

    def name_of(self, number: int) -> str:
        """Return the name of the app that has a number in the index."""
        return self._places.name_of(number)

    @property
    def stale(self) -> bool:
        """Whether the table has changed since the last refresh, or that is not finished."""
        return bool(self._changed or self._set_aside or self._other_rules or self._is_refreshing)

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
        self._places.set_self(families)

    @property
    def has_quoted_names(self) -> bool:
        """Whether there are names that some readers don't take."""
        return bool(self._quoted)

    def index_for(self, scheme: Scheme) -> Generator[None, None, MergedIndex]:
        """Return the index with names as a scheme wants them, in steps that nothing may interrupt.

        Made when it is first asked for, and followed from then on.
        """
        return self._places.index_for(scheme)

    def search_duplicates(self) -> Generator[None, None, None]:
        """Search for series that two apps have, in steps; the index may change meanwhile."""
        yield from self.conflicts.search(self._places.apps)

    def settle_duplicates(self) -> Generator[None, None, bool]:
        """Take over what was searched, in steps; tell whether it is other than before.

        Not while a page is laid out, nor may one be between the steps.
        """
        touched = yield from self.conflicts.settle()
        if touched is None:
            return False
        yield from self._tell_of(touched)
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
        touched = set() if found is None else found.take()
        if found is not before:
            for each in (before, found):
                touched |= set() if each is None else each.apps
        yield from self._tell_of(touched)
        return bool(touched)

    def refresh(self) -> Generator[None, None, None]:
        """Read what has changed until now, in steps. Only one refresh may run at a time.

        Between the steps nobody may look at an index. A payload that takes long to read is set
        aside after a while, so that it keeps nobody else waiting: the next refresh goes on with it,
        and until it is done the app has what it had.
        """
        self._is_refreshing = True
        try:
            yield from self._refresh()
        finally:
            self._is_refreshing = False

    def _refresh(self) -> Generator[None, None, None]:
        self._patience = self._monotonic() + 2 * _PATIENCE_SECONDS
        if self._other_rules:
            yield from self._find_affected()
        large: list[str] = []
        # A copy, though not as a list: the garbage collector looks at each entry of a new one.
        for count, app in enumerate(self._changed.copy(), 1):
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
            self._readings.pop(app, None)
            self._quarantines.forget(app)
            self._quoted.discard(app)
            yield from self._places.place(app, None, None)
        elif self._rules is None:
            yield from self._places.place(app, row, None)
        elif known is None or (known.number, known.updates) != (row.number, row.updates):
            yield from self._go_on(app, row, self._digester.digest(row, self._rules(app)))
        elif known.rules != (rules := self._rules(app)):
            yield from self._go_on(app, row, self._digester.digest_again(row, rules, known.origin))
        else:
            # Only what its source says of it has changed.
            yield from self._places.place(app, row, known)

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
        yield from self._places.place(app, row, reading)
        if not self._is_closed:
            yield from _let_go(row)

    def _tell_of(self, numbers: Iterable[int]) -> Generator[None, None, None]:
        """Tell of apps, by number, what has come to be known of them since they were read."""
        for number in numbers:
            reading = self._places.reading_of(number)
            if reading is not None:
                self._look_up(reading)
                yield from self._places.place(reading.app, reading, reading)
                yield

    def _look_up(self, reading: AppReading) -> None:
        """Look up what is known of an app's metrics beyond what was read."""
        reading.conflicts = self.conflicts.findings(reading.number)
        held = self._held_findings
        reading.later = (
            *self.conflicts.repeats(reading.number),
            *(() if held is None else held.of(reading.number)),
        )


def _let_go(row: Row) -> Generator[None, None, None]:
    """Let go of a row's payload, in steps: the system takes its time to take memory back."""
    pieces = list(row.payload)
    row.release_payload()
    while len(pieces) > _PIECES_FREED_A_STEP:
        del pieces[-_PIECES_FREED_A_STEP:]
        yield

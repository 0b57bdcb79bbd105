"""Which place each app has in the indexes: one of all families for each escaping of names."""

from collections.abc import Generator, Iterable, Mapping, Sequence

from exporter_proxy.catalog.app_reading import AppReading
from exporter_proxy.catalog.app_series import app_series
from exporter_proxy.catalog.quarantines import Quarantines
from exporter_proxy.errors import quote
from exporter_proxy.exposition.escaping import DEFAULT_SCHEME, Scheme, escape_in_steps
from exporter_proxy.exposition.merged import PROXY, MergedIndex, told_of
from exporter_proxy.exposition.merged.name_claims import Lost, NameClaims, Settled
from exporter_proxy.exposition.model import Family, Quarantined
from exporter_proxy.table import Row, Table

# Apps that enter another index at a time: the loop is served between.
_APPS_A_STEP = 20


class Places:
    """The indexes, and who is where in them.

    Args:
        table: Whose apps they are.
        readings: What was read of each app.
        quarantines: Take note of what is held back.
        reads: Whether payloads are read at all.

    Attributes:
        index: All families, those that the proxy tells of itself included, with names that every
            reader takes.
        own: Those alone.
        numbers: ``{app: its number in the indexes}``.
        apps: The other way round.
    """

    def __init__(
        self,
        table: Table,
        readings: Mapping[str, AppReading],
        quarantines: Quarantines,
        *,
        reads: bool,
    ) -> None:
        self.index = MergedIndex()
        self.own = MergedIndex()
        self.numbers: dict[str, int] = {}
        self.apps: dict[int, str] = {}
        self._table = table
        self._readings = readings
        self._quarantines = quarantines
        self._reads = reads
        # For readers that want names escaped another way, or not at all; made when first wanted.
        self._indexes: dict[Scheme, MergedIndex] = {DEFAULT_SCHEME: self.index}
        # Who has the names that escapes make.
        self._claims = {DEFAULT_SCHEME: NameClaims(self.index)}
        # For apps that never were in the table: polled ones that have not answered yet.
        self._next_number = -1

    def set_self(self, families: Sequence[Family]) -> None:
        """Put what the proxy tells of itself, but for what it tells of each app."""
        self.own.set_app(PROXY, families)
        if self._reads:
            for index in self._indexes.values():
                index.set_app(PROXY, families)

    def name_of(self, number: int) -> str:
        """Return the name of the app that has a number in the indexes."""
        return self.apps.get(number, "exporter-proxy")

    def reading_of(self, number: int) -> AppReading | None:
        """Return what was read of the app that has a number in the indexes; None: nothing."""
        reading = self._readings.get(self.apps.get(number, ""))
        return None if reading is None or reading.number != number else reading

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
        for count, (app, number) in enumerate(self.numbers.items(), 1):
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

    def place(
        self, app: str, row: Row | AppReading | None, reading: AppReading | None
    ) -> Generator[None, None, None]:
        """Put an app's families and its own series into the indexes, in steps.

        Args:
            app: Its name.
            row: What the table has of it; None: nothing.
            reading: What was read of it; None: nothing was.
        """
        problem = self._table.problems.get(app)
        ghost = self._table.ghosts.get(app)
        previous = self.numbers.get(app)
        if row is None and ghost is None and problem is None:
            if previous is not None:
                del self.numbers[app]
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
        self.numbers[app] = number
        self.apps[number] = app
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
        if self._reads:
            # Each of these may be what makes a dozen dictionaries grow that have all apps.
            yield
            yield from self.index.set_app_in_steps(number, settled.shown)
            yield
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
            self._quarantines.note(reading)
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
            reading = self.reading_of(number)
            if reading is None:
                continue
            if scheme == DEFAULT_SCHEME:
                # With its findings.
                yield from self.place(reading.app, reading, reading)
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
        self.apps.pop(number, None)
        self.own.drop_app(told_of(number))
        for scheme, index in self._indexes.items():
            settled = self._claims[scheme].settle(number, ())
            index.drop_app(told_of(number))
            yield from index.drop_app_in_steps(number)
            yield from self._place_again(settled.others, scheme)


def _cells(index: MergedIndex, number: int) -> list[Family]:
    return [index.families[name].cells[number] for name in index.apps.get(number, ())]

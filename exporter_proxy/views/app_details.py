"""What is known of one app, before it has a form."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

from exporter_proxy.catalog import Catalog
from exporter_proxy.exposition.merged.conflicts import conflicts_in_steps
from exporter_proxy.exposition.model import Finding, Quarantined
from exporter_proxy.exposition.report import ConflictReport, conflict_report
from exporter_proxy.table import NEVER, Ghost, Problem, Row, Table
from exporter_proxy.views.app_lines import count_once, state_of

# Families after which the event loop may be served.
_STEP = 1000
WAITING = "waits for its next poll"
"""The state of an app that is polled, and that nothing is known of."""
_OWN = b"exporter_proxy_app_"


class FamilyLine(NamedTuple):
    """A family that the app has on the page."""

    name: str
    type: str
    samples: int


class Details(NamedTuple):
    """What is known of an app.

    Attributes:
        app: Its name.
        state: As ``/apps`` shows it.
        row: What the table has; None: nothing, at present.
        ghost: What the table remembers of it, if it was dropped.
        up: Whether its metrics are fresh.
        problem: What is wrong with it.
        expired_ns: Since when it has been marked, in nanoseconds since the epoch; None: it isn't.
        samples: How many its metrics have, those held back not counted.
        expires_in: Seconds; None: it does not expire, or has.
        families: What it has on the page; this and the next are None where payloads are not read.
        quarantined: What is held back.
        findings: Repairs and warnings.
        conflicts: What stands between it and other apps.
        polls: How its polls fare, as ``/health`` has it; None: it is not polled.
    """

    app: str
    state: str
    row: Row | None
    ghost: Ghost | None
    up: bool
    problem: Problem | None
    expired_ns: int | None
    samples: int = 0
    expires_in: float | None = None
    families: Sequence[FamilyLine] | None = None
    quarantined: Sequence[Quarantined] | None = None
    findings: Sequence[Finding] | None = None
    conflicts: Sequence[ConflictReport] | None = None
    polls: Mapping[str, Any] | None = None

    @property
    def updated_ns(self) -> int | None:
        """When its metrics were last replaced, in nanoseconds since the epoch."""
        known = self.ghost if self.row is None else self.row
        return None if known is None else known.updated_ns

    @property
    def expire_after(self) -> float | None:
        """The time to live of its metrics, in seconds; None: they do not expire, or are gone."""
        row = self.row
        if row is None or row.expires_at == NEVER:
            return None
        return round(row.expires_at - row.updated_at, 3)

    @property
    def source(self) -> str | None:
        """Who writes it."""
        known = self.row or self.problem or self.ghost
        if known is not None:
            return known.source
        return None if self.polls is None else str(self.polls["name"])


def read_details(
    app: str, table: Table, catalog: Catalog, polls: Mapping[str, Any] | None = None
) -> Generator[None, None, Details | None]:
    """Return what is known of an app, in steps; None: nothing.

    Args:
        app: Its name.
        table: Has it.
        catalog: What was read of the table.
        polls: How its polls fare; None: it is not polled.
    """
    details = yield from _read_details(app, table, catalog)
    if polls is None:
        return details
    if details is None:
        details = Details(app, WAITING, None, None, up=False, problem=None, expired_ns=None)
    return details._replace(polls=polls)


def _read_details(
    app: str, table: Table, catalog: Catalog
) -> Generator[None, None, Details | None]:
    row, ghost, problem = table.get(app), table.ghosts.get(app), table.problems.get(app)
    reading = catalog.readings.get(app)
    if row is None:
        if ghost is None and problem is None:
            return None
        state = "dropped" if problem is None else problem.text
        return Details(app, state, row, ghost, up=False, problem=problem, expired_ns=None)
    expired_ns = table.expired.get(app)
    state = state_of(reading, problem, expired_ns)
    up = table.is_up(app)
    expires_in = None
    if expired_ns is None and row.expires_at != NEVER:
        expires_in = max(0.0, table.seconds_left(row))
    if reading is None:
        samples = yield from count_once(row)
        return Details(app, state, row, ghost, up, problem, expired_ns, samples, expires_in)
    families, conflicts = yield from _families(app, catalog)
    return Details(
        app,
        state,
        row,
        ghost,
        up,
        problem,
        expired_ns,
        reading.samples,
        expires_in,
        families,
        reading.quarantined,
        (*reading.found, *reading.later),
        conflicts,
    )


def _families(
    app: str, catalog: Catalog
) -> Generator[None, None, tuple[list[FamilyLine], list[ConflictReport]]]:
    index, number = catalog.index, catalog.numbers[app]
    # At once, as the app may be updated between the steps.
    cells = [
        index.families[name].cells[number]
        for name in index.apps[number]
        if not name.startswith(_OWN)
    ]
    shown = []
    for count, cell in enumerate(cells, 1):
        shown.append(FamilyLine(cell.name.decode(errors="replace"), cell.type, cell.count))
        if count % _STEP == 0:
            yield
    found = yield from conflicts_in_steps(index, cells, number)
    return shown, [conflict_report(each, catalog.name_of) for each in found]

"""From what was saved to rows of the table, and back; ages go on while nothing runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter_proxy.errors import PayloadError
from exporter_proxy.state.record import Change, Record, Saved, Trouble
from exporter_proxy.table import NEVER, FindLife, Ghost, Life, Payload, Problem, Row, Table

IsWanted = Callable[[str, str], bool]
"""Given an app and its source, tells whether the configuration still has that."""


class Now(NamedTuple):
    """One moment on two clocks.

    Attributes:
        wall_ns: Nanoseconds since the epoch (UTC); survives a restart, and may jump.
        seconds: Of the clock that the table takes ages with; begins anew with the machine.
        boot: Which start of the machine that was; "" where that is not known.
    """

    wall_ns: int
    seconds: float
    boot: str

    def age_of(self, record: Record) -> float:
        """Return the seconds since an update, never less than 0.

        Within one start of the machine nobody can set the clock that tells; over several of them
        the time of day has to do, of which a moment that is yet to come counts as now.
        """
        if record.boot and record.boot == self.boot and record.updated_at is not None:
            return max(0.0, self.seconds - record.updated_at)
        return max(0, self.wall_ns - record.updated_ns) / 1e9


@dataclass(slots=True)
class Restored:
    """What came of what was saved.

    Attributes:
        apps: Rows that the table has now.
        bytes: Of their payloads.
        no_room: Apps for which the table had no place.
        unwanted: Apps that the configuration doesn't have any more.
        changed: Apps that are other in the table than in the file.
    """

    apps: int = 0
    bytes: int = 0
    no_room: int = 0
    unwanted: int = 0
    changed: list[str] = field(default_factory=list)


class Restorer:
    """Puts back what was saved, in parts, so that the event loop can be served in between.

    Args:
        table: An empty one.
        now: This moment.
        forget_after: Seconds for which a dropped app is remembered at most.
        is_wanted: Tells what to put back.
        find_life: Tells how long apps live whose senders didn't say it; None: as long as they did.
    """

    def __init__(
        self,
        table: Table,
        now: Now,
        forget_after: float,
        is_wanted: IsWanted,
        find_life: FindLife | None = None,
    ) -> None:
        self.outcome = Restored()
        self._table = table
        self._now = now
        self._forget_after = forget_after
        self._is_wanted = is_wanted
        self._find_life = find_life

    def put_back(self, saved: Sequence[Saved]) -> None:
        """Put back some apps; rows in the order of their numbers, then those to be forgotten."""
        for app, number, record, payload in saved:
            if not self._is_wanted(app, record.source):
                self.outcome.unwanted += 1
                self.outcome.changed.append(app)
                continue
            if record.forget_ns is None:
                is_there = self._put_row(app, number, record, payload)
            else:
                is_there = self._put_ghost(app, number, record, record.forget_ns)
            trouble = record.problem
            if is_there and trouble is not None:
                problem = Problem(
                    app, trouble.source, trouble.text, trouble.since_ns, trouble.is_refusal
                )
                self._table.restore_problem(problem)
            if not is_there or record.updated_ns > self._now.wall_ns:
                self.outcome.changed.append(app)

    def _put_row(self, app: str, number: int, record: Record, payload: Payload) -> bool:
        now = self._now
        age = now.age_of(record)
        updated_at = now.seconds - age
        size = sum(map(len, payload))
        life = self._life_of(app, record)
        row = Row(
            app,
            number,
            payload,
            size,
            record.source,
            record.updated_ns if record.updated_ns <= now.wall_ns else now.wall_ns - int(age * 1e9),
            updated_at,
            record.updates,
            updated_at + life.expire_after,
            life.on_expire,
            record.own_ttl,
        )
        # One that is not marked any more under this configuration expires by itself if it has to.
        stays_marked = life.on_expire == "mark" and row.expires_at <= now.seconds
        try:
            self._table.restore(row, record.expired_ns if stays_marked else None)
        except PayloadError:
            self.outcome.no_room += 1
            return False
        self.outcome.apps += 1
        self.outcome.bytes += size
        return True

    def _life_of(self, app: str, record: Record) -> Life:
        """Return how long a row lives from its last update on."""
        saved = Life(NEVER if record.ttl is None else record.ttl, record.on_expire)
        if self._find_life is None:
            return saved
        life = self._find_life(app, record.source)
        return life._replace(expire_after=saved.expire_after) if record.own_ttl else life

    def _put_ghost(self, app: str, number: int, record: Record, forget_ns: int) -> bool:
        now = self._now
        left = min(self._forget_after, (forget_ns - now.wall_ns) / 1e9)
        if left <= 0 or len(self._table.ghosts) >= self._table.max_apps:
            return False
        updated_ns = min(record.updated_ns, now.wall_ns)
        dropped_ns = min(record.dropped_ns or record.updated_ns, now.wall_ns)
        ghost = Ghost(app, number, updated_ns, dropped_ns, now.seconds + left, record.source)
        self._table.restore_ghost(ghost)
        return True


def in_order(saved: Sequence[Saved]) -> list[Saved]:
    """Return rows in the order of their numbers, then those that are forgotten first."""
    rows = [each for each in saved if each.record.forget_ns is None]
    ghosts = [each for each in saved if each.record.forget_ns is not None]
    rows.sort(key=lambda each: each.number)
    return rows + sorted(ghosts, key=lambda each: each.record.forget_ns or 0)


class Seen(NamedTuple):
    """What the table has of an app at one moment; nothing in it changes afterwards."""

    app: str
    row: Row | None
    ghost: Ghost | None
    problem: Problem | None
    expired_ns: int | None
    payload: Payload | None


def look(table: Table, app: str, payload: Payload | None) -> Seen:
    """Return what the table has of an app."""
    return Seen(
        app,
        table.get(app),
        table.ghosts.get(app),
        table.problems.get(app),
        table.expired.get(app),
        payload,
    )


def change_of(seen: Seen, now: Now) -> Change:
    """Return what is to be written of an app."""
    app, row, ghost, problem, expired_ns, payload = seen
    trouble = None
    if problem is not None:
        trouble = Trouble(problem.source, problem.text, problem.since_ns, problem.is_refusal)
    if row is not None:
        ttl = None if row.expires_at == NEVER else row.expires_at - row.updated_at
        record = Record(
            row.source,
            row.updated_ns,
            row.updates,
            ttl,
            row.on_expire,
            expired_ns=expired_ns,
            problem=trouble,
            updated_at=row.updated_at,
            boot=now.boot,
            own_ttl=row.own_ttl,
        )
        return Change(app, row.number, record, payload)
    if ghost is not None:
        forget_ns = now.wall_ns + int((ghost.forget_at - now.seconds) * 1e9)
        record = Record(
            ghost.source,
            ghost.updated_ns,
            dropped_ns=ghost.dropped_ns,
            forget_ns=forget_ns,
            problem=trouble,
        )
        return Change(app, ghost.number, record, ())
    return Change(app, 0, None, None)

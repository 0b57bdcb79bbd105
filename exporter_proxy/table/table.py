"""The rows, and all that may be done with them."""

import time
from collections.abc import Callable, Iterator, Mapping

from exporter_proxy.clocks import boot_seconds
from exporter_proxy.garbage import MANY, aged
from exporter_proxy.table.deadlines import Deadlines
from exporter_proxy.table.feeds import Feeds
from exporter_proxy.table.ghosts import Ghosts
from exporter_proxy.table.payload_feed import PayloadFeed
from exporter_proxy.table.problems import Problems
from exporter_proxy.table.room import Room
from exporter_proxy.table.rows import (
    FORGET_SECONDS,
    NEVER,
    Ghost,
    Life,
    OnExpire,
    Payload,
    Problem,
    Row,
    Snapshot,
)


class Table:
    """Latest payload of each app, replaced as a whole by every update.

    All methods are synchronous and hence atomic on the one event loop that calls them.

    Args:
        max_apps: How many it takes.
        forget_after: Seconds for which a dropped app is remembered.
        wall_ns: The time of day, in nanoseconds since the epoch: for people, never for ages.
        monotonic: The clock of ages, in seconds.
    """

    def __init__(
        self,
        *,
        max_apps: int = 100_000,
        forget_after: float = FORGET_SECONDS,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = boot_seconds,
    ) -> None:
        self._rows: dict[str, Row] = {}
        self._room = Room(self._rows, max_apps)
        self._forget_after = forget_after
        self._wall_ns = wall_ns
        self._monotonic = monotonic
        self._generation = 0
        self._snapshot = Snapshot(0, ())
        self._deadlines = Deadlines()
        # app: since when it is marked, in nanoseconds since the epoch
        self._expired: dict[str, int] = {}
        self._problems = Problems(wall_ns)
        # Never more than apps are taken.
        self._ghosts = Ghosts()
        self._next_number = 0
        self._feeds = Feeds()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, app: object) -> bool:
        return app in self._rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, app: str) -> Row | None:
        """Return the row of ``app``, or None if the table has none."""
        return self._rows.get(app)

    @property
    def generation(self) -> int:
        """Counts changes; the same number means the same content."""
        return self._generation

    @property
    def room(self) -> Room:
        """Who brings many apps asks here first."""
        return self._room

    @property
    def max_apps(self) -> int:
        """How many apps the table takes."""
        return self._room.most

    def configure(self, *, max_apps: int, forget_after: float) -> None:
        """Change limits; what is too much now stays, but nothing new comes in.

        Args:
            max_apps: How many apps the table takes.
            forget_after: Seconds for which a dropped app is remembered, those dropped before, too.
        """
        self._room.most = max_apps
        later = forget_after - self._forget_after
        if later:
            self._forget_after = forget_after
            self._ghosts.put_off(later)

    def update(
        self,
        app: str,
        payload: Payload,
        *,
        source: str,
        expire_after: float = NEVER,
        on_expire: OnExpire = "drop",
        own_ttl: bool = False,
        promised: bool = False,
    ) -> Row:
        """Replace all that ``app`` had.

        Args:
            app: A name that passed :func:`exporter_proxy.payload.names.check_name`.
            payload: Its exposition text, as it came.
            source: Who writes, as ``/apps`` shows it.
            expire_after: Seconds until the app expires if nothing else comes.
            on_expire: What becomes of it then.
            own_ttl: Who wrote it said ``expire_after``, and not the configuration.
            promised: It was said that there is room, and that counts.

        Raises:
            PayloadError: ``too_many_apps``; the table is as it was.
        """
        previous = self._rows.get(app)
        if previous is None:
            if not promised:
                self._room.check(1)
            updates = 1
            self._ghosts.pop(app, None)
            number = self._next_number
            self._next_number += 1
        else:
            updates = previous.updates + 1
            number = previous.number
        now = self._monotonic()
        size = len(payload[0]) if len(payload) == 1 else sum(map(len, payload))
        expires_at = now + expire_after
        row = Row(
            app,
            number,
            payload,
            size,
            source,
            self._wall_ns(),
            now,
            updates,
            expires_at,
            on_expire,
            own_ttl,
        )
        self._rows[app] = row
        self._generation += 1
        self._feeds.tell_payload(app, payload)
        if expires_at != NEVER:
            self._deadlines.enter(app, expires_at)
        if self._expired:
            self._expired.pop(app, None)
        if self._problems:
            self._problems.forgive(app)
        return row

    def amend(self, row: Row, payload: Payload) -> None:
        """Replace the payload of a row of the table by what its source writes of it now.

        That is no update: its age stays, and what is wrong with it.
        """
        size = sum(map(len, payload))
        self._rows[row.app] = Row(
            row.app,
            row.number,
            payload,
            size,
            row.source,
            row.updated_ns,
            row.updated_at,
            row.updates,
            row.expires_at,
            row.on_expire,
            row.own_ttl,
        )
        self._generation += 1
        self._feeds.tell_payload(row.app, payload)

    def set_life(self, row: Row, life: Life) -> None:
        """Have a row of the table live as long as is configured now, from its last update on.

        One that was marked, and whose time has not passed under this, is so no more. How long a row
        lives whose sender said it stays as it is; what becomes of it then doesn't.
        """
        expires_at = row.expires_at if row.own_ttl else row.updated_at + life.expire_after
        if (expires_at, life.on_expire) == (row.expires_at, row.on_expire):
            return
        row.expires_at, row.on_expire = expires_at, life.on_expire
        if expires_at > self._monotonic():
            self._expired.pop(row.app, None)
        if expires_at != NEVER:
            self._deadlines.enter(row.app, expires_at)
        self._note_change(row.app)

    def set_problem(self, app: str, text: str | None, *, source: str) -> None:
        """Say what is wrong with ``app``, whether the table has it or not; None: nothing is.

        The payload stays as it is. A problem that goes on keeps the time it began.
        """
        if self._problems.say(app, text, source=source):
            self._note_change(app)

    def refuse(self, app: str, text: str, *, source: str, expected: bool = False) -> None:
        """Say why an update of ``app`` was refused; it keeps what it had, and its next one ends it.

        Nothing is noted of an app that the table knows nothing of: names cost a sender nothing.
        Unless it is ``expected``, as one is that the configuration names.
        """
        if not expected and app not in self._rows and app not in self._ghosts:
            return
        if self._problems.refuse(app, text, source=source):
            self._note_change(app)

    def is_up(self, app: str) -> bool:
        """Tell whether the metrics of ``app`` are fresh."""
        if app not in self._rows or app in self._expired:
            return False
        problem = self._problems.get(app)
        return problem is None or problem.is_refusal

    @property
    def problems(self) -> Mapping[str, Problem]:
        """What is wrong with which app, in the order in which it began."""
        return self._problems

    def drop(self, app: str) -> bool:
        """Take away what ``app`` has; tell whether it had anything. It becomes a ghost."""
        row = self._rows.pop(app, None)
        if row is None:
            return False
        self._expired.pop(app, None)
        if self._forget_after > 0:
            forget_at = self._monotonic() + self._forget_after
            self._ghosts[app] = Ghost(
                app, row.number, row.updated_ns, self._wall_ns(), forget_at, row.source
            )
            if len(self._ghosts) > self._room.most:
                self.forget(self._ghosts.oldest)
        else:
            self._problems.forgive(app)
        self._generation += 1
        self._feeds.tell_payload(app, ())
        return True

    def forget(self, app: str) -> None:
        """Forget that a dropped ``app`` was ever there."""
        if self._ghosts.pop(app, None) is not None:
            self._problems.forgive(app)
            self._note_change(app)

    def delete(self, app: str) -> bool:
        """Forget all about ``app`` at once; tell whether anything was known of it."""
        problem = self._problems.get(app)
        if app not in self._rows and app not in self._ghosts and problem is None:
            return False
        if problem is not None:
            self.set_problem(app, None, source=problem.source)
        self.drop(app)
        self.forget(app)
        return True

    @property
    def ghosts(self) -> Mapping[str, Ghost]:
        """Apps that were dropped not long ago, by name."""
        return self._ghosts

    @property
    def expired(self) -> Mapping[str, int]:
        """Apps that are marked: since when, in nanoseconds since the epoch (UTC)."""
        return self._expired

    def expire(self, most: int | None = None) -> list[str]:
        """Drop or mark the apps whose time to live has passed, and return their names.

        Those dropped long ago are forgotten.

        Args:
            most: How many apps are looked at, so that the caller may let others have their turn
                and go on; see :attr:`is_due`. None: all.
        """
        now = self._monotonic()
        ended: list[str] = []
        left = most
        while left != 0 and self._deadlines.is_due(now):
            app = self._deadlines.pop()
            if self._end(app, now):
                ended.append(app)
            left = None if left is None else left - 1
        while left != 0 and self._ghosts.is_due(now):
            self.forget(self._ghosts.oldest)
            left = None if left is None else left - 1
        return ended

    @property
    def is_due(self) -> bool:
        """Whether there is something for :meth:`expire` to look at."""
        now = self._monotonic()
        return self._deadlines.is_due(now) or self._ghosts.is_due(now)

    def _end(self, app: str, now: float) -> bool:
        """Drop or mark an app that has come up, if its time to live has passed."""
        row = self._rows.get(app)
        if row is None or row.expires_at == NEVER:
            return False
        if row.expires_at > now:
            self._deadlines.enter(app, row.expires_at)
            return False
        if row.on_expire == "drop":
            return self.drop(app)
        if app in self._expired:
            return False
        self._expired[app] = self._wall_ns()
        self._note_change(app)
        return True

    def seconds_left(self, row: Row) -> float:
        """Return how long it is until ``row`` expires; infinite for never."""
        return row.expires_at - self._monotonic()

    def clocks(self) -> tuple[int, float]:
        """Return this moment as rows have it: nanoseconds since the epoch, and seconds for ages."""
        return self._wall_ns(), self._monotonic()

    def feed(self) -> dict[str, None]:
        """Return a collection that gets the name of every app that changes from now on.

        Names are in the order of their first change. The caller takes them out; what there is now,
        also of apps that were dropped or never came, is in it already.
        """
        return self._feeds.of_names((*self._rows, *self._ghosts, *self._problems))

    def end_feed(self, changes: dict[str, None]) -> None:
        """Tell a collection that :meth:`feed` gave nothing more. Idempotent."""
        self._feeds.end(changes)

    def payload_feed(self) -> PayloadFeed:
        """Return a feed that holds the payloads of all updates from now on, until they are taken.

        What is in the table now is not in it.
        """
        return self._feeds.of_payloads()

    def restore(self, row: Row, expired_ns: int | None = None) -> None:
        """Put back a row of an earlier run; its app is not in the table.

        Rows come in the order of their numbers, before anything else is written.

        Args:
            row: What was there.
            expired_ns: Since when it is marked, in nanoseconds since the epoch; None: it is not.

        Raises:
            PayloadError: ``too_many_apps``.
        """
        self._room.check(1)
        self._rows[row.app] = row
        self._next_number = max(self._next_number, row.number + 1)
        self._note_change(row.app)
        if expired_ns is not None:
            self._expired[row.app] = expired_ns
        elif row.expires_at != NEVER:
            self._deadlines.enter(row.app, row.expires_at)

    def restore_ghost(self, ghost: Ghost) -> None:
        """Put back the memory of an app; ghosts come in the order in which they are forgotten."""
        self._ghosts[ghost.app] = ghost
        self._next_number = max(self._next_number, ghost.number + 1)
        self._note_change(ghost.app)

    def restore_problem(self, problem: Problem) -> None:
        """Put back what was wrong with an app when it was last looked at."""
        self._problems[problem.app] = problem
        self._note_change(problem.app)

    def snapshot(self) -> Snapshot:
        """Return the rows as they are now; the same object until something changes."""
        if self._snapshot.generation != self._generation:
            rows = self._rows.values()
            made = tuple(rows) if len(rows) < MANY else aged(lambda: tuple(rows))
            self._snapshot = Snapshot(self._generation, made)
        return self._snapshot

    def _note_change(self, app: str) -> None:
        """Take note that something of ``app`` other than its payload has changed."""
        self._generation += 1
        self._feeds.tell(app)

"""The one place where sources and views meet: the latest payload of each application."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from exporter_proxy.clocks import boot_seconds
from exporter_proxy.deadlines import Deadlines
from exporter_proxy.errors import table_full
from exporter_proxy.payload_feed import PayloadFeed

Payload = tuple[bytes, ...]
"""Exposition text, UTF-8, in pieces cut at line ends; all but the largest are one piece."""

OnExpire = Literal["drop", "mark"]
"""What becomes of an app whose time to live has passed: it is dropped, or it is said to be down."""


class Row:
    """What the table knows of one application. Never changed after it entered the table.

    Attributes:
        app: The application's name, unique in the table.
        number: Its number in the order in which apps were first seen.
        payload: Its latest exposition text, as it came; where payloads are read, until it was.
        size: Bytes of the payload.
        source: Who wrote it, as ``/apps`` shows it.
        updated_ns: When, in nanoseconds since the epoch (UTC).
        updated_at: When, in seconds of the clock of ages.
        updates: How often the application was written since it was first seen.
        expires_at: When its time to live has passed, on that clock; infinite for never.
        on_expire: What becomes of it then.
        derived: What views computed from this row, by view; a row is replaced, so nothing in here
            can be stale.
    """

    __slots__ = (
        "app",
        "derived",
        "expires_at",
        "number",
        "on_expire",
        "payload",
        "size",
        "source",
        "updated_at",
        "updated_ns",
        "updates",
    )

    def __init__(  # noqa: PLR0913, PLR0917  # a row has as many columns
        self,
        app: str,
        number: int,
        payload: Payload,
        size: int,
        source: str,
        updated_ns: int,
        updated_at: float,
        updates: int,
        expires_at: float,
        on_expire: OnExpire,
    ) -> None:
        self.app = app
        self.number = number
        self.payload = payload
        self.size = size
        self.source = source
        self.updated_ns = updated_ns
        self.updated_at = updated_at
        self.updates = updates
        self.expires_at = expires_at
        self.on_expire = on_expire
        self.derived: dict[str, object] | None = None

    def release_payload(self) -> None:
        """Let go of the payload: it was read, and nobody needs it as it came."""
        self.payload = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The table at one moment: its rows, apps in the order first seen.

    ``generation`` is the same for two snapshots only if nothing was written between them.
    """

    generation: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the metrics of an app are missing or old, as its source sees it.

    Attributes:
        app: Whose.
        source: Who says so.
        text: What is wrong, for a person.
        since_ns: When it began, in nanoseconds since the epoch (UTC).
        is_refusal: What the app sent was refused: it is there, and its next update ends this.
    """

    app: str
    source: str
    text: str
    since_ns: int
    is_refusal: bool = False


@dataclass(frozen=True, slots=True)
class Ghost:
    """An app that was dropped, remembered for a while so that it can be seen to be down.

    Attributes:
        app: Its name.
        number: The number that its row had.
        updated_ns: When it was last updated, in nanoseconds since the epoch (UTC).
        dropped_ns: When it was dropped, likewise.
        forget_at: When it is forgotten, in seconds of the clock of ages.
        source: Who wrote it.
    """

    app: str
    number: int
    updated_ns: int
    dropped_ns: int
    forget_at: float
    source: str


NEVER = float("inf")
FORGET_SECONDS = 86_400.0


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
        self._max_apps = max_apps
        self._forget_after = forget_after
        self._wall_ns = wall_ns
        self._monotonic = monotonic
        self._generation = 0
        self._snapshot = Snapshot(0, ())
        self._deadlines = Deadlines()
        # app: since when it is marked, in nanoseconds since the epoch
        self._expired: dict[str, int] = {}
        self._problems: dict[str, Problem] = {}
        # The one to be forgotten next first; never more than apps are taken. A plain dict would be
        # searched for its first from the place on where its first ever was.
        self._ghosts: OrderedDict[str, Ghost] = OrderedDict()
        self._next_number = 0
        # Places that are kept for apps that are on their way.
        self._promised = 0
        self._feeds: list[dict[str, None]] = []
        self._payload_feeds: list[PayloadFeed] = []

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
    def max_apps(self) -> int:
        """How many apps the table takes."""
        return self._max_apps

    def configure(self, *, max_apps: int, forget_after: float) -> None:
        """Change limits; what is too much now stays, but nothing new comes in.

        Args:
            max_apps: How many apps the table takes.
            forget_after: Seconds for which a dropped app is remembered, those dropped before, too.
        """
        self._max_apps = max_apps
        later = forget_after - self._forget_after
        if later:
            self._forget_after = forget_after
            for app, ghost in self._ghosts.items():
                self._ghosts[app] = replace(ghost, forget_at=ghost.forget_at + later)

    def check_room(self, apps: int) -> None:
        """Refuse a message that brings ``apps`` new apps, if the table has no place for them.

        Raises:
            PayloadError: ``too_many_apps``.
        """
        if len(self._rows) + self._promised + apps > self._max_apps:
            raise table_full(self._max_apps)

    def promise_room(self, apps: int) -> None:
        """Keep places for a message that brings ``apps`` new apps, which come one after another.

        Raises:
            PayloadError: ``too_many_apps``.
        """
        self.check_room(apps)
        self._promised += apps

    def take_room(self, apps: int) -> None:
        """Say that ``apps`` of those that places are kept for come now."""
        self._promised -= apps

    def update(
        self,
        app: str,
        payload: Payload,
        *,
        source: str,
        expire_after: float = NEVER,
        on_expire: OnExpire = "drop",
        promised: bool = False,
    ) -> Row:
        """Replace all that ``app`` had.

        Args:
            app: A name that passed :func:`exporter_proxy.payload.names.check_name`.
            payload: Its exposition text, as it came.
            source: Who writes, as ``/apps`` shows it.
            expire_after: Seconds until the app expires if nothing else comes.
            on_expire: What becomes of it then.
            promised: It was said that there is room, and that counts.

        Raises:
            PayloadError: ``too_many_apps``; the table is as it was.
        """
        previous = self._rows.get(app)
        if previous is None:
            if not promised:
                self.check_room(1)
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
        )
        self._rows[app] = row
        self._generation += 1
        self._tell(app)
        for feed in self._payload_feeds:
            feed.hold(app, payload)
        if expires_at != NEVER:
            self._deadlines.enter(app, expires_at)
        if self._expired:
            self._expired.pop(app, None)
        if self._problems:
            self._forgive(app)
        return row

    def set_problem(self, app: str, text: str | None, *, source: str) -> None:
        """Say what is wrong with ``app``, whether the table has it or not; None: nothing is.

        The payload stays as it is. A problem that goes on keeps the time it began.
        """
        previous = self._problems.get(app)
        if (previous is None) != (text is None):
            self._generation += 1
            self._tell(app)
        if text is None:
            self._problems.pop(app, None)
            return
        since_ns = self._wall_ns() if previous is None else previous.since_ns
        self._problems[app] = Problem(app, source, text, since_ns)

    def refuse(self, app: str, text: str, *, source: str) -> None:
        """Say why an update of ``app`` was refused; it keeps what it had, and its next one ends it.

        Nothing is noted of an app that the table knows nothing of: names cost a sender nothing.
        """
        if app not in self._rows and app not in self._ghosts:
            return
        previous = self._problems.get(app)
        if previous is not None and not previous.is_refusal:
            # Its source says more than we could.
            return
        since_ns = self._wall_ns() if previous is None else previous.since_ns
        self._problems[app] = Problem(app, source, text, since_ns, is_refusal=True)
        if previous is None:
            self._generation += 1
            self._tell(app)

    def _forgive(self, app: str) -> None:
        """Forget that an update was refused."""
        problem = self._problems.get(app)
        if problem is not None and problem.is_refusal:
            del self._problems[app]

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
            if len(self._ghosts) > self._max_apps:
                self.forget(next(iter(self._ghosts)))
        else:
            self._forgive(app)
        self._generation += 1
        self._tell(app)
        for feed in self._payload_feeds:
            feed.hold(app, ())
        return True

    def forget(self, app: str) -> None:
        """Forget that a dropped ``app`` was ever there."""
        if self._ghosts.pop(app, None) is not None:
            self._forgive(app)
            self._generation += 1
            self._tell(app)

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
        while left != 0 and self._oldest_ghost_is_due(now):
            self.forget(next(iter(self._ghosts)))
            left = None if left is None else left - 1
        return ended

    @property
    def is_due(self) -> bool:
        """Whether there is something for :meth:`expire` to look at."""
        now = self._monotonic()
        return self._deadlines.is_due(now) or self._oldest_ghost_is_due(now)

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
        self._generation += 1
        self._tell(app)
        return True

    def _oldest_ghost_is_due(self, now: float) -> bool:
        return bool(self._ghosts) and next(iter(self._ghosts.values())).forget_at <= now

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
        changes = dict.fromkeys((*self._rows, *self._ghosts, *self._problems))
        self._feeds.append(changes)
        return changes

    def end_feed(self, changes: dict[str, None]) -> None:
        """Tell a collection that :meth:`feed` gave nothing more. Idempotent."""
        self._feeds = [each for each in self._feeds if each is not changes]

    def payload_feed(self) -> PayloadFeed:
        """Return a feed that holds the payloads of all updates from now on, until they are taken.

        What is in the table now is not in it.
        """
        feed = PayloadFeed()
        self._payload_feeds.append(feed)
        return feed

    def restore(self, row: Row, expired_ns: int | None = None) -> None:
        """Put back a row of an earlier run; its app is not in the table.

        Rows come in the order of their numbers, before anything else is written.

        Args:
            row: What was there.
            expired_ns: Since when it is marked, in nanoseconds since the epoch; None: it is not.

        Raises:
            PayloadError: ``too_many_apps``.
        """
        self.check_room(1)
        self._rows[row.app] = row
        self._next_number = max(self._next_number, row.number + 1)
        self._generation += 1
        self._tell(row.app)
        if expired_ns is not None:
            self._expired[row.app] = expired_ns
        elif row.expires_at != NEVER:
            self._deadlines.enter(row.app, row.expires_at)

    def restore_ghost(self, ghost: Ghost) -> None:
        """Put back the memory of an app; ghosts come in the order in which they are forgotten."""
        self._ghosts[ghost.app] = ghost
        self._next_number = max(self._next_number, ghost.number + 1)
        self._generation += 1
        self._tell(ghost.app)

    def restore_problem(self, problem: Problem) -> None:
        """Put back what was wrong with an app when it was last looked at."""
        self._problems[problem.app] = problem
        self._generation += 1
        self._tell(problem.app)

    def snapshot(self) -> Snapshot:
        """Return the rows as they are now; the same object until something changes."""
        if self._snapshot.generation != self._generation:
            self._snapshot = Snapshot(self._generation, tuple(self._rows.values()))
        return self._snapshot

    def _tell(self, app: str) -> None:
        for changes in self._feeds:
            changes[app] = None
        for feed in self._payload_feeds:
            feed.note(app)

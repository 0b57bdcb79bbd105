"""The one place where sources and views meet: the latest payload of each application."""

import heapq
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from exporter_proxy.errors import table_full

Payload = tuple[bytes, ...]
"""Exposition text, UTF-8, in pieces cut at line ends; all but the largest are one piece."""


class Row:
    """What the table knows of one application. Never changed after it entered the table.

    Attributes:
        app: The application's name, unique in the table.
        number: Its number in the order in which apps were first seen.
        payload: Its latest exposition text, as it came; where payloads are read, until it was.
        size: Bytes of the payload.
        source: Who wrote it, as ``/apps`` shows it.
        updated_ns: When, in nanoseconds since the epoch (UTC).
        updated_at: When, in seconds of the monotonic clock, for ages.
        updates: How often the application was written since it was first seen.
        expires_at: When it is dropped, in seconds of the monotonic clock; infinite for never.
        derived: What views computed from this row, by view; a row is replaced, so nothing in here
            can be stale.
    """

    __slots__ = (
        "app",
        "derived",
        "expires_at",
        "number",
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

    ``since_ns`` is when it began, in nanoseconds since the epoch (UTC).
    """

    app: str
    source: str
    text: str
    since_ns: int


@dataclass(frozen=True, slots=True)
class Ghost:
    """An app that was dropped, remembered for a while so that it can be seen to be down.

    Attributes:
        app: Its name.
        number: The number that its row had.
        updated_ns: When it was last updated, in nanoseconds since the epoch (UTC).
        forget_at: When it is forgotten, in seconds of the monotonic clock.
    """

    app: str
    number: int
    updated_ns: int
    forget_at: float


NEVER = float("inf")
FORGET_SECONDS = 86_400.0


class Table:
    """Latest payload of each app, replaced as a whole by every update.

    All methods are synchronous and hence atomic on the one event loop that calls them.
    """

    def __init__(
        self,
        *,
        max_apps: int = 100_000,
        forget_after: float = FORGET_SECONDS,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows: dict[str, Row] = {}
        self._max_apps = max_apps
        self._forget_after = forget_after
        self._wall_ns = wall_ns
        self._monotonic = monotonic
        self._generation = 0
        self._snapshot = Snapshot(0, ())
        # (deadline, app), at least one for each row that expires; an entry whose row was updated
        # since is put back with the row's own deadline, so that there is no entry an update.
        self._deadlines: list[tuple[float, str]] = []
        # app: its earliest deadline in the heap
        self._armed: dict[str, float] = {}
        self._problems: dict[str, Problem] = {}
        # The one to be forgotten next first; never more than apps are taken.
        self._ghosts: dict[str, Ghost] = {}
        self._next_number = 0
        # Places that are kept for apps that are on their way.
        self._promised = 0
        self._feeds: list[dict[str, None]] = []

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
        promised: bool = False,
    ) -> Row:
        """Replace all that ``app`` had.

        Args:
            app: A name that passed :func:`exporter_proxy.payload.names.check_name`.
            payload: Its exposition text, as it came.
            source: Who writes, as ``/apps`` shows it.
            expire_after: Seconds until the app is dropped if nothing else comes.
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
        row = Row(app, number, payload, size, source, self._wall_ns(), now, updates, expires_at)
        self._rows[app] = row
        self._generation += 1
        self._tell(app)
        if expires_at != NEVER:
            self._arm(app, expires_at)
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

    @property
    def problems(self) -> Mapping[str, Problem]:
        """What is wrong with which app, in the order in which it began."""
        return self._problems

    def drop(self, app: str) -> bool:
        """Take away what ``app`` has; tell whether it had anything. It becomes a ghost."""
        row = self._rows.pop(app, None)
        if row is None:
            return False
        if self._forget_after > 0:
            forget_at = self._monotonic() + self._forget_after
            self._ghosts[app] = Ghost(app, row.number, row.updated_ns, forget_at)
            if len(self._ghosts) > self._max_apps:
                self.forget(next(iter(self._ghosts)))
        self._generation += 1
        self._tell(app)
        return True

    def forget(self, app: str) -> None:
        """Forget that a dropped ``app`` was ever there."""
        if self._ghosts.pop(app, None) is not None:
            self._generation += 1
            self._tell(app)

    @property
    def ghosts(self) -> Mapping[str, Ghost]:
        """Apps that were dropped not long ago, by name."""
        return self._ghosts

    def expire(self) -> list[str]:
        """Drop the apps whose time to live has passed, and return their names.

        Those dropped long ago are forgotten.
        """
        now = self._monotonic()
        dropped: list[str] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, app = heapq.heappop(self._deadlines)
            if self._armed.get(app) == deadline:
                del self._armed[app]
            row = self._rows.get(app)
            if row is None or row.expires_at == NEVER:
                continue
            if row.expires_at > now:
                self._arm(app, row.expires_at)
            else:
                self.drop(app)
                dropped.append(app)
        while self._ghosts:
            ghost = next(iter(self._ghosts.values()))
            if ghost.forget_at > now:
                break
            self.forget(ghost.app)
        return dropped

    def seconds_left(self, row: Row) -> float:
        """Return how long it is until ``row`` is dropped; infinite for never."""
        return row.expires_at - self._monotonic()

    def feed(self) -> dict[str, None]:
        """Return a collection that gets the name of every app that changes from now on.

        Names are in the order of their first change. The caller takes them out; what is there now
        is in it already.
        """
        changes: dict[str, None] = dict.fromkeys(self._rows)
        self._feeds.append(changes)
        return changes

    def snapshot(self) -> Snapshot:
        """Return the rows as they are now; the same object until something changes."""
        if self._snapshot.generation != self._generation:
            self._snapshot = Snapshot(self._generation, tuple(self._rows.values()))
        return self._snapshot

    def _tell(self, app: str) -> None:
        for changes in self._feeds:
            changes[app] = None

    def _arm(self, app: str, deadline: float) -> None:
        if deadline < self._armed.get(app, NEVER):
            self._armed[app] = deadline
            heapq.heappush(self._deadlines, (deadline, app))
            # Deadlines that only ever get shorter would leave an entry an update.
            if len(self._deadlines) > 2 * len(self._armed) + 64:
                self._deadlines = [(due, name) for name, due in self._armed.items()]
                heapq.heapify(self._deadlines)

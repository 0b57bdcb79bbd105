"""What the table says of an app: its row, what is wrong with it, and that it once was there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Payload = tuple[bytes, ...]
"""Exposition text, UTF-8, in pieces cut at line ends; all but the largest are one piece."""

OnExpire = Literal["drop", "mark"]
"""What becomes of an app whose time to live has passed: it is dropped, or it is said to be down."""

NEVER = float("inf")
"""When an app expires that has no time to live."""


class Life(NamedTuple):
    """How long an app lives whose sender doesn't say it.

    Attributes:
        expire_after: Seconds; infinite: for ever.
        on_expire: What becomes of it then.
    """

    expire_after: float = NEVER
    on_expire: OnExpire = "drop"


FOR_EVER = Life()
FindLife = Callable[[str, str], Life]
"""Gives how long an app lives that a source wrote, by the names of both."""

FORGET_SECONDS = 86_400.0
"""For how long a dropped app is remembered, unless it is said otherwise."""


class Row:
    """What the table knows of one application. An update brings another one.

    After it entered the table nothing in it changes but its end (:meth:`Table.set_life`).

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
        own_ttl: Its sender said how long it lives, and not the configuration.
        derived: What views computed from this row, by view; a row is replaced, so nothing in here
            can be stale.
    """

    __slots__ = (
        "app",
        "derived",
        "expires_at",
        "number",
        "on_expire",
        "own_ttl",
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
        own_ttl: bool = False,  # noqa: FBT001, FBT002  # as above
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
        self.own_ttl = own_ttl
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

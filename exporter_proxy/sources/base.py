"""What every source is and counts; the one thing that sources share."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from exporter_proxy.errors import PollReason, RejectReason

ClosingReason = Literal["evicted", "idle_timeout"]
"""Why a source closes a connection that has done nothing wrong."""


class Failure(NamedTuple):
    """What went wrong last: a sentence, and when, in nanoseconds since the epoch."""

    text: str
    time_ns: int


SourceKind = Literal["receiver", "poll", "push", "log", "module"]


class SourceStats:
    """Plain counters of one source, read by the self-metrics when they are rendered.

    Plain numbers, because a labelled counter of prometheus-client takes a lock at each increment,
    which would be a tenth of a push.

    Args:
        listens: Whether peers connect to the source. Without, all but ``updates`` stays at 0 and is
            not worth a series.
        kind: What kind of source it is.

    Attributes:
        listening: Whether it is at work: peers can connect, targets are polled.
        last_success_ns: When it last wrote the table, in nanoseconds since the epoch; None: never.
        last_error: What went wrong last; None: nothing ever.
    """

    __slots__ = (
        "closed_connections",
        "connections",
        "kind",
        "last_error",
        "last_success_ns",
        "listening",
        "listens",
        "open_connections",
        "rejected",
        "updates",
    )

    def __init__(self, *, listens: bool = True, kind: SourceKind = "receiver") -> None:
        self.listens = listens
        self.kind = kind
        self.listening = False
        self.last_success_ns: int | None = None
        self.last_error: Failure | None = None
        self.updates = 0
        self.connections = 0
        self.open_connections = 0
        self.rejected: Counter[RejectReason] = Counter()
        self.closed_connections: Counter[ClosingReason] = Counter()

    def fail(self, text: str) -> None:
        """Take note of what went wrong."""
        self.last_error = Failure(text, time.time_ns())


@dataclass(slots=True)
class TargetStatus:
    """How the polling of one target goes; written by its poller, read by the self-metrics.

    Attributes:
        target: The endpoint, as ``/apps`` shows it under Source.
        app: The application that its metrics belong to.
        up: Whether the last poll succeeded; None before the first.
        duration_seconds: How long the last poll took.
        polls: How many polls have ended.
        failures: How many of them failed, by reason.
        last_error: Why the last one failed; None if it did not.
        last_success_ns: When one last succeeded, in nanoseconds since the epoch; None: never.
        last_failure: Why and when one last failed, whatever came after it; None: none ever.
    """

    target: str
    app: str
    up: bool | None = None
    duration_seconds: float = 0.0
    polls: int = 0
    failures: Counter[PollReason] = field(default_factory=Counter)
    last_error: str | None = None
    last_success_ns: int | None = None
    last_failure: Failure | None = None


class Source(Protocol):
    """Something that writes the table."""

    name: str
    """As ``/apps`` and the self-metrics show it."""
    stats: SourceStats

    async def start(self) -> None:
        """Begin to write; return when the source can be reached.

        Raises:
            StartError: An address or a file can't be had.
        """

    def pause(self) -> None:
        """Begin to stop: take nothing new, finish what is under way."""

    async def stop(self, grace_seconds: float) -> None:
        """Finish what is under way for at most ``grace_seconds``, then end. Idempotent."""

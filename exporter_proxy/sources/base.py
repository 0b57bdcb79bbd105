"""What every source is and counts; the one thing that sources share."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, Protocol

from exporter_proxy.errors import PollReason, RejectReason

ClosingReason = Literal["evicted", "idle_timeout"]
"""Why a source closes a connection that has done nothing wrong."""


class SourceStats:
    """Plain counters of one source, read by the self-metrics when they are rendered.

    Plain numbers, because a labelled counter of prometheus-client takes a lock at each increment,
    which would be a tenth of a push.

    Args:
        listens: Whether peers connect to the source. Without, all but ``updates`` stays at 0 and is
            not worth a series.
    """

    __slots__ = (
        "closed_connections",
        "connections",
        "listens",
        "open_connections",
        "rejected",
        "updates",
    )

    def __init__(self, *, listens: bool = True) -> None:
        self.listens = listens
        self.updates = 0
        self.connections = 0
        self.open_connections = 0
        self.rejected: Counter[RejectReason] = Counter()
        self.closed_connections: Counter[ClosingReason] = Counter()


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
    """

    target: str
    app: str
    up: bool | None = None
    duration_seconds: float = 0.0
    polls: int = 0
    failures: Counter[PollReason] = field(default_factory=Counter)
    last_error: str | None = None


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

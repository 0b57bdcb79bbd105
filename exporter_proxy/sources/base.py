"""What every source is and counts; the one thing that sources share."""

from collections import Counter
from typing import Protocol

from exporter_proxy.errors import RejectReason


class SourceStats:
    """Plain counters of one source, read by the self-metrics when they are rendered.

    Plain numbers, because a labelled counter of prometheus-client takes a lock at each increment,
    which would be a tenth of a push.
    """

    __slots__ = ("closed_connections", "connections", "open_connections", "rejected", "updates")

    def __init__(self) -> None:
        self.updates = 0
        self.connections = 0
        self.open_connections = 0
        self.rejected: Counter[RejectReason] = Counter()
        # by why we closed them: idle_timeout, evicted
        self.closed_connections: Counter[str] = Counter()


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

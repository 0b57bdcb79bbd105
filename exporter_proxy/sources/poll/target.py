"""One polled endpoint: what its polls bring to the table, the status and the log."""

import logging
import time
from collections.abc import Callable

from exporter_proxy.config import EndpointConfig
from exporter_proxy.errors import PayloadError, PollError
from exporter_proxy.repeats import Streak
from exporter_proxy.sources.base import TargetStatus
from exporter_proxy.sources.poll.request import ScrapeRequest
from exporter_proxy.table import Payload, Table

logger = logging.getLogger(__name__)


class Target:
    """Writes the table for one endpoint, and says so when its state changes.

    Args:
        endpoint: What to poll.
        table: Where its metrics go.
        expire_after: Seconds after which they are dropped if nothing else comes.
        monotonic: The clock that durations are taken with.
    """

    def __init__(
        self,
        endpoint: EndpointConfig,
        table: Table,
        expire_after: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self.request = ScrapeRequest(endpoint)
        self.status = TargetStatus(target=endpoint.source, app=endpoint.name)
        self._table = table
        self._expire_after = expire_after
        self._monotonic = monotonic
        self._streak = Streak(logger, "poll", f"source={endpoint.source}", monotonic=monotonic)

    def succeed(self, payload: Payload, started: float) -> None:
        """Show ``payload``, the outcome of a poll that began at ``started``.

        Raises:
            PollError: ``too_many_apps``: the table has no room.
        """
        endpoint = self.endpoint
        try:
            self._table.update(
                endpoint.name, payload, source=endpoint.source, expire_after=self._expire_after
            )
        except PayloadError as exc:
            raise PollError(str(exc), reason="too_many_apps") from exc
        self._ended(started, up=True)
        self._streak.worked()
        if self.status.last_error is not None:
            self.status.last_error = None
            self._table.set_problem(endpoint.name, None, source=endpoint.source)

    def fail(self, error: PollError, started: float, *, bug: Exception | None = None) -> None:
        """Keep or drop what the table has, after a poll that began at ``started``.

        Args:
            error: Why it failed.
            started: When it began.
            bug: The error of ours behind it, whose traceback is to be logged.
        """
        endpoint = self.endpoint
        self._ended(started, up=False)
        self.status.failures[error.reason] += 1
        self.status.last_error = str(error)
        self._streak.failed(
            f"reason={error.reason}: {error}",
            level=logging.WARNING if bug is None else logging.ERROR,
            bug=bug,
        )
        self._table.set_problem(endpoint.name, f"poll failing: {error}", source=endpoint.source)
        if endpoint.on_failure == "drop":
            self._drop()

    def _drop(self) -> None:
        row = self._table.get(self.endpoint.name)
        # Another source may write an app of the same name; what is its own stays.
        if row is not None and row.source == self.endpoint.source:
            self._table.drop(self.endpoint.name)

    def _ended(self, started: float, *, up: bool) -> None:
        self.status.duration_seconds = self._monotonic() - started
        self.status.polls += 1
        self.status.up = up

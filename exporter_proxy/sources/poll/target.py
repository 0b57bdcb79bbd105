"""One polled endpoint: what its polls bring to the table, the status and the log."""

import logging
import time
from collections.abc import Callable, Generator, Mapping

from exporter_proxy.config import EndpointConfig
from exporter_proxy.errors import PayloadError, PollError, PollReason, RejectReason
from exporter_proxy.payload.message import Push
from exporter_proxy.repeats import Streak
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import Failure, TargetStatus
from exporter_proxy.sources.belonging import drop_own, leave
from exporter_proxy.sources.poll.request import ScrapeRequest
from exporter_proxy.table import FOR_EVER, Life, Payload, Table

logger = logging.getLogger(__name__)

# Why an update may be refused.
_REASONS: Mapping[RejectReason, PollReason] = {
    "app_over_bytes": "app_over_bytes",
    "app_over_samples": "app_over_samples",
    "invalid_metrics": "invalid_metrics",
    "too_many_apps": "too_many_apps",
}


class Target:
    """Writes the table for one endpoint, and says so when its state changes.

    Args:
        endpoint: What to poll.
        table: Where its metrics go.
        admission: Lets them in.
        life: How long they stay if nothing else comes.
        monotonic: The clock that durations are taken with.
    """

    def __init__(
        self,
        endpoint: EndpointConfig,
        table: Table,
        admission: Admission,
        *,
        life: Life = FOR_EVER,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self.request = ScrapeRequest(endpoint)
        self.status = TargetStatus(target=endpoint.source, app=endpoint.name)
        self._table = table
        self._admission = admission
        self._life = life
        self._monotonic = monotonic
        self._streak = Streak(logger, "poll", f"source={endpoint.source}", monotonic=monotonic)

    def look_into(self, payload: Payload) -> Generator[None, None, None]:
        """Look for a reason to refuse a page, in steps of some milliseconds.

        Raises:
            PollError: ``app_over_bytes``, ``app_over_samples`` or ``invalid_metrics``.
        """
        try:
            yield from self._admission.judge(self.endpoint.name, payload)
        except PayloadError as exc:
            raise _poll_error(exc) from exc

    def follow(self, endpoint: EndpointConfig, life: Life) -> None:
        """Go on under a configuration that asks the endpoint the same, as often as before."""
        self.endpoint = endpoint
        self._life = life

    def leave(self, successor: EndpointConfig | None) -> None:
        """Take away what is there of an endpoint that is polled no more.

        Args:
            successor: Brings the metrics of the same app from now on; None: nobody does.
        """
        endpoint = self.endpoint
        if successor is not None and successor.url == endpoint.url:
            # What was polled is still what is there, until the first poll that is done otherwise.
            return
        leave(self._table, endpoint.name, endpoint.source)

    def succeed(self, payload: Payload, started: float) -> None:
        """Show ``payload``, the outcome of a poll that began at ``started``.

        Raises:
            PollError: ``too_many_apps``: the table has no room.
        """
        endpoint = self.endpoint
        try:
            self._admission.apply(
                [Push(endpoint.name, payload, None)], source=endpoint.source, life=self._life
            )
        except PayloadError as exc:
            raise _poll_error(exc) from exc
        self._ended(started, up=True)
        self._streak.worked()
        self.status.last_error = None
        self.status.last_success_ns = time.time_ns()
        # It may also be one of a target before this one, or of an earlier run.
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
        self.status.last_failure = Failure(str(error), time.time_ns())
        self._streak.failed(
            f"reason={error.reason}: {error}",
            level=logging.WARNING if bug is None else logging.ERROR,
            bug=bug,
        )
        self._table.set_problem(endpoint.name, f"poll failing: {error}", source=endpoint.source)
        if endpoint.on_failure == "drop":
            drop_own(self._table, endpoint.name, endpoint.source)

    def _ended(self, started: float, *, up: bool) -> None:
        self.status.duration_seconds = self._monotonic() - started
        self.status.polls += 1
        self.status.up = up


def _poll_error(error: PayloadError) -> PollError:
    return PollError(str(error), reason=_REASONS.get(error.reason, "other"))

"""One app of a module that is polled: what its polls bring to the table."""

from collections.abc import Generator, Mapping

from exporter_proxy.errors import ModuleError, ModuleReason, PayloadError, RejectReason
from exporter_proxy.payload.message import Push
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.belonging import drop_own, leave
from exporter_proxy.sources.module.kind import Outcome
from exporter_proxy.table import NEVER, Life, Table

# Why an update may be refused.
_REASONS: Mapping[RejectReason, ModuleReason] = {
    "app_over_bytes": "app_over_bytes",
    "app_over_rate": "app_over_rate",
    "app_over_samples": "app_over_samples",
    "invalid_metrics": "invalid_metrics",
    "too_many_apps": "too_many_apps",
}


class Entry:
    """Writes the table for one app.

    Args:
        app: Its name.
        source: As ``/apps`` shows it.
        table: Where its metrics go.
        admission: Lets them in.

    Attributes:
        error: Why the last poll brought nothing; None: it did, or none has ended.
    """

    def __init__(self, app: str, source: str, table: Table, admission: Admission) -> None:
        self.error: ModuleError | None = None
        self._app = app
        self._source = source
        self._table = table
        self._admission = admission

    def put(self, outcome: Outcome, life: Life) -> Generator[None, None, bool]:
        """Write what a poll brought, in steps; tell whether the table was changed.

        Raises:
            ModuleError: It is refused.
        """
        self.error = None
        row = self._table.get(self._app)
        if (
            not outcome.changed
            and row is not None
            and row.source == self._source
            and row.expires_at == NEVER
        ):
            # It is there; a row that may expire has to be written again, as sign of life.
            self._table.set_problem(self._app, None, source=self._source)
            return False
        try:
            yield from self._admission.judge(self._app, outcome.payload)
            self._admission.apply(
                [Push(self._app, outcome.payload, None)], source=self._source, life=life
            )
        except PayloadError as exc:
            reason = _REASONS.get(exc.reason, "other")
            raise ModuleError(str(exc), reason=reason) from exc
        self._table.set_problem(self._app, None, source=self._source)
        return True

    def fail(self, error: ModuleError, *, drop: bool) -> None:
        """Say why there is nothing new, and keep or drop what there is."""
        self.error = error
        self._table.set_problem(self._app, f"module failing: {error}", source=self._source)
        if drop:
            drop_own(self._table, self._app, self._source)

    def leave(self) -> None:
        """Take away what is there of an app that has no source any more."""
        leave(self._table, self._app, self._source)

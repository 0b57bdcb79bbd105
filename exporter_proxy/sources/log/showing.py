"""What the table has of a section: its app, and what is wrong with it."""

import logging
import time
from collections.abc import Callable

from exporter_proxy.config import LogConfig
from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.message import Push
from exporter_proxy.repeats import Streak
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.log.compiling import Counter
from exporter_proxy.sources.log.keeping import Apart
from exporter_proxy.table import Life, Payload, Table
from exporter_proxy.turns import turns_of_loop

logger = logging.getLogger(__name__)

_PIECE_BYTES = 2**20
# An exposition larger than that is rendered in a thread: it takes about a millisecond.
_SMALL_BYTES = 2**16
# A log that says nothing is as well followed as one that does: its app is fresh.
_REFRESH_SECONDS = 15.0


class Showing:
    """Gives the table what was counted.

    Args:
        table: Where the app is.
        admission: Lets it in.
        stats: Of the source.
        apart: See :data:`Apart`.
        source: The section, as the table and the log name it.
        monotonic: The clock of the intervals, in seconds.

    Attributes:
        is_new: Counts are not what the table has.
    """

    def __init__(
        self,
        table: Table,
        admission: Admission,
        stats: SourceStats,
        apart: Apart,
        source: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_new = True
        self._table = table
        self._admission = admission
        self._stats = stats
        self._apart = apart
        self._source = source
        self._monotonic = monotonic
        self._updated_at = float("-inf")
        self._following = Streak(logger, "following", f"source={source}")
        self._updates = Streak(logger, "update", f"source={source}")

    @property
    def is_first(self) -> bool:
        """Whether the table was given nothing yet."""
        return self._updated_at == float("-inf")

    def may_update(self, config: LogConfig, now: float) -> bool:
        """Tell whether it was long enough ago that the table was given something."""
        return now - self._updated_at >= config.update_interval

    def needs_refresh(self, life: Life, now: float) -> bool:
        """Tell whether the app is to be given again, though nothing is new."""
        return now - self._updated_at >= min(_REFRESH_SECONDS, life.expire_after / 3)

    async def update(self, config: LogConfig, counter: Counter, life: Life) -> None:
        """Give the table what was counted."""
        app, source = config.app_name, self._source
        self.is_new = False
        self._updated_at = self._monotonic()
        row = self._table.get(app)
        if row is not None and row.source == source and row.size > _SMALL_BYTES:
            text = await self._apart(counter.exposition)
        else:
            text = counter.exposition()
        payload = _pieces(text)
        try:
            for _ in self._admission.judge(app, payload):
                await turns_of_loop().turn()
            self._admission.apply([Push(app, payload, None)], source=source, life=life)
        except PayloadError as error:
            self.is_new = True
            self._table.refuse(app, f"update refused: {error}", source=source, expected=True)
            self._stats.fail(f"{source}: update refused: {error}")
            self._stats.rejected[error.reason] += 1
            self._updates.failed(f"reason={error.reason}: {error}")
            return
        self._updates.worked()
        self._stats.updates += 1
        self._stats.last_success_ns = time.time_ns()

    def fail(self, config: LogConfig, text: str, *, bug: Exception | None = None) -> None:
        """Say that the files can't be followed."""
        # The source is named before it, and has the path.
        brief = text.removeprefix(f"{config.path}: ")
        level = logging.WARNING if bug is None else logging.ERROR
        self._following.failed(brief, level=level, bug=bug)
        self._stats.fail(f"{self._source}: {brief}")
        self._table.set_problem(config.app_name, f"following failing: {text}", source=self._source)

    def worked(self, config: LogConfig) -> None:
        """Say that the files can be followed."""
        self._following.worked()
        problem = self._table.problems.get(config.app_name)
        if problem is not None and not problem.is_refusal and problem.source == self._source:
            self._table.set_problem(config.app_name, None, source=self._source)


def _pieces(text: bytes) -> Payload:
    """Return a text as a payload: pieces of about 1 MiB, cut at line ends."""
    pieces: list[bytes] = []
    start = 0
    while len(text) - start > 2 * _PIECE_BYTES:
        end = text.index(b"\n", start + _PIECE_BYTES) + 1
        pieces.append(text[start:end])
        start = end
    return (*pieces, text[start:]) if pieces else (text,)

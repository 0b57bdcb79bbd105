"""Which apps have metric families held back, and what the log says of it."""

import logging
from collections.abc import Callable, Sequence

from exporter_proxy.catalog.app_reading import AppReading
from exporter_proxy.exposition.model import Quarantined
from exporter_proxy.repeats import Crowd, News

logger = logging.getLogger(__name__)


class Quarantines:
    """Readings of apps that have families in quarantine.

    Args:
        monotonic: The clock that bounds the lines of the log.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._held: dict[str, AppReading] = {}
        # Of apps that ever had something held back: why, as the log said last.
        self._told: dict[str, News] = {}
        self._crowd = Crowd(
            logger,
            "metric families are held back of more apps than are named here: /apps has all of them",
            monotonic,
        )

    @property
    def readings(self) -> Sequence[AppReading]:
        """Those of apps that have families in quarantine, in the order of the table."""
        return sorted(self._held.values(), key=lambda reading: reading.number)

    def note(self, reading: AppReading) -> None:
        """Take note of what is held back of an app, or no longer."""
        if reading.quarantined:
            self._held[reading.app] = reading
        else:
            self._held.pop(reading.app, None)
        self._tell(reading.app, reading.quarantined)

    def forget(self, app: str) -> None:
        """Forget an app that is gone."""
        self._held.pop(app, None)
        self._told.pop(app, None)

    def _tell(self, app: str, quarantined: Sequence[Quarantined]) -> None:
        """Log what is held back of an app when they are others than before."""
        reasons = tuple(sorted({each.reason for each in quarantined}))
        news = self._told.get(app)
        if news is None:
            if not reasons:
                return
            news = self._told[app] = News(self._monotonic)
        if not news.is_news(reasons or None):
            return
        if not self._crowd.has_room():
            return
        if not reasons:
            logger.info("all metric families can be read again: app=%s%s", app, news.left_out())
            return
        first = min(quarantined, key=lambda each: each.line)
        logger.warning(
            "metric families are held back: app=%s families=%d: line %d: %s%s",
            app,
            len(quarantined),
            first.line,
            first.message,
            news.left_out(),
        )

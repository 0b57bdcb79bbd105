"""The timer that ends the apps whose time to live has passed, whether anyone scrapes or not."""

import asyncio
import logging

from exporter_proxy.table import Table

logger = logging.getLogger(__name__)

# How often apps are looked for whose time to live has passed. Not a timer for each app, nor for the
# next one: these stand still while the machine sleeps, and the clock of ages doesn't.
_INTERVAL_SECONDS = 0.5
# Apps after which the loop is served: a millisecond or two.
_APPS_A_STEP = 500
# Of so many that end together each has a line in the log; of the others there is one.
_NAMED = 20


class Expiry:
    """Has a table end what has passed its time to live.

    However many apps end at one moment, they end in steps between which the event loop serves
    others.

    Args:
        table: Whose apps.
        interval: Seconds from when nothing was left to do until the next look.
        apps_a_step: How many apps are looked at in one go.
    """

    def __init__(
        self,
        table: Table,
        *,
        interval: float = _INTERVAL_SECONDS,
        apps_a_step: int = _APPS_A_STEP,
    ) -> None:
        self._table = table
        self._interval = interval
        self._apps_a_step = apps_a_step
        self._timer: asyncio.TimerHandle | None = None
        # Apps that ended since there was last nothing to do.
        self._ended = 0

    def start(self) -> None:
        """Look now, and from now on."""
        self._look()

    def stop(self) -> None:
        """Look no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        for app in self._table.expire(self._apps_a_step):
            self._tell(app)
        goes_on = self._table.is_due
        if not goes_on:
            self._tell_of_others()
        delay = 0 if goes_on else self._interval
        self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _tell(self, app: str) -> None:
        self._ended += 1
        if self._ended > _NAMED:
            return
        if app in self._table:
            logger.info("app expired, its metrics stay: app=%s", app)
        else:
            logger.info("app expired: app=%s", app)

    def _tell_of_others(self) -> None:
        if self._ended > _NAMED:
            logger.info("more apps expired: apps=%d", self._ended - _NAMED)
        self._ended = 0

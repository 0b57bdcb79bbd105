"""One app as a target of Prometheus: whether a scrape of it alone succeeds.

``up`` of the target then means the app: a scrape fails when ``exporter_proxy_app_up`` is 0.
"""

import asyncio
import math

from aiohttp import web

from exporter_proxy.errors import PollError, quote
from exporter_proxy.table import Row, Table
from exporter_proxy.views.app_lines import show_time
from exporter_proxy.views.pages import Pages
from exporter_proxy.views.polled import Polled
from exporter_proxy.views.responses import is_on, text

SCRAPE_TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
"""How long the scraper waits for the answer."""

# What of that is left for the way of the answer: so much, but no more than a part of it.
_OFFSET_SECONDS = 0.5
_OFFSET_PART = 0.25
_MOST_DIGITS = 30


class AppTarget:
    """Says why an app can't be scraped at present, after having it polled if that is wanted.

    Args:
        table: Has the apps.
        pages: Have the table read.
        polled: Which of them are polled.
    """

    def __init__(self, table: Table, pages: Pages, polled: Polled) -> None:
        self._table = table
        self._pages = pages
        self._polled = polled

    async def refuse(self, request: web.Request, app: str) -> web.Response | None:
        """Return the answer to a scrape of an app whose metrics are not there or not fresh.

        Args:
            request: A scrape. ``?fresh=1`` has a polled app polled before, for as long as the
                scraper waits; ``?stale=1`` takes old metrics for good.
            app: Whose metrics are asked for.
        """
        if is_on(request.query.get("fresh")) and app in self._polled.apps():
            return await self._poll(request, app)
        row = self._table.get(app)
        if row is None:
            return self._refuse_absent(app)
        if is_on(request.query.get("stale")):
            return None
        return self._refuse_old(row)

    async def _poll(self, request: web.Request, app: str) -> web.Response | None:
        patience = patience_of(request.headers.get(SCRAPE_TIMEOUT_HEADER))
        try:
            async with asyncio.timeout(patience):
                await self._polled.poll(app)
                await self._have_read(app)
        except PollError as error:
            status = 504 if error.reason == "timeout" else 502
            return text(f"error: poll of {quote(app)} failed: {error}", status=status)
        except TimeoutError:
            line = (
                f"error: poll of {quote(app)} took more than {patience:.3g} s, which is what the "
                "scrape timeout leaves for it"
            )
            return text(line, status=504)
        return None

    async def _have_read(self, app: str) -> None:
        """Have what came read, or what came after it: several turns if there is much of it."""
        row = self._table.get(app)
        while row is not None:
            reading = (await self._pages.readings()).get(app)
            if reading is None or (reading.number, reading.updates) >= (row.number, row.updates):
                return
            if not self._pages.is_behind:
                # Nothing will come of waiting, which would never let anybody else have a turn.
                return

    def _refuse_absent(self, app: str) -> web.Response:
        """Return the answer for an app that the table does not have."""
        problem, ghost = self._table.problems.get(app), self._table.ghosts.get(app)
        if problem is not None and not problem.is_refusal:
            return text(f"error: {quote(app)}: {problem.text}", status=502)
        if ghost is not None:
            dropped = show_time(ghost.dropped_ns)
            return text(f"error: {quote(app)} was dropped at {dropped}", status=404)
        if app in self._polled.apps():
            return text(f"error: {quote(app)} waits for its next poll", status=503)
        return text(f"error: no app {quote(app)}; /apps shows all there are", status=404)

    def _refuse_old(self, row: Row) -> web.Response | None:
        """Return the answer for an app that is there, if its metrics are not fresh."""
        app = row.app
        if self._table.is_up(app):
            return None
        expired_ns = self._table.expired.get(app)
        if expired_ns is not None:
            since = show_time(expired_ns)
            line = f"error: {quote(app)} has sent nothing for too long: expired since {since}"
            return text(line, status=504)
        problem = self._table.problems[app]
        return text(f"error: {quote(app)}: {problem.text}", status=502)


def patience_of(header: str | None) -> float | None:
    """Return how many seconds a poll may take for a scraper; None: it does not say.

    Args:
        header: The scraper's timeout, in seconds, as Prometheus sends it.
    """
    if header is None or len(header) > _MOST_DIGITS:
        return None
    try:
        timeout = float(header)
    except ValueError:
        return None
    if not math.isfinite(timeout) or timeout <= 0:
        return None
    return timeout - min(_OFFSET_SECONDS, timeout * _OFFSET_PART)

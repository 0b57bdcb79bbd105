"""The one HTTP port: which path is answered by which view."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from exporter_proxy.catalog import Catalog
from exporter_proxy.errors import quote
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.memory import Trimmer, find_trim
from exporter_proxy.repeats import Streak
from exporter_proxy.self_metrics import ScrapeStats, SelfMetrics
from exporter_proxy.table import Table
from exporter_proxy.views.app import PATH as APP_PATH
from exporter_proxy.views.app import AppView
from exporter_proxy.views.apps import AppsView
from exporter_proxy.views.home import HealthView, HomeView
from exporter_proxy.views.lint import LintView
from exporter_proxy.views.metrics import MetricsView, turned_off
from exporter_proxy.views.pages import Pages
from exporter_proxy.views.readers import Readers
from exporter_proxy.views.responses import Handler, guarded, text
from exporter_proxy.workers import Workers

logger = logging.getLogger(__name__)

# Half of the 10 s within which such series are found.
_SEARCH_SECONDS = 5.0

PAGES = {
    "/metrics": "the metrics of all apps, as Prometheus scrapes them",
    "/metrics/self": "the proxy's own metrics alone",
    "/apps": "which app was updated when, and by whom",
    "/-/healthy": "whether the process answers",
    "/-/ready": "whether metrics are taken",
}
"""What the first page links to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What the views work on, as long as the proxy runs.

    Attributes:
        table: What is shown.
        self_metrics: The proxy's own; None: they are turned off.
        ready: Whether the proxy takes metrics.
        workers: Threads for what would hold the event loop.
        wall_ns: The clock for the current time on ``/apps``, in nanoseconds since the epoch.
    """

    table: Table
    self_metrics: SelfMetrics | None
    ready: Callable[[], bool]
    workers: Workers
    wall_ns: Callable[[], int] = time.time_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """What the configuration says of the pages.

    Attributes:
        rules: What is done to an app's families; None: payloads are shown verbatim.
        expose: Whether scrapers get what they can't read, too.
        scrape_timeout: Seconds that a reader may take for a page.
    """

    rules: Callable[[str], Rules] | None = None
    expose: bool = False
    scrape_timeout: float = 30.0


class Views:
    """All that is answered on the scrape port.

    Args:
        backing: What the views work on.
        settings: What the configuration says.
    """

    def __init__(self, backing: Backing, settings: PageSettings) -> None:
        table, workers, wall_ns = backing.table, backing.workers, backing.wall_ns
        self._workers = workers
        catalog = Catalog(table, rules=settings.rules, wall_ns=wall_ns)
        own = backing.self_metrics
        stats = ScrapeStats() if own is None else own.scrapes
        readers = Readers(stats, settings.scrape_timeout)
        self._pages = Pages(
            table,
            catalog,
            own,
            merged=settings.rules is not None,
            expose=settings.expose,
            make_room=readers.make_room,
        )
        metrics = MetricsView(self._pages, stats, workers, readers)
        only_self = MetricsView(self._pages, stats, workers, readers, only_self=True)
        health = HealthView(backing.ready)
        self._handlers: dict[str, Handler] = {
            "/": HomeView(PAGES).handle,
            "/metrics": metrics.handle,
            "/metrics/self": turned_off if own is None else only_self.handle,
            "/apps": AppsView(table, self._pages, workers, wall_ns).handle,
            APP_PATH: AppView(table, catalog, self._pages, wall_ns).handle,
            "/-/healthy": health.healthy,
            "/-/ready": health.ready,
        }
        self._lint = LintView(
            table, catalog.index, self._pages.readings, rules=settings.rules, wall_ns=wall_ns
        )
        self._house: asyncio.Task[None] | None = None

    def application(self) -> web.Application:
        """Return an application that answers on a scrape port.

        Run it with ``access_log=None``: a line a scrape tells nobody anything.
        """
        app = web.Application()
        for path, handler in self._handlers.items():
            app.router.add_get(path, guarded(handler))
            app.router.add_route("*", path, _wrong_method)
        self._lint.add_to(app.router)
        # Not a mere dot, which leaves out paths with a line break (%0A).
        app.router.add_route("*", r"/{path:[\s\S]*}", _not_found)
        return app

    def start(self) -> None:
        """Begin to keep house: search for series that two apps have, and give memory back."""
        if self._pages.merged:
            self._house = asyncio.create_task(self._keep_house())

    async def stop(self) -> None:
        """End that. Idempotent."""
        house, self._house = self._house, None
        if house is not None:
            house.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await house

    async def _keep_house(self) -> None:
        trimmer = Trimmer(find_trim())
        streak = Streak(logger, "housekeeping")
        while True:
            await asyncio.sleep(_SEARCH_SECONDS)
            try:
                await self._pages.keep_house()
                trim = trimmer.due(self._pages.bytes_read, time.monotonic())
                if trim is not None:
                    await self._workers.run(trim)
                streak.worked()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged
                streak.failed(repr(error), level=logging.ERROR, bug=error)


async def _wrong_method(request: web.Request) -> web.StreamResponse:
    line = f"error: {request.path} takes GET and HEAD, not {quote(request.method)}"
    return text(line, status=405, headers={"Allow": "GET, HEAD"})


async def _not_found(request: web.Request) -> web.StreamResponse:
    paths = ", ".join(("/", *PAGES))
    return text(f"error: nothing at {quote(request.path)}; there is {paths}", status=404)

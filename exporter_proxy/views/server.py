"""The one HTTP port: which path is answered by which view."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from exporter_proxy.catalog import Catalog
from exporter_proxy.errors import quote
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.memory import Trimmer, find_trim
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


def build_app(
    *,
    table: Table,
    self_metrics: SelfMetrics | None,
    ready: Callable[[], bool],
    workers: Workers,
    wall_ns: Callable[[], int] = time.time_ns,
    rules: Callable[[str], Rules] | None = None,
    expose: bool = False,
    scrape_timeout: float = 30.0,
) -> web.Application:
    """Return the application that answers on the scrape port.

    Run it with ``access_log=None``: a line a scrape tells nobody anything.

    Args:
        table: What is shown.
        self_metrics: The proxy's own; None: they are turned off.
        ready: Whether the proxy takes metrics.
        workers: Threads for what would hold the event loop.
        wall_ns: The clock for the current time on ``/apps``, in nanoseconds since the epoch.
        rules: What is done to an app's families; None: payloads are shown verbatim.
        expose: Whether scrapers get what they can't read, too.
        scrape_timeout: Seconds that a reader may take for a page.
    """
    health = HealthView(ready)
    catalog = Catalog(table, rules=rules, wall_ns=wall_ns)
    stats = ScrapeStats() if self_metrics is None else self_metrics.scrapes
    readers = Readers(stats, scrape_timeout)
    pages = Pages(
        table,
        catalog,
        self_metrics,
        merged=rules is not None,
        expose=expose,
        make_room=readers.make_room,
    )
    metrics = MetricsView(pages, stats, workers, readers)
    own: Handler = turned_off
    if self_metrics is not None:
        own = MetricsView(pages, stats, workers, readers, only_self=True).handle
    handlers: dict[str, Handler] = {
        "/": HomeView(PAGES).handle,
        "/metrics": metrics.handle,
        "/metrics/self": own,
        "/apps": AppsView(table, pages, workers, wall_ns).handle,
        APP_PATH: AppView(table, catalog, pages, wall_ns).handle,
        "/-/healthy": health.healthy,
        "/-/ready": health.ready,
    }
    app = web.Application()
    if rules is not None:
        app.cleanup_ctx.append(lambda _app: _keeping_house(pages, workers))
    for path, handler in handlers.items():
        app.router.add_get(path, guarded(handler))
        app.router.add_route("*", path, _wrong_method)
    LintView(table, catalog.index, pages.readings, rules=rules, wall_ns=wall_ns).add_to(app.router)
    # Not a mere dot, which leaves out paths with a line break (%0A).
    app.router.add_route("*", r"/{path:[\s\S]*}", _not_found)
    return app


async def _keeping_house(pages: Pages, workers: Workers) -> AsyncIterator[None]:
    """Search for series that two apps have, and give memory back, as long as it runs."""

    async def search() -> None:
        while True:
            await asyncio.sleep(_SEARCH_SECONDS)
            try:
                await pages.keep_house()
                trim = trimmer.due(pages.bytes_read, time.monotonic())
                if trim is not None:
                    await workers.run(trim)
            except Exception:
                logger.exception("keeping house failed")

    trimmer = Trimmer(find_trim())

    task = asyncio.create_task(search())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _wrong_method(request: web.Request) -> web.StreamResponse:
    line = f"error: {request.path} takes GET and HEAD, not {quote(request.method)}"
    return text(line, status=405, headers={"Allow": "GET, HEAD"})


async def _not_found(request: web.Request) -> web.StreamResponse:
    paths = ", ".join(("/", *PAGES))
    return text(f"error: nothing at {quote(request.path)}; there is {paths}", status=404)

"""The one HTTP port: which path is answered by which view."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from exporter_proxy.access import Access
from exporter_proxy.catalog import Catalog
from exporter_proxy.errors import quote
from exporter_proxy.exposition.given import Given
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.health import Health
from exporter_proxy.modules import Modules
from exporter_proxy.process.memory import Trimmer, find_trim
from exporter_proxy.repeats import Streak
from exporter_proxy.self_metrics import ScrapeStats, SelfMetrics
from exporter_proxy.table import Row, Table
from exporter_proxy.views import deleting, lifecycle
from exporter_proxy.views.app import AppView
from exporter_proxy.views.app_path import APP_PATH, METRICS_PATH
from exporter_proxy.views.app_target import AppTarget
from exporter_proxy.views.apps import AppsView
from exporter_proxy.views.deleting import DeletingView
from exporter_proxy.views.discovery import DiscoveryView
from exporter_proxy.views.guard import Guard
from exporter_proxy.views.health import HealthDocument
from exporter_proxy.views.home import HealthView, HomeView
from exporter_proxy.views.lifecycle import Lifecycle, LifecycleView
from exporter_proxy.views.lint import LintView
from exporter_proxy.views.lint import wrong_method as lint_wrong_method
from exporter_proxy.views.metrics import MetricsView, turned_off
from exporter_proxy.views.openapi import OpenApiView
from exporter_proxy.views.pages import Pages
from exporter_proxy.views.polled import NOTHING, Polled
from exporter_proxy.views.proxy import PATH as PROXY_PATH
from exporter_proxy.views.proxy import ProxyView
from exporter_proxy.views.readers import Readers
from exporter_proxy.views.responses import Handler, Needs, guarded, text
from exporter_proxy.workers import Workers

logger = logging.getLogger(__name__)

# Half of the 10 s within which such series are found.
_SEARCH_SECONDS = 5.0

PAGES = {
    "/metrics": "the metrics of all apps, as Prometheus scrapes them",
    "/metrics/self": "the proxy's own metrics alone",
    "/apps": "which app was updated when, and by whom",
    "/sd": "every app as a target of its own, for Prometheus's HTTP service discovery",
    "/proxy": "modules: exporters, programs and files that are asked when they are scraped",
    "/health": "how the proxy and each of its sources is",
    "/-/healthy": "whether the page can be made",
    "/-/ready": "whether metrics are taken",
    "/openapi.json": "all that can be asked, as an OpenAPI document",
}
"""What the first page links to."""

PROBES = frozenset({"/-/healthy", "/-/ready"})
"""What anyone may ask: those who run containers ask without credentials, and learn a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What the views work on, as long as the proxy runs.

    Attributes:
        table: What is shown.
        self_metrics: The proxy's own; None: there are none.
        ready: Whether the proxy takes metrics.
        workers: Threads for what would hold the event loop.
        wall_ns: The clock for the current time on ``/apps``, in nanoseconds since the epoch.
        lifecycle: What can be asked of the process; None: nothing.
        polled: Which apps are polled.
        health: How the proxy is; None: nobody tells.
        given: What the source of a row knows of it besides its payload.
        routes: Have a router lead to sources that are pushed to over the scrape port.
        modules: What can be asked for metrics on demand; None: nothing.
    """

    table: Table
    self_metrics: SelfMetrics | None
    ready: Callable[[], bool]
    workers: Workers
    wall_ns: Callable[[], int] = time.time_ns
    lifecycle: Lifecycle | None = None
    polled: Polled = NOTHING
    health: Health | None = None
    given: Callable[[Row], Given | None] | None = None
    routes: Sequence[Callable[[web.UrlDispatcher], None]] = ()
    modules: Modules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """What the configuration says of the pages.

    Attributes:
        rules: What is done to an app's families; None: payloads are shown verbatim.
        expose: Whether scrapers get what they can't read, too.
        scrape_timeout: Seconds that a reader may take for a page.
        self_metrics: Whether the proxy's own metrics are shown.
        sd_target: Where Prometheus finds the scrape port; empty: where it asked for its targets.
    """

    rules: Callable[[str], Rules] | None = None
    expose: bool = False
    scrape_timeout: float = 30.0
    self_metrics: bool = True
    sd_target: str = ""


class Shown:
    """What is shown of the table, in one exposition mode.

    Args:
        backing: What the views work on.
        settings: What the configuration says.
        stats: Where scrapes are counted.
        readers: Send pages.
        before: Pages of another mode in whose place these come.

    Attributes:
        rules: What is done to an app's families; None: payloads are shown verbatim.
        pages: What is served.
        handlers: What answers GET and HEAD, by path.
        lint: What answers POST on ``/lint``.
    """

    def __init__(
        self,
        backing: Backing,
        settings: PageSettings,
        stats: ScrapeStats,
        readers: Readers,
        before: Pages | None = None,
    ) -> None:
        table, workers, wall_ns = backing.table, backing.workers, backing.wall_ns
        self.rules = settings.rules
        self._table = table
        self._self_metrics = backing.self_metrics
        self._catalog = Catalog(table, rules=settings.rules, wall_ns=wall_ns, given=backing.given)
        pages = self.pages = Pages(
            table,
            self._catalog,
            self._own(settings),
            merged=settings.rules is not None,
            expose=settings.expose,
            make_room=readers.make_room,
            before=before,
        )
        self._only_self = MetricsView(pages, stats, workers, readers, only_self=True).handle
        target = AppTarget(table, pages, backing.polled)
        metrics = MetricsView(pages, stats, workers, readers, target=target)
        self.handlers: dict[str, Handler] = {
            "/metrics": metrics.handle,
            "/metrics/self": turned_off if self._own(settings) is None else self._only_self,
            "/apps": AppsView(table, pages, workers, wall_ns).handle,
            METRICS_PATH: metrics.handle_app,
            APP_PATH: AppView(table, self._catalog, pages, wall_ns, backing.polled).handle,
        }
        self.lint = LintView(
            table,
            self._catalog.index,
            pages.readings,
            rules=None if settings.rules is None else self._catalog.rules_of,
            wall_ns=wall_ns,
        )

    @property
    def status(self) -> str:
        """How much is shown, in one line."""
        apps = len(self._table)
        text = f"{apps} app{'' if apps == 1 else 's'}"
        return text if self.samples is None else f"{text}, {self.samples} samples"

    @property
    def samples(self) -> int | None:
        """How many all apps had when they were last read; None: payloads are not read."""
        return None if self.rules is None else self._catalog.samples

    def configure(self, settings: PageSettings) -> None:
        """Show it another way, in the same mode."""
        own = self._own(settings)
        self.handlers["/metrics/self"] = turned_off if own is None else self._only_self
        if settings.rules is not None:
            self._catalog.set_rules(settings.rules)
        self.pages.configure(own, expose=settings.expose)

    def _own(self, settings: PageSettings) -> SelfMetrics | None:
        return self._self_metrics if settings.self_metrics else None


class Views:
    """All that is answered on the scrape port.

    Args:
        backing: What the views work on.
        settings: What the configuration says.
    """

    def __init__(self, backing: Backing, settings: PageSettings) -> None:
        self._backing = backing
        self._settings = settings
        own = backing.self_metrics
        self._stats = ScrapeStats() if own is None else own.scrapes
        self._readers = Readers(self._stats, settings.scrape_timeout)
        self._shown = Shown(backing, settings, self._stats, self._readers)
        health = HealthView(backing.ready, lambda: self.well)
        self._handlers: dict[str, Handler] = {
            "/": HomeView(PAGES).handle,
            PROXY_PATH: ProxyView(backing.modules, backing.workers).handle,
            "/-/healthy": health.healthy,
            "/-/ready": health.ready,
            "/sd": DiscoveryView(backing.table, backing.polled, lambda: self._settings).handle,
            "/openapi.json": OpenApiView().handle,
        }
        if backing.health is not None:
            document = HealthDocument(backing.health, lambda: self._shown.samples)
            self._handlers["/health"] = document.handle
        self._routes = backing.routes
        self._house: asyncio.Task[None] | None = None

    def configure(self, settings: PageSettings) -> None:
        """Show what is there another way, from the next page on."""
        self._settings = settings
        self._readers.set_timeout(settings.scrape_timeout)
        if (settings.rules is None) == (self._shown.rules is None):
            self._shown.configure(settings)
        else:
            self._shown = Shown(
                self._backing, settings, self._stats, self._readers, self._shown.pages
            )

    @property
    def well(self) -> bool:
        """Whether the page could be made when it was last asked for."""
        return not self._stats.failing

    @property
    def status(self) -> str:
        """How much is shown, in one line; payloads that nobody asked for yet were not counted."""
        return self._shown.status

    def application(self, access: Access | None = None) -> web.Application:
        """Return an application that answers on a scrape port.

        Run it with ``access_log=None``: a line a scrape tells nobody anything.

        Args:
            access: Knows who may ask for what; None: everyone may ask for everything.
        """
        app = web.Application()
        if access is not None:
            Guard(access).install(app)
        delete = DeletingView(self._backing.table, self._backing.polled).handle
        for path in (*self._handlers, *self._shown.handlers):
            needs: Needs = "nothing" if path in PROBES else "scrape"
            app.router.add_get(path, guarded(self._follow(path), needs))
            if path == APP_PATH:
                app.router.add_delete(path, guarded(delete, "push"))
                app.router.add_route("*", path, guarded(deleting.wrong_method))
            else:
                app.router.add_route("*", path, guarded(_wrong_method))
        if self._backing.lifecycle is not None:
            for path, handler in LifecycleView(self._backing.lifecycle).handlers.items():
                for method in lifecycle.METHODS:
                    app.router.add_route(method, path, guarded(handler, "admin"))
                app.router.add_route("*", path, guarded(lifecycle.wrong_method))
        app.router.add_post("/lint", guarded(self._follow("/lint", "POST")))
        app.router.add_route("*", "/lint", guarded(lint_wrong_method))
        for add_to in self._routes:
            add_to(app.router)
        # Not a mere dot, which leaves out paths with a line break (%0A).
        app.router.add_route("*", r"/{path:[\s\S]*}", guarded(_not_found))
        return app

    def _follow(self, path: str, method: str = "GET") -> Handler:
        """Return a handler that is always the one of what is shown now."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if method == "POST":
                return await self._shown.lint.handle(request)
            handler = self._handlers.get(path) or self._shown.handlers[path]
            return await handler(request)

        return handle

    def start(self) -> None:
        """Begin to keep house: search for series that two apps have, and give memory back."""
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
                pages = self._shown.pages
                if pages.merged:
                    await pages.keep_house()
                trim = trimmer.due(pages.bytes_read, time.monotonic())
                if trim is not None:
                    await self._backing.workers.run(trim)
                streak.worked()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged
                streak.failed(repr(error), level=logging.ERROR, bug=error)


async def _wrong_method(request: web.Request) -> web.StreamResponse:
    line = f"error: {request.path} takes GET and HEAD, not {quote(request.method)}"
    return text(line, status=405, headers={"Allow": "GET, HEAD"})


async def _not_found(request: web.Request) -> web.StreamResponse:
    paths = ", ".join(("/", *PAGES))
    line = (
        f"error: nothing at {quote(request.path)}; there is {paths}, which describes all of them "
        "and what takes POST, PUT and DELETE"
    )
    return text(line, status=404)

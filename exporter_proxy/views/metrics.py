"""``/metrics``: what Prometheus scrapes."""

import secrets
import time
from collections.abc import Callable

from aiohttp import hdrs, web

from exporter_proxy.exposition.escaping import DEFAULT_SCHEME
from exporter_proxy.exposition.merged import OpenMetricsWriter, QuotingWriter, TextWriter
from exporter_proxy.exposition.model import Format
from exporter_proxy.exposition.page import Encoding
from exporter_proxy.self_metrics import ScrapeStats
from exporter_proxy.views.app_path import app_of_metrics
from exporter_proxy.views.app_target import AppTarget
from exporter_proxy.views.kept import KeptPage
from exporter_proxy.views.negotiation import choose_encoding, choose_exposition, has_tag
from exporter_proxy.views.page import Kind, Page, Selection
from exporter_proxy.views.pages import Pages
from exporter_proxy.views.readers import Readers
from exporter_proxy.views.responses import COMMON_HEADERS, is_on, text
from exporter_proxy.workers import Workers

_CONTENT_TYPES: dict[Format, str] = {
    "text": TextWriter.content_type,
    "openmetrics": OpenMetricsWriter.content_type,
}
# With names in quotes.
_QUOTING_TYPES: dict[Format, str] = {
    "text": "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    "openmetrics": QuotingWriter.content_type,
}


class MetricsView:
    """Answers scrapes from pages that are made once.

    Args:
        pages: Have the page.
        stats: Where scrapes are counted.
        workers: Compress long pages.
        readers: Send pages.
        only_self: Whether it is the page of the proxy's own metrics.
        target: Says which app can't be scraped alone; None: any can.
        clock: Measures how long a page takes.
    """

    def __init__(
        self,
        pages: Pages,
        stats: ScrapeStats,
        workers: Workers,
        readers: Readers,
        *,
        only_self: bool = False,
        target: AppTarget | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._only_self = only_self
        self._target = target
        self._pages = pages
        self._stats = stats
        self._workers = workers
        self._readers = readers
        self._clock = clock
        # Pages are numbered from the start of the process; so are those of the next one.
        self._boot = secrets.token_hex(6)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer with the page as it is now."""
        return await self._answer(request, _selection(request))

    async def handle_app(self, request: web.Request) -> web.StreamResponse:
        """Answer for an app that the path names."""
        apps = frozenset({app_of_metrics(request)})
        return await self._answer(request, _selection(request)._replace(apps=apps))

    async def _answer(self, request: web.Request, selection: Selection) -> web.StreamResponse:
        if selection.names is not None and not self._pages.merged and not self._only_self:
            return text('error: name[] needs exporter.exposition = "merged"', status=400)
        if self._target is not None and selection.apps is not None and len(selection.apps) == 1:
            (app,) = selection.apps
            refused = await self._target.refuse(request, app)
            if refused is not None:
                return refused
        started = self._clock()
        whole = not selection and not self._only_self
        try:
            kind = self._kind(request)
            encoding = choose_encoding(_joined(request, hdrs.ACCEPT_ENCODING))
            page = await self._page(kind, selection, encoding)
            headers = self._headers(encoding, page)
            if _has(request, headers[hdrs.ETAG]):
                self._stats.observe(self._clock() - started)
                return web.Response(status=304, headers=_of_304(headers))
            chunks, size = await page.body(encoding, self._workers)
        except Exception:
            self._stats.scrapes += 1
            self._stats.failures += 1
            # A part of the page that can't be made leaves the rest as good as it was.
            self._stats.failing |= whole
            raise
        if whole:
            self._stats.failing = False
        self._stats.observe(self._clock() - started)
        return await self._readers.send(request, headers, chunks, size, page.generation)

    def _kind(self, request: web.Request) -> Kind:
        if not self._pages.merged:
            return Kind(only_self=self._only_self)
        wanted = choose_exposition(_joined(request, hdrs.ACCEPT))
        strict = self._only_self or wanted.named or is_on(request.query.get("strict"))
        escaping = wanted.escaping or DEFAULT_SCHEME
        return Kind(wanted.format, strict, self._only_self, escaping)

    async def _page(self, kind: Kind, selection: Selection, encoding: Encoding) -> Page | KeptPage:
        if selection:
            return await self._pages.selected(kind, selection, encoding)
        return await self._pages.current(kind)

    def _headers(self, encoding: Encoding, page: Page | KeptPage) -> dict[str, str]:
        headers = {
            hdrs.CONTENT_TYPE: _content_type(page.kind),
            hdrs.ETAG: f'"{self._boot}-{page.tag}-{encoding}"',
            hdrs.VARY: "Accept, Accept-Encoding",
            **COMMON_HEADERS,
        }
        if encoding != "identity":
            headers[hdrs.CONTENT_ENCODING] = encoding
        return headers


def _content_type(kind: Kind) -> str:
    if kind.escaping == DEFAULT_SCHEME:
        return _CONTENT_TYPES[kind.format]
    if kind.escaping == "allow-utf-8":
        return _QUOTING_TYPES[kind.format]
    return f"{_CONTENT_TYPES[kind.format]}; escaping={kind.escaping}"


def _joined(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, ()))


def _has(request: web.Request, tag: str) -> bool:
    """Tell whether the reader has the page already."""
    header = _joined(request, hdrs.IF_NONE_MATCH)
    return bool(header) and has_tag(header, tag)


def _of_304(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of a response without a body (RFC 9110 section 15.4.5)."""
    body = {hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING}
    return {name: value for name, value in headers.items() if name not in body}


def _selection(request: web.Request) -> Selection:
    query = request.query
    if not query:
        return Selection()
    # Other keys are ignored, as exporters do.
    apps, names = query.getall("app", None), query.getall("name[]", None)
    return Selection(
        None if apps is None else frozenset(apps),
        None if names is None else frozenset(name.encode(errors="replace") for name in names),
    )


async def turned_off(_request: web.Request) -> web.StreamResponse:
    """Answer for ``/metrics/self`` where there are no self-metrics."""
    return text("error: self-metrics are turned off (exporter.self_metrics = false)", status=404)

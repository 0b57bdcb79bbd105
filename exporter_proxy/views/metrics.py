"""``/metrics``: what Prometheus scrapes."""

import time
from collections.abc import Callable

from aiohttp import hdrs, web

from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.views.negotiation import accepts_gzip
from exporter_proxy.views.pages import Kind, Pages
from exporter_proxy.views.responses import COMMON_HEADERS, send, text
from exporter_proxy.workers import Workers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PLAIN_HEADERS = {
    hdrs.CONTENT_TYPE: CONTENT_TYPE,
    hdrs.VARY: hdrs.ACCEPT_ENCODING,
    **COMMON_HEADERS,
}
_GZIP_HEADERS = {**_PLAIN_HEADERS, hdrs.CONTENT_ENCODING: "gzip"}


class MetricsView:
    """Answers scrapes from a page cache.

    Args:
        pages: Have the page.
        self_metrics: Where scrapes are counted; None: nowhere.
        workers: Compress long pages.
        only_self: Whether it is the page of the proxy's own metrics.
        clock: Measures how long a page takes.
    """

    def __init__(
        self,
        pages: Pages,
        self_metrics: SelfMetrics | None,
        workers: Workers,
        *,
        only_self: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._kind = Kind(only_self=only_self)
        self._pages = pages
        self._stats = None if self_metrics is None else self_metrics.scrapes
        self._workers = workers
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer with the page as it is now."""
        started = self._clock()
        try:
            # No gzip unless a header asks for it, though without one any coding may be sent.
            packed = accepts_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())))
            page = self._pages.fresh(self._kind) or await self._pages.current(self._kind)
            chunks = await page.pack(self._workers) if packed else None
        except Exception:
            if self._stats is not None:
                self._stats.scrapes += 1
                self._stats.failures += 1
            raise
        if self._stats is not None:
            self._stats.observe(self._clock() - started)
        if chunks is not None:
            if len(chunks) == 1:
                return web.Response(body=chunks[0], headers=_GZIP_HEADERS)
            return await send(request, _GZIP_HEADERS, chunks, sum(map(len, chunks)))
        if page.plain is not None:
            return web.Response(body=page.plain, headers=_PLAIN_HEADERS)
        return await send(request, _PLAIN_HEADERS, page.chunks(), page.size)


async def turned_off(_request: web.Request) -> web.StreamResponse:
    """Answer for ``/metrics/self`` where there are no self-metrics."""
    return text("error: self-metrics are turned off (exporter.self_metrics = false)", status=404)

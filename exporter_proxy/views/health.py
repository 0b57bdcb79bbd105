"""``/health``: how the proxy is, as JSON."""

from collections.abc import Callable

from aiohttp import hdrs, web

from exporter_proxy.health import Health
from exporter_proxy.views.responses import COMMON_HEADERS, send
from exporter_proxy.views.slices import in_slices

_HEADERS = {
    **COMMON_HEADERS,
    hdrs.CONTENT_TYPE: "application/json",
    hdrs.CACHE_CONTROL: "no-store",
}


class HealthDocument:
    """Shows the document: 200, or 503 if the page can't be made.

    Args:
        health: How the proxy is.
        samples: How many samples all apps have, as far as is known; None: they are not counted.
    """

    def __init__(self, health: Health, samples: Callable[[], int | None]) -> None:
        self._health = health
        self._samples = samples

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer."""
        chunks = await in_slices(self._health.draw(self._samples()))
        status = 200 if self._health.well else 503
        return await send(request, _HEADERS, chunks, sum(map(len, chunks)), status=status)

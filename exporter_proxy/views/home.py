"""The first page, and the two that tell whether the proxy works."""

from collections.abc import Callable, Mapping
from html import escape

from aiohttp import web

from exporter_proxy import __version__
from exporter_proxy.views import style
from exporter_proxy.views.responses import html_headers, text


class HomeView:
    """Shows what can be read where.

    Args:
        pages: What each path shows; the order is that of the page.
    """

    def __init__(self, pages: Mapping[str, str]) -> None:
        links = "\n".join(
            f'<li><a href="{path}">{path}</a><span>{escape(about)}</span></li>'
            for path, about in pages.items()
        )
        content = (
            f"<h1>exporter-proxy <small>{escape(__version__)}</small></h1>\n"
            "<p>The metrics of many applications on one port.</p>\n"
            f'<ul class="links">\n{links}\n</ul>'
        )
        self._body = style.document("exporter-proxy", content).encode()

    async def handle(self, _request: web.Request) -> web.StreamResponse:
        """Answer with the page."""
        return web.Response(body=self._body, headers=html_headers())


class HealthView:
    """Tells whether the process lives, and whether it can be used.

    Args:
        ready: Whether every source has started and none is stopping.
        well: Whether the page could be made when it was last asked for.
    """

    def __init__(self, ready: Callable[[], bool], well: Callable[[], bool]) -> None:
        self._ready = ready
        self._well = well

    async def healthy(self, _request: web.Request) -> web.StreamResponse:
        """Answer whether the process does what it is there for."""
        if self._well():
            return text("exporter-proxy is healthy.")
        return text(
            "exporter-proxy is not healthy: the last scrape ended in an error, see its log.",
            status=503,
        )

    async def ready(self, _request: web.Request) -> web.StreamResponse:
        """Answer whether metrics are taken."""
        if self._ready():
            return text("exporter-proxy is ready.")
        return text("exporter-proxy is not ready.", status=503)

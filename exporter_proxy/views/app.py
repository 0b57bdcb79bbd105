"""``/apps/<app>``: all that is known of one app, as JSON, text or HTML."""

from collections.abc import Callable

from aiohttp import hdrs, web

from exporter_proxy.catalog import Catalog
from exporter_proxy.errors import quote
from exporter_proxy.table import Table
from exporter_proxy.views import app_html, app_json, app_text
from exporter_proxy.views.app_details import read_details
from exporter_proxy.views.app_path import app_of
from exporter_proxy.views.negotiation import FORMATS, Format, choose_format
from exporter_proxy.views.pages import Pages
from exporter_proxy.views.polled import Polled
from exporter_proxy.views.responses import COMMON_HEADERS, TEXT, html_headers, send, text
from exporter_proxy.views.slices import in_slices

# The first is for readers that don't care.
_KNOWN: tuple[Format, ...] = ("json", "text", "html")


class AppView:
    """Shows one app.

    Args:
        table: Has it.
        catalog: Knows what was read of it.
        pages: Have the table read.
        wall_ns: The clock for the current time, in nanoseconds since the epoch.
        polled: Tells how the polls of an app fare.
    """

    def __init__(
        self,
        table: Table,
        catalog: Catalog,
        pages: Pages,
        wall_ns: Callable[[], int],
        polled: Polled,
    ) -> None:
        self._table = table
        self._catalog = catalog
        self._pages = pages
        self._wall_ns = wall_ns
        self._polled = polled

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer in the format that ``?format=`` or ``Accept`` asks for; if none, in JSON."""
        app = app_of(request)
        wanted = request.query.get("format")
        if wanted is None:
            wanted = _choose(",".join(request.headers.getall(hdrs.ACCEPT, ())))
        elif wanted not in FORMATS:
            known = ", ".join(_KNOWN)
            return text(f"error: format={quote(wanted)}; there is {known}", status=400)
        await self._pages.readings()
        polls = self._polled.describe(app)
        details = await in_slices(read_details(app, self._table, self._catalog, polls))
        if details is None:
            return text(f"error: no app {quote(app)}; /apps shows all there are", status=404)
        now_ns = self._wall_ns()
        if wanted == "html":
            headers, steps = html_headers(), app_html.draw(details, now_ns)
        elif wanted == "text":
            headers = {**COMMON_HEADERS, hdrs.CONTENT_TYPE: TEXT}
            steps = app_text.draw(details, now_ns)
        else:
            headers = {**COMMON_HEADERS, hdrs.CONTENT_TYPE: FORMATS["json"]}
            steps = app_json.draw(details, now_ns)
        chunks = await in_slices(steps)
        headers |= {hdrs.VARY: hdrs.ACCEPT, hdrs.CACHE_CONTROL: "no-store"}
        return await send(request, headers, chunks, sum(map(len, chunks)))


def _choose(accept: str) -> Format:
    """Return the format that an ``Accept`` header asks for; text only if it is named."""
    chosen = choose_format(accept)
    return "json" if chosen == "text" and FORMATS["text"] not in accept.lower() else chosen

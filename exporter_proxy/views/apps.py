"""``/apps``: which app was updated when, and by whom, as text, HTML or JSON."""

from collections.abc import Callable, Coroutine, Generator
from importlib import import_module
from typing import Any, get_args

from aiohttp import hdrs, web

from exporter_proxy.errors import quote
from exporter_proxy.steps import let_go
from exporter_proxy.table import Table
from exporter_proxy.views.app_lines import AppLine, read_lines
from exporter_proxy.views.negotiation import FORMATS, Format, choose_format
from exporter_proxy.views.pages import Pages
from exporter_proxy.views.responses import COMMON_HEADERS, html_headers, send, text
from exporter_proxy.views.slices import Flight, in_slices
from exporter_proxy.workers import Workers

# A drawing function takes the lines and the current time in nanoseconds and returns the body in
# chunks. Its module is imported when first used, since rich takes a tenth of the time to start.
Draw = Callable[[list[AppLine], int], Generator[None, None, list[bytes]]]

_DRAWN_BY: dict[Format, str] = {
    "text": "exporter_proxy.views.apps_text",
    "html": "exporter_proxy.views.apps_html",
    "json": "exporter_proxy.views.apps_json",
}


LONGEST_IN_ONE = 1_048_576
"""Bytes up to which a table is sent in one go."""


class AppsView:
    """Draws the table for people and programs.

    Args:
        table: What is drawn.
        pages: Have the table read, and know what was read.
        workers: Import what draws.
        wall_ns: The clock for the current time, in nanoseconds since the epoch.
    """

    def __init__(
        self, table: Table, pages: Pages, workers: Workers, wall_ns: Callable[[], int]
    ) -> None:
        self._table = table
        self._pages = pages
        self._workers = workers
        self._drawers: dict[Format, Draw] = {}
        self._wall_ns = wall_ns
        self._drawing: dict[Format, Flight[list[bytes]]] = {
            name: Flight() for name in get_args(Format)
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer in the format that ``?format=`` or ``Accept`` asks for."""
        wanted = request.query.get("format")
        if wanted is None:
            shown = choose_format(",".join(request.headers.getall(hdrs.ACCEPT, ())))
        elif wanted in FORMATS:
            shown = next(name for name in FORMATS if name == wanted)
        else:
            known = ", ".join(FORMATS)
            return text(f"error: format={quote(wanted)}; there is {known}", status=400)
        # No two moments are the same: whoever comes while a table is drawn gets the next one.
        chunks = await self._drawing[shown].join(object(), self._draw(shown))
        headers = _headers(shown)
        if len(chunks) == 1:
            return web.Response(body=chunks[0], headers=headers)
        return await send(request, headers, chunks, sum(map(len, chunks)))

    def _draw(self, shown: Format) -> Callable[[], Coroutine[Any, Any, list[bytes]]]:
        async def run() -> list[bytes]:
            draw = self._drawers.get(shown)
            if draw is None:
                # In a thread, as importing rich would hold the event loop for 30 ms or more.
                module = await self._workers.run(import_module, _DRAWN_BY[shown])
                draw = self._drawers[shown] = module.draw
            readings = await self._pages.readings()
            now_ns = self._wall_ns()
            table = self._table
            lines = await in_slices(
                read_lines(
                    table.snapshot(),
                    dict(table.problems),
                    readings,
                    expired=dict(table.expired),
                    ghosts=table.ghosts,
                )
            )
            chunks = await in_slices(draw(lines, now_ns))
            await in_slices(let_go(lines))
            short = sum(map(len, chunks)) <= LONGEST_IN_ONE
            return [b"".join(chunks)] if short else chunks

        return run


def _headers(shown: Format) -> dict[str, str]:
    headers = {
        **(html_headers() if shown == "html" else COMMON_HEADERS),
        hdrs.VARY: hdrs.ACCEPT,
        hdrs.CACHE_CONTROL: "no-store",
    }
    if shown == "json":
        # RFC 8259 section 11: no charset parameter, JSON is UTF-8
        return {**headers, hdrs.CONTENT_TYPE: FORMATS[shown]}
    return {**headers, hdrs.CONTENT_TYPE: f"{FORMATS[shown]}; charset=utf-8"}

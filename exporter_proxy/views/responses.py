"""Responses as all views give them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal, Protocol

from aiohttp import web

from exporter_proxy.config import Right
from exporter_proxy.repeats import Throttle

logger = logging.getLogger(__name__)

Needs = Right | Literal["nothing"]
"""What the sender of a request must have the right to; ``nothing``: anyone may send it."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STALLED_SECONDS = 60.0
"""How long a reader may take nothing of a long response before its connection is closed."""

COMMON_HEADERS = {"Server": "exporter-proxy", "X-Content-Type-Options": "nosniff"}
TEXT = "text/plain; charset=utf-8"
# Pages hold neither scripts nor anything from elsewhere, whatever a name may look like.
_HTML_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
}


def text(line: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response of one line, to which the line break is added."""
    return web.Response(
        body=line.encode(errors="backslashreplace") + b"\n",
        status=status,
        headers={"Content-Type": TEXT, **COMMON_HEADERS, **(headers or {})},
    )


def is_on(value: str | None) -> bool:
    """Tell whether a parameter of a query says yes; None: it is not there."""
    return value is not None and value.lower() not in {"0", "false", "no"}


def html_headers() -> dict[str, str]:
    """Return the headers of a page for a browser."""
    return {**COMMON_HEADERS, **_HTML_HEADERS}


async def send(
    request: web.Request,
    headers: Mapping[str, str],
    chunks: Iterable[bytes],
    size: int,
    *,
    status: int = 200,
) -> web.StreamResponse:
    """Send chunks as they are made, none before the reader took the one before.

    Args:
        request: The request that is answered; of a HEAD request only the headers are sent.
        headers: All headers but ``Content-Length``.
        chunks: The body; made one at a time.
        size: Its bytes, all chunks together.
        status: Of the response.
    """
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = size
    try:
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        for chunk in chunks:
            async with asyncio.timeout(STALLED_SECONDS):
                await response.write(chunk)
            # A reader that is fast enough never makes us wait; the others get their turn.
            await asyncio.sleep(0)
    except TimeoutError:
        logger.debug("reader takes nothing, closing: peer=%s path=%s", request.remote, request.path)
        _abort(request)
    except ConnectionError as exc:
        logger.debug("reader went away: peer=%s path=%s: %s", request.remote, request.path, exc)
    return response


def _abort(request: web.Request) -> None:
    """Close the connection at once, so that a cut response can't be taken for a whole one."""
    if request.transport is not None:
        request.transport.abort()


class Guarding(Protocol):
    """Looks at requests before their views do; see :class:`~exporter_proxy.views.guard.Guard`."""

    async def look(self, request: web.Request, needs: Needs) -> web.Response | None:
        """Return the answer to a request that is refused, None to one that may go on."""

    def refuse_push(self, request: web.Request, app: str) -> web.Response | None:
        """Return the answer to a request that may not write ``app``; None: it may."""

    @property
    def looks_at_readers(self) -> bool:
        """Whether requests that only read have to be looked at."""


GUARD = web.AppKey[Guarding]("guard")
"""Where an application has its guard."""


def guarded(handler: Handler, needs: Needs = "scrape") -> Handler:
    """Return ``handler`` for a route: who has not the right to ask doesn't get to it.

    An error of ours costs one request and is logged.

    Args:
        handler: The view.
        needs: What its callers must have the right to. A view that writes an app asks
            :func:`~exporter_proxy.views.guard.refuse_push` as soon as it knows which.
    """

    def tell(kind: str | None, count: int) -> None:
        logger.error("answering failed %d more times: %s", count, kind or "other errors")

    failures: Throttle[str] = Throttle(tell)

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            guard = request.app.get(GUARD)
            if guard is not None and (needs != "scrape" or guard.looks_at_readers):
                refused = await guard.look(request, needs)
                if refused is not None:
                    return refused
            return await handler(request)
        except ConnectionError:
            # The reader went away; aiohttp ends the connection.
            raise
        except Exception as error:
            # Whoever asks again and again gets the log no more than a traceback a minute.
            if failures.is_first(type(error).__name__):
                logger.exception("answering failed: path=%s", request.path)
            _abort_if_begun(request)
            return text("error: internal error, see the log of exporter-proxy", status=500)

    # For the test that no route is left out.
    handle.needs = needs  # type: ignore[attr-defined]  # a function may have attributes
    return handle


def _abort_if_begun(request: web.Request) -> None:
    if request.writer is not None and request.writer.output_size:
        _abort(request)

"""``POST /lint``: what would happen to a payload, and what stands between it and other apps."""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from typing import cast

from aiohttp import hdrs, web

from exporter_proxy.errors import PayloadError, quote
from exporter_proxy.exposition.merged import SELF, MergedIndex
from exporter_proxy.exposition.model import Format
from exporter_proxy.exposition.report import Others, report_in_steps
from exporter_proxy.exposition.report_json import encode_in_steps
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.payload.compression import unpack_in_steps
from exporter_proxy.payload.names import check_name
from exporter_proxy.payload.text import PIECE_BYTES, TextBuilder
from exporter_proxy.table import Payload, Table
from exporter_proxy.views.responses import COMMON_HEADERS, send, text
from exporter_proxy.views.slices import in_slices

NEW_APP = "lint"
"""As whose metrics a payload is looked at, if no app is named."""
MAX_BYTES = 64 * 2**20
"""What is taken of a payload, after decompression."""

_HEADERS = {hdrs.CONTENT_TYPE: "application/json; charset=utf-8", **COMMON_HEADERS}
_FORMATS = ("text", "openmetrics")
_ENCODINGS = frozenset({"", "identity", "gzip"})
# Large payloads that are held in memory at once, what may wait there for its turn, and how long a
# sender may take for one.
_AT_ONCE = 4
_SMALL_BYTES = 262_144
_RECEIVE_SECONDS = 30.0


class _RefusedError(Exception):
    """A request that isn't answered with a report."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class LintView:
    """Looks at payloads without keeping them. What the table has is compared, never changed.

    Args:
        table: Knows the apps.
        index: Their families.
        refresh: Has the index follow the table.
        rules: What is done to an app's families; None: payloads are shown verbatim, and nothing is
            compared.
        wall_ns: The clock that says which timestamps are old.
        max_bytes: What is taken of a payload, after decompression.
    """

    def __init__(
        self,
        table: Table,
        index: MergedIndex,
        refresh: Callable[[], Awaitable[object]],
        *,
        rules: Callable[[str], Rules] | None,
        wall_ns: Callable[[], int],
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._table = table
        self._index = index
        self._refresh = refresh
        self._rules = rules
        self._wall_ns = wall_ns
        self._max_bytes = max_bytes
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer with a report as JSON."""
        try:
            app, declared = _asked(request)
            async with AsyncExitStack() as place:
                body = await self._receive(request, place)
                payload = await self._text(body, request)
                chunks = await self._look(payload, app, declared)
        except _RefusedError as error:
            return await _refuse(request, error)
        return await send(request, _HEADERS, chunks, sum(map(len, chunks)))

    async def _look(self, payload: Payload, app: str, declared: Format | None) -> list[bytes]:
        others = None
        if self._rules is not None:
            await self._refresh()
            others = self._others(app, self._rules(app))
        steps = report_in_steps(
            payload, format=declared, now_ms=self._wall_ns() // 1_000_000, others=others
        )
        report = await in_slices(steps)
        return await in_slices(encode_in_steps(report))

    def _others(self, app: str, rules: Rules) -> Others:
        row = self._table.get(app)
        # A new app comes after all that are there, but before the proxy itself.
        number = SELF - 1 if row is None else row.number
        return Others(
            index=self._index,
            app=app,
            number=number,
            rules=rules,
            names=self._name,
            apps=len(self._table) - (row is not None),
        )

    def _name(self, number: int) -> str:
        """Return an app's name; what has no other is the proxy's own."""
        rows = self._table.snapshot().rows
        place = bisect_left(rows, number, key=lambda row: row.number)
        if place < len(rows) and rows[place].number == number:
            return rows[place].app
        for ghost in self._table.ghosts.values():
            if ghost.number == number:
                return ghost.app
        return "exporter-proxy"

    async def _receive(self, request: web.Request, place: AsyncExitStack) -> bytes:
        """Return the body, and take one of the places.

        Not before much of it has come, so that a few slow senders don't keep the others waiting.
        """
        if request.content_length is not None and request.content_length > self._max_bytes:
            raise self._too_large()
        parts: list[bytes] = []
        size, waits = 0, True
        try:
            async with asyncio.timeout(_RECEIVE_SECONDS):
                async for chunk in request.content.iter_any():
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise self._too_large()
                    parts.append(chunk)
                    if waits and size > _SMALL_BYTES:
                        await place.enter_async_context(self._places)
                        waits = False
        except TimeoutError as error:
            message = f"the payload did not come within {_RECEIVE_SECONDS:g} s"
            raise _RefusedError(message, 408) from error
        except web.RequestPayloadError as error:
            raise _RefusedError("the payload is not what its headers say", 400) from error
        if waits:
            await place.enter_async_context(self._places)
        return b"".join(parts)

    async def _text(self, body: bytes, request: web.Request) -> Payload:
        encoding = request.headers.get(hdrs.CONTENT_ENCODING, "")
        return await in_slices(self._unpacked(body, encoding))

    def _unpacked(self, body: bytes, encoding: str) -> Generator[None, None, Payload]:
        try:
            text = yield from unpack_in_steps(body, encoding, self._max_bytes)
        except PayloadError as error:
            if error.reason == "message_too_large":
                raise self._too_large() from error
            raise _RefusedError("the payload is not what its headers say", 400) from error
        builder = TextBuilder()
        for start in range(0, len(text), PIECE_BYTES):
            builder.add(text[start : start + PIECE_BYTES])
            yield
        return builder.finish()

    def _too_large(self) -> _RefusedError:
        return _RefusedError(f"the payload is larger than {self._max_bytes} bytes", 413)


def _asked(request: web.Request) -> tuple[str, Format | None]:
    """Return as whose metrics, and as which format, a payload is to be looked at."""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
    if encoding not in _ENCODINGS:
        raise _RefusedError(f"takes identity and gzip, not {quote(encoding)}", 415)
    for key in request.query:
        if key not in {"app", "format"}:
            raise _RefusedError(f"takes ?app= and ?format=, not {quote(key)}", 400)
    declared = request.query.get("format")
    if declared is not None and declared not in _FORMATS:
        raise _RefusedError(f"format is text or openmetrics, not {quote(declared)}", 400)
    try:
        app = check_name(request.query.get("app", NEW_APP))
    except PayloadError as error:
        raise _RefusedError(str(error), 400) from error
    return app, cast("Format | None", declared)


async def _refuse(request: web.Request, error: _RefusedError) -> web.StreamResponse:
    response = text(f"error: {error}", status=error.status)
    if request.content.exception() is not None:
        # What is left of the body can't be read; aiohttp would try, and log a traceback.
        response.force_close()
        await response.prepare(request)
        await response.write_eof()
        request.protocol.force_close()
    return response


async def wrong_method(request: web.Request) -> web.StreamResponse:
    """Answer to any other method."""
    line = f"error: {request.path} takes POST, not {quote(request.method)}"
    return text(line, status=405, headers={"Allow": "POST"})

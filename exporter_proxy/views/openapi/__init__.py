"""``/openapi.json``: all that can be asked over HTTP, as an OpenAPI document."""

from aiohttp import hdrs, web

from exporter_proxy.views.responses import COMMON_HEADERS


class OpenApiView:
    """Shows the document."""

    def __init__(self) -> None:
        self._body: bytes | None = None

    async def handle(self, _request: web.Request) -> web.StreamResponse:
        """Answer with the document, which is made when it is first asked for."""
        if self._body is None:
            # Hardly anyone asks.
            from msgspec import json  # noqa: PLC0415

            from exporter_proxy.views.openapi.document import make_document  # noqa: PLC0415

            self._body = json.format(json.encode(make_document()), indent=2) + b"\n"
        headers = {**COMMON_HEADERS, hdrs.CONTENT_TYPE: "application/json"}
        return web.Response(body=self._body, headers=headers)

"""The gateway's paths on an HTTP server."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from exporter_proxy.access import Peer
from exporter_proxy.payload.grouping import PREFIX
from exporter_proxy.sources.answers import Answer, Steps, line
from exporter_proxy.sources.pushgateway.api import Api
from exporter_proxy.sources.pushgateway.gateway import Gateway
from exporter_proxy.sources.requests import Requests


class GatewayRoutes:
    """Leads requests of a server to the gateway.

    Args:
        gateway: Takes pushes.
        api: Answers below ``/api/v1``.
        requests: Has requests answered.

    Attributes:
        is_on: Whether anything is answered.
    """

    def __init__(self, gateway: Gateway, api: Api, requests: Requests) -> None:
        self._gateway = gateway
        self._api = api
        self._requests = requests
        self.is_on = False

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Have a router lead to the gateway."""
        # Not a mere dot, which leaves out paths with a line break (%0A).
        for suffix in ("", "@base64"):
            router.add_route("*", PREFIX + suffix + r"/{key:[\s\S]*}", self._push)
        for path in self._api.paths:
            router.add_route("*", path, self._ask)

    def handle(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer
    ) -> Answer | Steps:
        """Answer a request for a group, if that is turned on; see :meth:`Gateway.handle`."""
        if not self.is_on:
            return _TURNED_OFF
        return self._gateway.handle(method, target, headers, body, peer)

    async def _push(self, request: web.Request) -> web.StreamResponse:
        return await self._requests.answer(request, self.handle, "push", self._gateway)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        # The path as it is here, however it came: its letters may be percent-encoded.
        path = request.path
        right = self._api.right(request.method, path)

        def handle(
            method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer
        ) -> Answer | Steps:
            if not self.is_on:
                return _TURNED_OFF
            query = target.partition("?")[2]
            return self._api.handle(method, f"{path}?{query}", headers, body, peer)

        return await self._requests.answer(request, handle, right, self._gateway)


_TURNED_OFF = line(
    HTTPStatus.NOT_FOUND, "error: turned off by the configuration (push.pushgateway_api)"
)

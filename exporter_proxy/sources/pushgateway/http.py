"""The gateway on an aiohttp server: requests in, answers out."""

import asyncio
import time
from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from exporter_proxy.access import Access, Peer, Refusal, RefusedError, peer_of
from exporter_proxy.config import PushConfig, Right
from exporter_proxy.errors import PayloadError, quote
from exporter_proxy.payload.compression import body_too_large
from exporter_proxy.payload.grouping import PREFIX
from exporter_proxy.sources.pushgateway.answers import Answer, ForbiddenError, line, refused
from exporter_proxy.sources.pushgateway.api import Api
from exporter_proxy.sources.pushgateway.gateway import Gateway, Steps
from exporter_proxy.turns import TURN_SECONDS, turns_of_loop

_SERVER = ("Server", "exporter-proxy")
# Bodies of more than so many bytes of which at once so many are received, and how long one may
# take.
_LARGE_BYTES = 1 << 20
_LARGE_AT_ONCE = 4
_RECEIVE_SECONDS = 30.0

_Handle = Callable[[str, str, Mapping[str, str], bytes, Peer], Answer | Steps]


class _RefusedError(Exception):
    """A request is answered before its body is there."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class GatewayRoutes:
    """Leads requests of a server to the gateway.

    Args:
        gateway: Takes pushes.
        api: Answers below ``/api/v1``.
        access: Knows who may do what.

    Attributes:
        is_on: Whether anything is answered.
    """

    def __init__(self, gateway: Gateway, api: Api, access: Access) -> None:
        self._gateway = gateway
        self._api = api
        self._access = access
        self.is_on = False
        self._max_bytes = 0
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    def configure(self, config: PushConfig) -> None:
        """Go by this from now on."""
        self.is_on = config.pushgateway_api
        self._max_bytes = config.max_body_size

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Have a router lead to the gateway."""
        # Not a mere dot, which leaves out paths with a line break (%0A).
        for suffix in ("", "@base64"):
            router.add_route("*", PREFIX + suffix + r"/{key:[\s\S]*}", self._push)
        for path in self._api.paths:
            router.add_route("*", path, self._ask)

    async def _push(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, self._gateway.handle, "push")

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        right = self._api.right(request.method, request.raw_path)
        return await self._answer(request, self._api.handle, right)

    async def _answer(
        self, request: web.Request, handle: _Handle, right: Right
    ) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = peer_of(request.transport)
        try:
            self._check(headers)
            peer = await self._access.identify(peer, headers.get("authorization"))
            self._permit(peer, right)
            body = await self._receive(request, peer)
            answer = handle(request.method, request.raw_path, headers, body, peer)
            if not isinstance(answer, Answer):
                answer = await _in_slices(answer)
        except _RefusedError as error:
            answer = error.answer
        except (ForbiddenError, RefusedError) as error:
            answer = self._forbid(request, peer, error.refusal)
        response = web.Response(
            status=answer.status, body=answer.body, headers=[*answer.headers, _SERVER]
        )
        if request.content.exception() is not None:
            # What is left of the body can't be read; aiohttp would try, and log a traceback.
            response.force_close()
            await response.prepare(request)
            await response.write_eof()
            request.protocol.force_close()
        return response

    def permit(self, peer: Peer, app: str) -> None:
        """Raise ForbiddenError if a peer may not write an app."""
        self._permit(peer, "push", app)

    def _permit(self, peer: Peer, right: Right, app: str | None = None) -> None:
        access = self._access
        if right == "scrape" and not access.active:
            return
        refusal = access.refusal(peer, right, app)
        if refusal is not None:
            raise ForbiddenError(refusal)

    def _forbid(self, request: web.Request, peer: Peer, refusal: Refusal) -> Answer:
        access = self._access
        access.note(peer, refusal, f"{request.method} {quote(request.path, 80)}")
        headers: list[tuple[str, str]] = []
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            headers = [("WWW-Authenticate", scheme) for scheme in access.policy.challenges]
        if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers = [("Retry-After", "1")]
        return line(refusal.status, f"error: {refusal.message}", *headers)

    def _check(self, headers: Mapping[str, str]) -> None:
        if not self.is_on:
            text = "error: turned off by the configuration (push.pushgateway_api)"
            raise _RefusedError(line(HTTPStatus.NOT_FOUND, text))
        if _is_of_another_site(headers):
            text = "error: pages of other sites may not push"
            raise _RefusedError(line(HTTPStatus.FORBIDDEN, text))

    async def _receive(self, request: web.Request, peer: Peer) -> bytes:
        """Return the whole body."""
        if not request.can_read_body:
            return b""
        length = request.content_length
        if length is not None and length > self._max_bytes:
            raise self._too_large(peer)
        content = request.content
        parts: list[bytes] = []
        size = 0
        held = False
        try:
            async with asyncio.timeout(_RECEIVE_SECONDS):
                while part := await content.readany():
                    parts.append(part)
                    size += len(part)
                    if size > self._max_bytes:
                        raise self._too_large(peer)
                    if size > _LARGE_BYTES and not held:
                        await self._large.acquire()
                        held = True
        except TimeoutError:
            text = f"error: the body did not come within {_RECEIVE_SECONDS:g} s"
            raise _RefusedError(line(HTTPStatus.REQUEST_TIMEOUT, text)) from None
        except web.RequestPayloadError:
            error = PayloadError("the body is not what its headers say", reason="bad_encoding")
            self._gateway.note(error, peer)
            raise _RefusedError(refused(error)) from None
        finally:
            if held:
                self._large.release()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_large(self, peer: Peer) -> _RefusedError:
        error = body_too_large(self._max_bytes)
        self._gateway.note(error, peer)
        return _RefusedError(refused(error))


def _is_of_another_site(headers: Mapping[str, str]) -> bool:
    """Tell whether a browser sends a request for a page that is not of this server.

    Whoever can be made to look at a page would otherwise push from their own machine, which may.
    """
    origin = headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc != headers.get("host", "")


async def _in_slices(steps: Generator[None, None, Answer]) -> Answer:
    """Run steps of a millisecond or so; others have their turns between them."""
    turns = turns_of_loop()
    serve_at = time.perf_counter() + TURN_SECONDS
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        if time.perf_counter() >= serve_at:
            await turns.turn()
            serve_at = time.perf_counter() + TURN_SECONDS

"""Requests that write, on an aiohttp server: who may send them, their bodies, their answers."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Protocol

from aiohttp import web

from exporter_proxy.access import (
    Access,
    Peer,
    Refusal,
    RefusedError,
    is_of_another_site,
    peer_of,
)
from exporter_proxy.config import Right
from exporter_proxy.errors import PayloadError, quote
from exporter_proxy.payload.compression import body_too_large
from exporter_proxy.repeats import Throttle
from exporter_proxy.sources.answers import Answer, ForbiddenError, Steps, line
from exporter_proxy.steps import all_at_once
from exporter_proxy.turns import TURN_SECONDS, turns_of_loop

logger = logging.getLogger(__name__)

SERVER = ("Server", "exporter-proxy")
# Bodies of more than so many bytes of which at once so many are received, and how long one may
# take.
_LARGE_BYTES = 1 << 20
_LARGE_AT_ONCE = 4
_RECEIVE_SECONDS = 30.0
# How long a reader may take nothing of a long answer before its connection is closed.
_STALLED_SECONDS = 60.0
_SENT_BYTES = 262_144

Handle = Callable[[str, str, Mapping[str, str], bytes, Peer], Answer | Steps]
"""Answers a request, given its method, path and query as they came, headers by names in lower case,
body and sender. What is written is there when it is answered."""


class Refusing(Protocol):
    """Takes note of what is refused before it is handled."""

    def note(self, error: PayloadError, peer: Peer) -> None:
        """Count and log a refused request."""

    def refused(self, error: PayloadError) -> Answer:
        """Return the answer to it."""


class _RefusedError(Exception):
    """A request is answered before its body is there."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Requests:
    """Has requests answered by those whose senders may.

    Args:
        access: Knows who may do what.

    Attributes:
        max_bytes: Of a body.
        sender: Returns who sends a request, given the header with credentials; None: not known yet.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self.max_bytes = 0
        self.sender = access.identify_at_once
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        # Who was let in last, and by which policy: with none that names anybody, for all apps.
        self._let_in: tuple[Peer | None, object] = (None, None)
        self._failures: Throttle[str] = Throttle(_tell)

    def configure(self, max_bytes: int) -> None:
        """Take bodies of at most so many bytes from now on."""
        self.max_bytes = max_bytes

    async def answer(
        self, request: web.Request, handle: Handle, right: Right, source: Refusing
    ) -> web.StreamResponse:
        """Answer a request of the server.

        Args:
            request: It.
            handle: Answers it, once its body is there.
            right: What its sender must have the right to; for which apps, ``handle`` asks.
            source: Takes note of what is refused before.
        """
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = peer_of(request.transport)
        try:
            self._check_site(headers)
            peer = await self._access.identify(peer, headers.get("authorization"))
            self._permit(peer, right)
            body = await self._receive(request, peer, source)
            answer = handle(request.method, _target(request), headers, body, peer)
            if not isinstance(answer, Answer):
                answer = await _in_slices(answer)
        except _RefusedError as error:
            answer = error.answer
        except (ForbiddenError, RefusedError) as error:
            answer = self._forbid(request.method, request.path, peer, error.refusal)
        except ConnectionError:
            # The sender went away; aiohttp ends the connection.
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours costs one request
            answer = self._fail(request.path, error)
        if answer.rest:
            return await _send(request, answer)
        response = web.Response(
            status=answer.status, body=answer.body, headers=[*answer.headers, SERVER]
        )
        if request.content.exception() is not None:
            # What is left of the body can't be read; aiohttp would try, and log a traceback.
            response.force_close()
            await response.prepare(request)
            await response.write_eof()
            request.protocol.force_close()
        return response

    def answer_small(
        self,
        handle: Handle,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        peer: Peer,
    ) -> Answer:
        """Answer a request that is here as a whole, and small, at once; its sender is known."""
        try:
            self._permit(peer, "push")
            answer = handle(method, target, headers, body, peer)
            return answer if isinstance(answer, Answer) else all_at_once(answer)
        except ForbiddenError as error:
            return self._forbid(method, target.partition("?")[0], peer, error.refusal)
        except Exception as error:  # noqa: BLE001 - a bug of ours costs one request
            return self._fail(target, error)

    def permit(self, peer: Peer, app: str) -> None:
        """Raise ForbiddenError if a peer may not write an app."""
        self._permit(peer, "push", app)

    def _check_site(self, headers: Mapping[str, str]) -> None:
        if is_of_another_site(headers, by_address=not self._access.active):
            text = "error: pages of other sites may not push"
            raise _RefusedError(line(HTTPStatus.FORBIDDEN, text))

    def _permit(self, peer: Peer, right: Right, app: str | None = None) -> None:
        access = self._access
        free = not access.active
        if free and right == "scrape":
            return
        known, policy = self._let_in
        if free and right == "push" and known is peer and policy is access.policy:
            return
        refusal = access.refusal(peer, right, app)
        if refusal is not None:
            raise ForbiddenError(refusal)
        if right == "push":
            self._let_in = (peer, access.policy)

    def _forbid(self, method: str, path: str, peer: Peer, refusal: Refusal) -> Answer:
        access = self._access
        access.note(peer, refusal, f"{method} {quote(path, 80)}")
        headers: list[tuple[str, str]] = []
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            headers = [("WWW-Authenticate", scheme) for scheme in access.policy.challenges]
        if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers = [("Retry-After", "1")]
        return line(refusal.status, f"error: {refusal.message}", *headers)

    def _fail(self, path: str, error: Exception) -> Answer:
        # Whoever asks again and again gets the log no more than a traceback a minute.
        if self._failures.is_first(type(error).__name__):
            logger.error("answering failed: path=%s", path, exc_info=error)
        text = "error: internal error, see the log of exporter-proxy"
        return line(HTTPStatus.INTERNAL_SERVER_ERROR, text)

    async def _receive(self, request: web.Request, peer: Peer, source: Refusing) -> bytes:
        """Return the whole body."""
        if not request.can_read_body:
            return b""
        length = request.content_length
        if length is not None and length > self.max_bytes:
            raise self._too_large(peer, source)
        content = request.content
        # What it has grown to is handed out, and not copied: a large body as a whole takes long.
        body = BytesIO()
        held = False
        try:
            async with asyncio.timeout(_RECEIVE_SECONDS):
                while part := await content.readany():
                    body.write(part)
                    if body.tell() > self.max_bytes:
                        raise self._too_large(peer, source)
                    if body.tell() > _LARGE_BYTES and not held:
                        await self._large.acquire()
                        held = True
        except TimeoutError:
            text = f"error: the body did not come within {_RECEIVE_SECONDS:g} s"
            raise _RefusedError(line(HTTPStatus.REQUEST_TIMEOUT, text)) from None
        except web.RequestPayloadError:
            error = PayloadError("the body is not what its headers say", reason="bad_encoding")
            source.note(error, peer)
            raise _RefusedError(source.refused(error)) from None
        finally:
            if held:
                self._large.release()
        return body.getvalue()

    def _too_large(self, peer: Peer, source: Refusing) -> _RefusedError:
        error = body_too_large(self.max_bytes)
        source.note(error, peer)
        return _RefusedError(source.refused(error))


def _target(request: web.Request) -> str:
    """Return path and query as they came, without a scheme and host (RFC 9112, 3.2.2)."""
    target = request.raw_path
    return target if target.startswith("/") else request.rel_url.raw_path_qs


async def _send(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Send a long answer, no piece before the reader took the one before."""
    response = web.StreamResponse(status=answer.status, headers=[*answer.headers, SERVER])
    pieces = (answer.body, *answer.rest)
    response.content_length = sum(map(len, pieces))
    try:
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        for part in (
            piece[start : start + _SENT_BYTES]
            for piece in pieces
            for start in range(0, len(piece), _SENT_BYTES)
        ):
            async with asyncio.timeout(_STALLED_SECONDS):
                await response.write(part)
            # A reader that is fast enough never makes us wait; the others get their turn.
            await asyncio.sleep(0)
    except TimeoutError:
        # What is cut can't be taken for a whole then.
        if request.transport is not None:
            request.transport.abort()
    return response


async def _in_slices(steps: Steps) -> Answer:
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


def _tell(kind: str | None, count: int) -> None:
    logger.error("answering failed %d more times: %s", count, kind or "other errors")

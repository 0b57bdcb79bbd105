"""How the HTTP server answers the requests of one connection."""

import asyncio
from collections.abc import Awaitable, Iterator
from http import HTTPStatus
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from exporter_proxy.errors import quote
from exporter_proxy.front import Front, answers
from exporter_proxy.front.opening import has_input, peer_name

_LOOK_AGAIN_SECONDS = 0.1


class Answerer(web.RequestHandler):
    """Answers the requests of one connection, whose first head has come as a whole.

    Args:
        server: Has the handler of requests.
        front: Says how long the head of a later request may take, and counts those that took
            longer.
        options: Those of the library's handler.
    """

    __slots__ = ("_answer", "_begun", "_front", "_head_timer", "_since")

    def __init__(self, server: web.Server, front: Front, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        assert self._request_handler is not None
        self._answer = self._request_handler
        # The library lets go of it with the connection.
        self._request_handler = self._look_at_target
        self._front = front
        # Bytes have come since the last request was whole.
        self._begun = False
        # When the first of them came, or the last request was whole.
        self._since = 0.0
        self._head_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Take what came; tell who reads a body that it can't be read any further.

        What follows a body that has not come to its end can only be the parser's complaint about
        it, which aiohttp (3.14) keeps for later, while the body is waited for.
        """
        count, within_body = self._request_count, not self._bodies_are_whole()
        super().data_received(data)
        self._follow_head(ended=within_body or self._request_count > count)
        if self._messages:
            *before, _ = self._bodies()
            for body in before:
                if not body.is_eof() and body.exception() is None:
                    body.set_exception(web.RequestPayloadError("malformed"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """End, whoever ended it."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # what a protocol may return
        """Answer what has come before the peer closed its side; tell whether to stay open for it.

        Who types a request into nc has nothing more to say, and waits for the answer.
        """
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            # All is answered.
            return False
        if not self._bodies_are_whole():
            return False
        self.close()
        return True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP with a line of ours; the connection is closed then."""
        if status != HTTPStatus.BAD_REQUEST or (request.writer and request.writer.output_size):
            return super().handle_error(request, status, exc, message)
        if isinstance(exc, LineTooLong):
            why = f"its URL, or a header, has more than {exc.args[1]} bytes"
        else:
            why = (message or "").strip().partition("\n")[0].rstrip(":. ") or "it can't be read"
        return _refusal(status, f"not a request of HTTP: {why}")

    def _look_at_target(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """Have a request answered that has a path, as CONNECT and OPTIONS * have not."""
        return (self._answer if request.rel_url.raw_path[:1] == "/" else _refuse_target)(request)

    def _bodies(self) -> Iterator[StreamReader]:
        """Yield the bodies of requests that are not answered, in the order of these."""
        if self._current_request is not None:
            yield self._current_request.content
        for _, body in self._messages:
            yield body

    def _bodies_are_whole(self) -> bool:
        return all(body.is_eof() for body in self._bodies())

    # The time that the head of a later request may take.

    def _follow_head(self, *, ended: bool) -> None:
        """Take note that bytes came.

        Args:
            ended: They, or some of them, belong to a request whose head is whole.
        """
        if ended or not self._begun:
            self._begun = not ended
            self._since = self._loop.time()
        if self._head_timer is None and self.transport is not None:
            self._head_timer = self._loop.call_later(self._head_seconds, self._look_at_head)

    @property
    def _head_seconds(self) -> float:
        return self._front.settings.header_timeout

    def _look_at_head(self) -> None:
        """Close the connection if the head of a request has taken too long."""
        self._head_timer = None
        waiter, now = self._waiter, self._loop.time()
        if waiter is None or waiter.done():
            # A request is under way; what has come of the next one counts from its answer on.
            self._since = now
        left = self._since + self._head_seconds - now
        if left > 0:
            self._head_timer = self._loop.call_later(left, self._look_at_head)
            return
        if self.transport is not None and has_input(self.transport):
            # It came while the process stood still, and is read next.
            self._head_timer = self._loop.call_later(_LOOK_AGAIN_SECONDS, self._look_at_head)
            return
        self._begun = False
        if self._has_begun():
            self._refuse_late()

    def _has_begun(self) -> bool:
        """Tell whether the parser has a part of a head; if so, it is of no more use.

        Told that nothing more will come, aiohttp's parser (3.14) makes what it can of such a part,
        or complains about it; between two requests it does nothing.
        """
        assert self._parser is not None
        try:
            return self._parser.feed_eof() is not None
        except HttpProcessingError:
            return True

    def _refuse_late(self) -> None:
        transport = self.transport
        assert transport is not None
        line = answers.late_head(self._head_seconds)
        self._front.note("header_timeout", peer_name(transport), line)
        transport.write(answers.http(HTTPStatus.REQUEST_TIMEOUT, line))
        self.force_close()


async def _refuse_target(request: web.BaseRequest) -> web.StreamResponse:
    """Answer a request whose target is no path of this server (RFC 9110, section 9.3.6)."""
    if request.method == "CONNECT":
        return _refusal(HTTPStatus.NOT_IMPLEMENTED, "there are no tunnels here (CONNECT)")
    line = f"{quote(request.method)} needs a path, such as /metrics"
    response = _refusal(HTTPStatus.METHOD_NOT_ALLOWED, line)
    response.headers["Allow"] = "GET, HEAD"
    return response


def _refusal(status: int, line: str) -> web.Response:
    """Return an answer of one line, after which the connection is closed."""
    response = web.Response(
        status=status,
        body=f"error: {line}\n".encode(errors="backslashreplace"),
        headers={
            "Content-Type": "text/plain; charset=utf-8",
            "Server": "exporter-proxy",
            "X-Content-Type-Options": "nosniff",
        },
    )
    response.force_close()
    return response

"""One scrape over HTTP: ask, follow redirects, read the body within its limits."""

import asyncio
import ssl
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from exporter_proxy.config import EndpointConfig
from exporter_proxy.errors import PollError, quote
from exporter_proxy.sources.poll.body import Body, Encoding, too_large
from exporter_proxy.sources.poll.errors import HTTP_ERRORS, poll_error
from exporter_proxy.sources.poll.request import ScrapeRequest, redirected
from exporter_proxy.sources.poll.resolver import ThreadPerLookup
from exporter_proxy.sources.poll.tls import TlsContexts
from exporter_proxy.table import Payload
from exporter_proxy.turns import turns_of_loop

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 10
_ENCODINGS: dict[str, Encoding] = {
    "": "identity",
    "identity": "identity",
    "gzip": "gzip",
    "x-gzip": "gzip",
}
# Longer than most intervals, so that a target that keeps connections open has one.
_KEEPALIVE_SECONDS = 300
_READ_BYTES = 262_144


class Fetched(NamedTuple):
    """What a target answered.

    Attributes:
        payload: The body, checked.
        content_type: As what it was declared; may be empty.
    """

    payload: Payload
    content_type: str


class PollClient:
    """The HTTP client of all endpoints. To be made and closed on the event loop.

    Args:
        resolver: Looks up host names; None: the system's way.
    """

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._tls = TlsContexts()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # a target that hangs must not keep others waiting
                keepalive_timeout=_KEEPALIVE_SECONDS,
                resolver=resolver or ThreadPerLookup(),
            ),
            # One target's cookies are none of another's business.
            cookie_jar=aiohttp.DummyCookieJar(),
            # The whole poll has one timeout, set below.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            read_bufsize=_READ_BYTES,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    def prepare(self, endpoint: EndpointConfig) -> None:
        """Do ahead what would hold the event loop: reading the system's authorities."""
        if URL(endpoint.url).scheme == "https" and endpoint.ca_file is None:
            self._tls.get(allow_invalid_certs=endpoint.allow_invalid_certs, ca_file=None)

    async def scrape(self, endpoint: EndpointConfig, request: ScrapeRequest) -> Payload:
        """Return what ``endpoint`` serves now.

        Raises:
            PollError: It serves nothing that can be shown, or not within ``client_timeout``.
        """
        return (await self.fetch(endpoint, request)).payload

    async def fetch(self, endpoint: EndpointConfig, request: ScrapeRequest) -> Fetched:
        """Return what ``endpoint`` serves now, and what it says that this is.

        Raises:
            PollError: See :meth:`scrape`.
        """
        try:
            async with asyncio.timeout(endpoint.client_timeout):
                return await self._fetch(endpoint, request)
        except TimeoutError as exc:
            message = f"no complete answer within {endpoint.client_timeout:g} s (client_timeout)"
            raise PollError(message, reason="timeout") from exc
        except HTTP_ERRORS as exc:
            raise poll_error(exc) from exc

    async def _fetch(self, endpoint: EndpointConfig, request: ScrapeRequest) -> Fetched:
        url = request.url
        origin = url.origin()
        headers = request.headers()
        for _ in range(1 + _MAX_REDIRECTS):
            response = await self._session.get(
                url, headers=headers, ssl=self._ssl(endpoint, url), allow_redirects=False
            )
            try:
                if response.status not in _REDIRECTS:
                    payload = await _read(response, endpoint.max_body_size)
                    return Fetched(payload, response.headers.get("Content-Type", ""))
                url = redirected(url, response.headers.get("Location"))
            finally:
                # Closes the connection if the answer was not read to its end.
                response.release()
            if url.origin() != origin:
                # And never again, should the redirects lead back: the way was another's choice.
                headers = request.bare_headers
        raise PollError(f"more than {_MAX_REDIRECTS} redirects", reason="http_status")

    def _ssl(self, endpoint: EndpointConfig, url: URL) -> ssl.SSLContext | bool:
        if url.scheme != "https":
            return True
        return self._tls.get(
            allow_invalid_certs=endpoint.allow_invalid_certs, ca_file=endpoint.ca_file
        )


async def _read(response: aiohttp.ClientResponse, max_size: int) -> Payload:
    if response.status != 200:
        raise PollError(f"HTTP status {response.status}", reason="http_status")
    name = response.headers.get("Content-Encoding", "").strip().lower()
    encoding = _ENCODINGS.get(name)
    if encoding is None:
        message = f"the body's encoding was not asked for: {quote(name)}"
        raise PollError(message, reason="malformed_http")
    if response.content_length is not None and response.content_length > max_size:
        raise too_large(max_size)
    body = Body(max_size, encoding)
    content = response.content
    _end_with_connection(response)
    turns = turns_of_loop()
    while data := await content.readany():
        for _ in body.feed(data):
            await turns.turn()
    return body.close()


def _end_with_connection(response: aiohttp.ClientResponse) -> None:
    """Have the body end when the connection does.

    Where a chunk is malformed aiohttp (3.14) closes the connection, and leaves who reads the body
    waiting for what can't come any more.
    """
    connection, content = response.connection, response.content
    if connection is None or connection.protocol is None:
        # All has come.
        return
    protocol = connection.protocol

    def end(closed: asyncio.Future[None] | None = None) -> None:
        if closed is not None and not closed.cancelled():
            # Asked for, lest it be called an error that nobody looked at.
            closed.exception()
        if not content.is_eof() and content.exception() is None:
            content.set_exception(protocol.exception() or aiohttp.ClientPayloadError())

    if protocol.closed is None:
        end()
    else:
        protocol.closed.add_done_callback(end)

"""HTTP for ``lint``: fetch a payload as the proxy polls it, and ask a running proxy."""

import asyncio
import ssl
from argparse import Namespace
from dataclasses import dataclass
from io import BytesIO
from typing import Self

import aiohttp
import msgspec
from yarl import URL

from exporter_proxy import __version__
from exporter_proxy.commands import credentials
from exporter_proxy.commands.lint_input import MAX_BYTES, UnreadableError
from exporter_proxy.commands.scrape_port import scrape_port, without_page
from exporter_proxy.config import EndpointConfig, Secret
from exporter_proxy.config.endpoints import BasicAuth
from exporter_proxy.config.urls import EndpointUrl, hide_user_info, split_url
from exporter_proxy.errors import PollError, quote
from exporter_proxy.exposition.report import Report
from exporter_proxy.exposition.report_json import decode
from exporter_proxy.sources.poll.client import PollClient
from exporter_proxy.sources.poll.errors import HTTP_ERRORS, poll_error
from exporter_proxy.sources.poll.request import ScrapeRequest

_FETCH_SECONDS = 10.0
# Much may have to be read and compared, by a proxy that has others to serve.
_ASK_SECONDS = 60.0
_MAX_ANSWER_BYTES = 256 * 2**20


def fetch(url: str) -> tuple[bytes, ...]:
    """Return what an endpoint serves when it is scraped.

    Raises:
        UnreadableError: It serves nothing that a poll would take.
    """
    parts = _split(url)
    endpoint = EndpointConfig(
        url=parts.url,
        name="",
        source="",
        basic_auth=_auth(parts),
        client_timeout=_FETCH_SECONDS,
        max_body_size=MAX_BYTES,
    )
    try:
        return asyncio.run(_scrape(endpoint))
    except PollError as error:
        raise UnreadableError(f"{parts.url}: {error}") from error


async def _scrape(endpoint: EndpointConfig) -> tuple[bytes, ...]:
    client = PollClient()
    try:
        return await client.scrape(endpoint, ScrapeRequest(endpoint))
    finally:
        await client.close()


@dataclass(frozen=True, slots=True)
class Asked:
    """A proxy, and how it is asked.

    Attributes:
        base: The URL of its scrape port.
        tls: Whom to trust over HTTPS.
        authorization: The header; None: none.
    """

    base: str
    tls: ssl.SSLContext
    authorization: str | None

    @classmethod
    def of(cls, options: Namespace) -> Self:
        """Return what the command line asks for.

        Raises:
            CredentialError: A file that is named for it can't be used.
            UnreadableError: ``--against`` is no URL.
        """
        url = scrape_port(options.against)
        if url is None:
            raise _no_url(options.against)
        return cls(
            without_page(url),
            credentials.tls_context(options),
            credentials.authorization(options, url),
        )


def ask(
    asked: Asked,
    payload: tuple[bytes, ...],
    *,
    app: str | None,
    format: str | None,  # noqa: A002  # the option's own word
) -> Report:
    """Return what a running proxy says to a payload.

    Args:
        asked: The proxy, and how.
        payload: Exposition text.
        app: As whose metrics it looks at them; None: a new app's.
        format: As what they are read; None: the content tells.

    Raises:
        UnreadableError: It doesn't answer, or is no proxy that has ``/lint``.
    """
    url = URL(asked.base + "/lint")
    query = {"app": app, "format": format}
    url = url.update_query({key: value for key, value in query.items() if value is not None})
    try:
        return asyncio.run(_post(url, asked, payload))
    except TimeoutError as error:
        raise UnreadableError(f"{asked.base}: no answer within {_ASK_SECONDS:g} s") from error
    except HTTP_ERRORS as error:
        raise UnreadableError(f"{asked.base}: {poll_error(error)}") from error


async def _post(url: URL, asked: Asked, payload: tuple[bytes, ...]) -> Report:
    headers = {"User-Agent": f"exporter-proxy/{__version__}", "Content-Type": "text/plain"}
    if asked.authorization is not None:
        headers["Authorization"] = asked.authorization
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=asked.tls),
            timeout=aiohttp.ClientTimeout(total=_ASK_SECONDS),
        ) as session,
        # A file, as bytes would be sent in one go.
        session.post(
            url, data=BytesIO(b"".join(payload)), headers=headers, allow_redirects=False
        ) as response,
    ):
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > _MAX_ANSWER_BYTES:
                raise UnreadableError(f"{asked.base}: the answer is too long")
        if response.status != 200:
            said = bytes(body[:200]).decode(errors="replace").partition("\n")[0]
            status = f"HTTP status {response.status}"
            said = said.removeprefix("error: ") if said.startswith("error: ") else quote(said)
            raise UnreadableError(f"{asked.base}: {status}: {said}")
    try:
        return decode(bytes(body))
    except msgspec.DecodeError as error:
        message = f"{asked.base}: the answer is no report: {quote(str(error))}"
        raise UnreadableError(message) from error


def _split(url: str) -> EndpointUrl:
    parts = split_url(url)
    if parts is None:
        raise _no_url(url)
    return parts


def _no_url(text: str) -> UnreadableError:
    shown = hide_user_info(text) if "://" in text else text.rpartition("@")[2]
    return UnreadableError(f"{quote(shown)} is not an HTTP or HTTPS URL")


def _auth(parts: EndpointUrl) -> BasicAuth | None:
    if parts.username is None:
        return None
    return BasicAuth(parts.username, None if parts.password is None else Secret(parts.password))

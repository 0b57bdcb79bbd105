"""HTTP for ``lint``: fetch a payload as the proxy polls it, and ask a running proxy."""

import asyncio
from base64 import b64encode
from io import BytesIO

import aiohttp
import msgspec
from yarl import URL

from exporter_proxy import __version__
from exporter_proxy.commands.lint_input import MAX_BYTES, UnreadableError
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


def ask(
    proxy: str,
    payload: tuple[bytes, ...],
    *,
    app: str | None,
    format: str | None,  # noqa: A002  # the option's own word
) -> Report:
    """Return what a running proxy says to a payload.

    Args:
        proxy: URL of its scrape port, or of its ``/lint``.
        payload: Exposition text.
        app: As whose metrics it looks at them; None: a new app's.
        format: As what they are read; None: the content tells.

    Raises:
        UnreadableError: It doesn't answer, or is no proxy that has ``/lint``.
    """
    parts = _split(proxy)
    url = URL(parts.url)
    if url.name != "lint":
        url = url / "lint"
    query = {"app": app, "format": format}
    url = url.update_query({key: value for key, value in query.items() if value is not None})
    try:
        return asyncio.run(_post(url, parts, payload))
    except TimeoutError as error:
        raise UnreadableError(f"{parts.url}: no answer within {_ASK_SECONDS:g} s") from error
    except HTTP_ERRORS as error:
        raise UnreadableError(f"{parts.url}: {poll_error(error)}") from error


async def _post(url: URL, parts: EndpointUrl, payload: tuple[bytes, ...]) -> Report:
    headers = {"User-Agent": f"exporter-proxy/{__version__}", "Content-Type": "text/plain"}
    if parts.username is not None:
        user = f"{parts.username}:{parts.password or ''}"
        headers["Authorization"] = "Basic " + b64encode(user.encode()).decode("ascii")
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ASK_SECONDS)) as session,
        # A file, as bytes would be sent in one go.
        session.post(
            url, data=BytesIO(b"".join(payload)), headers=headers, allow_redirects=False
        ) as response,
    ):
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > _MAX_ANSWER_BYTES:
                raise UnreadableError(f"{parts.url}: the answer is too long")
        if response.status != 200:
            said = bytes(body[:200]).decode(errors="replace").partition("\n")[0]
            status = f"HTTP status {response.status}"
            said = said.removeprefix("error: ") if said.startswith("error: ") else quote(said)
            raise UnreadableError(f"{parts.url}: {status}: {said}")
    try:
        return decode(bytes(body))
    except msgspec.DecodeError as error:
        message = f"{parts.url}: the answer is no report: {quote(str(error))}"
        raise UnreadableError(message) from error


def _split(url: str) -> EndpointUrl:
    parts = split_url(url)
    if parts is None:
        shown = hide_user_info(url) if "://" in url else url.rpartition("@")[2]
        raise UnreadableError(f"{quote(shown)} is not an HTTP or HTTPS URL")
    return parts


def _auth(parts: EndpointUrl) -> BasicAuth | None:
    if parts.username is None:
        return None
    return BasicAuth(parts.username, None if parts.password is None else Secret(parts.password))

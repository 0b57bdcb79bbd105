"""HTTP for ``lint``: fetch a payload as the proxy polls it, and ask a running proxy."""

import asyncio

import msgspec

from exporter_proxy.commands.asked import Asked
from exporter_proxy.commands.asking import AskError, Proxy
from exporter_proxy.commands.lint_input import MAX_BYTES, UnreadableError
from exporter_proxy.config import EndpointConfig, Secret
from exporter_proxy.config.endpoints import BasicAuth
from exporter_proxy.config.urls import EndpointUrl, hide_user_info, split_url
from exporter_proxy.errors import PollError, quote
from exporter_proxy.exposition.report import Report
from exporter_proxy.exposition.report_json import decode
from exporter_proxy.sources.poll.client import PollClient
from exporter_proxy.sources.poll.request import ScrapeRequest

_FETCH_SECONDS = 10.0
# Much may have to be read and compared, by a proxy that has others to serve.
_ASK_SECONDS = 60.0


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
        AskError: It doesn't answer, or is no proxy that has ``/lint``.
    """
    answer = asyncio.run(_post(asked, b"".join(payload), app, format))
    try:
        return decode(answer)
    except msgspec.DecodeError as error:
        raise AskError(f"{asked.shown}: the answer is no report: {quote(str(error))}") from error


async def _post(asked: Asked, text: bytes, app: str | None, kind: str | None) -> bytes:
    async with Proxy(asked, _ASK_SECONDS) as proxy:
        return await proxy.post("/lint", text, app=app, format=kind)


def _split(url: str) -> EndpointUrl:
    parts = split_url(url)
    if parts is None:
        raise UnreadableError(f"{quote(hide_user_info(url))} is not an HTTP or HTTPS URL")
    return parts


def _auth(parts: EndpointUrl) -> BasicAuth | None:
    if parts.username is None:
        return None
    return BasicAuth(parts.username, None if parts.password is None else Secret(parts.password))

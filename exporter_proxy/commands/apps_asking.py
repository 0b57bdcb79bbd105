"""Asking a running proxy for its apps."""

import re
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from exporter_proxy import __version__
from exporter_proxy.commands.destination import DestinationError, parse
from exporter_proxy.commands.scrape_port import configured, scrape_port, without_page
from exporter_proxy.config.urls import EndpointUrl, hide_user_info
from exporter_proxy.errors import ConfigError, quote
from exporter_proxy.sources.poll.errors import HTTP_ERRORS, poll_error

# What would else be taken for the path of a Unix socket.
_HOST_AND_PAGE = re.compile(r"[^/]+:[0-9]+/")
_MOST_BYTES = 256 * 2**20


class AskError(Exception):
    """The proxy doesn't answer, or not as one; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Where:
    """Whom to ask: a URL, or the path of a Unix socket."""

    shown: str
    url: EndpointUrl | None = None
    path: str = ""


def find_proxy(
    named: str | None, config_file: str | None, web_config_file: str | None = None
) -> Where:
    """Return the proxy that is named, or else the one that the configuration describes.

    Raises:
        DestinationError: There is none.
    """
    if named is None:
        try:
            named = configured(config_file, web_config_file)
        except ConfigError as error:
            raise DestinationError(f"{error.problems[0]} (or name the proxy)") from error
        if named is None:
            raise DestinationError("exporter.scrape_expose_endpoint has port 0: name the proxy")
    elif "://" not in named and not _HOST_AND_PAGE.match(named):
        destination = parse(named)
        if destination.kind == "unix":
            return Where(destination.shown, path=destination.path)
    url = scrape_port(named)
    if url is None:
        raise DestinationError(f"{quote(hide_user_info(named))} is not an HTTP or HTTPS URL")
    base = without_page(url)
    return Where(base, url=url._replace(url=base))


class Proxy:
    """A running proxy; an asynchronous context manager.

    Args:
        where: Whom to ask.
        timeout: Seconds that an answer may take.
        tls: Whom to trust over HTTPS.
        authorization: The header; None: none.

    Attributes:
        shown: How it is called.
    """

    def __init__(
        self,
        where: Where,
        *,
        timeout: float,
        tls: ssl.SSLContext | None,
        authorization: str | None,
    ) -> None:
        self._where = where
        self._timeout = timeout
        self._tls = tls
        self._headers = {"User-Agent": f"exporter-proxy/{__version__}"}
        if authorization is not None:
            self._headers["Authorization"] = authorization
        self.shown = where.shown
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Get ready to ask."""
        connector = (
            aiohttp.TCPConnector(ssl=self._tls or True)
            if self._where.url is not None
            else aiohttp.UnixConnector(self._where.path)
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=self._timeout),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the connection."""
        assert self._session is not None, "not entered"
        await self._session.close()

    async def fetch(self) -> bytes:
        """Return ``/apps`` as JSON.

        Raises:
            AskError: There is no such answer.
        """
        assert self._session is not None, "not entered"
        url = self._where.url.url if self._where.url is not None else "http://localhost"
        target = URL(url + "/apps?format=json")
        try:
            async with self._session.get(target, allow_redirects=False) as response:
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise AskError(f"{self.shown}: the answer is too long")
                status = response.status
        except TimeoutError as error:
            raise AskError(f"{self.shown}: no answer within {self._timeout:g} s") from error
        except HTTP_ERRORS as error:
            raise AskError(f"{self.shown}: {poll_error(error)}") from error
        if status != 200:
            line = bytes(body[:200]).decode(errors="replace").partition("\n")[0]
            said = line.removeprefix("error: ") if line.startswith("error: ") else quote(line)
            raise AskError(f"{self.shown}: HTTP status {status}: {said}")
        return bytes(body)

"""Asking a running proxy over HTTP."""

from io import BytesIO
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from exporter_proxy import __version__
from exporter_proxy.commands import failures
from exporter_proxy.commands.asked import Asked
from exporter_proxy.errors import quote
from exporter_proxy.sources.poll.errors import HTTP_ERRORS

_MOST_BYTES = 256 * 2**20


class AskError(Exception):
    """The proxy doesn't answer, or not as one; the text says why, for a person."""


class Proxy:
    """A running proxy; an asynchronous context manager.

    Args:
        asked: Whom to ask, and how.
        timeout: Seconds that an answer may take.

    Attributes:
        shown: How it is called.
    """

    def __init__(self, asked: Asked, timeout: float) -> None:
        self._asked = asked
        self._timeout = timeout
        self.shown = asked.shown
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Get ready to ask."""
        shown = self._asked.credentials
        headers = {"User-Agent": f"exporter-proxy/{__version__}"}
        if shown.authorization is not None:
            headers["Authorization"] = shown.authorization
        self._session = aiohttp.ClientSession(
            connector=(
                aiohttp.UnixConnector(self._asked.socket)
                if self._asked.url is None
                else aiohttp.TCPConnector(ssl=shown.tls or True)
            ),
            headers=headers,
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

    async def get(self, path: str, **query: str | None) -> bytes:
        """Return a page.

        Raises:
            AskError: There is no such answer.
        """
        return await self._ask("GET", path, query)

    async def post(self, path: str, text: bytes, **query: str | None) -> bytes:
        """Return what is answered to a text.

        Raises:
            AskError: There is no such answer.
        """
        return await self._ask("POST", path, query, text)

    async def _ask(
        self, method: str, path: str, query: dict[str, str | None], text: bytes | None = None
    ) -> bytes:
        assert self._session is not None, "not entered"
        url = URL(self._asked.page(path)).update_query(
            {key: value for key, value in query.items() if value is not None}
        )
        try:
            async with self._session.request(
                method,
                url,
                # As a file: bytes would be sent in one go.
                data=None if text is None else BytesIO(text),
                headers={} if text is None else {"Content-Type": "text/plain"},
                allow_redirects=False,
            ) as response:
                return await self._read(response)
        except TimeoutError as error:
            raise AskError(f"{self.shown}: no answer within {self._timeout:g} s") from error
        except HTTP_ERRORS as error:
            raise AskError(f"{self.shown}: {failures.of_http(error)}") from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise AskError(f"{self.shown}: the answer is too long")
        if response.status != 200:
            line = bytes(body[:200]).decode(errors="replace").partition("\n")[0]
            said = line.removeprefix("error: ") if line.startswith("error: ") else quote(line)
            raise AskError(f"{self.shown}: HTTP status {response.status}: {said}")
        return bytes(body)

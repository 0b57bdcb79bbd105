"""Pushing: one message at a time, with what became of it."""

import asyncio
import contextlib
import os
import ssl
from typing import Protocol

import aiohttp
from yarl import URL

from exporter_proxy import __version__
from exporter_proxy.commands.destination import Destination
from exporter_proxy.commands.messages import Wire, message, ttl_text
from exporter_proxy.errors import quote
from exporter_proxy.sources.poll.errors import HTTP_ERRORS, poll_error

_MOST_ANSWER_BYTES = 65_536
# What may go well a moment later: too many requests, and what a proxy in between says of a target
# that is away.
_PASSING = frozenset({429, 502, 503, 504})


class SendError(Exception):
    """A push did not count; the text says why, for a person.

    Attributes:
        may_pass: Whether it may go well when it is tried again.
        reason: In a word or two, to count by.
    """

    def __init__(self, why: str, *, may_pass: bool, reason: str) -> None:
        super().__init__(why)
        self.may_pass = may_pass
        self.reason = reason


class Sender(Protocol):
    """Takes pushes to one place."""

    async def send(self, app: str, metrics: str, ttl: float | None) -> None:
        """Push, and return when it has been taken.

        Raises:
            SendError: It was refused, or nobody is there.
        """

    async def close(self) -> None:
        """Let go of connections."""


def open_sender(
    destination: Destination,
    *,
    wire: Wire,
    timeout: float,
    tls: ssl.SSLContext | None,
    authorization: str | None,
) -> Sender:
    """Return a sender for a destination.

    Args:
        destination: Where to.
        wire: What a receiver's socket is spoken to in.
        timeout: Seconds that one push may take.
        tls: Whom to trust over HTTPS.
        authorization: The header for HTTP; None: none.
    """
    if destination.kind == "http":
        return HttpSender(destination, timeout=timeout, tls=tls, authorization=authorization)
    return RawSender(destination, wire=wire, timeout=timeout)


class RawSender:
    """Pushes to a receiver's socket, a connection a push.

    Success is silent: that the proxy closes without a word, once we have said that this was all, is
    what tells that the message was taken.
    """

    def __init__(self, destination: Destination, *, wire: Wire, timeout: float) -> None:
        self._to = destination
        self._wire = wire
        self._timeout = timeout

    async def send(self, app: str, metrics: str, ttl: float | None) -> None:
        """See :meth:`Sender.send`."""
        data = message(self._wire, app, metrics, ttl)
        try:
            async with asyncio.timeout(self._timeout):
                said = await self._exchange(data)
        except TimeoutError as error:
            raise _unreachable(self._to, f"no answer within {self._timeout:g} s") from error
        except OSError as error:
            raise _unreachable(self._to, _why(error)) from error
        if said:
            line = said.decode(errors="replace").partition("\n")[0].rstrip("\r")
            why = line.removeprefix("error: ")
            if why == line:
                why = f"{self._to.shown}: {_no_receiver(line, self._to)}"
            raise SendError(why, may_pass=False, reason="refused")

    async def close(self) -> None:
        """See :meth:`Sender.close`."""

    async def _exchange(self, data: bytes) -> bytes:
        if self._to.address is not None:
            reader, writer = await asyncio.open_connection(*self._to.address)
        else:
            reader, writer = await asyncio.open_unix_connection(self._to.path)
        try:
            broken: ConnectionError | None = None
            # Who refuses early may close before all was sent: what it says counts.
            try:
                writer.write(data)
                writer.write_eof()
                await writer.drain()
            except ConnectionError as error:
                broken = error
            try:
                said = await reader.read(_MOST_ANSWER_BYTES)
            except ConnectionError as error:
                said, broken = b"", error
            if broken is not None and not said:
                raise broken
            return said
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class HttpSender:
    """Pushes to ``/push/<app>`` of a scrape port, or to any URL, on connections that are kept."""

    def __init__(
        self,
        destination: Destination,
        *,
        timeout: float,
        tls: ssl.SSLContext | None,
        authorization: str | None,
    ) -> None:
        self._to = destination
        self._timeout = timeout
        headers = {
            "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
            "User-Agent": f"exporter-proxy/{__version__}",
        }
        if authorization is not None:
            headers["Authorization"] = authorization
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls or True),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout),
        )

    async def send(self, app: str, metrics: str, ttl: float | None) -> None:
        """See :meth:`Sender.send`."""
        headers = {} if ttl is None else {"X-TTL": ttl_text(ttl)}
        try:
            async with self._session.post(
                URL(self._to.url_for(app), encoded=True),
                data=metrics.encode(),
                headers=headers,
                allow_redirects=False,
            ) as response:
                body = await response.content.read(_MOST_ANSWER_BYTES)
                status = response.status
        except TimeoutError as error:
            raise _unreachable(self._to, f"no answer within {self._timeout:g} s") from error
        except HTTP_ERRORS as error:
            raise _unreachable(self._to, str(poll_error(error))) from error
        if not 200 <= status < 300:
            line = body.decode(errors="replace").partition("\n")[0]
            said = line.removeprefix("error: ") if line.startswith("error: ") else quote(line)
            raise SendError(
                f"HTTP status {status}: {said}", may_pass=status in _PASSING, reason=f"{status}"
            )

    async def close(self) -> None:
        """See :meth:`Sender.close`."""
        await self._session.close()


def _no_receiver(line: str, to: Destination) -> str:
    """Return why that line is none of a receiver's; HTTP is what a scrape port speaks."""
    if line.startswith("HTTP/") and to.kind == "tcp":
        return f"speaks HTTP, as scrape ports do: http://{to.shown} would be pushed to"
    return f"not a receiver of exporter-proxy: it said {quote(line)}"


def _unreachable(to: Destination, why: str) -> SendError:
    return SendError(f"{to.shown}: {why}", may_pass=True, reason="not reached")


def _why(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)

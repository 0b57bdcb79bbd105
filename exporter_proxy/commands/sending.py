"""Pushing: one message at a time, with what became of it."""

import asyncio
import contextlib
from argparse import Namespace
from dataclasses import dataclass, field
from typing import Protocol, Self

import aiohttp
from yarl import URL

from exporter_proxy import __version__
from exporter_proxy.commands import credentials, destination, failures
from exporter_proxy.commands.credentials import Credentials
from exporter_proxy.commands.destination import Destination, DestinationError
from exporter_proxy.commands.messages import Wire, message, ttl_text
from exporter_proxy.errors import quote
from exporter_proxy.sources.poll.errors import HTTP_ERRORS, untrusted

_MOST_ANSWER_BYTES = 65_536
# What may go well a moment later: too many requests, and what a proxy in between says of a target
# that is away.
_PASSING = frozenset({429, 502, 503, 504})
# What a port says to who comes without TLS.
_SPEAKS_TLS = "error: this port speaks TLS"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where to push, and how.

    Attributes:
        to: Where to.
        wire: What a receiver's socket is spoken to in.
        timeout: Seconds that one push may take.
        credentials: What is shown there, and whom to trust.
    """

    to: Destination
    wire: Wire = "json"
    timeout: float
    credentials: Credentials = field(default_factory=Credentials)

    @classmethod
    def of(cls, options: Namespace) -> Self:
        """Return what the command line asks for.

        Raises:
            CredentialError: An option for credentials can't be used.
            DestinationError: There is no such place, or it is not spoken to in that wire.
        """
        to = destination.find(options.to, options.config)
        http = to.kind == "http"
        if http and options.wire is not None:
            raise DestinationError(f"--wire says nothing to {to.shown}: it is for sockets")
        return cls(
            to=to,
            wire=options.wire or ("capnp" if to.takes_capnp_only else "json"),
            timeout=options.timeout,
            credentials=credentials.find(options, to.shown, url=to.url, http=http, tls=to.tls),
        )

    def open(self) -> Sender:
        """Return a sender."""
        return HttpSender(self) if self.to.kind == "http" else RawSender(self)


class RawSender:
    """Pushes to a receiver's socket, a connection a push.

    Success is silent: that the proxy closes without a word, once we have said that this was all, is
    what tells that the message was taken.
    """

    def __init__(self, route: Route) -> None:
        self._to = route.to
        self._wire = route.wire
        self._timeout = route.timeout

    async def send(self, app: str, metrics: str, ttl: float | None) -> None:
        """See :meth:`Sender.send`."""
        data = message(self._wire, app, metrics, ttl)
        try:
            async with asyncio.timeout(self._timeout):
                said = await self._exchange(data)
        except TimeoutError as error:
            raise _unreachable(self._to, f"no answer within {self._timeout:g} s") from error
        except OSError as error:
            raise _unreachable(self._to, failures.of_socket(error)) from error
        if said:
            line = said.decode(errors="replace").partition("\n")[0].rstrip("\r")
            why = line.removeprefix("error: ")
            if line in (why, _SPEAKS_TLS):
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

    def __init__(self, route: Route) -> None:
        self._to = route.to
        self._timeout = route.timeout
        headers = {
            "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
            "User-Agent": f"exporter-proxy/{__version__}",
        }
        shown = route.credentials
        if shown.authorization is not None:
            headers["Authorization"] = shown.authorization
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=shown.tls or True),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=route.timeout),
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
            why = failures.of_http(error)
            raise _unreachable(self._to, why, may_pass=not untrusted(error)) from error
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
    if line == _SPEAKS_TLS:
        return (
            f"speaks TLS: if it is a scrape port, push to https://{to.shown}; if it is a receiver, "
            "to the scrape port or the Unix socket of its proxy"
        )
    if line.startswith("HTTP/") and to.kind == "tcp":
        return f"speaks HTTP, as scrape ports do: http://{to.shown} would be pushed to"
    return f"not a receiver of exporter-proxy: it said {quote(line)}"


def _unreachable(to: Destination, why: str, *, may_pass: bool = True) -> SendError:
    return SendError(f"{to.shown}: {why}", may_pass=may_pass, reason="not reached")

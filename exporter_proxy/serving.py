"""The HTTP server, and the scrape port that it answers on."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from exporter_proxy.access import ProtocolFactory, TlsListener
from exporter_proxy.answerer import Answerer
from exporter_proxy.config import Address
from exporter_proxy.errors import StartError
from exporter_proxy.front import Front, FrontPort
from exporter_proxy.front.opening import Install, Opening
from exporter_proxy.guests import Guests

# For a server to which 0 means for ever.
_AT_ONCE_SECONDS = 0.001
KEEPALIVE_SECONDS = 130
"""How long connections of the scrape port may be silent: longer than Prometheus's longest usual
scrape interval, so that a scrape finds its connection open."""

_BACKLOG = 1024
_OPTIONS: Mapping[str, Any] = {
    "access_log": None,
    # It takes what was cut off for the whole, and a coding that it lacks for an error.
    "auto_decompress": False,
    "keepalive_timeout": KEEPALIVE_SECONDS,
}


@contextlib.contextmanager
def sharing(port: "ScrapePort | None") -> Iterator[None]:
    """Let others of this process have the same port for as long as it takes to bind it."""
    if port is None:
        yield
        return
    port.share(on=True)
    try:
        yield
    finally:
        port.share(on=False)


class HttpServer:
    """Answers HTTP, wherever connections come from.

    Args:
        app: Answers; one application for each server.
        front: Looks at connections first.
        grace_seconds: For how long requests under way may go on when it is closed.
        guests: Follows who is answered; None: nobody does.
    """

    def __init__(
        self,
        app: web.Application,
        front: Front,
        grace_seconds: float,
        guests: Guests | None = None,
    ) -> None:
        # What it logs is a traceback for each request that is not HTTP: anyone could fill the log.
        # Errors of our own handlers are logged by the views.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        self._front = front
        self._guests = guests
        self._port: FrontPort | None = None
        self.runner: web.AppRunner | None = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=grace_seconds
        )

    async def start(self) -> None:
        """Get ready."""
        assert self.runner is not None
        await self.runner.setup()
        if self._guests is not None and self.runner.server is not None:
            self._guests.follow(self.runner.server)
        self._port = FrontPort(self._front, self._answerer)

    def connection(self, install: Install | None = None) -> Opening:
        """Return the protocol of a new connection; see :meth:`FrontPort.connection`."""
        assert self._port is not None
        return self._port.connection(install)

    def _answerer(self) -> asyncio.Protocol:
        assert self.runner is not None
        server = self.runner.server
        assert server is not None
        answerer = Answerer(server, self._front, **_OPTIONS)
        if self._guests is not None:
            self._guests.let_in(answerer)
        return answerer

    async def close(self, grace_seconds: float) -> None:
        """End the connections; those of sites are accepted no more. Idempotent.

        It may be cancelled, and then called again with less patience.

        Args:
            grace_seconds: 0: requests under way are cut off; else they have the grace that the
                server was made with.
        """
        runner = self.runner
        if runner is None:
            return
        for site in list(runner.sites):
            await site.stop()
        if self._port is not None:
            await self._port.close(grace_seconds)
        if not grace_seconds and runner.server is not None:
            await runner.server.shutdown(_AT_ONCE_SECONDS)
        await runner.cleanup()
        if self._guests is not None:
            self._guests.close()
        # Not before: a clean-up that is cancelled is begun again.
        self.runner = None
        # The transports close in the next round of the loop.
        await asyncio.sleep(0)


class ScrapePort:
    """An address that is listened on, and its connections.

    Args:
        server: Answers; one for each port.
        tls: Comes before it on each connection; None: none does.
    """

    def __init__(self, server: HttpServer, tls: TlsListener | None = None) -> None:
        self._tls = tls
        self._server = server

    async def open(
        self,
        wanted: Address,
        passed: socket.socket | None = None,
        *,
        beside: "ScrapePort | None" = None,
    ) -> str:
        """Listen, and return the address; it has the port that was given where any was asked for.

        Args:
            wanted: Where to listen.
            passed: A socket that listens already, in place of that; ours from now on.
            beside: A port of ours that may have the same number on an address that overlaps: it
                goes on listening.

        Raises:
            StartError: The address can't be had; nothing is left open.
        """
        server = self._server
        await server.start()
        runner = server.runner
        assert runner is not None
        factory: ProtocolFactory = server.connection
        if self._tls is not None:
            factory = self._tls.wrap(factory)
        site = _Site(runner, passed or wanted, factory, shared=beside is not None)
        try:
            with sharing(beside):
                await site.start()
        except OSError as error:
            await self.close(0)
            # The loop's own words name the address once more.
            code = error.errno or 0
            why = (os.strerror(code) if code > 0 else error.strerror or str(error)).lower()
            raise StartError(
                f"exporter.scrape_expose_endpoint: can't listen on {wanted}: {why}"
            ) from error
        self.share(on=False)
        host, port = runner.addresses[0][:2]
        return str(Address(host, port))

    def share(self, *, on: bool) -> None:
        """Let others of this process have the same port, on an address that overlaps, or not.

        See SO_REUSEPORT in socket(7).
        """
        runner = self._server.runner
        sites = set() if runner is None else runner.sites
        for site in sites:
            # aiohttp has no other way to the sockets.
            for each in getattr(site._server, "sockets", ()):  # noqa: SLF001
                with socket.socket(fileno=os.dup(each.fileno())) as ours:
                    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, on)

    async def close(self, grace_seconds: float) -> None:
        """Listen no more, and end the connections: see :meth:`HttpServer.close`."""
        await self._server.close(grace_seconds)


class _Site(web.BaseSite):
    """A listening address or socket, as the library's sites are."""

    def __init__(
        self,
        runner: web.BaseRunner,
        place: Address | socket.socket,
        factory: ProtocolFactory,
        *,
        shared: bool,
    ) -> None:
        super().__init__(runner, backlog=_BACKLOG)
        self._place = place
        self._factory = factory
        self._shared = shared

    @property
    def name(self) -> str:
        """The place, for messages of the library."""
        return str(self._place)

    async def start(self) -> None:
        """Listen."""
        await super().start()
        factory, place, listen = (
            self._factory,
            self._place,
            asyncio.get_running_loop().create_server,
        )
        if isinstance(place, Address):
            self._server = await listen(
                factory, place.host, place.port, backlog=_BACKLOG, reuse_port=self._shared
            )
        else:
            self._server = await listen(factory, sock=place, backlog=_BACKLOG)

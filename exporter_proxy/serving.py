"""The HTTP server of one address."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator

from aiohttp import web

from exporter_proxy.access import ProtocolFactory, TlsListener
from exporter_proxy.config import Address
from exporter_proxy.errors import StartError

# For a server to which 0 means for ever.
_AT_ONCE_SECONDS = 0.001
# How long keep-alive connections of the scrape port may be silent: longer than Prometheus's longest
# usual scrape interval, so that a scrape finds its connection open.
_KEEPALIVE_SECONDS = 130
_BACKLOG = 1024


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


class ScrapePort:
    """An address that is listened on, and its connections.

    Args:
        app: Answers; one application for each port.
        tls: Comes before it on each connection; None: none does.
        grace_seconds: For how long requests under way may go on when it is closed.
    """

    def __init__(
        self, app: web.Application, grace_seconds: float, tls: TlsListener | None = None
    ) -> None:
        self._tls = tls
        # What it logs is a traceback for each request that is not HTTP: anyone could fill the log.
        # Errors of our own handlers are logged by the views.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        self._runner: web.AppRunner | None = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            # It takes what was cut off for the whole, and a coding that it lacks for an error.
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            shutdown_timeout=grace_seconds,
        )

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
        runner = self._runner
        assert runner is not None
        await runner.setup()
        site = _Site(runner, passed or wanted, self._tls, shared=beside is not None)
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
        sites = set() if self._runner is None else self._runner.sites
        for site in sites:
            # aiohttp has no other way to the sockets.
            for each in getattr(site._server, "sockets", ()):  # noqa: SLF001
                with socket.socket(fileno=os.dup(each.fileno())) as ours:
                    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, on)

    async def close(self, grace_seconds: float) -> None:
        """Listen no more, and end the connections. Idempotent.

        It may be cancelled, and then called again with less patience.

        Args:
            grace_seconds: 0: requests under way are cut off; else they have the grace that the port
                was made with.
        """
        runner = self._runner
        if runner is None:
            return
        if not grace_seconds and runner.server is not None:
            await runner.server.shutdown(_AT_ONCE_SECONDS)
        await runner.cleanup()
        # Not before: a clean-up that is cancelled is begun again.
        self._runner = None
        # The transports close in the next round of the loop.
        await asyncio.sleep(0)


class _Site(web.BaseSite):
    """A listening address or socket, as the library's sites are, with TLS where it is wanted."""

    def __init__(
        self,
        runner: web.BaseRunner,
        place: Address | socket.socket,
        tls: TlsListener | None,
        *,
        shared: bool,
    ) -> None:
        super().__init__(runner, backlog=_BACKLOG)
        self._place = place
        self._tls = tls
        self._shared = shared

    @property
    def name(self) -> str:
        """The place, for messages of the library."""
        return str(self._place)

    async def start(self) -> None:
        """Listen."""
        await super().start()
        factory: ProtocolFactory | None = self._runner.server
        assert factory is not None
        if self._tls is not None:
            factory = self._tls.wrap(factory)
        place, listen = self._place, asyncio.get_running_loop().create_server
        if isinstance(place, Address):
            self._server = await listen(
                factory, place.host, place.port, backlog=_BACKLOG, reuse_port=self._shared
            )
        else:
            self._server = await listen(factory, sock=place, backlog=_BACKLOG)

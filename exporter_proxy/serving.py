"""The HTTP server of one address."""

import asyncio
import logging
import os
import socket

from aiohttp import web

from exporter_proxy.config import Address
from exporter_proxy.errors import StartError

# For a server to which 0 means for ever.
_AT_ONCE_SECONDS = 0.001
# How long keep-alive connections of the scrape port may be silent: longer than Prometheus's longest
# usual scrape interval, so that a scrape finds its connection open.
_KEEPALIVE_SECONDS = 130
_BACKLOG = 1024


class ScrapePort:
    """An address that is listened on, and its connections.

    Args:
        app: Answers; one application for each port.
        grace_seconds: For how long requests under way may go on when it is closed.
    """

    def __init__(self, app: web.Application, grace_seconds: float) -> None:
        # What it logs is a traceback for each request that is not HTTP: anyone could fill the log.
        # Errors of our own handlers are logged by the views.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        self._runner: web.AppRunner | None = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            shutdown_timeout=grace_seconds,
        )

    async def open(self, wanted: Address, passed: socket.socket | None = None) -> str:
        """Listen, and return the address; it has the port that was given where any was asked for.

        Args:
            wanted: Where to listen.
            passed: A socket that listens already, in place of that; ours from now on.

        Raises:
            StartError: The address can't be had; nothing is left open.
        """
        runner = self._runner
        assert runner is not None
        await runner.setup()
        site: web.BaseSite
        if passed is None:
            site = web.TCPSite(runner, wanted.host, wanted.port, backlog=_BACKLOG)
        else:
            site = web.SockSite(runner, passed, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            await self.close(0)
            # The loop's own words name the address once more.
            code = error.errno or 0
            why = (os.strerror(code) if code > 0 else error.strerror or str(error)).lower()
            raise StartError(
                f"exporter.scrape_expose_endpoint: can't listen on {wanted}: {why}"
            ) from error
        host, port = runner.addresses[0][:2]
        return str(Address(host, port))

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

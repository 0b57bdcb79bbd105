"""What the poller's tests share: endpoints, servers to poll, a clock that is moved by hand."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from exporter_proxy.config import EndpointConfig

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def endpoint(url: str, **settings: Any) -> EndpointConfig:
    """Return an endpoint that tests name ``app`` unless they say otherwise."""
    defaults = {"name": "app", "source": "external_poll: target", "client_timeout": 10.0}
    return EndpointConfig(url=url, **(defaults | settings))


@asynccontextmanager
async def http_server(handler: Handler, **site: Any) -> AsyncIterator[str]:
    """Serve every path by ``handler``; gives the URL without a final slash."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    # At the end nobody waits for an answer any more, not for a handler that never gives one either.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, **site).start()
    host, port = runner.addresses[0][:2]
    scheme = "https" if "ssl_context" in site else "http"
    try:
        yield f"{scheme}://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(connection: Connection) -> AsyncIterator[str]:
    """Serve bytes; gives the URL. ``connection`` is called when a request's head is in."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await connection(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks)


def answer(*parts: bytes) -> Connection:
    """Return a connection that writes ``parts`` and closes."""

    async def connection(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return connection


@contextmanager
def python_http_server(directory: Path) -> Iterator[str]:
    """Serve ``directory`` by ``python3 -m http.server``; gives the URL without a final slash."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            # It says where it serves as soon as it listens, the URL in parentheses.
            yield server.stdout.readline().partition("(")[2].partition("/)")[0]
        finally:
            server.terminate()


def make_certificate(directory: Path, name: str = "127.0.0.1") -> tuple[str, str]:
    """Make a self-signed certificate for the address ``name``; return its file and its key's."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=exporter", "-addext"),
            *(f"subjectAltName=IP:{name}", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return str(certificate), str(key)


class ManualClock:
    """A clock that stands still until it is moved, and sleeps that end when it is."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._changed = asyncio.Event()

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, delay: float) -> None:
        """Sleep until the clock was moved by ``delay``."""
        entry = (self.now + delay, asyncio.get_running_loop().create_future())
        self._sleepers.append(entry)
        self._changed.set()
        try:
            await entry[1]
        finally:
            if entry in self._sleepers:
                self._sleepers.remove(entry)

    async def asleep(self, count: int) -> list[float]:
        """Wait until exactly ``count`` sleep; return when they will wake."""
        while len(self._sleepers) != count:
            self._changed.clear()
            await self._changed.wait()
        return sorted(until for until, _ in self._sleepers)

    def move_to(self, now: float) -> None:
        """Set the clock to ``now`` and wake those whose time has come."""
        self.now = now
        # A sum of floats may miss the moment by a hair.
        woken = [entry for entry in self._sleepers if entry[0] <= now + 1e-9]
        self._sleepers = [entry for entry in self._sleepers if entry not in woken]
        for _, future in woken:
            if not future.done():
                future.set_result(None)

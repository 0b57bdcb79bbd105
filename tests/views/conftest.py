"""A scrape port on a free port of the loopback address, with clocks that the test moves."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import BaseRunner

from exporter_proxy.exposition.rules import Rules
from exporter_proxy.health import Health, describe_target
from exporter_proxy.modules import Modules, ModuleStatus
from exporter_proxy.reload import ReloadStatus
from exporter_proxy.self_metrics import ScrapeStats, SelfMetrics
from exporter_proxy.sources.base import SourceStats, TargetStatus
from exporter_proxy.table import Table
from exporter_proxy.views.polled import Polled
from exporter_proxy.views.server import Backing, PageSettings, Views
from exporter_proxy.workers import Workers


class Clock:
    """A clock that stands still; ``now`` in its own unit."""

    def __init__(self, now: float = 0) -> None:
        self.now: Any = now

    def __call__(self) -> Any:
        return self.now


class FakeSource:
    """A source that only counts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stats = SourceStats()

    async def start(self) -> None:
        """Nothing to start."""

    def pause(self) -> None:
        """Nothing to pause."""

    async def stop(self, grace_seconds: float) -> None:
        """Nothing to stop."""


class Server(TestServer):
    """Runs the application as the proxy does: a reader that leaves doesn't cancel a handler."""

    async def _make_runner(self, **kwargs: Any) -> BaseRunner:
        return await super()._make_runner(
            **{
                **kwargs,
                "handler_cancellation": False,
                "access_log": None,
                "auto_decompress": False,
            }
        )


class Port:
    """A scrape port and what stands behind it."""

    def __init__(
        self,
        *,
        self_metrics: bool = True,
        rules: Callable[[str], Rules] | None = None,
        scrape_timeout: float = 300.0,
        modules: Modules | None = None,
    ) -> None:
        self.modules = modules
        self.polled_modules: list[ModuleStatus] = []
        self.log_apps: list[str] = []
        self.rules = rules
        self.scrape_timeout = scrape_timeout
        self.wall_ns = Clock(1_653_263_512_939_898_700)
        self.monotonic = Clock(100.0)
        self.table = Table(wall_ns=self.wall_ns, monotonic=self.monotonic)
        self.source = FakeSource("127.0.0.1:6554")
        self.self_metrics = (
            SelfMetrics(self.table, [self.source], list, 5.0, self.monotonic)
            if self_metrics
            else None
        )
        self.scrapes = ScrapeStats() if self.self_metrics is None else self.self_metrics.scrapes
        self.targets: list[TargetStatus] = []
        # What is done when an app is to be polled now; those that are not here are not polled.
        self.polls: dict[str, Callable[[], Awaitable[None]]] = {}
        self.poll_statuses: dict[str, TargetStatus] = {}
        self.sd_target = ""
        self.reloads = ReloadStatus(Path("/etc/x.toml"), 1.5, 1.5)
        self.workers = Workers()
        self.is_ready = True
        self.views: Views
        self.client: TestClient[Any, Any]

    async def start(self) -> None:
        """Serve on a free port."""
        self.views = Views(
            Backing(
                table=self.table,
                self_metrics=self.self_metrics,
                ready=lambda: self.is_ready,
                workers=self.workers,
                wall_ns=self.wall_ns,
                health=Health(
                    table=self.table,
                    sources=[self.source],
                    targets=lambda: self.targets,
                    modules=lambda: self.polled_modules,
                    logs=lambda: self.log_apps,
                    scrapes=self.scrapes,
                    reloads=lambda: self.reloads,
                    ready=lambda: self.is_ready,
                    wall_ns=self.wall_ns,
                    monotonic=self.monotonic,
                    started=90.0,
                ),
                polled=Polled(lambda: self.polls, lambda app: self.polls[app](), self.describe),
                modules=self.modules,
            ),
            self.settings(),
        )
        self.views.start()
        # What the client would add by itself, the tests want to say themselves.
        self.client = TestClient(
            Server(self.views.application()),
            auto_decompress=False,
            skip_auto_headers=["Accept", "Accept-Encoding"],
        )
        await self.client.start_server()

    def describe(self, app: str) -> Mapping[str, Any] | None:
        """Tell how the polls of an app fare."""
        status = self.poll_statuses.get(app)
        return None if status is None else describe_target(status)

    def settings(self) -> PageSettings:
        """Return what the views go by."""
        return PageSettings(
            rules=self.rules, scrape_timeout=self.scrape_timeout, sd_target=self.sd_target
        )

    async def stop(self) -> None:
        """Close all connections and the port."""
        await self.client.close()
        await self.views.stop()
        self.workers.close()

    async def get(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers but date and entity tag, and body.

        Names of headers have ``_`` for ``-``.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, path, headers=named) as response:
            body = await response.read()
            received = {k: v for k, v in response.headers.items() if k not in {"Date", "Etag"}}
            return response.status, received, body

    async def page(self, path: str = "/metrics", **headers: str) -> bytes:
        """Return the body of an answer that has to be 200."""
        status, _, body = await self.get(path, **headers)
        assert status == 200
        return body


@pytest_asyncio.fixture
async def port() -> AsyncIterator[Port]:
    """A scrape port with self-metrics, whose page is verbatim."""
    port = Port()
    await port.start()
    yield port
    await port.stop()


@pytest_asyncio.fixture
async def bare_port() -> AsyncIterator[Port]:
    """A scrape port without self-metrics: its page is the payloads alone."""
    port = Port(self_metrics=False)
    await port.start()
    yield port
    await port.stop()


NO_RULES = Rules()


@pytest_asyncio.fixture
async def merged_port() -> AsyncIterator[Port]:
    """A scrape port that reads payloads, without self-metrics."""
    port = Port(self_metrics=False, rules=lambda _: NO_RULES)
    await port.start()
    yield port
    await port.stop()


@pytest_asyncio.fixture
async def full_port() -> AsyncIterator[Port]:
    """A scrape port that reads payloads, with self-metrics."""
    port = Port(rules=lambda _: NO_RULES)
    await port.start()
    yield port
    await port.stop()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()

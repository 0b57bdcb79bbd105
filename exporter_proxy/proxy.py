"""The one place that wires sources, table and views: start, serve, stop."""

import asyncio
import gc
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

from exporter_proxy import __version__
from exporter_proxy.access import Access, TlsListener, answer_http, answer_push
from exporter_proxy.access.metrics import AccessCollector
from exporter_proxy.app_rules import rules_for
from exporter_proxy.app_terms import terms_for
from exporter_proxy.config import POLL_SOURCE, Config
from exporter_proxy.expiry import Expiry
from exporter_proxy.inherited import InheritedSockets
from exporter_proxy.notify import Heartbeat, Notifier
from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.serving import ScrapePort
from exporter_proxy.signals import StopSignals
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import Source
from exporter_proxy.sources.checking import PayloadCheck, unreadable_line
from exporter_proxy.sources.polling import Polling
from exporter_proxy.sources.receiver import Receivers
from exporter_proxy.table import Table
from exporter_proxy.views.server import Backing, PageSettings, Views
from exporter_proxy.workers import Workers

if TYPE_CHECKING:
    from exporter_proxy.state.keeper import Keeper

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0
# How long the loop may have to wait for a worker thread to let go of the interpreter.
_SWITCH_SECONDS = 0.0005


async def run(config: Config) -> None:
    """Run the proxy until SIGTERM or SIGINT.

    Raises:
        StartError: An address or a file can't be had; nothing is left open.
    """
    _tame_interpreter()
    notifier = Notifier.from_environment()
    asked = StopSignals()
    asked.listen()
    proxy = Proxy(config, InheritedSockets.from_environment())
    heartbeat = Heartbeat(notifier, lambda: proxy.status, lambda: proxy.well)
    try:
        await proxy.start()
        notifier.ready(proxy.status)
        heartbeat.start()
        await asked.once.wait()
        logger.info("stopping")
        notifier.stopping()
    finally:
        heartbeat.stop()
        await _stop(proxy, asked.again)
    notifier.close()
    logger.info("stopped")


async def _stop(proxy: "Proxy", hurry: asyncio.Event) -> None:
    """Stop in order, or at once as soon as ``hurry`` is set."""
    stopping = asyncio.ensure_future(proxy.stop())
    hurried = asyncio.ensure_future(hurry.wait())
    await asyncio.wait({stopping, hurried}, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if not stopping.done():
        logger.warning("a second signal: ending at once, what is under way is cut off")
        stopping.cancel()
        await asyncio.wait({stopping})
        stopping = asyncio.ensure_future(proxy.stop(0))
    await stopping


def _tame_interpreter() -> None:
    """Keep the garbage collector, and threads, from holding the event loop.

    A full collection looks at every object of a table of 100,000 apps, which takes longer than the
    loop may be held. Nothing in the table is cyclic, so full collections find next to nothing.
    """
    gc.freeze()
    gc.set_threshold(3_000, 5, 100_000)
    # And what worker threads do in Python, from making the loop wait: by default up to 5 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)


class Proxy:
    """Sources, table and views of one configuration.

    Args:
        config: The configuration.
        inherited: Sockets that are listened on already.
    """

    def __init__(self, config: Config, inherited: InheritedSockets | None = None) -> None:
        self._config = config
        self._inherited = inherited or InheritedSockets()
        self.table = Table(
            max_apps=config.exporter.max_apps, forget_after=config.exporter.forget_after
        )
        self._workers = Workers(config.exporter.worker_threads)
        self._admission = Admission(self.table, terms=terms_for(config), check=_check(config))
        self.access = Access(config)
        self._scrape_tls = TlsListener("scrape", self.access.scrape_tls, answer_http)
        self._receiver_tls = TlsListener("receiver", self.access.receiver_tls, answer_push)
        self._receivers = Receivers(
            config, self._admission, self._inherited, access=self.access, tls=self._receiver_tls
        )
        self._polling = Polling(config, self.table, self._admission)
        self._sources = self._make_sources()
        self._keeper = self._make_keeper()
        self._views = self._make_views()
        self._port = ScrapePort(
            self._views.application(self.access), _GRACE_SECONDS, self._scrape_tls
        )
        self._expiry = Expiry(self.table)
        self._ready = False

    def _make_sources(self) -> list[Source]:
        """Make every source that the configuration turns on; a new one is one more entry here."""
        return [*self._receivers.sources, *self._polling.sources]

    def _make_keeper(self) -> "Keeper | None":
        """Make what keeps the table on disk, if that is wanted."""
        exporter, poll = self._config.exporter, self._config.poll_external
        if not exporter.state_file:
            return None
        # sqlite is not needed by others.
        from exporter_proxy.state.keeper import Keeper  # noqa: PLC0415

        polled = {each.name for each in poll.other_scrape_endpoints}
        if not poll.poll_other_scrape_endpoints:
            polled.clear()
        return Keeper(
            self.table,
            exporter.state_file,
            forget_after=exporter.forget_after,
            is_wanted=lambda app, source: app in polled or not source.startswith(POLL_SOURCE),
        )

    async def start(self) -> None:
        """Bring back what was saved, then listen, poll, serve.

        Raises:
            StartError: An address or a file can't be had.
        """
        if self._keeper is not None:
            # Before anybody can write: what is on disk is older than what comes in.
            await self._keeper.start()
        self._expiry.start()
        while self.table.is_due:  # noqa: ASYNC110 - it takes some turns of the loop
            # What expired while nothing ran is gone before anybody looks.
            await asyncio.sleep(0)
        for source in self._sources:
            await source.start()
        wanted = self._config.exporter.scrape_expose_endpoint
        address = await self._port.open(wanted, self._inherited.tcp("scrape", wanted))
        self._inherited.check_all_claimed()
        self._views.start()
        self._ready = True
        if not self._sources:
            logger.warning("no source is turned on: the page stays empty")
        logger.info(
            "exporter-proxy %s serves %s://%s/metrics, takes metrics from: %s",
            __version__,
            "http" if self.access.scrape_tls() is None else "https",
            address,
            ", ".join(self._source_names()) or "nobody",
        )

    def _source_names(self) -> Iterator[str]:
        """Yield where metrics are taken from."""
        for source in self._sources:
            if source.stats.listens:
                yield source.name
            else:
                targets = len(self._polling.targets)
                yield f"{source.name} ({targets} target{'' if targets == 1 else 's'})"

    @property
    def status(self) -> str:
        """How it is, in one line."""
        return self._views.status

    @property
    def well(self) -> bool:
        """Whether it does what it is there for: the page could be made when last asked for."""
        return self._views.well

    def _other_collectors(self) -> Iterator[Collector]:
        """Yield what tells of parts that have metrics of their own."""
        listeners = {"scrape": self._scrape_tls, "receiver": self._receiver_tls}
        yield AccessCollector(self.access.stats, listeners)
        if self._keeper is not None:
            yield self._keeper.collector

    def _make_views(self) -> Views:
        exporter, own = self._config.exporter, None
        if exporter.self_metrics:
            own = SelfMetrics(
                self.table,
                self._sources,
                lambda: self._polling.targets,
                exporter.self_metrics_interval,
                others=self._other_collectors(),
            )
        backing = Backing(
            table=self.table,
            self_metrics=own,
            ready=lambda: self._ready,
            workers=self._workers,
        )
        settings = PageSettings(
            rules=rules_for(self._config) if exporter.exposition == "merged" else None,
            expose=exporter.invalid_metrics == "expose",
            scrape_timeout=exporter.scrape_timeout,
        )
        return Views(backing, settings)

    async def stop(self, grace_seconds: float = _GRACE_SECONDS) -> None:
        """Take nothing new, finish what is under way, close. Idempotent.

        It may be cancelled, and then called again with less patience.

        Args:
            grace_seconds: For how long what is under way may go on; 0: it is cut off.
        """
        self._ready = False
        for source in self._sources:
            source.pause()
        await asyncio.gather(*(source.stop(grace_seconds) for source in self._sources))
        self._expiry.stop()
        for listener in (self._scrape_tls, self._receiver_tls):
            listener.close()
        await self._port.close(grace_seconds)
        await self._views.stop()
        if self._keeper is not None:
            # Nobody writes any more.
            await self._keeper.stop(hurry=not grace_seconds)
        self._workers.close()
        self.access.close()


def _check(config: Config) -> PayloadCheck | None:
    """Return what looks at payloads before they count; they are read again for the page."""
    exporter = config.exporter
    rejects = exporter.exposition == "merged" and exporter.invalid_metrics == "reject"
    return unreadable_line if rejects else None

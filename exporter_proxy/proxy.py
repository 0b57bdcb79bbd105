"""The one place that wires sources, table and views: start, reload, stop."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client.registry import Collector

from exporter_proxy import __version__
from exporter_proxy.access import Access, TlsListener, answer_http, answer_push
from exporter_proxy.access.metrics import AccessCollector
from exporter_proxy.app_lives import lives_for, settle
from exporter_proxy.app_terms import terms_for
from exporter_proxy.background import Background
from exporter_proxy.changes import Change, prepare_all
from exporter_proxy.config import Config
from exporter_proxy.descriptors import Descriptors, raise_limit
from exporter_proxy.front import Front, FrontCollector, Hooks
from exporter_proxy.front.opening import Install
from exporter_proxy.guests import Guests
from exporter_proxy.health import Health, describe_target
from exporter_proxy.keeping import keeper_for
from exporter_proxy.modules import Joined, ModuleCollector
from exporter_proxy.process.inherited import InheritedSockets
from exporter_proxy.process.notify import Notifier
from exporter_proxy.reload import ReadFile, ReloadCollector, Reloader
from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.serving import HttpServer, ScrapePort
from exporter_proxy.settings import front_settings, page_settings, payload_check
from exporter_proxy.sources.admission import Admission, FindTerms
from exporter_proxy.sources.base import Source, SourceKind
from exporter_proxy.sources.following import FollowingLogs
from exporter_proxy.sources.modules import ModuleSource
from exporter_proxy.sources.polling import Polling
from exporter_proxy.sources.pushing import Pushing
from exporter_proxy.sources.receiver import Receivers
from exporter_proxy.table import Table
from exporter_proxy.table.expiry import Expiry
from exporter_proxy.turns import turns_of_loop
from exporter_proxy.views.lifecycle import Lifecycle
from exporter_proxy.views.polled import Polled
from exporter_proxy.views.server import Backing, PageSettings, Views
from exporter_proxy.workers import Workers

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0


class Proxy:
    """Sources, table and views of one configuration.

    Args:
        config: What it begins with.
        inherited: Sockets that are listened on already.
        path: The file that this was read from; None: the defaults.
        read: Reads the file at a reload.
        end: Ends the process, in order.
        notifier: Is told of reloads.
    """

    def __init__(
        self,
        config: Config,
        inherited: InheritedSockets | None = None,
        *,
        path: Path | None,
        read: Callable[[], ReadFile],
        end: Callable[[], None],
        notifier: Notifier,
    ) -> None:
        self._config = config
        self._inherited = inherited or InheritedSockets()
        exporter = config.exporter
        self.table = Table(max_apps=exporter.max_apps, forget_after=exporter.forget_after)
        self._workers = Workers(exporter.worker_threads)
        self._lives = lives_for(config)
        self._admission = Admission(
            self.table, terms=terms_for(config), check=payload_check(config)
        )
        self.access = Access(config)
        self._scrape_tls = TlsListener("scrape", self.access.scrape_tls, answer_http)
        self._receiver_tls = TlsListener("receiver", self.access.receiver_tls, answer_push)
        self._descriptors = Descriptors(raise_limit())
        self._receivers = Receivers(
            config,
            self._admission,
            self._inherited,
            access=self.access,
            tls=self._receiver_tls,
            http=self._answer_unix,
            descriptors=self._descriptors,
        )
        self._polling = Polling(config, self.table, self._admission)
        self._following = FollowingLogs(config, self.table, self._admission)
        self._pushing = Pushing(config, self.table, self._admission, self.access)
        hooks = Hooks(raw=self._take_raw, pushes=self._pushing)
        self._front = Front(front_settings(config), hooks)
        self._modules = ModuleSource(config, self.table, self._admission)
        # The same list always: others follow it.
        self._sources = self._make_sources()
        self._keeper = keeper_for(config, self.table, self._lives)
        self._reloader = Reloader(
            config,
            path,
            read,
            self._apply,
            begins=notifier.reloading,
            ended=lambda: notifier.ready(self.status),
        )
        self._self_metrics = self._make_self_metrics()
        self._views = self._make_views(end)
        self._port = self._make_port()
        # Answers on the receiver's Unix socket.
        self._unix_http = self._make_server()
        self._expiry = Expiry(self.table)
        self._ready = False
        # A reload was asked for before the start was over.
        self._hung_up = False
        # What a reload has left to do, such as closing addresses.
        self._closing = Background()
        self._reloading = Background()

    def _make_sources(self) -> list[Source]:
        """Make every source that the configuration turns on; a new one is one more entry here."""
        return [
            *self._receivers.sources,
            *self._polling.sources,
            *self._following.sources,
            *self._pushing.sources,
            *self._modules.sources,
        ]

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
        self._pushing.restore()
        await self._unix_http.start()
        for source in self._sources:
            await source.start()
        wanted = self._config.exporter.scrape_expose_endpoint
        address = await self._port.open(wanted, self._inherited.tcp("scrape", wanted))
        self._inherited.check_all_claimed()
        self._name_scrape_receiver(address)
        self._views.start()
        self._ready = True
        if not self._sources:
            logger.warning("no source is turned on: the page stays empty")
        logger.info(
            "exporter-proxy %s serves %s://%s/metrics, takes metrics from: %s",
            __version__,
            self._scheme,
            address,
            ", ".join(self._source_names()) or "nobody",
        )
        if self._hung_up:
            self.hang_up()

    def _source_names(self) -> Iterator[str]:
        """Yield where metrics are taken from: addresses, then what has none."""
        yield from (source.name for source in self._sources if source.stats.kind == "receiver")
        kinds = {source.stats.kind for source in self._sources}
        if "push" in kinds:
            yield "pushes over HTTP"
        counts: dict[SourceKind, tuple[int, str]] = {
            "poll": (len(self._polling.targets), "polled target"),
            "module": (len(self._modules.modules), "module"),
            "log": (len(self._config.logs), "log section"),
        }
        for kind, (count, noun) in counts.items():
            if kind in kinds:
                yield f"{count} {noun}{'' if count == 1 else 's'}"

    def _takes_metrics(self) -> bool:
        """Whether every receiver listens and none is about to stop."""
        receivers = self._receivers.sources
        return self._ready and all(receiver.stats.listening for receiver in receivers)

    @property
    def _scheme(self) -> str:
        return "http" if self.access.scrape_tls() is None else "https"

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
        yield AccessCollector(self.access.stats, listeners, self.access.refresh)
        yield FrontCollector(self._front.stats)
        yield ReloadCollector(lambda: self._reloader.status)
        yield ModuleCollector(self._modules)
        yield self._following
        if self._keeper is not None:
            yield self._keeper.collector

    def _make_self_metrics(self) -> SelfMetrics:
        return SelfMetrics(
            self.table,
            self._sources,
            lambda: self._polling.targets,
            self._config.exporter.self_metrics_interval,
            others=self._other_collectors(),
        )

    def _make_port(self) -> ScrapePort:
        guests = Guests(self._descriptors, self._self_metrics.scrapes.evicted)
        return ScrapePort(self._make_server(guests), self._scrape_tls)

    def _make_server(self, guests: Guests | None = None) -> HttpServer:
        return HttpServer(self._views.application(self.access), self._front, _GRACE_SECONDS, guests)

    def _answer_unix(self, install: Install) -> asyncio.Protocol:
        return self._unix_http.connection(install)

    def _take_raw(self, transport: asyncio.Transport, head: bytes, ended: bool) -> bool:  # noqa: FBT001
        """Have the receiver that the configuration may have for it go on with a connection."""
        receiver = self._receivers.scrape
        return receiver is not None and receiver.take(transport, head, ended)

    def _name_scrape_receiver(self, address: str) -> None:
        """Have what comes over the scrape port without HTTP named by the address that it has."""
        receiver = self._receivers.scrape
        if receiver is not None:
            receiver.rename(address)

    def _make_views(self, end: Callable[[], None]) -> Views:
        backing = Backing(
            table=self.table,
            self_metrics=self._self_metrics,
            ready=self._takes_metrics,
            workers=self._workers,
            polled=Polled(self._polled_apps, self._poll_now, self._describe_polls),
            modules=self._modules,
            lifecycle=Lifecycle(
                is_enabled=lambda: self._config.exporter.enable_lifecycle,
                reload=self._reloader.reload,
                end=end,
            ),
            health=Health(
                table=self.table,
                sources=self._sources,
                targets=lambda: self._polling.targets,
                modules=lambda: self._modules.modules,
                logs=lambda: self._following.apps,
                scrapes=self._self_metrics.scrapes,
                reloads=lambda: self._reloader.status,
                ready=self._takes_metrics,
            ),
            given=self._pushing.given,
            routes=(self._pushing.add_to,),
        )
        return Views(backing, page_settings(self._config))

    def _polled_apps(self) -> Collection[str]:
        polled, modules = self._polling.apps, self._modules.apps
        return Joined((polled, modules)) if modules else polled

    async def _poll_now(self, app: str) -> None:
        polls = self._polling if app in self._polling.apps else self._modules
        await polls.poll_now(app)

    def _describe_polls(self, app: str) -> Mapping[str, Any] | None:
        status = self._polling.status(app)
        return None if status is None else describe_target(status)

    def hang_up(self) -> None:
        """Reload the configuration, as soon as the proxy has started."""
        if self._ready:
            self._reloading.start(self._reload())
        else:
            self._hung_up = True

    async def _reload(self) -> None:
        await self._reloader.reload()

    async def _apply(self, new: Config) -> None:
        """Put a configuration into force, all of it or nothing.

        Raises:
            StartError: An address or a file can't be had; nothing has changed.
        """
        # What the reload before has left may be wanted again.
        await self._closing.done()
        # In a thread, as there may be thousands of patterns to compile.
        terms, lives, page = await asyncio.to_thread(
            lambda: (terms_for(new), lives_for(new), page_settings(new))
        )
        changes = await prepare_all(
            [
                partial(self.access.prepare, new),
                partial(self._receivers.prepare, new),
                partial(self._polling.prepare, new),
                partial(self._following.prepare, new),
                partial(self._pushing.prepare, new),
                partial(self._modules.prepare, new),
                partial(self._prepare_port, new),
            ]
        )
        for change in changes:
            change.commit()
        self._configure(new, terms, page)
        for change in changes:
            if change.finish is not None:
                self._closing.start(change.finish(_GRACE_SECONDS))
        before, self._lives = self._lives, lives
        if lives != before:
            for _ in settle(self.table, lives):
                # Others have their turn.
                await turns_of_loop().turn()

    def _configure(self, new: Config, terms: FindTerms | None, page: PageSettings) -> None:
        """Take over what is looked at anew each time; none of it can fail."""
        self._config, exporter = new, new.exporter
        self._sources[:] = self._make_sources()
        self._admission.configure(terms=terms, check=payload_check(new))
        self.table.configure(max_apps=exporter.max_apps, forget_after=exporter.forget_after)
        self._self_metrics.set_interval(exporter.self_metrics_interval)
        self._views.configure(page)
        self._front.configure(front_settings(new))

    async def _prepare_port(self, new: Config) -> Change:
        """Open the scrape port that a configuration has, if it is another."""
        before, old = self._port, self._config.exporter.scrape_expose_endpoint
        wanted = new.exporter.scrape_expose_endpoint
        if wanted == old:
            return Change(lambda: None)
        port = self._make_port()
        address = await port.open(
            wanted,
            self._inherited.tcp("scrape", wanted),
            beside=before if wanted.port == old.port else None,
        )

        def commit() -> None:
            self._port = port
            self._name_scrape_receiver(address)
            logger.info("now serves %s://%s/metrics", self._scheme, address)

        return Change(commit, partial(port.close, 0), before.close)

    async def stop(self, grace_seconds: float = _GRACE_SECONDS) -> None:
        """Take nothing new, finish what is under way, close. Idempotent.

        It may be cancelled, and then called again with less patience.

        Args:
            grace_seconds: For how long what is under way may go on; 0: it is cut off.
        """
        self._ready = False
        await self._reloader.close()
        for source in self._sources:
            source.pause()
        await asyncio.gather(
            self._unix_http.close(grace_seconds),
            *(source.stop(grace_seconds) for source in self._sources),
        )
        # They have been under way for longer.
        await self._closing.end(grace_seconds)
        self._expiry.stop()
        for listener in (self._scrape_tls, self._receiver_tls):
            listener.close()
        await self._port.close(grace_seconds)
        self._front.close()
        await self._views.stop()
        if self._keeper is not None:
            # Nobody writes any more.
            await self._keeper.stop(hurry=not grace_seconds)
        self._workers.close()
        self.access.close()

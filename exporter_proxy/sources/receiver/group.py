"""The receivers that a configuration asks for, from one configuration to the next."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from functools import partial
from typing import Literal

from exporter_proxy.access import Access, TlsListener
from exporter_proxy.changes import Change
from exporter_proxy.config import Address, Config
from exporter_proxy.descriptors import Descriptors, raise_limit
from exporter_proxy.process.inherited import InheritedSockets, listens_on
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.lives import receiver_life
from exporter_proxy.sources.receiver.receiver import MakeHttp, Receiver, ReceiverSettings, Shared
from exporter_proxy.sources.receiver.scrape_port import ScrapePortReceiver
from exporter_proxy.sources.receiver.sockets import (
    default_socket_path,
    hand_over,
    listen_on_tcp,
    listen_on_unix,
)
from exporter_proxy.sources.receiver.unfinished import Unfinished

Kind = Literal["tcp", "unix", "scrape"]
Place = Address | str
"""Where a receiver listens: an address, or the path of a socket."""


class Receivers:
    """All receivers of a proxy, made but not started.

    Args:
        config: The configuration.
        admission: Where updates go.
        inherited: Sockets that are listened on already.
        access: Knows which Unix peers may write what; None: all may.
        tls: Comes before each connection to the TCP port; None: nothing does.
        http: Answers HTTP on the Unix socket; None: nobody does.
        descriptors: How many file descriptors are left; None: they are counted here.
    """

    def __init__(
        self,
        config: Config,
        admission: Admission,
        inherited: InheritedSockets | None = None,
        *,
        access: Access | None = None,
        tls: TlsListener | None = None,
        http: MakeHttp | None = None,
        descriptors: Descriptors | None = None,
    ) -> None:
        self._admission = admission
        self._inherited = inherited or InheritedSockets()
        self._config = config
        self._shared = Shared(
            unfinished=Unfinished(config.receiver.max_buffered),
            descriptors=descriptors or Descriptors(raise_limit()),
            access=access,
            tls=tls,
            http=http,
        )
        settings = _settings(config)
        self._open: dict[Kind, tuple[Place, Receiver]] = {
            kind: (place, self._first(kind, place, config, settings))
            for kind, place in _wanted(config).items()
        }

    @property
    def sources(self) -> list[Receiver]:
        """The receivers: TCP, Unix, the scrape port."""
        return [receiver for _, receiver in self._open.values()]

    @property
    def scrape(self) -> ScrapePortReceiver | None:
        """The receiver of what comes over the scrape port without HTTP, if that is taken."""
        _, receiver = self._open.get("scrape", (None, None))
        return receiver if isinstance(receiver, ScrapePortReceiver) else None

    async def prepare(self, new: Config) -> Change:
        """Open what ``new`` has in other places; what stays where it is keeps its connections.

        Raises:
            StartError: An address or a path can't be had; nothing has changed.
        """
        settings = _settings(new)
        wanted = self._places(new)
        after: dict[Kind, tuple[Place, Receiver]] = {}
        undo = contextlib.AsyncExitStack()
        async with undo:
            for kind, place in wanted.items():
                before = self._open.get(kind)
                if before is not None and before[0] == place:
                    after[kind] = before
                    ours = before[1].owns_path
                    if kind == "unix" and ours and _owner(new) != _owner(self._config):
                        undo.callback(hand_over(str(place), new.receiver))
                    continue
                receiver = await self._make_anew(kind, place, new, settings)
                undo.push_async_callback(receiver.stop, 0)
                await receiver.start()
                after[kind] = place, receiver
            # Nothing failed: it is undone only if another part can't.
            undo = undo.pop_all()
        return self._change(new, after, settings, undo)

    async def _make_anew(
        self, kind: Kind, place: Place, new: Config, settings: ReceiverSettings
    ) -> Receiver:
        """Make a receiver for a place that a reload asks for.

        Raises:
            StartError: An address can't be had.
        """
        if kind == "scrape":
            return self._make_scrape(place, settings)
        before = self._open.get(kind)
        beside = None if before is None else before[1].listener
        listener = await asyncio.to_thread(self._passed, place)
        inherited = listener is not None
        if listener is None and isinstance(place, Address):
            # In a thread, as a name may have to be looked up.
            listener = await asyncio.to_thread(listen_on_tcp, place, beside)
        return self._make(place, new, settings, listener, inherited=inherited)

    def _make_scrape(self, place: Place, settings: ReceiverSettings) -> Receiver:
        return ScrapePortReceiver(
            str(place), settings=settings, admission=self._admission, shared=self._shared
        )

    def _change(
        self,
        new: Config,
        after: dict[Kind, tuple[Place, Receiver]],
        settings: ReceiverSettings,
        undo: contextlib.AsyncExitStack,
    ) -> Change:
        staying = [receiver for _, receiver in after.values()]
        leaving = [receiver for receiver in self.sources if receiver not in staying]

        def commit() -> None:
            now = asyncio.get_running_loop().time()
            self._config, self._open = new, after
            self._shared.unfinished.set_limit(new.receiver.max_buffered, now)
            for receiver in staying:
                receiver.configure(settings)
            for receiver in leaving:
                receiver.pause()

        async def finish(grace_seconds: float) -> None:
            await asyncio.gather(*(receiver.stop(grace_seconds) for receiver in leaving))

        return Change(commit, undo.aclose, finish if leaving else None)

    def _places(self, new: Config) -> dict[Kind, Place]:
        """Return where receivers are wanted; a Unix socket without a path stays where it is."""
        wanted = _wanted(new)
        before = self._open.get("unix")
        named = {new.receiver.receiver_unix_socket, self._config.receiver.receiver_unix_socket}
        if "unix" in wanted and before is not None and named == {None}:
            wanted["unix"] = before[0]
        return wanted

    def _first(
        self, kind: Kind, place: Place, config: Config, settings: ReceiverSettings
    ) -> Receiver:
        if kind == "scrape":
            return self._make_scrape(place, settings)
        passed = self._passed(place)
        return self._make(place, config, settings, passed, inherited=passed is not None)

    def _make(
        self,
        place: Place,
        config: Config,
        settings: ReceiverSettings,
        listener: socket.socket | None = None,
        *,
        inherited: bool = False,
    ) -> Receiver:
        # One that was passed by its name may have another address than the configuration.
        name = listens_on(listener) if inherited and listener is not None else str(place)
        make: Callable[[], socket.socket]
        if listener is not None:
            make = partial(_same, listener)
        elif isinstance(place, Address):
            make = partial(listen_on_tcp, place)
        else:
            make = partial(listen_on_unix, place, config.receiver)
        return Receiver(
            name,
            make,
            settings=settings,
            admission=self._admission,
            shared=self._shared,
            owns_path=not inherited,
        )

    def _passed(self, place: Place) -> socket.socket | None:
        """Return the socket that was passed to us for a place."""
        if isinstance(place, Address):
            return self._inherited.tcp("receiver-tcp", place)
        return self._inherited.unix("receiver-unix", place)


def _same(listener: socket.socket) -> socket.socket:
    return listener


def _wanted(config: Config) -> dict[Kind, Place]:
    section = config.receiver
    wanted: dict[Kind, Place] = {}
    if section.receive_on_tcp_socket:
        wanted["tcp"] = section.receiver_tcp_socket
    if section.receive_on_unix_socket:
        wanted["unix"] = section.receiver_unix_socket or default_socket_path()
    if section.receive_on_scrape_port:
        wanted["scrape"] = config.exporter.scrape_expose_endpoint
    return wanted


def _settings(config: Config) -> ReceiverSettings:
    return ReceiverSettings(
        section=config.receiver,
        concurrent_requests=config.exporter.concurrent_requests,
        life=receiver_life(config),
    )


def _owner(config: Config) -> tuple[str, str, int]:
    section = config.receiver
    return section.unix_socket_user, section.unix_socket_group, section.unix_socket_mode

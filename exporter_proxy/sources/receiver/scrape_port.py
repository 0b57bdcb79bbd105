"""The receiver of what comes over the scrape port without HTTP."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from exporter_proxy.access import Access, Peer, ProtocolFactory, Refusal
from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.detect import Wire
from exporter_proxy.payload.message import MessageReader
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.receiver.connection import Connection
from exporter_proxy.sources.receiver.door import Door, Listening
from exporter_proxy.sources.receiver.permitted import Permit
from exporter_proxy.sources.receiver.receiver import Receiver, ReceiverSettings, Shared
from exporter_proxy.sources.refusals import RefusalLog


class ScrapePortReceiver(Receiver):
    """Takes pushes on connections that the scrape port has accepted, in either format.

    Args:
        name: The address of the scrape port.
        settings: Limits, ages; the format is not looked at.
        admission: Where updates go.
        shared: Limits over all receivers.
    """

    def __init__(
        self, name: str, *, settings: ReceiverSettings, admission: Admission, shared: Shared
    ) -> None:
        super().__init__(name, _no_listener, settings=settings, admission=admission, shared=shared)
        self._door: Door | None = None

    def take(self, transport: asyncio.Transport, head: bytes, ended: bool) -> bool:  # noqa: FBT001
        """Go on with a connection that begins with ``head``; see :meth:`Door.take`."""
        return self._door is not None and self._door.take(transport, head, ended)

    def rename(self, name: str) -> None:
        """Have the name of the address that the port has come to have."""
        if name != self.name:
            self.name = name
            self._refusals = RefusalLog(name)

    def reader(self, wire: Wire, connection: Connection) -> MessageReader | None:
        """See :meth:`Receiver.reader`; who may push nothing is told so before a message is read."""
        reader = super().reader(wire, connection)
        access = self._shared.access
        if reader is not None and access is not None:
            refusal = access.refusal(connection.identity, "push", raw=True)
            if refusal is not None:
                raise PayloadError(refusal.message, reason="forbidden")
        return reader

    def _take_over(self, settings: ReceiverSettings) -> None:
        super()._take_over(replace(settings, section=replace(settings.section, format="auto")))

    def _listen(self, factory: ProtocolFactory) -> Callable[[Callable[[], None]], Listening]:
        def make(on_waiting: Callable[[], None]) -> Door:
            self._door = Door(factory, on_waiting)
            return self._door

        return make

    def _permit(self, connection: Connection) -> Permit | None:
        """Return what tells which apps a connection may write: writing here needs a right."""
        access = self._shared.access
        if access is None:
            return None
        return partial(_refusal, access, connection.identity)


def _refusal(access: Access, peer: Peer, app: str) -> Refusal | None:
    return access.refusal(peer, "push", app, raw=True)


def _no_listener() -> socket.socket:
    raise AssertionError("it listens on nothing itself")

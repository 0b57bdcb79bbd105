"""The receivers: listeners on TCP and Unix sockets that take pushes."""

from exporter_proxy.sources.receiver.group import Receivers
from exporter_proxy.sources.receiver.receiver import Receiver, ReceiverSettings, Shared
from exporter_proxy.sources.receiver.unfinished import Unfinished

__all__ = [
    "Receiver",
    "ReceiverSettings",
    "Receivers",
    "Shared",
    "Unfinished",
]

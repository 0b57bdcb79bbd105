"""The receivers: listeners on TCP and Unix sockets that take pushes."""

from exporter_proxy.sources.receiver.descriptors import Descriptors, raise_limit
from exporter_proxy.sources.receiver.opening import open_receivers
from exporter_proxy.sources.receiver.receiver import Receiver, Shared
from exporter_proxy.sources.receiver.unfinished import Unfinished

__all__ = ["Descriptors", "Receiver", "Shared", "Unfinished", "open_receivers", "raise_limit"]

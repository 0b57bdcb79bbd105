"""Make the receivers that a configuration asks for."""

from functools import partial

from exporter_proxy.config import Config
from exporter_proxy.sources.admission import Admission, Life
from exporter_proxy.sources.receiver.descriptors import Descriptors, raise_limit
from exporter_proxy.sources.receiver.receiver import Receiver, Shared
from exporter_proxy.sources.receiver.sockets import (
    default_socket_path,
    listen_on_tcp,
    listen_on_unix,
)
from exporter_proxy.sources.receiver.unfinished import Unfinished


def open_receivers(config: Config, admission: Admission) -> list[Receiver]:
    """Return the receivers that ``[receiver]`` turns on, not started yet.

    The soft limit of file descriptors is raised to the hard one.

    Args:
        config: The configuration.
        admission: Where updates go.
    """
    section, exporter = config.receiver, config.exporter
    shared = Shared(
        unfinished=Unfinished(section.max_buffered), descriptors=Descriptors(raise_limit())
    )
    age = section.expire_after
    life = Life(
        exporter.expire_after if age is None else age, section.on_expire or exporter.on_expire
    )
    make = partial(
        Receiver,
        config=section,
        admission=admission,
        shared=shared,
        concurrent_requests=exporter.concurrent_requests,
        life=life,
    )
    receivers = []
    if section.receive_on_tcp_socket:
        address = section.receiver_tcp_socket
        receivers.append(make(str(address), partial(listen_on_tcp, address)))
    if section.receive_on_unix_socket:
        path = section.receiver_unix_socket or default_socket_path()
        receivers.append(make(path, partial(listen_on_unix, path, section)))
    return receivers

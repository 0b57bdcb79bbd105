"""Sockets that a service manager opened before it started us: sd_listen_fds(3)."""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Literal, NamedTuple

from exporter_proxy.config import Address
from exporter_proxy.errors import StartError, quote

Role = Literal["scrape", "receiver-tcp", "receiver-unix"]

_FIRST = 3
_MOST = 64


class Inherited(NamedTuple):
    """One of them.

    Attributes:
        name: Given to it by the manager (``FileDescriptorName=``).
        where: What it listens on, for people: ``127.0.0.1:6554`` or a path.
        socket: It listens already.
    """

    name: str
    where: str
    socket: socket.socket


class InheritedSockets:
    """The sockets that were passed to us, each for one thing to listen on.

    A socket is found by its name, which is the name of a role, or by the address that it listens
    on. It is held as long as the process lives, since the manager goes on holding it too: a
    configuration that lets go of an address and comes back to it finds it again. No socket file is
    ever removed.

    Args:
        sockets: All of them.
    """

    def __init__(self, sockets: tuple[Inherited, ...] = ()) -> None:
        self._sockets = sockets
        self._claimed: set[Inherited] = set()
        # What was asked for: the role, and where it listens by the configuration.
        self._asked: dict[Role, str] = {}

    @classmethod
    def from_environment(
        cls, environment: MutableMapping[str, str] = os.environ
    ) -> "InheritedSockets":
        """Return those that the environment tells of, for this process.

        The variables are taken out of it: they are not meant for children.

        Raises:
            StartError: One of them is nothing that can be served.
        """
        names = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
        process, count, labels = (environment.pop(name, "") for name in names)
        if process != str(os.getpid()) or not count:
            return cls()
        if not (count.isascii() and count.isdigit() and int(count) <= _MOST):
            raise StartError(
                f"socket activation: LISTEN_FDS={quote(count)} is no number of sockets"
            )
        given = labels.split(":") if labels else []
        given += [""] * (int(count) - len(given))
        return cls(tuple(_inherit(_FIRST + i, given[i]) for i in range(int(count))))

    def tcp(self, role: Role, address: Address) -> socket.socket | None:
        """Return a listening socket for ``address``, non-blocking, or None if none was passed."""
        self._asked[role] = str(address)
        if not self._sockets:
            return None
        return self._claim(role, {str(each) for each in _spellings(address)})

    def unix(self, role: Role, path: str) -> socket.socket | None:
        """Return a listening socket for ``path``, non-blocking, or None if none was passed."""
        self._asked[role] = path
        return self._claim(role, {path, os.path.realpath(path)})

    def check_all_claimed(self) -> None:
        """See that every socket that was passed is one that was asked for.

        Raises:
            StartError: One is not: those who connect to it would wait for ever.
        """
        for each in self._sockets:
            if each not in self._claimed:
                name = f" (named {quote(each.name)})" if each.name else ""
                asked = ", ".join(f"{role} on {where}" for role, where in self._asked.items())
                raise StartError(
                    f"socket activation: {each.where}{name} is nothing that the configuration "
                    f"listens on: {asked}; a socket is taken by its address, or by one of these "
                    "names (FileDescriptorName=)"
                )

    def _claim(self, role: Role, addresses: set[str]) -> socket.socket | None:
        found = [each for each in self._sockets if each.name == role] or [
            each for each in self._sockets if each.where in addresses
        ]
        if not found:
            return None
        self._claimed.add(found[0])
        # A copy, which its user may close.
        return found[0].socket.dup()


def _inherit(descriptor: int, name: str) -> Inherited:
    """Return the socket that a descriptor stands for.

    Raises:
        StartError: It is no socket, or none that listens.
    """
    shown = f"socket activation: descriptor {descriptor}"
    if name:
        shown += f" (named {quote(name)})"
    try:
        os.set_inheritable(descriptor, False)
        inherited = socket.socket(fileno=descriptor)
    except OSError as error:
        raise StartError(f"{shown}: {(error.strerror or str(error)).lower()}") from error
    try:
        listens = bool(inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        listens = False
    known = inherited.family in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}
    if not listens or not known or inherited.type != socket.SOCK_STREAM:
        inherited.detach()
        raise StartError(f"{shown}: not a listening stream socket (ListenStream=, Accept=no)")
    inherited.setblocking(False)
    return Inherited(name, listens_on(inherited), inherited)


def listens_on(listener: socket.socket) -> str:
    """Return the address or the path of a listening socket, for people."""
    name = listener.getsockname()
    if listener.family != socket.AF_UNIX:
        return str(Address(*name[:2]))
    # Bytes: one without a place in the file system.
    return name if isinstance(name, str) else os.fsdecode(name)


def _spellings(address: Address) -> set[Address]:
    """Return an address as the kernel may show it, whatever name its host has."""
    found = {address}
    with suppress(OSError):
        for *_, resolved in socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            found.add(Address(str(resolved[0]), int(resolved[1])))
    return found

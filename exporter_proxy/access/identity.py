"""From a connection to what is known of its other end."""

import socket
import struct
from asyncio import BaseTransport

from exporter_proxy.access.peers import Peer

# struct ucred: pid, uid, gid
_UCRED = struct.Struct("iII")


def peer_of(transport: BaseTransport | None) -> Peer:
    """Return what a connection shows of its peer: no user and no token, which requests bring."""
    if transport is None:
        return Peer()
    name = transport.get_extra_info("peername")
    if isinstance(name, tuple):
        # Kept only where it was verified.
        certificate = bool(transport.get_extra_info("peercert"))
        return Peer(address=name[0], certificate=certificate)
    return Peer(uid=_uid(transport))


def _uid(transport: BaseTransport) -> int | None:
    """Return the user id that the kernel noted when a Unix peer connected (SO_PEERCRED)."""
    connection = transport.get_extra_info("socket")
    try:
        if connection is None or connection.family != socket.AF_UNIX:
            return None
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    except OSError:
        return None
    uid: int = _UCRED.unpack(found)[1]
    return uid

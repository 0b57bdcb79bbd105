"""Make the sockets that receivers listen on."""

import contextlib
import errno
import grp
import os
import pwd
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from exporter_proxy.config import Address, ReceiverConfig
from exporter_proxy.errors import StartError, quote

BACKLOG = 4096
"""Peers that may wait while accepting is paused; the kernel cuts it to net.core.somaxconn."""

_SOCKET_NAME = "exporter-proxy-receiver.sock"


def listen_on_tcp(address: Address, beside: socket.socket | None = None) -> socket.socket:
    """Return a socket that listens on ``address``.

    Args:
        address: Where.
        beside: A listener of ours that may have the same port on an address that overlaps: it goes
            on listening.

    Raises:
        StartError: The address can't be had.
    """
    key = "receiver.receiver_tcp_socket"
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, resolved = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with sharing_port(listener, beside):
                listener.bind(resolved)
                listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise StartError(f"{key}: can't listen on {address}: {_why(error)}") from error
    listener.setblocking(False)
    return listener


@contextlib.contextmanager
def sharing_port(listener: socket.socket, beside: socket.socket | None) -> Iterator[None]:
    """Let ``listener`` have the port that ``beside`` has, for as long as it takes to bind it.

    Afterwards nobody else can have it, as before (SO_REUSEPORT, see socket(7)).
    """
    both = () if beside is None or beside.family == socket.AF_UNIX else (listener, beside)
    try:
        for each in both:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield
    finally:
        for each in both:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def default_socket_path() -> str:
    """Return where the Unix socket goes when the configuration names no path.

    ``/var/run``, if it can be written, else ``$XDG_RUNTIME_DIR``, else the temporary directory:
    there under a name of the user's own, for it belongs to all of them, and what another one left
    under a common name could not be replaced.
    """
    folders = ["/var/run", os.environ.get("XDG_RUNTIME_DIR", "")]
    for folder in folders:
        if folder and os.access(folder, os.W_OK | os.X_OK):
            return str(Path(folder) / _SOCKET_NAME)
    # Not tempfile: its import takes longer than all else here.
    folder = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    return str(Path(folder) / f"exporter-proxy-receiver-{os.geteuid()}.sock")


def listen_on_unix(path: str, config: ReceiverConfig) -> socket.socket:
    """Return a socket that listens on ``path``, with owner, group and mode as configured.

    A socket file that nobody listens on is replaced; nothing else ever is.

    Raises:
        StartError: The path can't be had.
    """
    key = "receiver.receiver_unix_socket"
    user, group = _owner(config)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        # From the first moment nobody may connect who may not later.
        umask = os.umask(0o777 & ~config.unix_socket_mode)
        try:
            listener.bind(path)
        finally:
            os.umask(umask)
        try:
            # The group first: who gave the file away may not set it any more.
            if group != -1:
                _give(path, "receiver.unix_socket_group", config.unix_socket_group, -1, group)
            if user != -1:
                _give(path, "receiver.unix_socket_user", config.unix_socket_user, user, -1)
            Path(path).chmod(config.unix_socket_mode)
            listener.listen(BACKLOG)
        except (OSError, StartError):
            Path(path).unlink()
            raise
    except OSError as error:
        listener.close()
        raise StartError(f"{key}: can't listen on {path}: {_why(error)}") from error
    except StartError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def hand_over(path: str, config: ReceiverConfig) -> Callable[[], None]:
    """Give a socket file that is there already owner, group and mode as configured.

    Connections stay as they are.

    Returns:
        What takes it back, as far as it can be taken back.

    Raises:
        StartError: It can't be done; the file is as it was.
    """
    user, group = _owner(config)
    file = Path(path)
    before: os.stat_result | None = None

    def take_back() -> None:
        if before is not None:
            with contextlib.suppress(OSError):
                os.chown(path, before.st_uid, before.st_gid)
            with contextlib.suppress(OSError):
                file.chmod(stat.S_IMODE(before.st_mode))

    try:
        before = file.lstat()
        # The mode first, while the file is ours, and the group before the owner.
        file.chmod(config.unix_socket_mode)
        # -1 is who made the file: this process.
        wanted_group = os.getegid() if group == -1 else group
        if wanted_group != before.st_gid:
            _give(path, "receiver.unix_socket_group", config.unix_socket_group, -1, wanted_group)
        wanted_user = os.geteuid() if user == -1 else user
        if wanted_user != before.st_uid:
            _give(path, "receiver.unix_socket_user", config.unix_socket_user, wanted_user, -1)
    except OSError as error:
        take_back()
        raise StartError(
            f"receiver.unix_socket_mode: can't change {path}: {_why(error)}"
        ) from error
    except StartError:
        take_back()
        raise
    return take_back


def socket_identity(listener: socket.socket) -> tuple[str, int]:
    """Return the path of a Unix listener and the inode of its socket file."""
    path = listener.getsockname()
    return path, Path(path).lstat().st_ino


def remove_own_socket(path: str, inode: int) -> None:
    """Remove the socket file at ``path``, if it is still the one with that ``inode``."""
    with contextlib.suppress(OSError):
        if Path(path).lstat().st_ino == inode:
            Path(path).unlink()


def _remove_stale(path: str) -> None:
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(
            f"receiver.receiver_unix_socket: {path} is there and is no socket; "
            "remove it or name another path"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            # Only this says that no process has it open.
            Path(path).unlink()
            return
        except FileNotFoundError:
            return
        except BlockingIOError:
            # Its backlog is full: someone listens.
            pass
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise
    raise StartError(
        f"receiver.receiver_unix_socket: another process listens on {path}; "
        "stop it or name another path"
    )


def _owner(config: ReceiverConfig) -> tuple[int, int]:
    """Return user and group id for the socket file, -1 for those of this process."""
    user = group = -1
    if config.unix_socket_user != "current_user":
        try:
            user = pwd.getpwnam(config.unix_socket_user).pw_uid
        except KeyError:
            raise StartError(
                f"receiver.unix_socket_user: there is no user {quote(config.unix_socket_user)}"
            ) from None
    if config.unix_socket_group != "current_group":
        try:
            group = grp.getgrnam(config.unix_socket_group).gr_gid
        except KeyError:
            raise StartError(
                f"receiver.unix_socket_group: there is no group {quote(config.unix_socket_group)}"
            ) from None
    return user, group


def _give(path: str, key: str, name: str, user: int, group: int) -> None:
    """Give the socket file to a user or a group, as ``key`` says."""
    try:
        os.chown(path, user, group)
    except OSError as error:
        raise StartError(f"{key}: can't give {path} to {quote(name)}: {_why(error)}") from error


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

"""Listening sockets: what is taken, what is replaced, what is never touched."""

import grp
import os
import pwd
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from exporter_proxy.config import Address, ReceiverConfig
from exporter_proxy.errors import StartError
from exporter_proxy.sources.receiver import sockets
from exporter_proxy.sources.receiver.sockets import (
    default_socket_path,
    listen_on_tcp,
    listen_on_unix,
    remove_own_socket,
    socket_identity,
)

KEY = "receiver.receiver_unix_socket"


@pytest.fixture
def path() -> Iterator[Path]:
    """Name a socket, short enough to be one."""
    with tempfile.TemporaryDirectory(prefix="sockets-") as directory:
        yield Path(directory) / "s"


def listen(path: Path, **config: object) -> socket.socket:
    return listen_on_unix(str(path), ReceiverConfig(**config))


def can_connect(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as peer:
        try:
            peer.connect(str(path))
        except OSError:
            return False
        return True


def error_of(path: Path, **config: object) -> str:
    with pytest.raises(StartError) as caught:
        listen(path, **config)
    return str(caught.value)


@contextmanager
def stale(path: Path) -> Iterator[int]:
    """Leave a socket file that nobody listens on; gives its inode, kept in use by a link."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    os.link(path, f"{path}.old")
    yield path.lstat().st_ino


def test_tcp_listens():
    with listen_on_tcp(Address("127.0.0.1", 0)) as listener:
        assert not listener.getblocking()
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        socket.create_connection(listener.getsockname()).close()


def test_tcp_ipv6():
    with listen_on_tcp(Address("::1", 0)) as listener:
        assert listener.family == socket.AF_INET6


def test_tcp_address_in_use():
    with listen_on_tcp(Address("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StartError) as caught:
            listen_on_tcp(Address("127.0.0.1", port))
    assert str(caught.value) == (
        f"receiver.receiver_tcp_socket: can't listen on 127.0.0.1:{port}: address already in use"
    )


def test_tcp_address_of_another_machine():
    with pytest.raises(StartError) as caught:
        listen_on_tcp(Address("192.0.2.1", 1))
    assert str(caught.value) == (
        "receiver.receiver_tcp_socket: can't listen on 192.0.2.1:1: cannot assign requested address"
    )


def test_unix_listens(path: Path):
    with listen(path) as listener:
        assert not listener.getblocking()
        assert can_connect(path)
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert (path.stat().st_uid, path.stat().st_gid) == (os.geteuid(), os.getegid())


@pytest.mark.parametrize("mode", [None, 0o600, 0o666, 0o777, 0o000])
@pytest.mark.parametrize("umask", [0o022, 0o000, 0o777])
def test_unix_mode(path: Path, mode: int | None, umask: int):
    """As configured, whatever the umask, which is left alone."""
    before = os.umask(umask)
    try:
        with listen(path, **({} if mode is None else {"unix_socket_mode": mode})):
            assert stat.S_IMODE(path.stat().st_mode) == (0o660 if mode is None else mode)
    finally:
        assert os.umask(before) == umask


def test_unix_owner_is_by_name(path: Path):
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    with listen(path, unix_socket_user=user, unix_socket_group=group):
        assert (path.stat().st_uid, path.stat().st_gid) == (os.geteuid(), os.getegid())


def test_unix_owner_is_handed_over(path: Path, monkeypatch):
    """Only who may can give a file away: what is asked of the system is what counts."""
    asked = []
    monkeypatch.setattr(os, "chown", lambda *arguments: asked.append(arguments))
    with listen(path, unix_socket_user="nobody"):
        pass
    path.unlink()
    with listen(path, unix_socket_group="nogroup"):
        pass
    nobody, nogroup = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid
    assert asked == [(str(path), nobody, -1), (str(path), -1, nogroup)]
    path.unlink()
    with listen(path, unix_socket_user="nobody", unix_socket_group="nogroup"):
        pass
    # By then a user who gave the file away could not set its group.
    assert asked[2:] == [(str(path), -1, nogroup), (str(path), nobody, -1)]


def test_unix_owner_that_may_not_be_set(path: Path, monkeypatch):
    """The start stops, and leaves no socket behind."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    assert error_of(path, unix_socket_user="nobody") == (
        f'receiver.unix_socket_user: can\'t give {path} to "nobody": operation not permitted'
    )
    assert error_of(path, unix_socket_group="nogroup") == (
        f'receiver.unix_socket_group: can\'t give {path} to "nogroup": operation not permitted'
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            {"unix_socket_user": "no such user"},
            'receiver.unix_socket_user: there is no user "no such user"',
        ),
        (
            {"unix_socket_group": "no such group"},
            'receiver.unix_socket_group: there is no group "no such group"',
        ),
    ],
)
def test_unix_owner_that_is_not_there(path: Path, config: dict[str, object], line: str):
    assert error_of(path, **config) == line
    assert not path.exists()


def test_stale_socket_is_replaced(path: Path):
    with stale(path) as inode, listen(path):
        assert path.lstat().st_ino != inode
        assert can_connect(path)


def test_regular_file_is_not_touched(path: Path):
    path.write_text("precious")
    assert error_of(path) == (
        f"{KEY}: {path} is there and is no socket; remove it or name another path"
    )
    assert path.read_text() == "precious"


@pytest.mark.parametrize("kind", ["directory", "link_to_a_file", "dangling_link", "fifo"])
def test_nothing_else_is_touched(path: Path, kind: str):
    target = path.with_name("target")
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        if kind == "link_to_a_file":
            target.write_text("precious")
        path.symlink_to(target)
    before = path.lstat()
    assert error_of(path).startswith(f"{KEY}: {path} is there and is no socket; ")
    assert path.lstat().st_ino == before.st_ino
    assert kind != "link_to_a_file" or target.read_text() == "precious"


def test_live_socket_is_not_stolen(path: Path):
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        inode = path.lstat().st_ino
        assert error_of(path) == (
            f"{KEY}: another process listens on {path}; stop it or name another path"
        )
        assert path.lstat().st_ino == inode


def test_live_socket_with_a_full_backlog_is_not_stolen(path: Path):
    with ExitStack() as stack:
        live = stack.enter_context(socket.socket(socket.AF_UNIX))
        live.bind(str(path))
        live.listen(0)
        for _ in range(10):
            peer = stack.enter_context(socket.socket(socket.AF_UNIX))
            peer.setblocking(False)
            if peer.connect_ex(str(path)):
                break
        else:
            raise AssertionError("the backlog is not full")
        assert "another process listens on" in error_of(path)
        assert path.exists()


def test_live_datagram_socket_is_not_stolen(path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as live:
        live.bind(str(path))
        assert "another process listens on" in error_of(path)
        assert path.exists()


def test_directory_that_is_not_there(path: Path):
    missing = path / "s"
    assert error_of(missing) == f"{KEY}: can't listen on {missing}: no such file or directory"


def test_path_that_is_too_long(path: Path):
    long = path.with_name("x" * 200)
    assert error_of(long) == f"{KEY}: can't listen on {long}: af_unix path too long"


def test_own_socket_is_removed(path: Path):
    with listen(path) as listener:
        assert socket_identity(listener) == (str(path), path.lstat().st_ino)
        remove_own_socket(*socket_identity(listener))
        assert not path.exists()
        remove_own_socket(str(path), 1)


def test_socket_of_a_successor_is_not_removed(path: Path):
    """Another proxy may have taken the path over meanwhile."""
    with listen(path) as listener:
        identity = socket_identity(listener)
        path.rename(f"{path}.old")
        with listen(path):
            remove_own_socket(*identity)
            assert can_connect(path)


@pytest.mark.parametrize(
    ("writable", "environment", "expected"),
    [
        (["/var/run"], {}, "/var/run"),
        (["/var/run", "/own"], {"XDG_RUNTIME_DIR": "/own"}, "/var/run"),
        (["/own"], {"XDG_RUNTIME_DIR": "/own"}, "/own"),
        (["/own"], {"XDG_RUNTIME_DIR": ""}, None),
        ([], {"XDG_RUNTIME_DIR": "/own"}, None),
    ],
)
def test_default_path(
    monkeypatch, writable: list[str], environment: dict[str, str], expected: str | None
):
    """The first place that can be written; what all users share has a name for each."""
    for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sockets.os, "access", lambda folder, _: folder in writable)
    if expected is None:
        own = f"exporter-proxy-receiver-{os.geteuid()}.sock"
        assert default_socket_path() == f"/tmp/{own}"
        monkeypatch.setenv("TMPDIR", "/scratch")
        assert default_socket_path() == f"/scratch/{own}"
        monkeypatch.setenv("TMPDIR", "")
        assert default_socket_path() == f"/tmp/{own}"
    else:
        assert default_socket_path() == f"{expected}/exporter-proxy-receiver.sock"

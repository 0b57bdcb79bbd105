"""Receivers from one configuration to the next."""

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter_proxy.config import Address, Config, ExporterConfig, ReceiverConfig
from exporter_proxy.errors import StartError
from exporter_proxy.process.inherited import Inherited, InheritedSockets, listens_on
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.checking import unreadable_line
from exporter_proxy.sources.receiver import Receivers
from exporter_proxy.table import Table
from tests.ports import free_port
from tests.sources.receiver.peers import Bench, Peer, until


def config(bench: Bench, *, limit: int = 100, **section: Any) -> Config:
    """Return a configuration with a TCP receiver on a free port, and a Unix one."""
    keys: dict[str, Any] = {
        "format": "auto",
        "receiver_tcp_socket": Address("127.0.0.1", 0),
        "receiver_unix_socket": str(bench.directory / "a.sock"),
    }
    return Config(
        exporter=ExporterConfig(concurrent_requests=limit),
        receiver=ReceiverConfig(**keys | section),
    )


def changed(old: Config, **section: Any) -> Config:
    return replace(old, receiver=replace(old.receiver, **section))


@asynccontextmanager
async def running(
    bench: Bench, first: Config, inherited: InheritedSockets | None = None
) -> AsyncIterator[Receivers]:
    group = Receivers(first, bench.admission, inherited)
    started = list(group.sources)
    for receiver in started:
        await receiver.start()
    try:
        yield group
    finally:
        for receiver in {*started, *group.sources}:
            await receiver.stop(0)


async def reload(group: Receivers, new: Config) -> None:
    change = await group.prepare(new)
    change.commit()
    if change.finish is not None:
        await change.finish(5)


async def ask(bench: Bench, peer: Peer, data: bytes, app: str, text: str) -> None:
    await peer.send(data)
    await until(lambda: bench.table.get(app) and bench.text(app) == text.encode(), app)


async def test_connections_stay_open(bench: Bench):
    """Between two messages, within one, and before any: all go on."""
    first = config(bench)
    async with running(bench, first) as group:
        tcp, unix = group.sources
        idle, busy, fresh = [await bench.peer(receiver) for receiver in (tcp, unix, tcp)]
        await ask(bench, idle, b'{"idle":"x 1"}', "idle", "x 1")
        await busy.send(b'{"busy":"x ')
        await until(lambda: tcp._unfinished.buffered, "the message to begin")
        await reload(group, changed(first, idle_timeout=7.0))
        assert group.sources == [tcp, unix]
        await ask(bench, idle, b'{"idle":"x 2"}', "idle", "x 2")
        await ask(bench, busy, b'3"}{"busy":"x 4"}', "busy", "x 4")
        await ask(bench, fresh, b'{"fresh":"x 1"}', "fresh", "x 1")
        assert tcp.stats.connections == 2


async def test_limits_apply_to_open_connections(bench: Bench):
    """To one that is between messages at once, to one within a message after it."""
    first = config(bench)
    async with running(bench, first) as group:
        tcp, _ = group.sources
        idle, busy = await bench.peer(tcp), await bench.peer(tcp)
        await ask(bench, idle, b'{"idle":"x 1"}', "idle", "x 1")
        await busy.send(b'{"busy":"' + b"#" * 100)
        await until(lambda: tcp._unfinished.buffered, "the message to begin")
        await reload(group, changed(first, max_message_size=50))
        refused = "error: the message exceeds 50 bytes (receiver.max_message_size)\n"
        await idle.send(b'{"idle":"' + b"#" * 60 + b'"}')
        assert await idle.answer() == refused
        await ask(bench, busy, b'"}', "busy", "#" * 100)
        await busy.send(b'{"busy":"' + b"#" * 60 + b'"}')
        assert await busy.answer() == refused


async def test_check_applies_to_open_connections(bench: Bench):
    first = config(bench)
    async with running(bench, first) as group:
        peer = await bench.peer(group.sources[0])
        await ask(bench, peer, b'{"a":"x one"}', "a", "x one")
        bench.admission.configure(terms=None, check=unreadable_line)
        await reload(group, first)
        await peer.send(b'{"a":"x two"}')
        assert (await peer.answer()).startswith('error: the metrics of "a": line 1: ')


async def test_timeouts_and_ages(bench: Bench):
    """They are looked at when it is time, so the new ones count at once."""
    first = config(bench, idle_timeout=300.0, message_timeout=300.0)
    async with running(bench, first) as group:
        tcp, unix = group.sources
        idle, busy = await bench.peer(tcp), await bench.peer(unix)
        await busy.send(b'{"busy":"')
        await until(lambda: tcp._unfinished.buffered, "the message to begin")
        new = changed(first, idle_timeout=0.05, message_timeout=0.05, expire_after=9.0)
        await reload(group, new)
        await bench.push(unix, b'{"a":"x 1"}')
        row = bench.table.get("a")
        assert row is not None
        assert row.expires_at == row.updated_at + 9
        assert "receiver.idle_timeout" in await idle.answer()
        assert "receiver.message_timeout" in await busy.answer()


async def test_fewer_connections(bench: Bench):
    """Those that are too many stay until another comes."""
    first = config(bench)
    async with running(bench, first) as group:
        tcp, _ = group.sources
        peers = [await bench.peer(tcp) for _ in range(4)]
        await until(lambda: tcp.stats.open_connections == 4, "all to be taken")
        await reload(group, replace(first, exporter=ExporterConfig(concurrent_requests=2)))
        assert tcp.stats.open_connections == 4
        late = await bench.peer(tcp)
        await ask(bench, late, b'{"late":"x 1"}', "late", "x 1")
        assert tcp.stats.closed_connections["evicted"] == 3
        assert "exporter.concurrent_requests" in await peers[0].answer()
        await reload(group, first)
        more = [await bench.peer(tcp) for _ in range(4)]
        await ask(bench, more[-1], b'{"more":"x 1"}', "more", "x 1")
        assert tcp.stats.open_connections == 6


async def test_other_places(bench: Bench):
    """The new ones are open before the old ones close; a message under way is finished."""
    first = config(bench)
    async with running(bench, first) as group:
        old_tcp, old_unix = group.sources
        busy = await bench.peer(old_tcp)
        await busy.send(b'{"busy":"x ')
        await until(lambda: old_tcp._unfinished.buffered, "the message to begin")
        path = str(bench.directory / "b.sock")
        new = changed(first, receiver_unix_socket=path, receiver_tcp_socket=Address("127.0.0.2", 0))
        change = await group.prepare(new)
        assert group.sources == [old_tcp, old_unix]
        change.commit()
        tcp, unix = group.sources
        assert (tcp.name.split(":")[0], unix.name) == ("127.0.0.2", path)
        for receiver in (tcp, unix):
            assert await bench.push(receiver, b'{"a":"x 1"}') == ""
        assert change.finish is not None
        await busy.send(b'1"}')
        await change.finish(5)
        assert bench.text("busy") == b"x 1"
        assert not exists(old_unix.name)
        with pytest.raises(ConnectionRefusedError):
            await bench.peer(old_tcp)


@pytest.mark.parametrize(
    ("old", "new"), [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "localhost")]
)
async def test_same_port_on_an_address_that_overlaps(bench: Bench, old: str, new: str):
    """The new one can be opened although the old one listens; nobody else can have the port."""
    first = config(
        bench, receiver_tcp_socket=Address(old, free_port()), receive_on_unix_socket=False
    )
    port = first.receiver.receiver_tcp_socket.port
    async with running(bench, first) as group:
        await reload(group, changed(first, receiver_tcp_socket=Address(new, port)))
        [receiver] = group.sources
        assert receiver.name == f"{new}:{port}"
        assert await bench.push(receiver, b'{"a":"x 1"}') == ""
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))


async def test_turned_off_and_on(bench: Bench):
    first = config(bench)
    async with running(bench, first) as group:
        _, unix = group.sources
        await reload(group, changed(first, receive_on_tcp_socket=False))
        assert group.sources == [unix]
        await reload(group, changed(first, receive_on_unix_socket=False))
        [tcp] = group.sources
        assert await bench.push(tcp, b'{"a":"x 1"}') == ""
        await reload(group, first)
        assert len(group.sources) == 2


async def test_place_that_is_taken(bench: Bench):
    """Nothing at all changes: what was opened before is closed, permissions are as they were."""
    first = config(bench, unix_socket_mode=0o660)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with running(bench, first) as group:
            before = group.sources
            port = taken.getsockname()[1]
            new = changed(
                first, receiver_tcp_socket=Address("127.0.0.1", port), unix_socket_mode=0o600
            )
            with pytest.raises(StartError, match=r"can't listen on .*: address already in use"):
                await group.prepare(new)
            other = str(bench.directory / "file")
            os.mknod(other)
            new = changed(
                first,
                receiver_tcp_socket=Address("127.0.0.2", 0),
                receiver_unix_socket=other,
            )
            with pytest.raises(StartError, match="is there and is no socket"):
                await group.prepare(new)
            assert group.sources == before
            assert mode(before[1].name) == 0o660
            for receiver in before:
                assert await bench.push(receiver, b'{"a":"x 1"}') == ""


async def test_cancelled(bench: Bench):
    """What was opened is closed, and the socket has the mode that it had."""
    first = config(bench, unix_socket_mode=0o660)
    async with running(bench, first) as group:
        before = group.sources
        port = free_port()
        change = await group.prepare(
            changed(first, receiver_tcp_socket=Address("127.0.0.1", port), unix_socket_mode=0o600),
        )
        assert mode(before[1].name) == 0o600
        await change.cancel()
        assert mode(before[1].name) == 0o660
        assert group.sources == before
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


async def test_mode_of_an_open_socket(bench: Bench):
    """The file gets it, connections stay."""
    first = config(bench)
    async with running(bench, first) as group:
        _, unix = group.sources
        peer = await bench.peer(unix)
        await reload(group, changed(first, unix_socket_mode=0o600))
        assert mode(unix.name) == 0o600
        await ask(bench, peer, b'{"a":"x 1"}', "a", "x 1")


async def test_owner_that_is_not_there(bench: Bench):
    first = config(bench)
    async with running(bench, first) as group:
        for key in ("unix_socket_user", "unix_socket_group"):
            with pytest.raises(StartError, match=f"receiver.{key}: there is no"):
                await group.prepare(
                    changed(first, unix_socket_mode=0o600, **{key: "nobody-at-all"})
                )
        assert mode(group.sources[1].name) == 0o660


async def test_socket_file_that_is_gone(bench: Bench):
    first = config(bench)
    async with running(bench, first) as group:
        os.unlink(group.sources[1].name)  # noqa: PTH108
        with pytest.raises(
            StartError, match=r"receiver.unix_socket_mode: can't change .*: no such"
        ):
            await group.prepare(changed(first, unix_socket_mode=0o600))


async def test_socket_without_a_path_stays_where_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """Even if another place would be chosen today."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("TMPDIR", str(bench.directory))
    first = config(bench, receiver_unix_socket=None)
    async with running(bench, first) as group:
        before = group.sources
        monkeypatch.setenv("TMPDIR", "/somewhere/else")
        await reload(group, changed(first, idle_timeout=7.0))
        assert group.sources == before
        named = changed(first, receiver_unix_socket=before[1].name)
        await reload(group, named)
        assert group.sources == before


def exists(path: str) -> bool:
    return Path(path).exists()


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


async def test_buffered_bytes(bench: Bench):
    """Peers that had to wait go on when there may be more."""
    first = config(bench, max_buffered=2000, max_message_size=1900)
    async with running(bench, first) as group:
        tcp, _ = group.sources
        one, two = await bench.peer(tcp), await bench.peer(tcp)
        await one.send(b'{"one":"' + b"#" * 1500)
        await until(lambda: tcp._unfinished.buffered > 1500, "the first")
        await two.send(b'{"two":"' + b"#" * 1500)
        await until(lambda: tcp._unfinished._paused, "the second to wait")
        await reload(group, changed(first, max_buffered=4000))
        assert not tcp._unfinished._paused
        await ask(bench, two, b'"}', "two", "#" * 1500)


def test_shared_table() -> None:
    """The receivers are named before they are started."""
    section = ReceiverConfig(receiver_unix_socket="/some/where.sock")
    group = Receivers(Config(receiver=section), Admission(Table()))
    assert [each.name for each in group.sources] == ["127.0.0.1:6554", "/some/where.sock"]
    assert not any(each.stats.listening for each in group.sources)


async def test_inherited_sockets_are_found_again(bench: Bench):
    """Leaving an address that a service manager listens on for us, and coming back to it."""
    path = bench.directory / "passed.sock"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        for each in (tcp, unix):
            each.setblocking(False)
        inherited = InheritedSockets(
            (Inherited("", listens_on(tcp), tcp), Inherited("", listens_on(unix), unix))
        )
        before = path.stat()
        address = Address(*tcp.getsockname())
        first = config(bench, receiver_tcp_socket=address, receiver_unix_socket=str(path))
        async with running(bench, first, inherited) as group:
            assert [receiver.name for receiver in group.sources] == [str(address), str(path)]
            await reload(
                group,
                changed(
                    first,
                    receiver_tcp_socket=Address("127.0.0.1", 0),
                    receiver_unix_socket=str(bench.directory / "other.sock"),
                ),
            )
            away = [receiver.name for receiver in group.sources]
            assert str(address) not in away
            assert str(path) not in away
            await reload(group, first)
            for receiver in group.sources:
                peer = await bench.peer(receiver)
                await ask(bench, peer, b'{"a":"x 1"}', "a", "x 1")
                assert bench.table.get("a").source == receiver.name
                bench.table.drop("a")
            # Who may use it is the manager's to say.
            await reload(group, changed(first, unix_socket_mode=0o600))
        after = path.stat()
        assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)

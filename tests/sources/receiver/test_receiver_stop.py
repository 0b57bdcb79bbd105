"""The end of a receiver: what was sent is taken, what is under way may end, nothing is left."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from exporter_proxy.config import Address, Config, ExporterConfig, ReceiverConfig
from exporter_proxy.errors import StartError
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.receiver import Receivers
from exporter_proxy.table import Table
from tests.payload.reading import capnp_message
from tests.sources.receiver.peers import DEADLINE_SECONDS, Bench, until
from tests.sources.receiver.test_receiver_limits import connect_without_waiting


def exists(path: str) -> bool:
    return Path(path).exists()


KINDS = pytest.mark.parametrize("kind", ["tcp", "unix"])


@KINDS
async def test_message_under_way_is_finished(bench: Bench, kind: str):
    """Idle connections end at once; who is within a message may complete it."""
    receiver = await bench.receiver(kind)
    idle, busy = await bench.peer(receiver), await bench.peer(receiver)
    await busy.send(b'{"a":"')
    await until(lambda: len(bench.shared.unfinished) == 1, "the message to begin")
    receiver.pause()
    stopping = asyncio.ensure_future(receiver.stop(DEADLINE_SECONDS))
    assert await idle.answer() == ""
    assert not stopping.done()
    await busy.send(b'x"}')
    assert await busy.finish() == ""
    await asyncio.wait_for(stopping, DEADLINE_SECONDS)
    assert bench.text("a") == b"x"
    assert not exists(receiver.name)
    with pytest.raises(ConnectionError if kind == "tcp" else OSError):
        await bench.peer(receiver)
    await receiver.stop(DEADLINE_SECONDS)


@KINDS
async def test_message_that_does_not_end_is_cut_off(bench: Bench, kind: str):
    """After the grace, whatever it still lacks."""
    receiver = await bench.receiver(kind)
    busy = await bench.peer(receiver)
    await busy.send(b'{"a":"')
    await until(lambda: len(bench.shared.unfinished) == 1, "the message to begin")
    receiver.pause()
    await receiver.stop(0.05)
    await busy.answer()
    await until(lambda: receiver.stats.open_connections == 0, "the end")
    assert not bench.apps()


@KINDS
async def test_stop_that_is_cut_short(bench: Bench, kind: str):
    """Cancelled while it waits, it is done at once by a second call."""
    receiver = await bench.receiver(kind)
    busy = await bench.peer(receiver)
    await busy.send(b'{"a":"')
    await until(lambda: len(bench.shared.unfinished) == 1, "the message to begin")
    stopping = asyncio.ensure_future(receiver.stop(60))
    await until(lambda: not bench.shared.places, "listening to end")
    stopping.cancel()
    await asyncio.wait({stopping})
    await receiver.stop(0)
    await busy.answer()
    assert not exists(receiver.name)
    assert receiver.stats.open_connections == 0


@KINDS
async def test_peers_in_the_backlog_are_taken(bench: Bench, kind: str):
    """To one that has sent all and gone the push is done: it is not lost, whatever the limit."""
    receiver = await bench.receiver(kind, limit=2)
    busy = [await bench.peer(receiver) for _ in range(2)]
    for peer in busy:
        await peer.send(b'{"busy":"')
    await until(lambda: len(bench.shared.unfinished) == 2, "all places to be taken")
    for number in range(30):
        with connect_without_waiting(receiver) as peer:
            peer.sendall(b'{"%d":"x"}' % number)
    receiver.pause()
    stopping = asyncio.ensure_future(receiver.stop(DEADLINE_SECONDS))
    for peer in busy:
        await peer.send(b'x"}')
        assert await peer.finish() == ""
    await asyncio.wait_for(stopping, DEADLINE_SECONDS)
    assert sorted(bench.apps()) == sorted([*map(str, range(30)), "busy"])


async def test_stop_without_start(bench: Bench):
    """A receiver that could not be started has nothing to stop."""
    taken = await bench.receiver()
    port = int(taken.name.rpartition(":")[2])
    section = ReceiverConfig(
        receiver_tcp_socket=Address("127.0.0.1", port), receive_on_unix_socket=False
    )
    [receiver] = Receivers(Config(receiver=section), Admission(Table())).sources
    with pytest.raises(StartError, match="address already in use"):
        await receiver.start()
    receiver.pause()
    await receiver.stop(1)


async def test_large_message_that_is_being_decoded_is_finished(bench: Bench):
    receiver = await bench.receiver("unix")
    text = "some_metric 12345\n" * 400_000
    push = asyncio.ensure_future(bench.push(receiver, capnp_message("large", text)))
    await until(lambda: receiver.places.connections and not receiver.places.idle, "it to begin")
    receiver.pause()
    await receiver.stop(DEADLINE_SECONDS)
    assert await push == ""
    assert bench.text("large") == text.encode()


@pytest.mark.parametrize(
    ("tcp", "unix", "names"),
    [(True, True, 2), (True, False, 1), (False, True, 1), (False, False, 0)],
)
async def test_receivers_of_a_configuration(tmp_path: Path, tcp, unix, names):
    """Those that are turned on, named as /apps shows them, with what they share."""
    receivers = Receivers(
        Config(
            exporter=ExporterConfig(concurrent_requests=7, expire_after=60),
            receiver=ReceiverConfig(
                receive_on_tcp_socket=tcp,
                receive_on_unix_socket=unix,
                receiver_unix_socket="/some/where.sock",
            ),
        ),
        Admission(Table()),
    ).sources
    expected = ["127.0.0.1:6554"] * tcp + ["/some/where.sock"] * unix
    assert [receiver.name for receiver in receivers] == expected
    assert len(receivers) == names
    assert len({id(receiver._unfinished) for receiver in receivers}) == min(names, 1)
    assert all(receiver._limits.connections == 7 for receiver in receivers)
    assert all(receiver._life == (60, "drop") for receiver in receivers)


async def test_any_free_port():
    """Once it listens, its name has the port that was given."""
    section = ReceiverConfig(
        receiver_tcp_socket=Address("127.0.0.1", 0), receive_on_unix_socket=False
    )
    [receiver] = Receivers(Config(receiver=section), Admission(Table())).sources
    assert receiver.name == "127.0.0.1:0"
    await receiver.start()
    try:
        host, _, port = receiver.name.rpartition(":")
        assert (host, port[0] != "0") == ("127.0.0.1", True)
        socket.create_connection((host, int(port))).close()
    finally:
        await receiver.stop(0)


async def test_age_of_its_own():
    """receiver.expire_after and on_expire count before those of [exporter]."""
    exporter = ExporterConfig(expire_after=60, on_expire="mark")
    for section, life in (
        (ReceiverConfig(expire_after=5), (5, "mark")),
        (ReceiverConfig(on_expire="drop"), (60, "drop")),
    ):
        receivers = Receivers(
            Config(exporter=exporter, receiver=section), Admission(Table())
        ).sources
        assert [receiver._life for receiver in receivers] == [life, life]


async def test_socket_file_of_a_successor_stays(bench: Bench):
    """Who replaced the socket file keeps it when the first one ends."""
    receiver = await bench.receiver("unix")
    os.unlink(receiver.name)  # noqa: PTH108
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(receiver.name)
        await receiver.stop(0)
    assert exists(receiver.name)

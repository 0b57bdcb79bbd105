"""Limits: on size, on time, on connections, on descriptors."""

import asyncio
import socket

import pytest

from exporter_proxy.descriptors import Descriptors
from exporter_proxy.sources.receiver import Receiver, Shared, Unfinished
from tests.payload.reading import capnp_message
from tests.sources.receiver.peers import DEADLINE_SECONDS, Bench, until

KINDS = pytest.mark.parametrize("kind", ["tcp", "unix"])
MADE_PLACE = (
    "error: closed to make place, this connection was idle longest (exporter.concurrent_requests)\n"
)


class FewDescriptors(Descriptors):
    """As if so many descriptors were left for receivers."""

    def __init__(self, left: int) -> None:
        super().__init__(1000)
        self._serving = True
        self._used = 1000 - self.reserve - left

    def count(self) -> None:
        """Know nothing of the test's own descriptors."""


def connect_without_waiting(receiver: Receiver) -> socket.socket:
    """Connect as far as the kernel does it, whether the receiver accepts or not."""
    family = socket.AF_UNIX if receiver.name.startswith("/") else socket.AF_INET
    peer = socket.socket(family)
    host, _, port = receiver.name.rpartition(":")
    peer.connect(receiver.name if family == socket.AF_UNIX else (host, int(port)))
    return peer


async def settled(receiver: Receiver, connections: int) -> None:
    await until(
        lambda: receiver.stats.open_connections == connections, f"{connections} connections"
    )


# Size


@KINDS
async def test_message_as_large_as_the_limit(bench: Bench, kind: str):
    document = b'{"a":"' + b"x" * 92 + b'"}'
    receiver = await bench.receiver(kind, max_message_size=100)
    refusal = "error: the message exceeds 100 bytes (receiver.max_message_size)\n"
    assert await bench.push(receiver, document) == ""
    assert await bench.push(receiver, b" " + document * 3) == ""
    assert await bench.push(receiver, document.replace(b"x", b"xx", 1)) == refusal
    assert await bench.push(receiver, capnp_message("a", "x" * 100)) == refusal
    assert receiver.stats.rejected == {"message_too_large": 2}


async def test_announced_size_is_refused_by_the_header(bench: Bench):
    """The answer comes before a byte of what was announced."""
    receiver = await bench.receiver(max_message_size=1000)
    peer = await bench.peer(receiver)
    await peer.send(b"\0\0\0\0\xff\0\0\0")
    line = await asyncio.wait_for(peer._reader.readline(), DEADLINE_SECONDS)
    assert line == b"error: the message exceeds 1000 bytes (receiver.max_message_size)\n"


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_reading_pauses_when_too_much_is_unfinished(bench: Bench, kind: str):
    """The one that began first goes on; in the end all arrive."""
    bench.shared = Shared(Unfinished(400_000), Descriptors(1 << 20))
    receiver = await bench.receiver(kind, max_message_size=400_000)
    peers = []
    for number in range(6):
        peer = await bench.peer(receiver)
        await peer.send(b'{"%d":"' % number)
        await until(lambda n=number: len(bench.shared.unfinished) == n + 1, "it to begin")
        peers.append(peer)
    for peer in peers:
        peer.start_sending(b"x" * 300_000)
    unfinished = bench.shared.unfinished
    await until(lambda: unfinished._paused, "somebody to be paused")
    # One packet of each may come before reading pauses.
    highest = 0

    def all_read() -> bool:
        nonlocal highest
        highest = max(highest, unfinished.buffered)
        return not any(peer._writer.transport.get_write_buffer_size() for peer in peers)

    assert not bench.apps()
    for number, peer in enumerate(peers):
        all_read()
        peer.start_sending(b'"}')
        await until(lambda n=number: str(n) in bench.apps() or not all_read(), "the next one")
    for peer in peers:
        assert await peer.finish() == ""
    assert sorted(bench.apps()) == [str(number) for number in range(6)]
    assert all(row.size == 300_000 for row in bench.table)
    assert highest <= 400_000 + 6 * 262_144


async def test_first_one_finishes_although_others_wait(bench: Bench):
    """Whoever began first is never paused, not even where it is alone above the limit."""
    bench.shared = Shared(Unfinished(1000), Descriptors(1 << 20))
    receiver = await bench.receiver(max_message_size=100_000)
    first, second = await bench.peer(receiver), await bench.peer(receiver)
    await first.send(b'{"first":"' + b"x" * 5000)
    await until(lambda: bench.shared.unfinished.buffered > 5000, "the first")
    await second.send(b'{"second":"' + b"x" * 5000)
    await until(lambda: len(bench.shared.unfinished._paused) == 1, "the second to wait")
    await second.send(b'"}')
    await first.send(b"x" * 5000)
    await until(lambda: bench.shared.unfinished.buffered > 15_000, "the first to go on")
    await first.send(b'"}')
    assert await first.finish() == ""
    assert await second.finish() == ""
    assert bench.apps() == ["first", "second"]


# Time


@pytest.mark.parametrize(
    "packets",
    [
        pytest.param([b'{"a":"'], id="begun"),
        pytest.param([b"{"], id="one_byte"),
        pytest.param([b"\0\0"], id="capnp"),
        pytest.param([b'{"b":"x"}{"a":'], id="after_another"),
    ],
)
async def test_message_that_takes_too_long(bench: Bench, packets: list[bytes]):
    receiver = await bench.receiver(message_timeout=0.1)
    peer = await bench.peer(receiver)
    for packet in packets:
        await peer.send(packet)
    assert await peer.answer() == (
        "error: the message was not complete after 0.1 s (receiver.message_timeout)\n"
    )
    assert receiver.stats.rejected == {"message_timeout": 1}
    assert "a" not in bench.apps()


async def test_a_byte_now_and_then_does_not_help(bench: Bench):
    """The time of a message runs from its begin, not from its last byte."""
    receiver = await bench.receiver(message_timeout=1, idle_timeout=1)
    peer = await bench.peer(receiver)
    await peer.send(b'{"a":"')
    sent = 0
    while peer.open and sent < 2000:
        await peer.send(b"x")
        sent += 1
        await asyncio.sleep(0.01)
    assert (await peer.answer()).endswith("after 1 s (receiver.message_timeout)\n")
    assert sent > 3


async def test_every_message_has_its_own_time(bench: Bench):
    """A connection that sends one message after another stays, even if one is always begun."""
    receiver = await bench.receiver(message_timeout=0.8, idle_timeout=0.8)
    peer = await bench.peer(receiver)
    loop = asyncio.get_running_loop()
    end = loop.time() + 2.0
    await peer.send(b'{"a":"')
    while loop.time() < end:
        await peer.send(b'x"}{"a":"')
        await asyncio.sleep(0.02)
    assert peer.open
    await peer.send(b'last"}')
    assert await peer.finish() == ""
    assert bench.text("a") == b"last"


async def test_silent_connection_is_closed(bench: Bench):
    """One that never said anything, and one that is silent after a message; it is no refusal."""
    receiver = await bench.receiver(idle_timeout=0.2)
    silent, used = await bench.peer(receiver), await bench.peer(receiver)
    await used.send(b'{"a":"x"}')
    line = "error: nothing came for 0.2 s (receiver.idle_timeout)\n"
    assert await silent.answer() == line
    assert await used.answer() == line
    await settled(receiver, 0)
    assert receiver.stats.closed_connections == {"idle_timeout": 2}
    assert not receiver.stats.rejected
    assert bench.apps() == ["a"]


async def test_waiting_for_others_is_not_slowness(bench: Bench):
    """While a peer is paused its message's time stands still."""
    bench.shared = Shared(Unfinished(1000), Descriptors(1 << 20))
    receiver = await bench.receiver(max_message_size=100_000, message_timeout=1)
    first, second = await bench.peer(receiver), await bench.peer(receiver)
    await first.send(b'{"first":"' + b"x" * 5000)
    await until(lambda: bench.shared.unfinished.buffered > 5000, "the first")
    await second.send(b'{"second":"' + b"x" * 5000)
    await until(lambda: len(bench.shared.unfinished._paused) == 1, "the second to wait")
    assert "message_timeout" in await first.answer()
    await second.send(b'"}')
    assert await second.finish() == ""
    assert bench.apps() == ["second"]


# Connections


@KINDS
async def test_peers_wait_in_the_backlog(bench: Bench, kind: str):
    """Beyond the limit nobody is refused: who waits gets in when another is done."""
    receiver = await bench.receiver(kind, limit=3)
    busy = [await bench.peer(receiver) for _ in range(3)]
    for number, peer in enumerate(busy):
        await peer.send(b'{"busy%d":"' % number)
    await until(lambda: len(bench.shared.unfinished) == 3, "all places to be taken")
    waiting = [await bench.peer(receiver) for _ in range(20)]
    for number, peer in enumerate(waiting):
        peer.start_sending(b'{"%d":"x"}' % number)
    answers = [asyncio.ensure_future(peer.finish()) for peer in waiting]
    await until(lambda: receiver.places._retry, "somebody to wait")
    assert not bench.apps()
    assert all(peer.open for peer in busy)
    await busy[0].send(b'"}')
    assert await busy[0].finish() == ""
    assert await asyncio.gather(*answers) == [""] * 20
    assert len(bench.apps()) == 21
    assert receiver.stats.connections == 23
    for peer in busy[1:]:
        assert peer.open
        await peer.send(b'"}')
        assert await peer.finish() == ""
    assert not receiver.stats.closed_connections


@KINDS
async def test_longest_idle_makes_place(bench: Bench, kind: str):
    """Who is within a message stays; of the others the one that was heard longest ago goes."""
    receiver = await bench.receiver(kind, limit=4)
    peers = [await bench.peer(receiver) for _ in range(3)]
    busy = await bench.peer(receiver)
    await busy.send(b'{"busy":"')
    await settled(receiver, 4)
    # the first is heard of last
    for number in (1, 2, 0):
        await peers[number].send(b'{"%d":"x"}' % number)
        await until(lambda n=number: str(n) in bench.apps(), "the update")
    assert await bench.push(receiver, b'{"new":"x"}') == ""
    assert await peers[1].answer() == MADE_PLACE
    assert peers[0].open
    assert peers[2].open
    assert busy.open
    kept = [await bench.peer(receiver) for _ in range(2)]
    for peer in kept:
        await peer.send(b'{"kept":"')
    assert await peers[2].answer() == MADE_PLACE
    assert peers[0].open
    await busy.send(b'"}')
    assert await busy.finish() == ""
    assert receiver.stats.closed_connections == {"evicted": 2}
    for peer in kept:
        await peer.send(b'"}')
        assert await peer.finish() == ""


async def test_idle_connections_stay_while_nobody_waits(bench: Bench):
    """As many as there are places may be silent."""
    receiver = await bench.receiver(limit=3)
    peers = [await bench.peer(receiver) for _ in range(3)]
    await settled(receiver, 3)
    for _ in range(5):
        await peers[0].send(b'{"a":"x"}')
        await until(bench.apps, "the update")
    assert all(peer.open for peer in peers)
    assert not receiver.stats.closed_connections


async def test_who_becomes_idle_makes_place_at_once(bench: Bench):
    """A peer that waits gets the place of the first that completes its message."""
    receiver = await bench.receiver(limit=1)
    busy = await bench.peer(receiver)
    await busy.send(b'{"busy":"')
    await settled(receiver, 1)
    push = asyncio.ensure_future(bench.push(receiver, b'{"new":"x"}'))
    await until(lambda: receiver.places._retry, "somebody to wait")
    await busy.send(b'x"}')
    assert await push == ""
    assert await busy.answer() == MADE_PLACE
    assert bench.apps() == ["busy", "new"]


async def test_many_silent_connections_do_not_lock_out_a_push(bench: Bench):
    """Silence of any number of peers is no reason to wait."""
    receiver = await bench.receiver("unix", limit=20)
    silent = [connect_without_waiting(receiver) for _ in range(200)]
    try:
        assert await bench.push(receiver, b'{"a":"x"}') == ""
        assert receiver.stats.open_connections <= 20
        assert receiver.stats.closed_connections["evicted"] >= 180
    finally:
        for peer in silent:
            peer.close()


async def test_refused_peer_that_lingers_makes_place(bench: Bench):
    """Where nobody is idle, one that is refused and doesn't leave goes at once."""
    receiver = await bench.receiver(limit=1)
    lingering = await bench.peer(receiver)
    await lingering.send(b"{}")
    await until(lambda: receiver.places.lingering, "the refusal")
    assert await bench.push(receiver, b'{"a":"x"}') == ""


# Descriptors


@KINDS
async def test_few_descriptors_left(bench: Bench, kind: str):
    """Accepting pauses while fewer than 64 are left; silent peers make place for others."""
    bench.shared = Shared(Unfinished(1 << 20), FewDescriptors(5))
    receiver = await bench.receiver(kind)
    silent = [connect_without_waiting(receiver) for _ in range(50)]
    try:
        for number in range(5):
            assert await bench.push(receiver, b'{"%d":"x"}' % number) == ""
            assert receiver.stats.open_connections <= 6
        assert receiver.stats.connections == 55
    finally:
        for peer in silent:
            peer.close()


async def test_few_descriptors_taken_by_another_receiver(bench: Bench):
    """The one that has been idle longest goes, whichever receiver it came to."""
    bench.shared = Shared(Unfinished(1 << 20), FewDescriptors(5))
    tcp, unix = await bench.receiver("tcp"), await bench.receiver("unix")
    silent = [connect_without_waiting(tcp) for _ in range(50)]
    try:
        await settled(tcp, 6)
        for number in range(5):
            assert await bench.push(unix, b'{"%d":"x"}' % number) == ""
        assert unix.stats.connections == 5
        assert tcp.stats.closed_connections["evicted"] >= 4
        assert not unix.stats.closed_connections
    finally:
        for peer in silent:
            peer.close()


class CountedDescriptors(Descriptors):
    """Counting finds what the test says."""

    found = 1000

    def count(self) -> None:
        """Count."""
        self._used = self.found


async def test_descriptors_that_others_gave_back(bench: Bench):
    """What the rest of the process closed is found by counting now and then."""
    descriptors = CountedDescriptors(1000)
    bench.shared = Shared(Unfinished(1 << 20), descriptors)
    receiver = await bench.receiver(message_timeout=60, idle_timeout=0.4)
    busy = await bench.peer(receiver)
    await busy.send(b'{"busy":"')
    await until(lambda: not receiver.places._listener.accepting, "accepting to pause")
    push = asyncio.ensure_future(bench.push(receiver, b'{"a":"x"}'))
    await until(lambda: receiver.places._retry, "the peer to wait")
    assert receiver.stats.connections == 1
    descriptors.found = 10
    assert await push == ""
    await busy.send(b'x"}')
    assert await busy.finish() == ""
    assert bench.apps() == ["a", "busy"]


async def test_silent_peer_is_told_which_limit(bench: Bench):
    """Where descriptors are short, not the number of connections, the line says so."""
    bench.shared = Shared(Unfinished(1 << 20), FewDescriptors(0))
    receiver = await bench.receiver()
    silent = await bench.peer(receiver)
    assert await bench.push(receiver, b'{"a":"x"}') == ""
    assert await silent.answer() == (
        "error: closed to make place, this connection was idle longest (limit of open files)\n"
    )

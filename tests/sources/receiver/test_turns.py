"""Work that waits for its turn, and what others see of it meanwhile."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from itertools import pairwise

import pytest

from exporter_proxy.descriptors import Descriptors
from exporter_proxy.sources.receiver import Shared, Unfinished
from exporter_proxy.sources.receiver import connection as connection_module
from exporter_proxy.table import Table
from exporter_proxy.turns import Turns
from tests.payload.reading import capnp_message
from tests.sources.receiver.peers import DEADLINE_SECONDS, Bench, until


class HeldTurns(Turns):
    """Gives turns one at a time, when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.held: deque[Callable[[], None]] = deque()

    def wait(self, turn: Callable[[], None]) -> None:
        """Keep ``turn``."""
        self.held.append(turn)

    def give(self) -> None:
        """Give the next one."""
        self.held.popleft()()


@pytest.fixture
def held(bench: Bench) -> HeldTurns:
    turns = HeldTurns()
    bench.shared = Shared(Unfinished(256 << 20), Descriptors(1 << 20), turns=turns)
    return turns


def apps(start: int, end: int, text: str = "x 1\n") -> bytes:
    """Return a message of many apps, in one packet."""
    return json.dumps({f"app {number}": text for number in range(start, end)}).encode()


async def test_large_packet_waits_for_its_turn(bench: Bench, held: HeldTurns):
    """Nothing more is read until then: the loop hands over any number of packets in one go."""
    receiver = await bench.receiver("unix")
    peer = await bench.peer(receiver)
    message = json.dumps({"large": "x 1\n" * 50_000}).encode()
    assert len(message) > 200_000
    peer.start_sending(message + b'{"after":"x 1\\n"}')
    [connection] = await until(lambda: receiver.places.connections, "the connection")
    turns = 0
    while "after" not in bench.table:
        if await until(lambda: held.held or "after" in bench.table, "a turn") and held.held:
            assert len(held.held) == 1
            assert connection not in receiver.places.idle, "it might be closed to make place"
            packet = len(connection._packet)
            await asyncio.sleep(0.01)
            assert len(connection._packet) == packet
            turns += packet > 0
            held.give()
    assert turns >= 1
    assert bench.text("large") == b"x 1\n" * 50_000
    while held.held:
        held.give()
    assert await peer.finish() == ""


@pytest.mark.parametrize("wire", ["json", "capnp"])
async def test_large_message_is_read_in_parts(
    bench: Bench, held: HeldTurns, wire: str, monkeypatch: pytest.MonkeyPatch
):
    """As many as a turn has time for, here one; what follows the message is not lost."""
    monkeypatch.setattr(connection_module, "TURN_SECONDS", -1)
    receiver = await bench.receiver("unix", format="auto")
    peer = await bench.peer(receiver)
    text = "some_metric 12345\n" * 60_000
    if wire == "json":
        stream = json.dumps({"large": text}).encode() + b'{"after":"x 1\\n"}'
    else:
        stream = capnp_message("large", text) + capnp_message("after", "x 1\n")
    peer.start_sending(stream)
    [served] = await until(lambda: receiver.places.connections, "the connection")
    turns = 0
    while "after" not in bench.table:
        if await until(lambda: held.held or "after" in bench.table, "a turn") and held.held:
            assert len(held.held) == 1
            assert served not in receiver.places.idle, "it might be closed to make place"
            held.give()
            turns += 1
    assert turns > (len(text) - 4 * 262_144) // 32_768
    assert bench.text("large") == text.encode()
    while held.held:
        held.give()
    assert await peer.finish() == ""


async def test_large_message_that_is_refused_within_a_packet(
    bench: Bench, held: HeldTurns, monkeypatch: pytest.MonkeyPatch
):
    """The rest of the packet is let go of, and its sender gets the line."""
    monkeypatch.setattr(connection_module, "TURN_SECONDS", -1)
    receiver = await bench.receiver("unix")
    peer = await bench.peer(receiver)
    peer.start_sending(b'{"large":"' + b"x" * 600_000 + b"\x01" + b"x" * 600_000)
    while not receiver.stats.rejected:
        if await until(lambda: held.held or receiver.stats.rejected, "a turn") and held.held:
            held.give()
    assert receiver.stats.rejected == {"malformed_json": 1}
    while held.held:
        held.give()
    assert (await peer.answer()).startswith("error: malformed JSON: expected no control character")
    assert bench.apps() == []


async def test_message_of_many_apps_counts_step_by_step(bench: Bench, held: HeldTurns):
    """Others are served between, and the next message comes after the last step."""
    receiver = await bench.receiver("unix")
    peer = await bench.peer(receiver)
    peer.start_sending(apps(0, 2_200) + b'{"app 2199":"x 2\\n"}')
    sizes = [0]
    while receiver.stats.updates < 2_201:
        await until(lambda: held.held or receiver.stats.updates == 2_201, "a turn")
        if held.held:
            held.give()
        sizes.append(receiver.stats.updates)
    assert max(after - before for before, after in pairwise(sizes)) <= 500
    assert bench.text("app 2199") == b"x 2\n"
    assert bench.apps() == [f"app {number}" for number in range(2_200)]
    while held.held:
        held.give()
    assert await peer.finish() == ""


async def test_room_is_promised_to_a_message_as_a_whole(bench: Bench, held: HeldTurns):
    """What comes between its steps can't take it, nor what is dropped there cost it a push."""
    bench.table = Table(max_apps=1_500)
    bench.table.update("app 1200", (b"x 0\n",), source="test")
    receiver = await bench.receiver("unix")
    peer = await bench.peer(receiver)
    peer.start_sending(apps(0, 1_500))
    await until(lambda: held.held, "a turn")
    while len(bench.table) < 501:
        held.give()
    other = await bench.receiver("unix")
    full = "error: the table is full: 1500 apps (exporter.max_apps)\n"
    assert await bench.push(other, b'{"new":"x 1"}') == full
    bench.table.drop("app 1200")
    bench.table.update("new", (b"x 1\n",), source="test")
    while held.held:
        held.give()
    assert await peer.finish() == ""
    assert not receiver.stats.rejected
    assert all(bench.text(f"app {number}") == b"x 1\n" for number in range(1_500))
    bench.table.drop("new")
    bench.table.drop("app 7")
    # Nothing is kept for anybody now.
    assert await bench.push(other, b'{"last":"x 1"}') == ""


async def test_message_without_room_is_refused_as_a_whole(bench: Bench):
    bench.table = Table(max_apps=1_000)
    receiver = await bench.receiver("unix")
    full = "error: the table is full: 1000 apps (exporter.max_apps)\n"
    assert await bench.push(receiver, apps(0, 1_001)) == full
    assert await bench.push(receiver, apps(0, 20_000, "x 1\n" * 10)) == full
    assert bench.apps() == []
    assert receiver.stats.rejected == {"too_many_apps": 2}
    assert await bench.push(receiver, apps(0, 1_000)) == ""


async def test_stop_waits_for_what_was_taken(bench: Bench, held: HeldTurns):
    """The peer has said all; whether it is still there makes no difference."""
    receiver = await bench.receiver("tcp")
    peer = await bench.peer(receiver)
    peer.start_sending(apps(0, 3_000))
    await until(lambda: held.held, "a turn")
    receiver.pause()
    stopping = asyncio.ensure_future(receiver.stop(10))
    peer.vanish()
    await asyncio.sleep(0.15)
    assert not stopping.done()
    while held.held:
        held.give()
    await asyncio.wait_for(stopping, DEADLINE_SECONDS)
    assert len(bench.table) == 3_000


async def test_message_goes_on_taking_time_between_its_turns(bench: Bench, held: HeldTurns):
    """A document of many members that does not end is refused, in the middle of its steps too."""
    receiver = await bench.receiver("tcp", message_timeout=0.1)
    peer = await bench.peer(receiver)
    await peer.send(apps(0, 10_000)[:-1])
    while not receiver.stats.rejected:
        if held.held and len(bench.shared.unfinished) == 0:
            held.give()
        await asyncio.sleep(0.002)
    assert receiver.stats.rejected == {"message_timeout": 1}
    while held.held:
        held.give()
    assert await peer.answer() == (
        "error: the message was not complete after 0.1 s (receiver.message_timeout)\n"
    )
    assert bench.apps() == []


async def test_cut_message_is_counted_once(bench: Bench, held: HeldTurns):
    """Of a connection that is gone what has come is read to its end."""
    receiver = await bench.receiver("tcp")
    peer = await bench.peer(receiver)
    await peer.send(apps(0, 600) + b'{"cut":"' + b"x" * 100_000)
    await until(lambda: held.held, "a turn")
    for connection in list(receiver.places.connections):
        connection.abort()
    await until(lambda: not receiver.places.connections, "the end")
    assert not receiver.stats.rejected
    while held.held:
        held.give()
    assert receiver.stats.rejected == {"truncated": 1}
    assert len(bench.table) == 600
    await peer.answer()

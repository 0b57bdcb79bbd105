"""Messages that are looked into before they count: whole, or not at all."""

import asyncio
import json
from functools import partial

import pytest

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.json_reader import JsonReader
from exporter_proxy.payload.message import WORKING
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.checking import unreadable_line
from exporter_proxy.sources.receiver.checked import CheckedReader
from exporter_proxy.table import Table
from tests.payload.reading import MIB, capnp_message
from tests.sources.receiver.peers import Bench

LARGE = "".join(f'some_metric{{number="{number}"}} 1\n' for number in range(20_000))


@pytest.fixture
def reader() -> CheckedReader:
    admission = Admission(Table(), check=unreadable_line)
    return CheckedReader(JsonReader(64 * MIB), partial(admission.look_into, source="s"))


def test_small_message_is_read_in_one_go(reader: CheckedReader):
    reader.feed(b'{"a":["x 1"],"b":"y 2\\n"}{"c":"z')
    message = reader.next_message()
    assert isinstance(message, list)
    assert [push.app for push in message] == ["a", "b"]
    assert reader.next_message() is None
    assert reader.buffered == len(b'{"c":"z')


def test_message_is_refused_with_its_line(reader: CheckedReader):
    reader.feed(b'{"a":["x 1"]} {"b":["y 2"],"c":["x 1","y 1","z one"]}')
    assert isinstance(reader.next_message(), list)
    with pytest.raises(PayloadError, match=r'^the metrics of "c": line 3: .') as caught:
        reader.next_message()
    assert caught.value.reason == "invalid_metrics"


def test_large_message_is_read_in_steps(reader: CheckedReader):
    """None of them takes long; in the end the message is what it was."""
    reader.feed(json.dumps({"a": "x 1", "b": LARGE}).encode())
    steps = 0
    while (message := reader.next_message()) is WORKING:
        steps += 1
    assert steps >= 2
    assert isinstance(message, list)
    assert [push.app for push in message] == ["a", "b"]
    assert b"".join(message[1].payload) == LARGE.encode()
    assert reader.next_message() is None


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_last_good_metrics_stay(bench: Bench, kind: str):
    """Of a message with several apps none counts; what is large is refused like what is small."""
    receiver = await bench.receiver(kind, check=unreadable_line)
    assert await bench.push(receiver, b'{"a":["x 1"],"b":["y 1"]}') == ""
    answer = await bench.push(receiver, b'{"a":["x 2"],"b":["y 1","y one"]}')
    assert answer.startswith('error: the metrics of "b": line 2: ')
    answer = await bench.push(receiver, capnp_message("a", LARGE + "x one\n"))
    assert answer.startswith('error: the metrics of "a": line 20001: ')
    assert (bench.text("a"), bench.text("b")) == (b"x 1\n", b"y 1\n")
    assert receiver.stats.rejected == {"invalid_metrics": 2}


async def test_large_messages_let_others_have_their_turn(bench: Bench):
    """Whatever is looked into, another peer's push comes through, and all arrive."""
    receiver = await bench.receiver("unix", check=unreadable_line)
    large = [capnp_message(f"large{number}", LARGE) for number in range(5)]
    pushes = [asyncio.ensure_future(bench.push(receiver, data * 3)) for data in large]
    assert await bench.push(receiver, b'{"small":["x 1"]}') == ""
    assert await asyncio.gather(*pushes) == [""] * 5
    assert len(bench.apps()) == 6
    assert receiver.stats.updates == 16

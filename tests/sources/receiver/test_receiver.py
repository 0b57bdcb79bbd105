"""Pushes over real sockets: applied as soon as they are complete, whole or not at all."""

import asyncio

import pytest

from exporter_proxy.table import Life, Table
from tests.payload.reading import MIB, byte_by_byte, capnp_message
from tests.sources.receiver.peers import Bench, until

KINDS = pytest.mark.parametrize("kind", ["tcp", "unix"])


@KINDS
async def test_push_is_silent(bench: Bench, kind: str):
    """The row names the receiver; the answer to a push is its end."""
    receiver = await bench.receiver(kind, life=Life(30))
    assert await bench.push(receiver, b'{"a":["x 1","y 2"],"b":{"metrics":"z","ttl":5}}') == ""
    a, b = bench.table
    assert (a.app, a.payload, a.source) == ("a", (b"x 1\ny 2\n",), receiver.name)
    assert (b.app, b.payload, b.source) == ("b", (b"z",), receiver.name)
    assert a.expires_at == a.updated_at + 30
    assert b.expires_at == b.updated_at + 5
    assert (receiver.stats.updates, receiver.stats.connections) == (2, 1)
    assert not receiver.stats.rejected


@KINDS
@pytest.mark.parametrize("wire", ["json", "capnp"])
async def test_each_message_counts_when_it_is_complete(bench: Bench, kind: str, wire: str):
    """Long before the connection ends, with the beginning of the next one behind it."""
    receiver = await bench.receiver(kind)
    peer = await bench.peer(receiver)
    make = capnp_message if wire == "capnp" else lambda app, text: f'{{"{app}":"{text}"}}'.encode()
    rest = b""
    for number in range(5):
        message = make("a", f"x {number}")
        await peer.send(rest + message[:-3])
        rest = message[-3:]
        if number:
            await until(lambda n=number: bench.text("a") == b"x %d" % (n - 1), "the update")
    assert peer.open
    await peer.send(rest)
    await until(lambda: bench.text("a") == b"x 4", "the last update")
    assert await peer.finish() == ""
    assert receiver.stats.updates == 5


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'\xef\xbb\xbf\n {"a":"x 1"}\r\n', id="json"),
        pytest.param(capnp_message("a", "x 1"), id="capnp"),
    ],
)
async def test_byte_by_byte(bench: Bench, data: bytes):
    """The first bytes tell the wire, however few come at once."""
    receiver = await bench.receiver("unix")
    peer = await bench.peer(receiver)
    for count, packet in enumerate(byte_by_byte(data)):
        await peer.send(packet)
        connection = next(iter(receiver.places.connections), None)
        if connection and count < 3:
            await until(lambda c=connection, n=count: c.buffered in (n + 1, 0), "the byte")
    assert await peer.finish() == ""
    assert bench.text("a") == b"x 1"


@pytest.mark.parametrize("format_", ["json", "capnp", "auto"])
async def test_nothing_is_fine(bench: Bench, format_: str):
    """A connection that says nothing and ends costs nothing."""
    receiver = await bench.receiver(format=format_)
    assert await bench.push(receiver, b"") == ""
    assert not receiver.stats.rejected


@pytest.mark.parametrize("data", [b" ", b"\n\n", b" \r\n\t \n ", b"\xef\xbb\xbf"], ids=repr)
async def test_blanks_alone_are_fine(bench: Bench, data: bytes):
    receiver = await bench.receiver()
    assert await bench.push(receiver, data) == ""
    assert not receiver.stats.rejected


@pytest.mark.parametrize(
    ("format_", "data", "reason", "line"),
    [
        (
            "json",
            capnp_message("a", "x"),
            "wrong_format",
            "this receiver takes JSON, but Cap'n Proto came",
        ),
        ("capnp", b'{"a":"x"}', "wrong_format", "this receiver takes Cap'n Proto, but JSON came"),
        (
            "auto",
            b"GET /metrics HTTP/1.1\r\n\r\n",
            "http",
            (
                "an HTTP request came, but this port takes JSON or Cap'n Proto; "
                "/metrics and /apps are on exporter.scrape_expose_endpoint"
            ),
        ),
        (
            "json",
            b"POST /",
            "http",
            (
                "an HTTP request came, but this port takes JSON; /metrics and /apps are "
                "on exporter.scrape_expose_endpoint"
            ),
        ),
        ("capnp", b"\x16\x03\x01", "tls", "a TLS hello came, but this port does not speak TLS"),
        (
            "auto",
            b"up 1\n",
            "malformed_json",
            (
                'malformed JSON: expected a JSON object, found "up 1\\n"; exposition text has to '
                'be wrapped: {"<app>": "<exposition text>"}'
            ),
        ),
        (
            "auto",
            b"G",
            "malformed_json",
            (
                'malformed JSON: expected a JSON object, found "G"; exposition text has to be '
                'wrapped: {"<app>": "<exposition text>"}'
            ),
        ),
        (
            "capnp",
            b"up 1\n",
            "wrong_format",
            'this receiver takes Cap\'n Proto, but something else came: "up 1\\n"',
        ),
        ("auto", b"\0", "truncated", "the connection ended within a message, after 1 bytes of it"),
        ("auto", b"{", "truncated", "the connection ended within a message, after 1 bytes of it"),
        (
            "auto",
            b'{"a":"x',
            "truncated",
            "the connection ended within a message, after 7 bytes of it",
        ),
        (
            "auto",
            capnp_message("a", "x")[:-1],
            "truncated",
            (
                "the connection ended within a message, after "
                f"{len(capnp_message('a', 'x')) - 1} bytes of it"
            ),
        ),
    ],
)
async def test_refusal(bench: Bench, format_: str, data: bytes, reason: str, line: str):
    """One line, whose reason is counted, and the connection ends."""
    receiver = await bench.receiver(format=format_)
    assert await bench.push(receiver, data) == f"error: {line}\n"
    assert receiver.stats.rejected == {reason: 1}
    assert not bench.apps()


async def test_what_came_before_a_refusal_stands(bench: Bench):
    """What comes after it does not count, in the same packet or later."""
    receiver = await bench.receiver()
    answer = await bench.push(receiver, b'{"a":"x"}{"b":7}{"c":"x"}')
    assert answer == (
        'error: the metrics of "b" are a number, expected text or an array of lines\n'
    )
    assert bench.apps() == ["a"]
    peer = await bench.peer(receiver)
    await peer.send(b'{"b":7}')
    await until(lambda: receiver.stats.rejected["not_text"] == 2, "the refusal")
    with_more = b'{"c":"x"}' * 10
    peer.start_sending(with_more)
    assert (await peer.finish()).startswith("error: ")
    assert bench.apps() == ["a"]


async def test_fixed_formats_take_their_own(bench: Bench):
    """And the blanks and marks that may come before it."""
    json, capnp = await bench.receiver(format="json"), await bench.receiver(format="capnp")
    assert await bench.push(json, b'\n\n\n{"a":"x"}') == ""
    assert await bench.push(capnp, capnp_message("b", "x")) == ""
    assert bench.apps() == ["a", "b"]


async def test_message_for_a_full_table_is_refused_as_a_whole(bench: Bench):
    """Of several apps not even those are taken for which there is room, or which are known."""
    bench.table = Table(max_apps=2)
    receiver = await bench.receiver()
    assert await bench.push(receiver, b'{"a":"1"}') == ""
    full = "error: the table is full: 2 apps (exporter.max_apps)\n"
    assert await bench.push(receiver, b'{"a":"2","b":"2","c":"2"}') == full
    assert bench.apps() == ["a"]
    assert bench.text("a") == b"1"
    assert await bench.push(receiver, b'{"a":"2","b":"2"}') == ""
    assert await bench.push(receiver, b'{"c":"2"}') == full
    assert await bench.push(receiver, b'{"b":"3","a":"3"}') == ""
    assert receiver.stats.rejected == {"too_many_apps": 2}
    assert receiver.stats.updates == 5


@KINDS
async def test_large_capnp_message_lets_others_have_their_turn(bench: Bench, kind: str):
    """While it is decoded step by step, what follows on its connection waits and is not lost."""
    receiver = await bench.receiver(kind)
    text = "some_metric 12345\n" * 400_000
    data = capnp_message("large", text) + capnp_message("after", "x") + capnp_message("large", "y")
    peer, other = await bench.peer(receiver), await bench.peer(receiver)
    peer.start_sending(data[: -len(capnp_message("large", "y"))])
    await other.send(b'{"other":"x"}')
    await until(lambda: "after" in bench.apps(), "the message behind the large one")
    assert bench.text("large") == text.encode()
    assert sorted(bench.apps()) == ["after", "large", "other"]
    peer.start_sending(capnp_message("large", "y"))
    assert await peer.finish() == ""
    assert bench.text("large") == b"y"
    assert await other.finish() == ""


async def test_large_capnp_message_of_a_peer_that_vanished(bench: Bench):
    """What has come whole counts, also when its sender is gone before it was decoded."""
    receiver = await bench.receiver()
    peer = await bench.peer(receiver)
    text = "some_metric 12345\n" * 300_000
    peer.start_sending(capnp_message("large", text))
    await until(lambda: not peer._writer.transport.get_write_buffer_size(), "all to be sent")
    await until(lambda: "large" in bench.apps() or not receiver.places.idle, "it to begin")
    assert await peer.finish() == ""
    assert bench.text("large") == text.encode()


@KINDS
async def test_refusal_arrives_while_the_peer_is_still_sending(bench: Bench, kind: str):
    """A sender of 100 MB reads why it is refused; what it sends is thrown away meanwhile."""
    receiver = await bench.receiver(kind, max_message_size=MIB)
    peer = await bench.peer(receiver)
    packet = b"x" * MIB
    peer.start_sending(b'{"a":"')
    for _ in range(100):
        await peer.send(packet)
    assert await peer.finish() == (
        "error: the message exceeds 1048576 bytes (receiver.max_message_size)\n"
    )
    assert receiver.stats.rejected == {"message_too_large": 1}
    await until(lambda: receiver.stats.open_connections == 0, "the connection to be closed")


async def test_refused_peer_that_never_closes_is_closed(bench: Bench, monkeypatch):
    """It has a moment to read its line, then the connection is gone."""
    monkeypatch.setattr("exporter_proxy.sources.receiver.places._LINGER_SECONDS", 0.05)
    receiver = await bench.receiver(message_timeout=0.2)
    peer = await bench.peer(receiver)
    await peer.send(b"{}")
    line = await asyncio.wait_for(peer._reader.readline(), 10)
    assert line == b'error: the object is empty, expected {"<app>": "<metrics>"}\n'
    await until(lambda: receiver.stats.open_connections == 0, "the connection to be closed")


@KINDS
async def test_peer_that_vanishes_half_way(bench: Bench, kind: str):
    """Its unfinished message is counted, its finished ones stand, others notice nothing."""
    receiver = await bench.receiver(kind)
    other, peer = await bench.peer(receiver), await bench.peer(receiver)
    await other.send(b'{"other":"x')
    await peer.send(b'{"a":"x"}{"b":"half')
    await until(lambda: bench.text("a") == b"x", "the first message")
    peer.vanish()
    await until(lambda: receiver.stats.rejected == {"truncated": 1}, "the refusal to be counted")
    assert receiver.stats.open_connections == 1
    assert other.open
    await other.send(b'"}')
    assert await other.finish() == ""
    assert bench.apps() == ["a", "other"]


async def test_log_line_of_a_refusal(bench: Bench, caplog):
    """The first of a source and a reason, with source and peer; in the end, how many there were."""
    tcp, unix = await bench.receiver("tcp"), await bench.receiver("unix")
    await bench.push(tcp, b"{}")
    await bench.push(tcp, b"{}")
    await bench.push(unix, b"{}")
    first, second = caplog.messages
    why = 'the object is empty, expected {"<app>": "<metrics>"}'
    assert first.startswith(f"message refused: source={tcp.name} peer=127.0.0.1:")
    assert first.endswith(f": {why}")
    assert second == f"message refused: source={unix.name} peer=unix: {why}"
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    await tcp.stop(0)
    assert caplog.messages[2:] == [
        f"1 more message refused: source={tcp.name} peer=127.0.0.1 reason=empty_message"
    ]

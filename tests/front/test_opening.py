"""Connections to the scrape port until it is known what they speak."""

import asyncio

import pytest

from exporter_proxy.front import front
from tests.front.ports import Port, until
from tests.payload.reading import capnp_message

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = b"\x16\x03\x01\x01\x36\x01\x00\x01\x32"


@pytest.mark.parametrize("cut", range(1, len(REQUEST)))
async def test_request_cut_anywhere(cut: int):
    """The server gets a head as a whole."""
    async with Port() as port:
        assert await port.ask(REQUEST[:cut], REQUEST[cut:]) == b"http:" + REQUEST
        assert port.front.stats.waiting == 0


async def test_request_a_byte_at_a_time():
    async with Port() as port:
        assert await port.ask(*(bytes([byte]) for byte in REQUEST)) == b"http:" + REQUEST


@pytest.mark.parametrize(
    "message", [b'{"a": "x"}', b'\n {"a": "x"}', capnp_message("a", "x")], ids=repr
)
async def test_wires_cut_anywhere(message: bytes):
    """They go to the receiver with the bytes that told them."""
    async with Port(raw=True) as port:
        for cut in range(1, min(12, len(message))):
            await port.ask(message[:cut], message[cut:])
            head, ended = port.taken.pop()
            assert message.startswith(head)
            assert not ended


async def test_wire_that_ends_early():
    """What has ended before it could be told is the receiver's, which says what is wrong."""
    async with Port(raw=True) as port:
        assert await port.ask(b"{", end=True) == b"raw:{"
        assert port.taken == [(b"{", True)]


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b'{"a": "x"}', b"JSON came; with receiver.receive_on_scrape_port"),
        (capnp_message("a", "x"), b"Cap'n Proto came"),
        (b"SSH-2.0-OpenSSH\r\n", b'something else came: "SSH-2.0-OpenSSH\\r\\n"'),
        (bytes(range(1, 9)), b"something else came"),
    ],
)
async def test_what_is_no_http(head: bytes, line: bytes):
    """Where nothing else is taken: a 400 of ours, and the connection ends."""
    async with Port() as port:
        answer = await port.ask(head)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        top, _, body = answer.partition(b"\r\n\r\n")
        assert b"Content-Length: %d\r\n" % len(body) in top
        assert body.startswith(b"error: this port takes HTTP, but ")
        assert line in body
        assert port.front.stats.closed["not_http"] == 1


@pytest.mark.parametrize("cut", range(1, 4))
async def test_tls_hello(cut: int):
    async with Port() as port:
        expected = b"error: a TLS hello came, but this port does not speak TLS\n"
        assert await port.ask(HELLO[:cut], HELLO[cut:]) == expected
        assert port.front.stats.closed["tls"] == 1


async def test_head_that_ends_early():
    async with Port() as port:
        answer = await port.ask(REQUEST[:-2], end=True)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.endswith(b"error: the connection ended within the head of a request\n")


async def test_head_without_end():
    """The server gets it as soon as it is longer than any head, and says what it thinks of it."""
    async with Port() as port:
        reader, writer = await port.connect()
        writer.write(b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000)
        assert (await asyncio.wait_for(reader.read(5), 10)) == b"http:"


@pytest.mark.parametrize(
    ("begin", "answer"),
    [
        (b"GET / HTTP/1.1\r\nA", b"HTTP/1.1 408 Request Timeout\r\n"),
        (b"  \n", b"error: the first bytes did not make a request or message within 0.02 s"),
    ],
)
async def test_slow_head(begin: bytes, answer: bytes):
    """However slowly its bytes come, it has its time and no more."""
    async with Port(header_timeout=0.02) as port:
        reader, writer = await port.connect()
        writer.write(begin)
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(answer)
        assert port.front.stats.closed["header_timeout"] == 1


async def test_silent_connection():
    """It is closed without a word."""
    async with Port(silent_timeout=0.02, header_timeout=0.02) as port:
        reader, _writer = await port.connect()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert port.front.stats.closed["silent"] == 1


async def test_makes_place():
    """Of too many, the one that has been silent longest goes; those who speak are served."""
    async with Port(connections=2) as port:
        first = await port.connect()
        await asyncio.sleep(0.06)
        _ = [await port.connect() for _ in range(2)]
        assert await asyncio.wait_for(first[0].read(), 10) == b""
        assert port.front.stats.closed["evicted"] == 1
        assert await port.ask(REQUEST) == b"http:" + REQUEST


async def test_makes_place_for_one_that_is_slow_to_speak(monkeypatch):
    """Half a request is no reason to stay longer than those who came later."""
    # All have come before the first of them is not left alone any more.
    monkeypatch.setattr(front, "_LEFT_ALONE_SECONDS", 0.5)
    async with Port(connections=2) as port:
        halves = [await port.connect() for _ in range(2)]
        for _, writer in halves:
            writer.write(REQUEST[:9])
        await until(lambda: len(port.port._begun) == 2)
        reader, writer = await port.connect()
        assert await asyncio.wait_for(halves[0][0].read(), 10) == b""
        writer.write(REQUEST)
        assert await reader.readexactly(5) == b"http:"
        assert port.front.stats.closed["evicted"] == 1


async def test_refused_peer_that_goes_on():
    """What it still sends is thrown away, so that it can read its line."""
    async with Port() as port:
        reader, writer = await port.connect()
        writer.write(b"[1, 2]")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 400")
        writer.write(b"x" * 1_000_000)
        assert b"error: " in await asyncio.wait_for(reader.read(), 10)


async def test_closing():
    """What has not said anything is closed."""
    async with Port() as port:
        reader, _writer = await port.connect()
        await until(lambda: port.front.stats.waiting == 1)
        await port.port.close(0)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert port.front.stats.waiting == 0

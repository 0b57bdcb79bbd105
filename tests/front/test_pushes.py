"""Small pushes, answered without the HTTP server."""

import asyncio
import gzip
import re
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter_proxy.access import Peer
from exporter_proxy.front import pushes
from tests.front.ports import Port, until


class Reply(NamedTuple):
    """An answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Taken:
    """Takes pushes to /push/… and keeps them."""

    def __init__(self) -> None:
        # Whom credentials are of; None: nobody is known.
        self.known: dict[str | None, str | None] | None = {None: None}
        self.senders: list[str | None] = []
        self.pushes: list[tuple[str, str, bytes]] = []

    def wants(self, target: str, length: int) -> bool:
        return target.startswith("/push/") and length <= 1000

    def sender(self, peer: Peer, authorization: str | None) -> Peer | None:
        if self.known is None or authorization not in self.known:
            return None
        return Peer(address=peer.address, user=self.known[authorization])

    def take(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer
    ) -> Reply:
        assert headers["host"] == "x"
        assert peer.address == "127.0.0.1"
        self.senders.append(peer.user)
        self.pushes.append((method, target, body))
        if body == b"bad":
            return Reply(400, (("Content-Type", "text/plain"),), b"error: bad\n")
        return Reply(200)


def request(
    number: int, body: bytes = b"x 1\n", method: bytes = b"PUT", more: bytes = b""
) -> bytes:
    head = b"%b /push/%d HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n"
    return head % (method, number, more, len(body)) + body


def pushing(**settings: object) -> tuple[Port, Taken]:
    port, taken = Port(**settings), Taken()
    port.front.hooks.pushes = taken
    return port, taken


async def test_is_answered():
    """With the headers of any response; a refusal leaves the connection open."""
    port, taken = pushing()
    async with port:
        reader, writer = await port.connect()
        writer.write(request(1))
        answer = await reader.readuntil(b"\r\n\r\n")
        pattern = rb"HTTP/1.1 200 OK\r\nServer: exporter-proxy\r\nDate: .*? GMT\r\n"
        assert re.fullmatch(pattern + rb"Content-Length: 0\r\n\r\n", answer)
        writer.write(request(2, b"bad", b"POST"))
        answer = await reader.readuntil(b"error: bad\n")
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\n" in answer
        writer.write(request(3))
        await reader.readuntil(b"\r\n\r\n")
    assert taken.pushes == [
        ("PUT", "/push/1", b"x 1\n"),
        ("POST", "/push/2", b"bad"),
        ("PUT", "/push/3", b"x 1\n"),
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=60),
    st.lists(st.integers(1, 3000), max_size=6),
)
async def test_pipelined_and_cut_anywhere(bodies: list[bytes], cuts: list[int]):
    """Each is taken once, in its order, whatever the packets are."""
    port, taken = pushing()
    data = b"".join(request(number, body) for number, body in enumerate(bodies))
    async with port:
        reader, writer = await port.connect()
        place = 0
        for cut in sorted(cuts):
            writer.write(data[place:cut])
            place = max(place, min(cut, len(data)))
            for _ in range(3):
                await asyncio.sleep(0)
        writer.write(data[place:])
        for _ in bodies:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            length = int(head.rpartition(b"Content-Length: ")[2])
            await reader.readexactly(length)
    assert [body for _, _, body in taken.pushes] == bodies


@pytest.mark.parametrize(
    "other",
    [
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /other HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na",
        b"PUT /push/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\na",
        b"PUT /push/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nb\r\n",
        b"PUT /push/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"
        + b"a" * 1001
        + b"\r\n0\r\n\r\n",
        b"PUT /push/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
        request(2, gzip.compress(bytes(1001)), more=b"Content-Encoding: gzip\r\n"),
        request(2, b"x 1\n", more=b"Content-Encoding: gzip\r\n"),
        request(2, b"x 1\n", more=b"Authorization: Basic YTpi\r\n"),
        b"PUT /push/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\na",
        b"A" * 9000,
    ],
    ids=[
        "get",
        "other_path",
        "too_long",
        "odd_chunk",
        "too_long_in_chunks",
        "too_long_in_a_chunk_to_come",
        "too_long_packed",
        "not_packed",
        "unknown_credentials",
        "two_lengths",
        "no_end",
    ],
)
async def test_what_is_unusual_goes_to_the_server(other: bytes):
    """With all its bytes, and what follows; what came before is answered first."""
    port, taken = pushing()
    async with port:
        reader, writer = await port.connect()
        writer.write(request(1) + other)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(5 + len(other)) == b"http:" + other
        writer.write(request(2))
        assert await reader.readexactly(5) == b"http:"
    assert len(taken.pushes) == 1


async def test_credentials():
    """Each request has its own sender."""
    port, taken = pushing()
    taken.known = {None: None, "Basic YTpi": "a", "Bearer x": "b"}
    async with port:
        reader, writer = await port.connect()
        for more in (b"Authorization: Bearer x\r\n", b"", b"authorization: Basic YTpi\r\n"):
            writer.write(request(1, more=more))
            assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert taken.senders == ["b", None, "a"]


async def test_credentials_are_asked_for_before_the_body_is_there():
    """Who proves nothing can't have a body kept."""
    port, taken = pushing()
    async with port:
        _, writer = await port.connect()
        begun = request(1, more=b"Authorization: Basic YTpi\r\n")[:-1]
        reader, writer = await port.connect()
        writer.write(begun)
        assert await asyncio.wait_for(reader.readexactly(5 + len(begun)), 10) == b"http:" + begun
    assert not taken.pushes


async def test_chunks_and_packed():
    """Together, over several packets; what follows is a request of its own."""
    port, taken = pushing()
    head = b"PUT /push/%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%b\r\n"
    packed = gzip.compress(b"x 3\n")
    data = (
        head % (1, b"")
        + b"4\r\nx 1\n\r\n4\r\nx 2\n\r\n0\r\n\r\n"
        + head % (2, b"Content-Encoding: gzip\r\n")
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
        + request(3, gzip.compress(b""), more=b"Content-Encoding: gzip\r\n")
    )
    async with port:
        for size in (1, 7, len(data)):
            reader, writer = await port.connect()
            for start in range(0, len(data), size):
                writer.write(data[start : start + size])
                await asyncio.sleep(0)
            for _ in range(3):
                assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert [body for *_, body in taken.pushes] == [b"x 1\nx 2\n", b"x 3\n", b""]
            taken.pushes.clear()


async def test_connection_to_be_closed():
    """It is, after the answer; what follows is not looked at (RFC 9112, section 9.6)."""
    port, taken = pushing()
    async with port:
        for body in (b"x 1\n", b"bad"):
            reader, writer = await port.connect()
            writer.write(request(1) + request(2, body, more=b"Connection: close\r\n"))
            answers = await asyncio.wait_for(reader.read(), 10)
            assert answers.count(b"HTTP/1.1 ") == 2
            assert answers.count(b"\r\nConnection: close\r\n") == 1
        reader, writer = await port.connect()
        writer.write(request(3, more=b"Connection: close\r\n") + request(4))
        assert (await asyncio.wait_for(reader.read(), 10)).count(b"HTTP/1.1 ") == 1
    assert [target for _, target, _ in taken.pushes] == [
        *("/push/1", "/push/2") * 2,
        "/push/3",
    ]


async def test_large_bodies_have_turns_of_their_own():
    """A packet of small ones that unpack to large ones is no way to hold the loop."""
    port, taken = pushing()
    taken.wants = lambda *_: True  # type: ignore[method-assign]
    large = request(1, gzip.compress(bytes(131_072)), more=b"Content-Encoding: gzip\r\n")
    async with port:
        reader, writer = await port.connect()
        writer.write(large * 20)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert len(taken.pushes) < 20, "others had their turn before all were taken"
        for _ in range(19):
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)


async def test_half_closed_behind_a_push_for_the_server():
    """The server is told of the end as of any."""
    port, taken = pushing()
    taken.known = None
    async with port:
        reader, writer = await port.connect()
        writer.write(request(1))
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 10) == b"http:" + request(1)


async def test_what_can_no_longer_be_told_at_once():
    """As soon as the operator has other headers, say, also on a connection that is kept."""
    port, taken = pushing()
    async with port:
        reader, writer = await port.connect()
        writer.write(request(1))
        await reader.readuntil(b"\r\n\r\n")
        taken.known = None
        writer.write(request(2))
        assert await reader.readexactly(5) == b"http:"


async def test_eof_within_a_push():
    """It is not taken."""
    port, taken = pushing()
    async with port:
        reader, writer = await port.connect()
        writer.write(request(1) + request(2)[:-1])
        writer.write_eof()
        assert (await asyncio.wait_for(reader.read(), 10)).count(b"HTTP/1.1 200") == 1
    assert len(taken.pushes) == 1


async def test_eof_after_many():
    """All that is whole is answered, over several turns."""
    port, taken = pushing()
    async with port:
        reader, writer = await port.connect()
        writer.write(b"".join(map(request, range(100))))
        writer.write_eof()
        assert (await asyncio.wait_for(reader.read(), 10)).count(b"HTTP/1.1 200") == 100
    assert len(taken.pushes) == 100


@pytest.mark.parametrize("together", [True, False], ids=["one_packet", "two_packets"])
async def test_later_head_without_end(together: bool):  # noqa: FBT001
    """It has the time of a first one, not that of a whole push."""
    port, _ = pushing(header_timeout=0.04)
    begin = b"PUT /push/2 HTTP/1.1\r\nHost: x\r\n"
    async with port:
        reader, writer = await port.connect()
        writer.write(request(1) + (begin if together else b""))
        await reader.readuntil(b"\r\n\r\n")
        if not together:
            writer.write(begin)
        refusal = await asyncio.wait_for(reader.read(), 10)
        assert refusal.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert refusal.endswith(
            b"error: the head of a request was not whole within 0.04 s (exporter.header_timeout)\n"
        )
        assert port.front.stats.closed["header_timeout"] == 1


async def test_body_has_more_time_than_a_head():
    port, taken = pushing(header_timeout=0.02)
    async with port:
        reader, writer = await port.connect()
        writer.write(request(1)[:-1])
        # This one is looked at later, and has too little time.
        late, other = await port.connect()
        other.write(request(2) + b"P")
        assert b" 408 " in await asyncio.wait_for(late.read(), 10)
        writer.write(request(1)[-1:])
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert len(taken.pushes) == 2


async def test_slow_push(monkeypatch: pytest.MonkeyPatch):
    """A request has its time, however its bytes come."""
    monkeypatch.setattr("exporter_proxy.front.front.BODY_SECONDS", 0.01)
    port, _ = pushing(header_timeout=0.04)
    async with port:
        reader, writer = await port.connect()
        writer.write(request(1)[:-1])
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_idle_connections_go():
    """After a while, or when there are too many of them."""
    port, _ = pushing(silent_timeout=0.02, header_timeout=0.02)
    async with port:
        reader, writer = await port.connect()
        writer.write(request(1))
        await reader.readuntil(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 10) == b""
    port, _ = pushing(connections=1)
    async with port:
        first, writer = await port.connect()
        writer.write(request(1))
        await first.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.06)
        reader, writer = await port.connect()
        writer.write(request(2))
        await reader.readuntil(b"\r\n\r\n")
        assert await asyncio.wait_for(first.read(), 10) == b""


async def test_closing_waits_for_a_push():
    """An idle connection goes at once, one within a push when it is answered."""
    port, taken = pushing()
    async with port:
        idle, writer = await port.connect()
        writer.write(request(1))
        await idle.readuntil(b"\r\n\r\n")
        reader, busy = await port.connect()
        busy.write(request(2)[:-1])
        await until(lambda: port.port._pushing)
        closing = asyncio.create_task(port.port.close(5))
        assert await asyncio.wait_for(idle.read(), 10) == b""
        busy.write(b"\n")
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 200")
        await asyncio.wait_for(closing, 10)
    assert len(taken.pushes) == 2


async def test_peer_that_reads_nothing():
    """Its requests wait, and so does their memory."""
    port, taken = pushing()
    async with port:
        reader, writer = await port.connect()
        data = b"".join(request(number, b"bad") for number in range(1000))
        sent = 0
        for _ in range(200):
            writer.write(data)
            sent += 1000
            await asyncio.sleep(0)
            if writer.transport.get_write_buffer_size() > 1_000_000:
                break
        await asyncio.sleep(0.05)
        assert len(taken.pushes) < sent
        answered = 0
        while answered < sent:
            await asyncio.wait_for(reader.readuntil(b"error: bad\n"), 10)
            answered += 1
        assert len(taken.pushes) == sent


def test_date_is_that_of_the_second(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("time.time", lambda: 784111777.5)
    assert b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" in pushes.response(
        Reply(200), closes=False
    )
    monkeypatch.setattr("time.time", lambda: 784111778.0)
    assert b"\r\nDate: Sun, 06 Nov 1994 08:49:38 GMT\r\n" in pushes.response(
        Reply(500), closes=False
    )

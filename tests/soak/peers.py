"""Peers that misbehave: on the receivers' sockets, and on the scrape port."""

import asyncio
import gzip
import json
import os
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.payload.reading import raw_capnp_message
from tests.soak.connections import GONE, vanish
from tests.soak.ledger import Ledger
from tests.soak.plan import MAX_MESSAGE, MESSAGE_TIMEOUT, NOISY_APPS, Plan
from tests.soak.subject import Subject

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Misdeed = Callable[["Peer"], Awaitable[None]]

_HALF = b'{"a0":["soak_value{soak=\\"a0\\",part=\\"0\\"} 999999"'
_SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: soak\r\nAccept: text/plain\r\n\r\n"
# The scrape port takes messages, too.
_RAW = ("tcp", "unix", "tcp", "http")
_ANSWER_SECONDS = 15.0


class Peer:
    """One that misbehaves, once.

    Args:
        subject: Against whom.
        ledger: Told of answers that should not be.
        chance: Of the details.
    """

    def __init__(self, subject: Subject, ledger: Ledger, chance: random.Random) -> None:
        self._subject = subject
        self._ledger = ledger
        self.chance = chance
        self.flood = 0
        self._open: list[asyncio.StreamWriter] = []

    async def raw(self) -> Streams:
        """Connect to one of the receivers."""
        return await self._connect(self.chance.choice(_RAW))

    async def http(self) -> Streams:
        """Connect to the scrape port."""
        return await self._connect("http")

    async def _connect(self, place: str) -> Streams:
        streams = await self._subject.connect(place)
        self._open.append(streams[1])
        return streams

    def leave(self) -> None:
        """Leave nothing open."""
        for writer in self._open:
            vanish(writer)
        self._open.clear()

    async def refused(self, data: bytes, *reasons: str, place: str = "") -> None:
        """Send what has to be refused with one line, which names one of the reasons."""
        life = self._ledger.life
        reader, writer = await (self._connect(place) if place else self.raw())
        with suppress(*GONE):
            writer.write(data)
            writer.write_eof()
        answer = b""
        with suppress(*GONE):
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await reader.read()
        writer.close()
        line = answer.decode()
        if life != self._ledger.life:
            return
        # A peer that goes on sending may lose the line with the connection.
        right = line.startswith("error: ") and line.endswith("\n") and line.count("\n") == 1
        if line and not (right and any(reason in line for reason in reasons)):
            self._ledger.complain("answer", f"{data[:60]!r} got {line!r}")

    async def asked(self, request: bytes, *statuses: int) -> None:
        """Ask the scrape port for what it has to answer with one of the statuses."""
        life = self._ledger.life
        reader, writer = await self.http()
        answer = b""
        with suppress(*GONE):
            writer.write(request)
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await reader.readuntil(b"\r\n")
        writer.close()
        if not answer or life != self._ledger.life:
            return
        if answer.split(b" ", 2)[1].decode() not in map(str, statuses):
            self._ledger.complain("answer", f"{request[:80]!r} got {answer!r}")


async def _sleep_until_closed(streams: Streams, seconds: float) -> None:
    """Wait, as long as the other side has the connection open."""
    reader, writer = streams
    with suppress(TimeoutError, *GONE):
        async with asyncio.timeout(seconds):
            await reader.read()
    writer.close()


# On the receivers.


async def _half_message(peer: Peer) -> None:
    streams = await peer.raw()
    streams[1].write(_HALF)
    await _sleep_until_closed(streams, MESSAGE_TIMEOUT + 3)


async def _half_capnp(peer: Peer) -> None:
    streams = await peer.raw()
    streams[1].write(struct.pack("<II", 0, 1000) + b"\0" * 100)
    await _sleep_until_closed(streams, MESSAGE_TIMEOUT + 3)


async def _half_and_gone(peer: Peer) -> None:
    await peer.refused(_HALF, "ended within a message")


async def _half_and_reset(peer: Peer) -> None:
    _, writer = await peer.raw()
    writer.write(_HALF)
    await writer.drain()
    vanish(writer)


async def _slow_loris(peer: Peer) -> None:
    streams = await peer.raw()
    for byte in _HALF:
        if streams[1].is_closing():
            break
        streams[1].write(bytes([byte]))
        await asyncio.sleep(0.15)
    await _sleep_until_closed(streams, 1)


async def _silent(peer: Peer) -> None:
    await _sleep_until_closed(await peer.raw(), peer.chance.uniform(1, 6))


async def _tls_hello(peer: Peer) -> None:
    hello = b"\x16\x03\x01\x01\x36\x01\x00\x01\x32\x03\x03" + os.urandom(300)
    await peer.refused(hello, "a TLS hello came")


async def _http_on_raw(peer: Peer) -> None:
    request = b"POST /metrics/job/x HTTP/1.1\r\nHost: h\r\n\r\n"
    # The Unix socket answers HTTP.
    await peer.refused(request, "an HTTP request came", place="tcp")


async def _junk(peer: Peer) -> None:
    # No NUL, so that it is not taken for a header of Cap'n Proto.
    data = bytes(byte | 1 for byte in os.urandom(4096))
    await peer.refused(b"\x80" + data, "something else came", "looks like", "a TLS hello", "JSON")


async def _oversize(peer: Peer) -> None:
    data = b'{"big":"' + b"x" * (MAX_MESSAGE + 10) + b'"}'
    await peer.refused(data, "exceeds")


async def _oversize_capnp(peer: Peer) -> None:
    await peer.refused(struct.pack("<II", 0, 1 << 28) + b"\0" * 64, "exceeds")


async def _deep(peer: Peer) -> None:
    await peer.refused(b'{"a":' + b"[" * 50_000, "nested", "array", "expected")


async def _bad_name(peer: Peer) -> None:
    await peer.refused(b'{"bad\\nname":"x 1"}', "name")


async def _bad_capnp(peer: Peer) -> None:
    await peer.refused(raw_capnp_message(b"a0\0", b"\xff\xfe\0"), "UTF-8")


async def _greedy(peer: Peer) -> None:
    await peer.refused(json.dumps({"greedy": ["x 1"] * 50}).encode(), "samples", "table is full")


async def _flood_of_names(peer: Peer) -> None:
    start = peer.chance.randrange(10**9)
    names = {f"flood{start + n}": "x 1" for n in range(peer.flood)}
    await peer.refused(json.dumps(names).encode(), "table is full")


async def _bad_exposition(peer: Peer) -> None:
    name = f"noisy{peer.chance.randrange(NOISY_APPS - 2)}"
    lines = [
        f"# TYPE noise{peer.chance.randrange(5)} {peer.chance.choice(['gauge', 'counter', 'x'])}",
        f"noise{peer.chance.randrange(5)}{{ {peer.chance.random()}",
        f'noise_same{{a="b"}} {peer.chance.randrange(9)}',
        "soak_value{broken",
        "# HELP soak_value Something else.",
    ]
    peer.chance.shuffle(lines)
    await peer.refused(json.dumps({name: lines}).encode(), "nothing")


# On the scrape port.


async def _slow_loris_http(peer: Peer) -> None:
    streams = await peer.http()
    for byte in _SCRAPE[:-2]:
        if streams[1].is_closing():
            break
        streams[1].write(bytes([byte]))
        await asyncio.sleep(0.1)
    vanish(streams[1])


async def _never_reads(peer: Peer) -> None:
    reader, writer = await peer.http()
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    with suppress(*GONE):
        writer.write(_SCRAPE * 30)
        await asyncio.sleep(peer.chance.uniform(2, 8))
    vanish(writer)


async def _reset_scraper(peer: Peer) -> None:
    reader, writer = await peer.http()
    writer.write(_SCRAPE)
    with suppress(*GONE):
        await reader.read(1000)
    vanish(writer)


async def _http_junk(peer: Peer) -> None:
    head = b"GET /metrics HTTP/1.1\r\nHost: h\r\n"
    await peer.asked(head + os.urandom(200).replace(b"\n", b"") + b"\r\n\r\n", 200, 400)


async def _long_header(peer: Peer) -> None:
    await peer.asked(b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", 400, 431)


async def _endless_lint(peer: Peer) -> None:
    _, writer = await peer.http()
    with suppress(*GONE):
        writer.write(b"POST /lint HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(40):
            writer.write(b"5\r\n#abc\n\r\n")
            await asyncio.sleep(0.1)
    vanish(writer)


async def _bad_group(peer: Peer) -> None:
    body = b"soak_value{broken\n"
    head = b"PUT /metrics/job/noisy HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    await peer.asked(head + body, 400)


async def _group_bomb(peer: Peer) -> None:
    body = gzip.compress(b"# soak\n" * 12_000_000, 1)
    head = (
        b"PUT /metrics/job/noisy HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    await peer.asked(head + body, 400, 413)


async def _half_group(peer: Peer) -> None:
    _, writer = await peer.http()
    writer.write(b"PUT /metrics/job/noisy HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx 1\n")
    await asyncio.sleep(peer.chance.uniform(0.1, 2))
    vanish(writer)


async def _slow_reader(peer: Peer) -> None:
    """Read at 1 kB/s, until it is cut off."""
    reader, writer = await peer.http()
    opened = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    transport = reader._transport  # type: ignore[attr-defined]
    with suppress(*GONE):
        writer.write(_SCRAPE)
        while await reader.read(250):
            transport.pause_reading()
            await asyncio.sleep(0.25)
            transport.resume_reading()
    vanish(writer)


MISDEEDS: dict[str, Misdeed] = {
    "half a message, then silence": _half_message,
    "half a Cap'n Proto message": _half_capnp,
    "half a message, then the end": _half_and_gone,
    "half a message, then a reset": _half_and_reset,
    "slow loris": _slow_loris,
    "silence": _silent,
    "TLS hello": _tls_hello,
    "HTTP on a raw port": _http_on_raw,
    "binary junk": _junk,
    "oversize message": _oversize,
    "oversize Cap'n Proto header": _oversize_capnp,
    "deep nesting": _deep,
    "bad name": _bad_name,
    "no UTF-8": _bad_capnp,
    "over its budget": _greedy,
    "flood of names": _flood_of_names,
    "bad exposition": _bad_exposition,
    "slow loris over HTTP": _slow_loris_http,
    "never reads": _never_reads,
    "scraper resets": _reset_scraper,
    "junk over HTTP": _http_junk,
    "header of 100 kB": _long_header,
    "endless body": _endless_lint,
    "unreadable group": _bad_group,
    "gzip bomb": _group_bomb,
    "half a group": _half_group,
}
"""Everything but slow readers, of which there are some all the time."""


class Peers:
    """Keeps some of them busy.

    Args:
        plan: How many.
        subject: Against whom.
        ledger: Told of answers that should not be.
        chance: Who does what, and when.

    Attributes:
        faults: What they did, by kind.
    """

    def __init__(self, plan: Plan, subject: Subject, ledger: Ledger, chance: random.Random) -> None:
        self._plan = plan
        self._subject = subject
        self._ledger = ledger
        self._chance = chance
        self.faults: Counter[str] = Counter()

    async def run(self) -> None:
        """Misbehave until cancelled."""
        readers = [("reads at 1 kB/s", _slow_reader)] * self._plan.slow_readers
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._plan.peers):
                tasks.create_task(self._go_on(number, list(MISDEEDS.items())))
            for number, each in enumerate(readers):
                tasks.create_task(self._go_on(1000 + number, [each]))

    async def _go_on(self, number: int, misdeeds: list[tuple[str, Misdeed]]) -> None:
        chance = random.Random(self._chance.random())
        peer = Peer(self._subject, self._ledger, chance)
        # More than the table can hold.
        peer.flood = self._plan.apps + self._plan.targets + NOISY_APPS + 1
        await asyncio.sleep(chance.random())
        turn = number
        while True:
            name, misdeed = misdeeds[turn % len(misdeeds)]
            turn += chance.randrange(1, 6)
            if not self._subject.is_up:
                await asyncio.sleep(0.2)
                continue
            self.faults[name] += 1
            try:
                with suppress(TimeoutError, *GONE):
                    await misdeed(peer)
            finally:
                peer.leave()
            await asyncio.sleep(chance.uniform(0.05, 0.3))

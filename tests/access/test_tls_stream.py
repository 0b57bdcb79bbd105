"""An encrypted connection whose reader pauses while the peer goes away."""

import asyncio
from typing import Any

from exporter_proxy.access.tls_stream import TlsStream


class Transport(asyncio.Transport):
    """Takes note of what it is told; stands for the one below and for the encryption."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.gone = False

    def pause_reading(self) -> None:
        """Take note."""
        self.told.append("pause")

    def resume_reading(self) -> None:
        """Take note."""
        self.told.append("resume")

    def close(self) -> None:
        """Take note."""
        self.told.append("close")

    def abort(self) -> None:
        """Take note."""
        self.told.append("abort")

    def is_closing(self) -> bool:
        """Whether it has gone."""
        return self.gone


class Reader(asyncio.Protocol):
    """Takes note of what it is told, and pauses where that was asked for."""

    def __init__(self, *, pauses: bool = False) -> None:
        self.told: list[Any] = []
        self.pauses = pauses

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport: Any = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        """Take note."""
        self.told.append(data)
        if self.pauses:
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """Take note."""
        self.told.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note."""
        self.told.append(("lost", exc))


class Bench:
    """A stream, and what is on its sides."""

    def __init__(self, *, pauses: bool = False) -> None:
        self.raw, self.encrypted = Transport(), Transport()
        self.reader = Reader(pauses=pauses)
        self.stream = TlsStream(self.raw)

    def hand_over(self) -> None:
        """Have the reader go on."""
        self.stream.hand_over(self.encrypted, self.reader)

    def vanish(self) -> None:
        """Have the peer say that it has ended, and go."""
        self.stream.eof_received()
        self.raw.gone = self.encrypted.gone = True
        self.stream.connection_lost(None)


async def turn() -> None:
    """Let the loop go round once, and a bit."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_came_before_the_reader_is_passed_on():
    bench = Bench()
    bench.stream.data_received(b"a")
    bench.stream.data_received(b"b")
    bench.vanish()
    bench.hand_over()

    assert bench.reader.told == ["made", b"a", b"b", "eof", ("lost", None)]
    assert bench.stream.is_closing()


async def test_nothing_is_said_while_reading_is_paused():
    """All that came counts, though the peer has gone; the encryption is never told to pause."""
    bench = Bench(pauses=True)
    bench.hand_over()
    for data in (b"a", b"b", b"c"):
        bench.stream.data_received(data)
    bench.vanish()
    await turn()

    assert bench.reader.told == ["made", b"a"]
    assert not bench.stream.is_closing()
    bench.stream.resume_reading()
    await turn()
    assert bench.reader.told == ["made", b"a", b"b"]
    bench.reader.pauses = False
    bench.stream.resume_reading()
    await turn()
    assert bench.reader.told == ["made", b"a", b"b", b"c", "eof", ("lost", None)]
    assert bench.stream.is_closing()
    assert bench.encrypted.told == []
    assert bench.raw.told == ["pause"]


async def test_what_comes_meanwhile_keeps_its_order():
    """Resumed, and not told yet: what comes now is behind what is kept."""
    bench = Bench(pauses=True)
    bench.hand_over()
    bench.stream.data_received(b"a")
    bench.stream.data_received(b"b")
    bench.reader.pauses = False
    bench.stream.resume_reading()
    bench.stream.data_received(b"c")

    assert bench.reader.told == ["made", b"a"]
    await turn()
    assert bench.reader.told == ["made", b"a", b"b", b"c"]
    assert bench.raw.told == ["pause", "resume"]


async def test_one_who_closes_hears_of_the_end_alone():
    bench = Bench(pauses=True)
    bench.hand_over()
    bench.stream.data_received(b"a")
    bench.stream.data_received(b"b")
    bench.stream.close()
    bench.stream.data_received(b"c")

    assert bench.stream.is_closing()
    assert bench.encrypted.told == ["close"]
    # The peer's last words have to be read, or the connection would stay.
    assert bench.raw.told == ["pause", "resume"]
    bench.vanish()
    assert bench.reader.told == ["made", b"a", ("lost", None)]


async def test_one_who_aborts_after_the_peer_has_gone_hears_of_it_once():
    bench = Bench(pauses=True)
    bench.hand_over()
    bench.stream.data_received(b"a")
    bench.stream.data_received(b"b")
    bench.vanish()
    bench.stream.abort()
    await turn()

    assert bench.reader.told == ["made", b"a", ("lost", None)]
    assert bench.encrypted.told == ["abort"]

"""One connection of a receiver: bytes in, updates of the table, at most one line back."""

import asyncio
import math
import select
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from exporter_proxy.access import Peer, peer_of
from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.detect import Wire, detect, wrong_wire
from exporter_proxy.payload.message import READING, WORKING, MessageReader, Progress, truncated
from exporter_proxy.turns import TURN_SECONDS

if TYPE_CHECKING:
    from exporter_proxy.sources.receiver.receiver import Receiver

# What comes at once is read at once up to that many bytes, half a millisecond of JSON. Of more the
# loop may hand over many such packets without a pause: each has to wait for its turn.
_READ_AT_ONCE = 65_536
# No packet has more: a message of which as much has come is none that comes whole, and is read in
# parts, as many as a turn has time for.
_LARGEST_PACKET = 262_144
_PART_BYTES = 32_768
# Messages applied before others have their turn: some milliseconds.
_MESSAGES_A_TURN = 500


class Connection(asyncio.Protocol):
    """Reads messages and hands them to its receiver, which counts, applies and limits.

    A refusal is answered with one line. The connection is then half closed and what still comes is
    read and thrown away for a moment, because closing with bytes unread would reset the connection,
    and the peer might never see the line.

    What takes long waits for its turn, step by step, with nothing read meanwhile, not even the
    peer's end: so messages count in their order, and a message that has come whole counts even if
    the peer has vanished since.

    Attributes:
        receiver: Whose connection it is.
        since: When the connection was last silent, in seconds of the loop's clock.
        begun: When its unfinished message began; see :class:`Unfinished`.
    """

    __slots__ = (
        "_applying",
        "_head",
        "_held",
        "_http",
        "_is_reading",
        "_lost",
        "_packet",
        "_read_to",
        "_reader",
        "_refused",
        "_transport",
        "_waits",
        "begun",
        "receiver",
        "since",
    )

    def __init__(self, receiver: "Receiver") -> None:
        self.receiver = receiver
        self._transport: asyncio.Transport
        # Chosen by the first bytes.
        self._reader: MessageReader | None = None
        # First bytes that don't tell yet.
        self._head = b""
        self._refused = False
        self._lost = False
        # Its turn comes later: there is a packet to read, a message to go on with, or nothing.
        self._waits = False
        self._packet = b""
        # Up to where the packet was read.
        self._read_to = 0
        self._applying: Iterator[None] | None = None
        # Others that are within a message go first.
        self._held = False
        self._is_reading = True
        # Goes on with a connection that speaks HTTP.
        self._http: asyncio.Protocol | None = None
        self.since = 0.0
        self.begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self.receiver.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, whoever ended it."""
        self.receiver.turns.note_served()
        self._lost = True
        if self._http is not None:
            self._http.connection_lost(exc)
        if not self._waits:
            self._count_cut()
        self.receiver.closed(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        reader = self._reader
        if reader is None:
            if self._http is not None:
                self._http.data_received(data)
                return
            if self._refused:
                return
            data = self._head + data
            reader = self._choose(data, final=False)
            if reader is None:
                return
        if len(data) > _READ_AT_ONCE:
            self._packet = data
            if not reader.buffered:
                self.receiver.busy(self)
            self._wait()
            return
        self.receiver.turns.note_served()
        reader.feed(data)
        self._read(reader)

    def eof_received(self) -> bool:
        """Take note that the peer has said all; tell whether the connection stays open."""
        self.receiver.turns.note_served()
        if self._refused:
            return False
        if self._reader is None and self._head:
            head = self._head
            reader = self._choose(head, final=True)
            if reader is not None:
                reader.feed(head)
                self._read(reader)
        if self._http is not None:
            return bool(self._http.eof_received())
        if not self._refused and self.buffered:
            self.refuse(truncated(self.buffered))
        # A refused connection is closed by the receiver, when its line had time to arrive.
        return False

    @property
    def buffered(self) -> int:
        """Bytes received of a message that is not complete."""
        return len(self._head) if self._reader is None else self._reader.buffered

    @property
    def peer(self) -> str:
        """The other end, for a log line."""
        name = self._transport.get_extra_info("peername")
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "unix"

    @property
    def identity(self) -> Peer:
        """The other end, as far as it shows who it is."""
        return peer_of(self._transport)

    def has_input(self) -> bool:
        """Whether bytes of the peer, or its end, wait to be read."""
        if self._transport.is_closing():
            return True
        poll = select.poll()
        try:
            poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        except ValueError:
            # It is closed already, and that is what waits.
            return True
        return bool(poll.poll(0))

    def refuse(self, error: PayloadError) -> None:
        """Answer with one line and take nothing more."""
        self.receiver.count(error, self)
        self.say_goodbye(str(error))

    def say_goodbye(self, line: str) -> None:
        """Write ``line`` as an error and have the connection closed."""
        self._refused = True
        self._reader = None
        self._head = self._packet = b""
        if self._transport.is_closing():
            return
        self._transport.write(f"error: {line}\n".encode())
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._waits = self._held = False
        self._follow()
        self.receiver.linger(self)

    def renew(self) -> None:
        """Begin anew, between two messages, under what is configured now."""
        self._reader = None

    def close(self) -> None:
        """Close the connection when what was written is on its way."""
        self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Take nothing from the peer: TCP tells it to wait."""
        self._held = True
        self._follow()

    def resume_reading(self) -> None:
        """Take from the peer again."""
        self._held = False
        self._follow()

    def _follow(self) -> None:
        """Have the transport read, or not."""
        reads = not (self._held or self._waits)
        if reads == self._is_reading or self._transport.is_closing():
            return
        self._is_reading = reads
        if reads:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _choose(self, head: bytes, *, final: bool) -> MessageReader | None:
        """Return the reader for the wire that begins with ``head``; None if none can go on."""
        wire: Wire | None = detect(head, final=final)
        if wire is None:
            self._head = head
            self.receiver.settle(self, len(head), began=False)
            return None
        if wire == "http" and self.receiver.http is not None:
            self._answer_http(self.receiver.http(self._go_on_with), head)
            return None
        try:
            reader = self.receiver.reader(wire, self)
        except PayloadError as error:
            self.refuse(error)
            return None
        if reader is None:
            self.refuse(wrong_wire(wire, self.receiver.takes, head))
            return None
        self._head = b""
        self._reader = reader
        return reader

    def _answer_http(self, protocol: asyncio.Protocol, head: bytes) -> None:
        """Have another protocol go on. The place is kept, and never idle."""
        self._head = b""
        self.receiver.busy(self)
        self._go_on_with(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(head)

    def _go_on_with(self, protocol: asyncio.BaseProtocol) -> None:
        self._http = cast("asyncio.Protocol", protocol)

    def pause_writing(self) -> None:
        """Tell who answers that the peer takes less than it is given."""
        if self._http is not None:
            self._http.pause_writing()

    def resume_writing(self) -> None:
        """Tell who answers that the peer has taken it."""
        if self._http is not None:
            self._http.resume_writing()

    @property
    def speaks_http(self) -> bool:
        """Whether another goes on with it."""
        return self._http is not None

    def _read(self, reader: MessageReader) -> None:
        """Apply all messages that are complete."""
        receiver = self.receiver
        messages = 0
        # Told by the first part, so that there is one in each turn.
        until = math.inf
        try:
            while True:
                message = reader.next_message()
                if message is None:
                    if not self._packet:
                        break
                    now = time.perf_counter()
                    if now >= until:
                        self._go_on_later(READING, began=messages > 0)
                        return
                    until = min(until, now + TURN_SECONDS)
                    reader.feed(self._next_part(reader.buffered))
                    continue
                if isinstance(message, Progress):
                    self._go_on_later(message, began=messages > 0)
                    return
                messages += 1
                self._applying = receiver.apply(message)
                if self._applying is not None or messages >= _MESSAGES_A_TURN:
                    self._go_on_later(WORKING, began=True)
                    return
        except PayloadError as error:
            self.refuse(error)
            return
        if self._waits:
            self._waits = False
            self._follow()
        if self._lost:
            self._count_cut()
        else:
            receiver.settle(self, reader.buffered, began=messages > 0)

    def _next_part(self, buffered: int) -> bytes:
        """Take as much of the packet as can be read in a moment."""
        start = self._read_to
        end = start + _PART_BYTES
        if end < len(self._packet) and buffered >= _LARGEST_PACKET:
            self._read_to = end
            return self._packet[start:end]
        packet, self._packet, self._read_to = self._packet, b"", 0
        return packet[start:]

    def _count_cut(self) -> None:
        """Count a message that the end of the connection has cut."""
        if not self._refused and self.buffered:
            self.receiver.count(truncated(self.buffered), self)

    def _go_on_later(self, progress: Progress, *, began: bool) -> None:
        self._wait()
        if self._lost:
            return
        if progress is READING and self.buffered:
            # The peer's time goes on.
            self.receiver.settle(self, self.buffered, began=began)
        else:
            self.receiver.busy(self)

    def _wait(self) -> None:
        """Let others have their turn."""
        self._waits = True
        self._follow()
        self.receiver.turns.wait(self._go_on)

    def _go_on(self) -> None:
        if self._applying is not None:
            for _ in self._applying:
                self.receiver.turns.wait(self._go_on)
                return
            self._applying = None
        reader = self._reader
        if reader is None:
            # It was refused meanwhile: its message took too long.
            self._waits = False
            return
        self._read(reader)

"""One connection of a receiver: bytes in, updates of the table, at most one line back."""

import asyncio
import select
from typing import TYPE_CHECKING, cast

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.detect import Wire, detect, wrong_wire
from exporter_proxy.payload.message import WORKING, MessageReader, truncated

if TYPE_CHECKING:
    from exporter_proxy.sources.receiver.receiver import Receiver


class Connection(asyncio.Protocol):
    """Reads messages and hands them to its receiver, which counts, applies and limits.

    A refusal is answered with one line. The connection is then half closed and what still comes is
    read and thrown away for a moment, because closing with bytes unread would reset the connection,
    and the peer might never see the line.

    Attributes:
        receiver: Whose connection it is.
        since: When the connection was last silent, in seconds of the loop's clock.
        begun: When its unfinished message began; see :class:`Unfinished`.
    """

    __slots__ = (
        "_head",
        "_lost",
        "_reader",
        "_refused",
        "_transport",
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
        self.since = 0.0
        self.begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self.receiver.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End, whoever ended it."""
        if not self._refused and self.buffered:
            self.receiver.count(truncated(self.buffered), self)
        self._lost = True
        self.receiver.closed(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the peer."""
        reader = self._reader
        if reader is None:
            if self._refused:
                return
            data = self._head + data
            reader = self._choose(data, final=False)
            if reader is None:
                return
        reader.feed(data)
        self._read(reader)

    def eof_received(self) -> bool:
        """Take note that the peer has said all; tell whether the connection stays open."""
        if self._refused:
            return False
        if self._reader is None and self._head:
            head = self._head
            reader = self._choose(head, final=True)
            if reader is not None:
                reader.feed(head)
                self._read(reader)
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

    def has_input(self) -> bool:
        """Whether bytes of the peer, or its end, wait to be read."""
        if self._transport.is_closing():
            return True
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return bool(poll.poll(0))

    def refuse(self, error: PayloadError) -> None:
        """Answer with one line and take nothing more."""
        self.receiver.count(error, self)
        self.say_goodbye(str(error))

    def say_goodbye(self, line: str) -> None:
        """Write ``line`` as an error and have the connection closed."""
        self._refused = True
        self._reader = None
        self._head = b""
        if self._transport.is_closing():
            return
        self._transport.write(f"error: {line}\n".encode())
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()
        self.receiver.linger(self)

    def close(self) -> None:
        """Close the connection when what was written is on its way."""
        self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Take nothing from the peer: TCP tells it to wait."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take from the peer again."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _choose(self, head: bytes, *, final: bool) -> MessageReader | None:
        """Return the reader for the wire that begins with ``head``; None if none can go on."""
        wire: Wire | None = detect(head, final=final)
        if wire is None:
            self._head = head
            self.receiver.settle(self, len(head), began=False)
            return None
        reader = self.receiver.reader(wire)
        if reader is None:
            self.refuse(wrong_wire(wire, self.receiver.takes, head))
            return None
        self._head = b""
        self._reader = reader
        return reader

    def _read(self, reader: MessageReader) -> None:
        """Apply all messages that are complete."""
        receiver = self.receiver
        some = False
        try:
            while (message := reader.next_message()) is not None:
                if message is WORKING:
                    self._go_on_later()
                    return
                receiver.apply(message)
                some = True
        except PayloadError as error:
            self.refuse(error)
            return
        if not self._lost:
            receiver.settle(self, reader.buffered, began=some)

    def _go_on_later(self) -> None:
        """Let others have their turn. Meanwhile nothing is read, not even the peer's end."""
        self.pause_reading()
        self.receiver.busy(self)
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        # A message that has come whole counts, even if the peer has vanished since.
        assert self._reader is not None
        self.resume_reading()
        self._read(self._reader)

"""Small pushes over HTTP, answered at once: the HTTP server costs several times that.

What is not a small, plain push goes to the server, with all bytes from there on, so that nothing
but the time tells who has answered.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, cast

from exporter_proxy.access import Peer, peer_of
from exporter_proxy.front import answers
from exporter_proxy.front.bodies import Body, UnusualError, read_body
from exporter_proxy.front.heads import END, LARGEST_HEAD, Head, Heads
from exporter_proxy.front.opening import Install, has_input, peer_name
from exporter_proxy.turns import turns_of_loop

if TYPE_CHECKING:
    from exporter_proxy.front.front import FrontPort

logger = logging.getLogger(__name__)

BODY_SECONDS = 30.0
"""How long a request may take once begun."""

# What is answered of one packet before others have their turn, a millisecond or so: requests, of
# which one with a large body counts as several.
_REQUESTS_A_TURN = 32
_REQUEST_BYTES = 4096
_heads = Heads()


class Reply(Protocol):
    """What a request is answered with."""

    @property
    def status(self) -> int:
        """Its status."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Its headers, without those of each response."""

    @property
    def body(self) -> bytes:
        """Its body."""


class Taking(Protocol):
    """Takes pushes that are here as a whole."""

    def wants(self, target: str, length: int) -> bool:
        """Tell whether a PUT or POST there is a push, and may have so many bytes."""

    def sender(self, peer: Peer, authorization: str | None) -> Peer | None:
        """Return who sends a request, given the header with credentials; None: not known yet."""

    def take(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer
    ) -> Reply:
        """Take a push, and return what its sender is told; at once."""


def is_push(head: bytes, taking: Taking) -> bool:
    """Tell whether a connection that begins with ``head`` is one for :class:`PushConnection`."""
    read = _heads.read(head[: head.find(END) + len(END)]) if head[:1] == b"P" else None
    return read is not None and taking.wants(read.target, read.block.length or 0)


class PushConnection(asyncio.Protocol):
    """Answers pushes, as long as they are nothing else.

    Args:
        port: Whose connection it is.
        taking: Takes pushes.
        install: Has another protocol go on in this one's place.

    Attributes:
        since: When it last began to wait, in seconds of the loop's clock.
    """

    __slots__ = (
        "_buffer",
        "_closing",
        "_ended",
        "_install",
        "_needed",
        "_paused",
        "_peer",
        "_port",
        "_searched",
        "_successor",
        "_taking",
        "_transport",
        "_turns",
        "_waits",
        "since",
    )

    def __init__(self, port: "FrontPort", taking: Taking, install: Install | None) -> None:
        self._port = port
        self._taking = taking
        self._install = install
        self._transport: asyncio.Transport
        self._peer: Peer
        # What has come of requests that are not answered.
        self._buffer = bytearray()
        # Its first bytes that hold no end of a head.
        self._searched = 0
        # Bytes with which the first of them is whole, as far as is known.
        self._needed = 0
        # The peer doesn't read its answers; the next requests wait for their turn.
        self._paused = self._waits = False
        self._closing = self._ended = False
        # Who goes on in this one's place.
        self._successor: asyncio.Protocol | None = None
        self._turns = turns_of_loop()
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._peer = peer_of(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End, whoever ended it."""
        self._closing = True
        self._port.lets_go(self)

    def data_received(self, data: bytes) -> None:
        """Answer what has come as a whole."""
        if self._closing:
            return
        if self._buffer or self._waits or self._paused:
            self._buffer += data
            if not (self._waits or self._paused) and len(self._buffer) >= self._needed:
                self._go_on(bytes(self._buffer))
        else:
            self._go_on(data)

    def eof_received(self) -> bool:
        """Close: there are no more requests, and all that were whole are answered."""
        if self._successor is not None:
            # What began the connection has told this one, and goes on to tell it.
            return bool(self._successor.eof_received())
        self._ended = True
        return self._waits

    def pause_writing(self) -> None:
        """Take no more while the peer doesn't read its answers."""
        self._paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Take more."""
        self._paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
            if self._buffer and not self._waits:
                self._go_on(bytes(self._buffer))

    def has_input(self) -> bool:
        """Whether bytes of the peer, or its end, wait to be read."""
        return has_input(self._transport)

    def close(self) -> None:
        """Close the connection when what was written is on its way."""
        self._closing = True
        self._transport.close()

    def too_late(self) -> None:
        """Close the connection, whose request has taken too long."""
        if self.within_head:
            line = answers.late_head(self._port.settings.header_timeout)
            self._port.note("header_timeout", peer_name(self._transport), line)
        else:
            line = f"the request did not come within {BODY_SECONDS:g} s"
        self._transport.write(answers.http(HTTPStatus.REQUEST_TIMEOUT, line))
        self.close()

    @property
    def within_head(self) -> bool:
        """Whether a request has begun whose head is not whole."""
        return bool(self._buffer) and not (self._needed or self._waits or self._paused)

    def _go_on(self, data: bytes) -> None:
        """Answer the requests that ``data`` begins with; the rest is kept, or the server's."""
        replies: list[bytes] = []
        place = done = 0
        closes = False
        while place < len(data) and done < _REQUESTS_A_TURN and not closes:
            end = data.find(END, place + max(0, self._searched - 3))
            if end == -1:
                if len(data) - place > LARGEST_HEAD:
                    self._hand_over(replies, data[place:])
                    return
                self._searched = len(data) - place
                self._needed = 0
                break
            end += len(END)
            head = _heads.read(data[place:end])
            sender = None if head is None else self._sender(head)
            found = None if head is None or sender is None else self._body(head, data, end)
            if head is None or sender is None or found is None:
                self._hand_over(replies, data[place:])
                return
            if isinstance(found, int):
                self._searched = end - len(END) - place
                self._needed = found - place
                break
            (body, stop), block = found, head.block
            reply = self._taking.take(head.method, head.target, block.headers, body, sender)
            replies.append(response(reply, closes=block.closes))
            closes = block.closes
            done += 1 + len(body) // _REQUEST_BYTES
            place, self._searched, self._needed = stop, 0, 0
        if replies:
            self._turns.note_served()
            self._transport.write(replies[0] if len(replies) == 1 else b"".join(replies))
        if closes:
            self.close()
        else:
            self._keep(data, place, full=done >= _REQUESTS_A_TURN)

    def _sender(self, head: Head) -> Peer | None:
        """Return who sends a push; None: the server has to find out, or it is none."""
        taking = self._taking
        if not taking.wants(head.target, head.block.length or 0):
            return None
        return taking.sender(self._peer, head.authorization)

    def _body(self, head: Head, data: bytes, start: int) -> Body | int | None:
        """Return the body of a push; None: it is one for the server."""
        try:
            found = read_body(head.block, data, start)
        except UnusualError:
            return None
        size = found - start if isinstance(found, int) else len(found[0])
        # How long it is has been told only now, if it is not as it came.
        is_fit = size == head.block.length or self._taking.wants(head.target, size)
        return found if is_fit else None

    def _keep(self, data: bytes, place: int, *, full: bool) -> None:
        """Keep what is not answered."""
        rest = place < len(data)
        if not rest:
            if self._buffer:
                self._buffer = bytearray()
        elif place or not self._buffer:
            self._buffer = bytearray(data[place:])
        if rest and full:
            self._waits = True
            self._transport.pause_reading()
            self._turns.wait(self._turn)
        self._port.keeps(self, under_way=rest, anew=place > 0)
        if self._ended and not self._waits:
            self.close()

    def _turn(self) -> None:
        self._waits = False
        if self._closing or self._transport.is_closing():
            return
        if not self._paused:
            self._transport.resume_reading()
            self._go_on(bytes(self._buffer))

    def _hand_over(self, replies: list[bytes], rest: bytes) -> None:
        """Have the server go on with the bytes that it has to read."""
        transport = self._transport
        if replies:
            transport.write(b"".join(replies))
        self._closing = True
        self._buffer = bytearray()
        self._port.lets_go(self)
        protocol = self._successor = self._port.server()
        (self._install or transport.set_protocol)(protocol)
        protocol.connection_made(transport)
        protocol.data_received(rest)


class _Top:
    """The first bytes of a response, with the date of this second (RFC 9110, section 6.6.1)."""

    __slots__ = ("_second", "date", "taken")

    def __init__(self) -> None:
        self._second = 0
        self.date = b""
        self.taken = b""

    def refresh(self) -> None:
        """Have the date of now."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            date = formatdate(second, usegmt=True)
            self.date = f"Server: exporter-proxy\r\nDate: {date}\r\n".encode()
            self.taken = b"HTTP/1.1 200 OK\r\n" + self.date + b"Content-Length: 0\r\n\r\n"


_top = _Top()


def response(reply: Reply, *, closes: bool) -> bytes:
    """Return a response as it is sent.

    Args:
        reply: What it says.
        closes: Whether the connection is closed after it.
    """
    _top.refresh()
    status, headers, body = reply.status, reply.headers, reply.body
    if status == HTTPStatus.OK and not headers and not body and not closes:
        return _top.taken
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    if closes:
        lines += "Connection: close\r\n"
    return b"HTTP/1.1 %d %b\r\n%b%bContent-Length: %d\r\n\r\n%b" % (
        status,
        HTTPStatus(status).phrase.encode(),
        _top.date,
        lines.encode(),
        len(body),
        body,
    )

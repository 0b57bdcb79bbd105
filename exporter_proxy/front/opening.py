"""A connection until it is known what it speaks."""

import asyncio
import select
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from exporter_proxy.front import answers
from exporter_proxy.front.wires import Kind, head_end, not_http, tell

if TYPE_CHECKING:
    from exporter_proxy.front.front import FrontPort, Reason

# A request with a longer head is given on as it is: the server knows what to say.
_LARGEST_HEAD = 65_536

Install = Callable[[asyncio.BaseProtocol], None]
"""Has a protocol get what comes of a connection."""


class Opening(asyncio.Protocol):
    """Keeps what comes until it tells what it is, and the head of a request until it is whole.

    Args:
        port: Whose connection it is.
        install: Has another protocol go on in this one's place; None: the transport does.

    Attributes:
        since: When it was last told to wait, in seconds of the loop's clock.
    """

    __slots__ = (
        "_begun",
        "_ended",
        "_head",
        "_install",
        "_port",
        "_searched",
        "_transport",
        "since",
    )

    def __init__(self, port: "FrontPort", install: Install | None = None) -> None:
        self._port = port
        self._install = install
        self._transport: asyncio.Transport
        self._head = b""
        # Bytes known not to hold the end of the head.
        self._searched = 0
        self._begun = False
        # It was refused or given on: what comes is thrown away.
        self._ended = False
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first bytes."""
        self._transport = cast("asyncio.Transport", transport)
        self._port.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End, whoever ended it."""
        self._ended = True
        self._port.left(self)

    def data_received(self, data: bytes) -> None:
        """Look at what came."""
        if self._ended:
            return
        head = self._head + data if self._head else data
        self._look(head, final=False)

    def eof_received(self) -> bool:
        """Look at what came, as there is nothing more; tell whether the connection stays open."""
        if not self._ended and self._head:
            return self._look(self._head, final=True)
        # A refused one is closed by the port, when its line had time to arrive.
        return False

    @property
    def peer(self) -> str:
        """The other end, for a log line."""
        return peer_name(self._transport)

    def has_input(self) -> bool:
        """Whether bytes of the peer, or its end, wait to be read."""
        return has_input(self._transport)

    def too_late(self) -> None:
        """Close the connection, which has taken too long."""
        seconds = self._port.settings.header_timeout
        line = (
            f"the first bytes did not make a request or message within {seconds:g} s "
            "(exporter.header_timeout)"
        )
        if tell(self._head, final=True) == "http":
            self._refuse(answers.http(HTTPStatus.REQUEST_TIMEOUT, line), "header_timeout", line)
        else:
            self._refuse(answers.raw(line), "header_timeout", line)

    def close(self) -> None:
        """Close the connection without a word."""
        self._ended = True
        self._port.left(self)
        self._transport.abort()

    def _look(self, head: bytes, *, final: bool) -> bool:
        """Give the connection on, if it can be told to whom; tell whether it stays open."""
        kind = tell(head, final=final)
        if kind == "http":
            end = head_end(head, self._searched)
            if end == -1 and len(head) <= _LARGEST_HEAD:
                if final:
                    self._refuse_cut()
                    return False
                self._searched = len(head)
                kind = None
        if kind is None:
            self._head = head
            if not self._begun:
                self._begun = True
                self._port.began(self)
            return True
        return self._give_on(kind, head, final=final)

    def _give_on(self, kind: Kind, head: bytes, *, final: bool) -> bool:
        port = self._port
        if kind == "http":
            return self._hand_over(port.answerer(head, self._install), head, final=final)
        raw = port.raw
        if raw is not None and self._install is None:
            self._ended = True
            port.left(self)
            if raw(self._transport, head, final):
                return True
        if kind == "tls":
            self._refuse(answers.raw(answers.TLS), "tls", answers.TLS)
        else:
            line = not_http(head)
            self._refuse(answers.http(HTTPStatus.BAD_REQUEST, line), "not_http", line)
        return False

    def _hand_over(self, protocol: asyncio.Protocol, head: bytes, *, final: bool) -> bool:
        transport = self._transport
        self._ended = True
        self._head = b""
        self._port.left(self)
        (self._install or transport.set_protocol)(protocol)
        protocol.connection_made(transport)
        protocol.data_received(head)
        return bool(protocol.eof_received()) if final else True

    def _refuse_cut(self) -> None:
        line = "the connection ended within the head of a request"
        self._refuse(answers.http(HTTPStatus.BAD_REQUEST, line), "cut_off", line)

    def _refuse(self, answer: bytes, reason: "Reason", line: str) -> None:
        """Answer, half close, and throw away for a moment what still comes.

        Closing with bytes unread would reset the connection, and the peer might never see the line.
        """
        self._ended = True
        self._head = b""
        self._port.refused(self, reason, line)
        transport = self._transport
        if transport.is_closing():
            return
        transport.write(answer)
        if transport.can_write_eof():
            transport.write_eof()


def peer_name(transport: asyncio.BaseTransport) -> str:
    """Return the other end, for a log line."""
    name = transport.get_extra_info("peername")
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "unix"


def has_input(transport: asyncio.Transport) -> bool:
    """Tell whether bytes of the peer, or its end, wait to be read."""
    if transport.is_closing():
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))

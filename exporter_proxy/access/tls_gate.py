"""The first bytes of a connection to a listener that speaks TLS.

What begins with a TLS hello gets the context of this moment, so that new certificates, authorities
and versions count from the next handshake on. What doesn't gets an answer that it can read.
"""

import asyncio
import contextlib
import logging
import resource
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, cast, get_args

from exporter_proxy.access.tls_context import TlsContexts
from exporter_proxy.access.tls_stream import TlsStream
from exporter_proxy.repeats import Throttle

logger = logging.getLogger(__name__)

ProtocolFactory = Callable[[], asyncio.BaseProtocol]
HandshakeFailure = Literal["plain", "handshake", "timeout", "client_allowed_sans", "evicted"]

_HELLO = 0x16
_PLAIN_HTTP = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
)
# Until the handshake is done, and for the first byte to come.
_HANDSHAKE_SECONDS = 10.0
# How long a refused peer has to read its answer.
_LINGER_SECONDS = 2.0
# Connections whose handshake is not done; beyond it, or beyond an eighth of the file descriptors
# that the process may have, the oldest is closed.
_MAX_UNDER_WAY = 256


def answer_push(_first: bytes) -> bytes:
    """Return what a peer is told that pushes without TLS."""
    return b"error: this port speaks TLS\n"


def answer_http(first: bytes) -> bytes:
    """Return what a peer of the scrape port is told that does not speak TLS, as Go's servers do."""
    if first[:1].isalpha():
        return _PLAIN_HTTP
    return answer_push(first)


class TlsStats:
    """Handshakes that failed on one listener, by reason."""

    __slots__ = ("failures",)

    def __init__(self) -> None:
        self.failures: Counter[HandshakeFailure] = Counter(
            dict.fromkeys(get_args(HandshakeFailure), 0)
        )


class TlsListener:
    """What the connections to one listener have in common.

    Args:
        name: The listener, for the log.
        contexts: Gives the contexts of handshakes; None: plain connections are taken.
        answer_plain: Gives what a peer is told that doesn't speak TLS, by its first bytes.

    Attributes:
        stats: Counters.
    """

    def __init__(
        self,
        name: str,
        contexts: Callable[[], TlsContexts | None],
        answer_plain: Callable[[bytes], bytes],
    ) -> None:
        self.stats = TlsStats()
        self.answer_plain = answer_plain
        self._name = name
        self._contexts = contexts
        self._under_way: dict[_Gate, None] = {}
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = max(1, min(_MAX_UNDER_WAY, descriptors // 8))
        self._throttle: Throttle[tuple[str, HandshakeFailure]] = Throttle(self._tell)

    @property
    def speaks_tls(self) -> bool:
        """Whether connections that are made now need TLS."""
        return self._contexts() is not None

    def wrap(self, factory: ProtocolFactory) -> ProtocolFactory:
        """Return a factory for a server, of protocols that begin what ``factory`` makes after TLS.

        What it makes sees a connection as it would with ``create_server(ssl=…)``.
        """

        def make() -> asyncio.BaseProtocol:
            contexts = self._contexts()
            return factory() if contexts is None else _Gate(self, contexts, factory)

        return make

    def began(self, gate: "_Gate") -> None:
        """Take note of a connection."""
        self._under_way[gate] = None
        if len(self._under_way) > self._most:
            oldest = next(iter(self._under_way))
            self.failed(oldest, "evicted", "others wait")
            oldest.abort()

    def ended(self, gate: "_Gate") -> None:
        """Take note that a handshake is done, or the connection gone."""
        self._under_way.pop(gate, None)

    def failed(self, gate: "_Gate", reason: HandshakeFailure, why: str) -> None:
        """Count and log a connection that came to nothing."""
        self.stats.failures[reason] += 1
        # A silent connection is no mistake: a port scan, or one that is kept for later.
        told = reason != "timeout" and self._throttle.is_first((gate.address, reason))
        logger.log(
            logging.WARNING if told else logging.DEBUG,
            "no TLS connection: listener=%s peer=%s: %s",
            self._name,
            gate.peer,
            why,
        )

    def close(self) -> None:
        """Drop the connections whose handshake is not done, and log what has not been logged."""
        for gate in list(self._under_way):
            gate.abort()
        self._throttle.close()

    def is_waiting(self, gate: "_Gate") -> bool:
        """Tell whether the handshake of a connection is neither done nor given up."""
        return gate in self._under_way

    def _tell(self, kind: tuple[str, HandshakeFailure] | None, count: int) -> None:
        connections = "connection" if count == 1 else "connections"
        if kind is None:
            logger.warning(
                "%d more %s of other peers without TLS: listener=%s", count, connections, self._name
            )
            return
        logger.warning(
            "%d more %s without TLS: listener=%s peer=%s reason=%s",
            count,
            connections,
            self._name,
            *kind,
        )


class _Gate(asyncio.Protocol):
    """One connection until its handshake is done."""

    def __init__(
        self, listener: TlsListener, contexts: TlsContexts, factory: ProtocolFactory
    ) -> None:
        self._listener = listener
        self._contexts = contexts
        self._factory = factory
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        # Kept, as a task that nobody holds may be collected.
        self._task: asyncio.Task[None] | None = None
        self._refused = False
        self.address = ""
        self.peer = "unix"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first bytes."""
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            self.address, self.peer = name[0], f"{name[0]}:{name[1]}"
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_HANDSHAKE_SECONDS, self._too_late)
        self._listener.began(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End: it went without a word."""
        self._settle()

    def data_received(self, data: bytes) -> None:
        """Begin the handshake, or refuse what is none."""
        if self._task is not None or self._refused or self._transport.is_closing():
            return
        if data[0] != _HELLO:
            self._refuse(data)
            return
        self._settle(done=False)
        # What comes now is for the one who reads next.
        self._transport.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._shake_hands(data))

    def _refuse(self, first: bytes) -> None:
        """Answer a peer that does not speak TLS, and give the answer time to arrive.

        Closing with bytes unread would reset the connection, and the peer might never see it.
        """
        self._refused = True
        self._listener.failed(self, "plain", "the peer does not speak TLS")
        self._settle(done=False)
        self._transport.write(self._listener.answer_plain(first))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self.abort)

    def abort(self) -> None:
        """Close the connection now."""
        self._settle()
        self._transport.abort()

    def _settle(self, *, done: bool = True) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if done:
            self._listener.ended(self)

    def _too_late(self) -> None:
        self._listener.failed(self, "timeout", "nothing came")
        self.abort()

    async def _shake_hands(self, first: bytes) -> None:
        loop = asyncio.get_running_loop()
        settings = self._contexts.settings
        transport = self._transport
        inner = TlsStream(transport)
        start = loop.create_task(
            loop.start_tls(
                transport,
                inner,
                self._contexts.current(),
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            )
        )
        # Let it set its protocol, which then is given what we have read already. That comes after
        # the protocol's connection_made, and before anything else is read.
        await asyncio.sleep(0)
        reader = transport.get_protocol()
        if reader is not self:
            loop.call_soon(_give, reader, first)
        try:
            encrypted = await start
        except (OSError, TimeoutError, RuntimeError) as exc:  # the last: it is closed already
            # Else it was closed to make place, or at the end.
            if self._listener.is_waiting(self):
                # That it took too long is said by an error that Linux has no other use for.
                late = isinstance(exc, TimeoutError | ConnectionAbortedError)
                why = "the handshake took too long" if late else _why(exc)
                self._listener.failed(self, "timeout" if late else "handshake", why)
                self._listener.ended(self)
            return
        if encrypted is None:  # the peer went away
            self._listener.ended(self)
            return
        if not self._listener.is_waiting(self):
            # Given up just before it was done, or the loop says so of what was given up.
            encrypted.abort()
            return
        self._listener.ended(self)
        if settings.client_allowed_sans and not _has_name(encrypted, settings.client_allowed_sans):
            self._listener.failed(
                self,
                "client_allowed_sans",
                "none of client_allowed_sans is in the client's certificate",
            )
            encrypted.abort()
            return
        inner.hand_over(encrypted, self._factory())


def _give(protocol: Any, data: bytes) -> None:
    """Hand bytes to a buffered protocol, as the transport does when it reads them."""
    rest = memoryview(data)
    while rest:
        buffer = memoryview(protocol.get_buffer(len(rest)))
        size = min(len(buffer), len(rest))
        buffer[:size] = rest[:size]
        protocol.buffer_updated(size)
        rest = rest[size:]


def _has_name(transport: asyncio.Transport, allowed: tuple[str, ...]) -> bool:
    """Tell whether the peer's certificate has one of the subject alternative names."""
    certificate = transport.get_extra_info("peercert") or {}
    for kind, name in certificate.get("subjectAltName", ()):
        if name in allowed or (kind == "IP Address" and _is_among(name, allowed)):
            return True
    return False


def _is_among(address: str, allowed: tuple[str, ...]) -> bool:
    """Tell whether an IP address is there, however it is written."""
    import ipaddress  # noqa: PLC0415 - few certificates of clients have one

    meant = ipaddress.ip_address(address.strip())
    for name in allowed:
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(name) == meant:
                return True
    return False


def _why(exc: Exception) -> str:
    reason = getattr(exc, "reason", None)
    message = getattr(exc, "verify_message", "")
    if reason:
        said = str(reason).replace("_", " ").lower()
        return f"{said}: {message}" if message else said
    return (getattr(exc, "strerror", None) or str(exc) or "the connection was closed").lower()

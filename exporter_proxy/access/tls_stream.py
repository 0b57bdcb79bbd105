"""An encrypted connection that keeps what has come, whoever has gone.

The loop's own transport for TLS throws away what it has not decrypted yet when the peer closes
while reading is paused. So here it is never told to pause: the connection below it is, and what was
read of that by then is kept.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, cast


class TlsStream(asyncio.Transport, asyncio.Protocol):
    """The protocol of the encryption, and the transport of who reads.

    Until there is one who reads, everything is kept. While reading is paused nothing is said, not
    even that the peer has gone, as by transports without encryption.

    Args:
        raw: The connection below.
    """

    def __init__(self, raw: asyncio.Transport) -> None:
        super().__init__()
        self._raw = raw
        self._encrypted: asyncio.Transport
        self._reader: asyncio.Protocol | None = None
        self._is_reading = True
        # What the reader has not been told.
        self._received: deque[bytes] = deque()
        self._ended = False
        self._lost: tuple[Exception | None] | None = None
        self._telling: asyncio.Handle | None = None
        # The reader wants no more.
        self._closed = False

    def hand_over(self, encrypted: asyncio.Transport, reader: asyncio.BaseProtocol) -> None:
        """Have ``reader`` go on, with all that has come."""
        self._encrypted = encrypted
        self._reader = cast("asyncio.Protocol", reader)
        self._reader.connection_made(self)
        self._tell()

    # What the encryption says.

    def data_received(self, data: bytes) -> None:
        """Pass on what the peer says, or keep it."""
        if self._closed:
            return
        self._received.append(data)
        self._tell_if_reading()

    def eof_received(self) -> None:
        """Pass on that the peer has said all, when it is its turn."""
        self._ended = True
        self._tell_if_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the connection is gone, when it is its turn."""
        self._lost = (exc,)
        self._tell_if_reading()

    def pause_writing(self) -> None:
        """Pass on that the peer takes less than it is given."""
        if self._reader is not None:
            self._reader.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it has taken it."""
        if self._reader is not None:
            self._reader.resume_writing()

    def _tell_if_reading(self) -> None:
        # One who is about to be told gets all in its order.
        if self._reader is not None and self._telling is None:
            self._tell()

    def _tell(self) -> None:
        """Tell the reader all that has come, as far as it reads."""
        self._telling = None
        while self._is_told and self._received:
            self._get_reader().data_received(self._received.popleft())
        if self._is_told and self._ended and not self._closed:
            self._ended = False
            # Encryption knows no half of a connection: it closes, whatever is wanted.
            self._get_reader().eof_received()
        if self._is_told and self._lost is not None:
            lost, self._lost = self._lost, None
            self._closed = True
            self._get_reader().connection_lost(*lost)

    @property
    def _is_told(self) -> bool:
        return self._is_reading or self._closed

    @property
    def _has_more(self) -> bool:
        """Whether there is something that the reader has not been told."""
        return bool(self._received or self._ended or self._lost)

    def _tell_soon(self) -> None:
        if self._telling is None and self._has_more:
            self._telling = asyncio.get_running_loop().call_soon(self._tell)

    def _get_reader(self) -> asyncio.Protocol:
        assert self._reader is not None
        return self._reader

    # What the reader wants.

    def is_reading(self) -> bool:
        """Whether what comes is passed on."""
        return self._is_reading

    def pause_reading(self) -> None:
        """Pass nothing on: TCP tells the peer to wait."""
        self._is_reading = False
        if not self._raw.is_closing():
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Pass on what was kept, and what comes."""
        self._is_reading = True
        self._read_raw()
        self._tell_soon()

    def _read_raw(self) -> None:
        if not self._raw.is_closing():
            self._raw.resume_reading()

    def close(self) -> None:
        """Close when what was written is on its way; nothing more is passed on."""
        self._end()
        # The peer's part of the end has to be read.
        self._read_raw()
        self._encrypted.close()

    def abort(self) -> None:
        """Close now."""
        self._end()
        self._encrypted.abort()

    def _end(self) -> None:
        self._closed = True
        self._received.clear()
        self._tell_soon()

    def is_closing(self) -> bool:
        """Whether the reader, or the peer and all was passed on, has closed it."""
        return self._closed or (not self._has_more and self._encrypted.is_closing())

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another reader go on."""
        self._reader = cast("asyncio.Protocol", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who reads."""
        return self._get_reader()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection, certificates included."""
        return self._encrypted.get_extra_info(name, default)

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        """Send."""
        self._encrypted.write(data)

    def writelines(self, list_of_data: "Iterable[bytes | bytearray | memoryview[Any]]") -> None:
        """Send pieces."""
        self._encrypted.writelines(list_of_data)

    def can_write_eof(self) -> bool:
        """Encryption knows no half of a connection."""
        return False

    def write_eof(self) -> None:
        """Refuse.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._encrypted.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return how many bytes may wait before writing is paused, and from when on it goes on."""
        return self._encrypted.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Change them."""
        self._encrypted.set_write_buffer_limits(high, low)

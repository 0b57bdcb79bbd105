"""The answer of a polled endpoint: it is a payload or a poll that failed, whatever it is."""

import asyncio
import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from exporter_proxy.config import EndpointConfig
from exporter_proxy.errors import PollError
from exporter_proxy.sources.poll.client import PollClient
from exporter_proxy.sources.poll.request import ScrapeRequest
from tests.fuzz.inprocess import DEADLINE_SECONDS, loop
from tests.fuzz.packets import packets
from tests.fuzz.targets import Check

TOKENS = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 204 No\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 500 x\r\n",
    b"HTTP/2 200\r\n",
    b"Content-Length: 4\r\n",
    b"Content-Length: 9999999\r\n",
    b"Content-Length: x\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: br\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"4\r\nx 1\n\r\n",
    b"0\r\n\r\n",
    b"FFFFFFFFFFFFFFFF\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n",
    b"Set-Cookie: a=b\r\n",
    b"Connection: keep-alive\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"x 1\n",
    b"\0",
    b"\xff",
    b"\x1f\x8b",
    gzip.compress(b"x 1\n", mtime=0),
    gzip.compress(b"\0" * 5000, mtime=0),
    b"X: " + b"y" * 9000 + b"\r\n",
]
_LIMIT = 4096


def seeds() -> list[bytes]:
    """Return answers that can be used, and some that can't."""
    packed = gzip.compress(b"x 1\n", mtime=0)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    return [head + packed, head + packed[:-3]]


@contextmanager
def target() -> Iterator[Check]:
    """Poll a server that answers with what comes."""
    with ExitStack() as stack:
        runner = stack.enter_context(loop())
        server = _Server()
        runner.run(server.start())
        stack.callback(lambda: runner.run(server.stop()))
        yield lambda data: runner.run(server.check(data))


class _Server:
    """Sends what it was given to whoever asks, and closes."""

    def __init__(self) -> None:
        self._data = b""
        self._server: asyncio.Server
        self._client: PollClient
        self._endpoint: EndpointConfig
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._client = PollClient()
        port = self._server.sockets[0].getsockname()[1]
        self._endpoint = EndpointConfig(
            url=f"http://127.0.0.1:{port}/metrics",
            name="a",
            source="s",
            client_timeout=DEADLINE_SECONDS,
            max_body_size=_LIMIT,
        )

    async def stop(self) -> None:
        await self._client.close()
        self._server.close()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def check(self, data: bytes) -> None:
        if b"location" in data.lower():
            # It would be followed, to whomever.
            return
        self._data = data
        try:
            payload = await self._client.scrape(self._endpoint, ScrapeRequest(self._endpoint))
        except PollError as error:
            assert str(error).isprintable(), repr(str(error))
            assert len(str(error)) < 500
            assert error.reason not in {"timeout", "other"}, error
            return
        whole = b"".join(payload)
        assert len(whole) <= _LIMIT
        assert 0 not in whole
        whole.decode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for packet in packets(self._data, 2000):
                if writer.is_closing():
                    break
                writer.write(packet)
                await asyncio.sleep(0)
            await writer.drain()
        writer.close()
        self._serving.discard(task)

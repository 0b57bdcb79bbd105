"""Whoever is being sent a page, which takes as long as the reader does."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Iterable, Mapping

from aiohttp import web

from exporter_proxy.self_metrics import CutReason, ScrapeStats

logger = logging.getLogger(__name__)

MOST_GENERATIONS = 4
"""Generations of the page that may be alive at once."""
SENT_AT_ONCE = 65_536
"""Bytes up to which a response is left to the kernel, whose buffers take as much."""
_A_TURN = 1_048_576
# SO_LINGER, see socket(7): wait for nothing.
_AT_ONCE = struct.pack("ii", 1, 0)


class Readers:
    """Sends pages, and disconnects readers that take too long.

    A page holds on to what apps had when it was made. So that readers which take their time can't
    keep any number of states of the table in memory, those of the oldest go when there would be
    too many.

    Args:
        stats: Where those that were cut off are counted.
        timeout: Seconds for a whole response.
    """

    def __init__(self, stats: ScrapeStats, timeout: float) -> None:
        self._stats = stats
        self._timeout = timeout
        # Those that are being sent a page, by its generation; generations only ever grow.
        self._served: dict[int, set[_Reader]] = {}

    def set_timeout(self, timeout: float) -> None:
        """Change how long a whole response may take, for those that begin from now on."""
        self._timeout = timeout

    def make_room(self) -> None:
        """Cut off the readers of the oldest generations, so that there may be one more."""
        generations = sorted(self._served)
        for generation in generations[: max(0, len(generations) + 1 - MOST_GENERATIONS)]:
            for reader in self._served.pop(generation):
                self._cut(reader, "generation")

    async def send(
        self,
        request: web.Request,
        headers: Mapping[str, str],
        chunks: Iterable[bytes],
        size: int,
        generation: int,
    ) -> web.StreamResponse:
        """Answer with chunks, none of which is made before the reader took those before it.

        Args:
            request: The request that is answered; of a HEAD request only the headers are sent.
            headers: All headers but ``Content-Length``.
            chunks: The body; what a slow reader costs is one of them.
            size: Its bytes, all chunks together.
            generation: Of the page.
        """
        if size <= SENT_AT_ONCE and request.method != "HEAD":
            return web.Response(body=b"".join(chunks), headers=headers)
        response = web.StreamResponse(headers=headers)
        response.content_length = size
        reader = _Reader(request)
        try:
            await response.prepare(request)
        except ConnectionError as exc:
            _log_gone(reader, exc)
            return response
        if request.method == "HEAD":
            return response
        self._served.setdefault(generation, set()).add(reader)
        timer = asyncio.get_running_loop().call_later(self._timeout, self._cut, reader, "timeout")
        try:
            await _write(request, response, chunks)
        except ConnectionError as exc:
            if not reader.is_cut:
                _log_gone(reader, exc)
        finally:
            timer.cancel()
            others = self._served.get(generation)
            if others is not None:
                others.discard(reader)
                if not others:
                    del self._served[generation]
        return response

    def _cut(self, reader: "_Reader", reason: CutReason) -> None:
        """Close a connection at once, so that a cut response can't be taken for a whole one."""
        if reader.is_cut:
            return
        reader.is_cut = True
        self._stats.cut[reason] += 1
        logger.debug("reader is too slow, closing: peer=%s path=%s reason=%s", *reader.name, reason)
        if reader.transport is not None:
            _reset(reader.transport)


class _Reader:
    """One that is being sent a page."""

    __slots__ = ("is_cut", "name", "transport")

    def __init__(self, request: web.Request) -> None:
        self.name = (request.remote, request.path)
        self.transport = request.transport
        self.is_cut = False


def _reset(transport: asyncio.Transport) -> None:
    """End a connection without what the kernel still has of it.

    That may be megabytes, which it would go on sending for as long as the reader likes.
    """
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def _log_gone(reader: _Reader, exc: ConnectionError) -> None:
    logger.debug("reader went away: peer=%s path=%s: %s", *reader.name, exc)


async def _write(
    request: web.Request, response: web.StreamResponse, chunks: Iterable[bytes]
) -> None:
    turn = 0
    for chunk in chunks:
        await response.write(chunk)
        turn += len(chunk)
        if turn >= _A_TURN:
            # A reader that is fast enough never makes us wait; the others get their turn.
            turn = 0
            await asyncio.sleep(0)
    transport = request.transport
    if transport is not None and not transport.is_closing():
        # Until the kernel has it all: a reader that takes no more must not be forgotten.
        transport.set_write_buffer_limits(0)
        await request.writer.drain()
        if not transport.is_closing():
            transport.set_write_buffer_limits()

"""Bare clients that poll: ``python floor_poll.py PORT PATH KIND PORTS INTERVAL``.

PORTS is a file with the ports of the targets, INTERVAL the seconds between two polls of one. KIND
is ``aiohttp`` or ``uvloop``, which is also the path that is asked for. They keep the latest body of
each target and check nothing; PORT only tells that the process runs.
"""

import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from typing import cast

import uvloop
from isal import isal_zlib

TABLE: dict[int, bytes] = {}
_GZIP = 31


async def poll_with_aiohttp(ports: list[int], interval: float) -> None:
    """Poll with one session, a task a target."""
    import aiohttp  # noqa: PLC0415 - the other one does without

    loop = asyncio.get_running_loop()
    start = loop.time()

    async def poll(number: int, port: int) -> None:
        due = start + number * interval / len(ports)
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            async with session.get(
                f"http://127.0.0.1:{port}/aiohttp", headers={"Accept-Encoding": "gzip"}
            ) as response:
                TABLE[port] = await response.read()
            due += interval

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(poll(number, port) for number, port in enumerate(ports)))


class Poll(asyncio.Protocol):
    """One connection to one target, kept open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._request = (
            f"GET /uvloop HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: gzip\r\n\r\n"
        ).encode()
        self._chunks: list[bytes] = []
        self._missing = 0
        self._packed = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        """Send the request."""
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer; the first holds all headers, which is enough here."""
        if not self._missing:
            end = data.index(b"\r\n\r\n")
            head = data[:end].lower()
            at = head.index(b"content-length:") + 15
            self._missing = int(head[at:].split(b"\r\n", 1)[0])
            self._packed = b"content-encoding: gzip" in head
            data = data[end + 4 :]
        self._chunks.append(data)
        self._missing -= len(data)
        if not self._missing:
            body = b"".join(self._chunks)
            self._chunks.clear()
            TABLE[self._port] = isal_zlib.decompress(body, _GZIP) if self._packed else body


async def poll_with_uvloop(ports: list[int], interval: float) -> None:
    """Poll with one timer a target."""
    loop = asyncio.get_running_loop()
    start = loop.time()

    def again(poll: Poll, due: float) -> None:
        poll.ask()
        due += interval
        loop.call_at(due, again, poll, due)

    for number, port in enumerate(ports):
        _, poll = await loop.create_connection(partial(Poll, port), "127.0.0.1", port)
        due = start + number * interval / len(ports)
        loop.call_at(due, again, poll, due)
    await asyncio.Event().wait()


async def main(port: int, kind: str, ports: list[int], interval: float) -> None:
    """Poll until the process is ended."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", port)
    poll = {"aiohttp": poll_with_aiohttp, "uvloop": poll_with_uvloop}[kind]
    async with server:
        await poll(ports, interval)


if __name__ == "__main__":
    uvloop.run(
        main(
            int(sys.argv[1]),
            sys.argv[3],
            json.loads(Path(sys.argv[4]).read_text(encoding="ascii")),
            float(sys.argv[5]),
        )
    )

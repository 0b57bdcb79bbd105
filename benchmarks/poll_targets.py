"""Targets to be polled, and a sink for remote writes; its CPU is in no figure.

``python poll_targets.py PORT PATH COUNT BODY PACKED``: COUNT targets, each on a port of its own,
all serving the file BODY; with PACKED = 1 those who accept gzip get it. The ports are written to
PATH as JSON. On PORT, ``GET`` answers how often each path was asked for; a ``POST`` there is a
remote write.
"""

import asyncio
import json
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import cast

import uvloop
from isal import igzip

COUNTS: Counter[str] = Counter()


class _Http(asyncio.Protocol):
    """Just enough HTTP for clients that are known."""

    def __init__(self) -> None:
        self._rest = b""
        self._skip = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete; bodies are thrown away."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data = self._rest + data[skipped:]
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head, data = data[:end], data[end + 4 :]
            length = _content_length(head)
            skipped = min(length, len(data))
            data, self._skip = data[skipped:], length - skipped
            method, path, _ = head.split(b" ", 2)
            self._transport.write(self.answer(method, path.decode(), head))
        self._rest = data

    def answer(self, method: bytes, path: str, head: bytes) -> bytes:
        """Return the answer to a request."""
        raise NotImplementedError


class Control(_Http):
    """Tells the counts, swallows remote writes."""

    def answer(self, method: bytes, path: str, head: bytes) -> bytes:  # noqa: ARG002 - see above
        """Return the counts, or that nothing is to be said."""
        if method == b"POST":
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        return _response(json.dumps(COUNTS).encode())


def make_target(body: bytes, *, packed: bool) -> type[_Http]:
    """Return the protocol of targets that serve ``body``."""
    plain = _response(body)
    gzip = _response(igzip.compress(body, 1), "Content-Encoding: gzip\r\n")

    class Target(_Http):
        def answer(self, method: bytes, path: str, head: bytes) -> bytes:  # noqa: ARG002
            COUNTS[path] += 1
            return gzip if packed and b"gzip" in head else plain

    return Target


def _response(body: bytes, headers: str = "") -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    return int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def main(port: int, path: str, count: int, body: bytes, *, packed: bool) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    target = make_target(body, packed=packed)
    servers, ports = [], []
    for _ in range(count):
        listener = socket.create_server(("127.0.0.1", 0))
        ports.append(listener.getsockname()[1])
        servers.append(await loop.create_server(target, sock=listener))
    Path(path).write_text(json.dumps(ports), encoding="ascii")  # noqa: ASYNC240 - before all else
    servers.append(await loop.create_server(Control, "127.0.0.1", port))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    uvloop.run(
        main(
            int(sys.argv[1]),
            sys.argv[2],
            int(sys.argv[3]),
            Path(sys.argv[4]).read_bytes(),
            packed=sys.argv[5] == "1",
        )
    )

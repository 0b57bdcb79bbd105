"""A bare uvloop server that takes pushes: the least that a receiver can cost.

It checks nothing, limits nothing and answers nothing. ``python floor_push.py PORT PATH KIND``,
where KIND says what a connection does with what it reads:

eof     read to the end of the stream, decode one JSON document, store it
lines   cut JSON lines, decode and store each
packet  decode all lines of a packet in one call, store each
capnp   cut Cap'n Proto frames, decode and store each
"""

import asyncio
import sys
from struct import unpack_from

import msgspec
import uvloop

TABLE: dict[str, str] = {}

_decoder = msgspec.json.Decoder(dict[str, str])
_decode = _decoder.decode
_decode_lines = _decoder.decode_lines


class _Connection(asyncio.Protocol):
    """What all have in common: the bytes that wait for more."""

    def __init__(self) -> None:
        self.rest = b""


class Eof(_Connection):
    """One document a connection."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        """Keep."""
        self.chunks.append(data)

    def eof_received(self) -> None:
        """Decode and store. The connection closes because nothing true is returned."""
        if self.chunks:
            TABLE.update(_decode(b"".join(self.chunks)))


class Lines(_Connection):
    """One document a line, each decoded by itself."""

    def data_received(self, data: bytes) -> None:
        """Decode what is complete."""
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            TABLE.update(_decode(line))


class Packet(_Connection):
    """One document a line, all of a packet decoded in one call."""

    def data_received(self, data: bytes) -> None:
        """Decode what is complete."""
        data = self.rest + data
        end = data.rfind(b"\n") + 1
        self.rest = data[end:]
        for document in _decode_lines(data[:end]):
            TABLE.update(document)


class Capnp(_Connection):
    """Messages one after another; each begins with the sizes of its segments."""

    def data_received(self, data: bytes) -> None:
        """Decode what is complete."""
        data = self.rest + data
        start = 0
        while start + 8 <= len(data):
            segments = unpack_from("<I", data, start)[0] + 1
            body = start + (4 + 4 * segments + 7) // 8 * 8
            if body > len(data):
                break
            end = body + 8 * sum(unpack_from(f"<{segments}I", data, start + 4))
            if end > len(data):
                break
            with MESSAGE.from_bytes(data[start:end]) as message:
                TABLE[message.appName] = message.data
            start = end
        self.rest = data[start:]


KINDS = {"eof": Eof, "lines": Lines, "packet": Packet, "capnp": Capnp}


async def main(port: int, path: str, kind: str) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(KINDS[kind], "127.0.0.1", port, backlog=4096),
        await loop.create_unix_server(KINDS[kind], path, backlog=4096),
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    if sys.argv[3] == "capnp":
        from payloads import capnp_schema

        MESSAGE = capnp_schema().InboundMetrics
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))

"""A bare uvloop server that reads and forgets: ``python floor_drain.py PORT PATH``.

What a neighbour costs others by being on the same machine, without any server that it shares.
"""

import asyncio
import sys

import uvloop


class Drain(asyncio.Protocol):
    """Reads."""

    def data_received(self, data: bytes) -> None:
        """Forget."""


async def main(port: int, path: str) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(Drain, "127.0.0.1", port),
        await loop.create_unix_server(Drain, path),
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))

"""A bare aiohttp server that sends bytes made before: ``python floor_scrape.py PORT PATH BODY``.

BODY is a file; ``/metrics`` sends it, and what gzip makes of it to those who ask for that.
"""

import asyncio
import sys
from pathlib import Path

import uvloop
from aiohttp import web
from isal import igzip

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def main(port: int, body: bytes) -> None:
    """Serve until the process is ended."""
    packed = igzip.compress(body, 1)
    plain_headers = {"Content-Type": CONTENT_TYPE}
    gzip_headers = {**plain_headers, "Content-Encoding": "gzip"}

    async def metrics(request: web.Request) -> web.Response:
        if request.headers.get("Accept-Encoding") == "gzip":
            return web.Response(body=packed, headers=gzip_headers)
        return web.Response(body=body, headers=plain_headers)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[3]).read_bytes()))

"""The scrape port: whatever comes, no answer blames the server, and the next one is served."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from unittest.mock import patch

from exporter_proxy.front import front
from exporter_proxy.sources import requests
from exporter_proxy.table import Table
from exporter_proxy.views import lint
from tests.fuzz.inprocess import loop, running_proxy, until_closed
from tests.fuzz.packets import packets
from tests.fuzz.targets import Check

TOKENS = [
    b"PUT /metrics/job/a HTTP/1.1\r\n",
    b"/metrics/job/a",
    b"/metrics/job@base64/YQ",
    b"/label/value",
    b"/l@base64/=",
    b"/U__a_2e_b/c",
    b"/api/v1/push",
    b"/api/v1/status",
    b"/api/v1/metrics",
    b"/api/v1/admin/wipe",
    b'/api/v1/groups?match[]={job=~".*"}',
    b"X-TTL: 30s\r\n",
    b"?ttl=1h",
    b"Content-Type: application/vnd.google.protobuf; encoding=delimited\r\n",
    b"; proto=io.prometheus.client.MetricFamily",
    b"Content-Encoding: snappy\r\n",
    b"/sd",
    b"/health",
    b"/proxy?module=x",
    b"/apps/a/metrics?fresh=1",
    b"/-/reload",
    b"/-/quit",
    b'{"a":"x 1"}',
    b"POST /push/a HTTP/1.1\r\nContent-Length: 4\r\n\r\nx 1\n",
    b"/push",
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS * ",
    b"CONNECT a:1 ",
    b"PRI * HTTP/2.0\r\n\r\n",
    b"/metrics",
    b"/metrics/self",
    b"/apps",
    b"/apps/a",
    b"/lint",
    b"/-/ready",
    b"/-/healthy",
    b"/",
    b"?app=a",
    b"&name[]=x",
    b"&format=json",
    b"?format=html",
    b"&app=%00",
    b"%2F",
    b"%ff",
    b"%0a",
    b"?strict=1",
    b"?limit=-1",
    b"?sort=app",
    b"/..//",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b" HTTP/9.9\r\n",
    b"Host: h\r\n",
    b"Accept: application/openmetrics-text;version=1.0.0;q=0.5;escaping=allow-utf-8\r\n",
    b"Accept: text/plain;q=\r\n",
    b"Accept: */*;q=9\r\n",
    b"Accept-Encoding: gzip, zstd;q=0.5\r\n",
    b"Accept-Encoding: *;q=0\r\n",
    b'If-None-Match: "x", *\r\n',
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Range: bytes=0-1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"5\r\nx 1\n\n\r\n",
    b"0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: deflate\r\n",
    b"Content-Encoding: br\r\n",
    b"Content-Type: application/openmetrics-text\r\n",
    b"Content-Type: \r\n",
    b"Expect: 100-continue\r\n",
    b"Expect: x\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\0",
    b"\x16\x03\x01",
    b"\xff",
    b": ",
    b"X: " + b"y" * 9000 + b"\r\n",
]
_STATUS = re.compile(rb"^HTTP/1\.[01] (\d{3}) ", re.MULTILINE)
_KEPT = "b/\u00e9"
_PAYLOAD = b'x{y="z"} 1\nbad{ 1\n'
_WELL = b"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
# Rounds of the loop in which a request is read and answered.
_ROUNDS = 40


@contextmanager
def target() -> Iterator[Check]:
    """Send what comes on a connection of its own, in packets, and then something reasonable."""
    with ExitStack() as stack:
        # Bodies that never come would take their time.
        for module in (lint, requests):
            stack.enter_context(patch.object(module, "_RECEIVE_SECONDS", 0.05))
        stack.enter_context(patch.object(front, "BODY_SECONDS", 0.05))
        runner = stack.enter_context(loop())
        running = running_proxy()
        proxy, port = runner.run(running.__aenter__())
        stack.callback(lambda: runner.run(running.__aexit__(None, None, None)))
        yield lambda data: runner.run(_check(proxy.table, port, data))


async def _check(table: Table, port: int, data: bytes) -> None:
    for app in [each.app for each in table if each.app != _KEPT]:
        table.drop(app)
    table.update(_KEPT, (_PAYLOAD,), source="s")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = asyncio.ensure_future(until_closed(reader))
    with suppress(ConnectionError):
        for packet in packets(data, 2000):
            if writer.is_closing():
                break
            writer.write(packet)
            await asyncio.sleep(0)
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
    with suppress(ConnectionError, OSError):
        if not writer.is_closing():
            writer.write_eof()
    _look(await received)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_WELL)
    answer = await until_closed(reader)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]
    assert b'x{y="z"} 1\n' in answer


def _look(answer: bytes) -> None:
    for status in _STATUS.findall(answer):
        assert status < b"500", answer[:2000]

"""What Prometheus gets."""

import asyncio
import gzip
import io
import logging
import zlib

import pytest
import zstandard
from prometheus_client.parser import text_string_to_metric_families

from tests.views.conftest import Port

HEADERS = {
    "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
    "Vary": "Accept, Accept-Encoding",
    "Server": "exporter-proxy",
    "X-Content-Type-Options": "nosniff",
}


def fill(port: Port, apps: int, size: int) -> bytes:
    """Give each of ``apps`` a payload of about ``size`` bytes; return the page."""
    page = b""
    for app in range(apps):
        line = b'metric{app="%d"} 1\n' % app
        payload = line * (size // len(line))
        port.table.update(f"app{app}", (payload,), source="test")
        page += payload
    return page


async def test_serves_payloads_in_the_order_first_seen(bare_port: Port) -> None:
    """Byte for byte; an update keeps the app's place."""
    bare_port.table.update("b", (b'"1b  2 1000",\n', b"\n"), source="test")
    bare_port.table.update("a", (b"a 1\n",), source="test")
    bare_port.table.update("b", (b"b   2\n",), source="test")

    assert await bare_port.get("/metrics") == (
        200,
        {**HEADERS, "Content-Length": "10"},
        b"b   2\na 1\n",
    )


async def test_an_empty_table_is_an_empty_page(bare_port: Port) -> None:
    assert await bare_port.page() == b""
    assert gzip.decompress(await bare_port.page(accept_encoding="gzip")) == b""
    packed = await bare_port.page(accept_encoding="zstd")
    assert zstandard.ZstdDecompressor().decompress(packed) == b""


@pytest.mark.parametrize(
    ("payload", "page"),
    [
        pytest.param((b"a 1",), b"a 1\nz 1\n", id="no final newline"),
        pytest.param((b"a 1\n", b"b 1\n# EOF\n"), b"a 1\nb 1\nz 1\n", id="OpenMetrics"),
        pytest.param((), b"z 1\n", id="nothing"),
    ],
)
async def test_another_payload_can_follow(
    bare_port: Port, payload: tuple[bytes, ...], page: bytes
) -> None:
    """Also on the next page, which takes it from where it was kept."""
    bare_port.table.update("a", payload, source="test")
    bare_port.table.update("z", (b"z 0\n",), source="test")
    await bare_port.page()
    bare_port.table.update("z", (b"z 1\n",), source="test")

    assert await bare_port.page() == page


async def test_self_metrics_are_the_last_row(port: Port) -> None:
    port.table.update("a", (b"a 1\n",), source="test")
    own = await port.page("/metrics/self")

    assert await port.page() == b"a 1\n" + own
    assert own.startswith(b"# HELP exporter_proxy_app_last_update_timestamp_seconds ")
    assert (
        b'\nexporter_proxy_app_last_update_timestamp_seconds{app="a"} 1653263512.9398987\n' in own
    )


async def test_prometheus_client_reads_the_page(port: Port) -> None:
    """Every family of our own once, with our prefix, HELP and TYPE."""
    port.table.update('a"\\\N{SNOWMAN}', (b"# TYPE a gauge\na 1\n",), source="test")
    port.source.stats.rejected["tls"] += 1
    port.source.stats.closed_connections["evicted"] += 1
    page = (await port.page()).decode()
    families = list(text_string_to_metric_families(page))
    names = [family.name for family in families]

    assert names[0] == "a"
    assert all(name.startswith("exporter_proxy_") for name in names[1:])
    assert len(names) == len(set(names))
    assert all(family.documentation and family.type != "unknown" for family in families[1:])


async def test_scrapes_of_the_same_table_are_identical(port: Port) -> None:
    """Although scrapes are counted, for the self-metrics are rendered at intervals."""
    port.table.update("a", (b"a 1\n",), source="test")
    first = await port.page()
    port.monotonic.now += 4.9

    assert await port.page() == first
    assert gzip.decompress(await port.page(accept_encoding="gzip")) == first

    port.monotonic.now += 0.2
    later = await port.page()

    assert b"exporter_proxy_scrapes_total 3.0\n" in later
    assert await port.page() == later


async def test_a_page_shows_an_update_at_once(port: Port) -> None:
    port.table.update("a", (b"a 1\n",), source="test")
    await port.page(accept_encoding="gzip")
    port.table.update("a", (b"a 2\n",), source="test")
    port.wall_ns.now += 1_000_000_000
    page = await port.page()

    assert page.startswith(b"a 2\n")
    assert gzip.decompress(await port.page(accept_encoding="gzip")) == page

    port.table.drop("a")

    assert not (await port.page()).startswith(b"a 2\n")


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("size", [pytest.param(100, id="short"), pytest.param(900_000, id="long")])
async def test_head_has_the_same_headers(bare_port: Port, encoding: str, size: int) -> None:
    fill(bare_port, 2, size)
    status, headers, body = await bare_port.get("/metrics", accept_encoding=encoding)

    assert await bare_port.get("/metrics", "HEAD", accept_encoding=encoding) == (
        status,
        headers,
        b"",
    )
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("path", ["/metrics", "/metrics/self"])
async def test_compresses_when_asked(port: Port, path: str) -> None:
    """Every response says that it depends on the header."""
    plain = await port.get(path)
    packed = await port.get(path, accept_encoding="deflate, gzip;q=0.8")

    assert "Content-Encoding" not in plain[1]
    assert packed[1] == {
        **HEADERS,
        "Content-Encoding": "gzip",
        "Content-Length": str(len(packed[2])),
    }
    assert gzip.decompress(packed[2]) == plain[2]
    assert await port.get(path, accept_encoding="gzip;q=0") == plain
    unpacked = await port.get(path, accept_encoding="gzip, deflate, br, zstd")
    assert unpacked[1]["Content-Encoding"] == "zstd"
    assert zstandard.ZstdDecompressor().decompress(unpacked[2]) == plain[2]


async def test_serves_a_long_page_in_pieces(bare_port: Port) -> None:
    """20 MiB, of which nothing is handled in one piece longer than a megabyte."""
    page = fill(bare_port, 21, 1_000_000)
    status, headers, body = await bare_port.get("/metrics")
    packed = await bare_port.page(accept_encoding="gzip")

    assert (status, body == page) == (200, True)
    assert headers == {**HEADERS, "Content-Length": str(len(page))}
    # one gzip member, nothing after it
    unpacker = zlib.decompressobj(wbits=31)
    assert unpacker.decompress(packed) == page
    assert (unpacker.eof, unpacker.unused_data) == (True, b"")
    frames = io.BytesIO(await bare_port.page(accept_encoding="zstd"))
    with zstandard.ZstdDecompressor().stream_reader(frames, read_across_frames=True) as reader:
        assert reader.read() == page


async def test_scrapes_that_come_together_share_one_page(port: Port) -> None:
    """Plain and compressed, each is the same moment of the table."""
    fill(port, 3, 900_000)
    scrapes = [port.page(accept_encoding=how) for how in ("gzip", "identity") * 5]
    pages = await asyncio.gather(*scrapes)

    assert len(set(pages[::2])) == len(set(pages[1::2])) == 1
    assert gzip.decompress(pages[0]) == pages[1]


async def test_a_reader_that_leaves_costs_the_others_nothing(
    bare_port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes in the middle of the page, which is longer than what a socket buffers."""
    page = fill(bare_port, 60, 1_000_000)
    reader, writer = await asyncio.open_connection(bare_port.client.host, bare_port.client.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
    other = asyncio.create_task(bare_port.page())
    with caplog.at_level(logging.DEBUG, "exporter_proxy.views"):
        writer.transport.abort()
        async with asyncio.timeout(30):
            while "reader went away: peer=127.0.0.1 path=/metrics" not in caplog.text:
                await bare_port.page("/-/healthy")

    assert await other == page
    assert all(record.levelno == logging.DEBUG for record in caplog.records)


async def test_without_self_metrics_their_page_says_so(bare_port: Port) -> None:
    status, _, body = await bare_port.get("/metrics/self")

    assert (status, body) == (
        404,
        b"error: self-metrics are turned off (exporter.self_metrics = false)\n",
    )

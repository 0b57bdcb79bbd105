"""Parts of the proxy in this process, for targets that speak with them over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from exporter_proxy.config import Address
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.serving import ScrapePort
from exporter_proxy.table import Table
from exporter_proxy.views.server import Backing, PageSettings, Views
from exporter_proxy.workers import Workers

DEADLINE_SECONDS = 20.0
"""For what should take some milliseconds."""


@contextmanager
def loop() -> Iterator[asyncio.Runner]:
    """Give an event loop of the kind that the proxy runs on."""
    import uvloop  # noqa: PLC0415 - only targets with sockets need it

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@asynccontextmanager
async def scrape_port(table: Table) -> AsyncIterator[int]:
    """Serve all views of a table; gives the port of 127.0.0.1."""
    workers = Workers()
    rules = Rules()
    views = Views(
        Backing(
            table=table,
            self_metrics=SelfMetrics(table, [], list, 5.0),
            ready=lambda: True,
            workers=workers,
        ),
        PageSettings(rules=lambda _: rules, scrape_timeout=5.0),
    )
    port = ScrapePort(views.application(), 0.1)
    address = await port.open(Address("127.0.0.1", 0))
    views.start()
    try:
        yield int(address.rpartition(":")[2])
    finally:
        await port.close(0)
        await views.stop()
        workers.close()


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the other side has closed, in whichever way."""
    received = b""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while part := await reader.read(65_536):
                received += part
    except ConnectionError:
        pass
    return received

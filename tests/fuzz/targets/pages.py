"""The pages of several apps: whatever they send, readers take the page, with valid apps on it."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from exporter_proxy.catalog import Catalog
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.table import Table
from exporter_proxy.views.page import Kind
from exporter_proxy.views.pages import Pages
from tests.fuzz.targets import Check
from tests.fuzz.targets.exposition import TOKENS as LINES

_BETWEEN = b"\n===\n"
TOKENS = [*LINES, _BETWEEN, b"===\n"]
_MOST_APPS = 6
_WELL = b'# TYPE well gauge\nwell{behaved="yes"} 1\n'
_STRICT_TEXT = Kind("text")
_FOR_PEOPLE = Kind("text", strict=False)
_OPENMETRICS = Kind("openmetrics")


@contextmanager
def target() -> Iterator[Check]:
    """Let apps send what comes, one after another, with one of them that sends what is right."""
    with asyncio.Runner() as runner:
        yield lambda data: runner.run(_check(data))


async def _check(data: bytes) -> None:
    table = Table()
    rules = Rules()
    catalog = Catalog(table, rules=lambda _: rules, wall_ns=time.time_ns)
    pages = Pages(table, catalog, None, merged=True)
    table.update("well behaved", (_WELL,), source="s")
    # What enters the table is UTF-8 without NUL: the wires see to that.
    checked = data.decode(errors="replace").replace("\0", "?").encode()
    for number, payload in enumerate(checked.split(_BETWEEN)[:20]):
        # Later ones take the place of what was sent before.
        table.update(f"app {number % _MOST_APPS}", (payload,) if payload else (), source="s")
        if number % 3 == 2:
            await _look(pages)
    await _look(pages)
    await pages.search_duplicates()
    await _look(pages)


async def _look(pages: Pages) -> None:
    text = await _written(pages, _STRICT_TEXT)
    assert 'well{behaved="yes"} 1\n' in text
    for _ in text_string_to_metric_families(text):
        pass
    # People see what can't be read, too; it is all there.
    assert (await _written(pages, _FOR_PEOPLE)).startswith(text)
    # What that page can't hold becomes a finding, which the text page tells of from then on.
    for _ in openmetrics_families(await _written(pages, _OPENMETRICS)):
        pass


async def _written(pages: Pages, kind: Kind) -> str:
    page = await pages.current(kind)
    return b"".join(piece.text() for piece in page.pieces).decode()

"""A page is made once for a state of the table, and handled in pieces."""

import asyncio
import gzip
from collections.abc import Iterator

import pytest

from exporter_proxy.exposition.page import LONGEST_PIECE
from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.table import Table
from exporter_proxy.views.page_cache import PageCache
from exporter_proxy.views.slices import in_slices
from exporter_proxy.workers import Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers()
    yield workers
    workers.close()


@pytest.fixture
def long_table() -> Table:
    """20 MB of 20 apps."""
    table = Table()
    for app in range(20):
        table.update(f"app{app}", (b'metric{app="%2d"} 1\n' % app * 50_000,), source="test")
    return table


async def test_an_unchanged_page_is_the_same_object(workers: Workers) -> None:
    """Compressed bytes included."""
    table = Table()
    table.update("a", (b"a 1\n",), source="test")
    pages = PageCache(table, None)
    page = await pages.current()
    packed = await page.pack(workers)

    assert pages.fresh() is page
    assert await pages.current() is page
    assert await page.pack(workers) is packed
    assert page.plain == b"a 1\n"

    table.update("a", (b"a 1\n",), source="test")

    assert pages.fresh() is None


async def test_a_long_page_is_never_joined(long_table: Table, workers: Workers) -> None:
    """No piece is longer than a megabyte, and neither is what is compressed at a time."""
    page = await PageCache(long_table, None).current()
    packed = await page.pack(workers)
    whole = b"".join(row.payload[0] for row in long_table)

    assert page.plain is None
    assert max(map(len, page.chunks())) <= LONGEST_PIECE
    assert len(packed) == len(page.pieces) + 2
    assert b"".join(page.chunks()) == gzip.decompress(b"".join(packed)) == whole


async def test_a_change_leaves_other_pieces_as_they_are(
    long_table: Table, workers: Workers
) -> None:
    pages = PageCache(long_table, None)
    before = await pages.current()
    await before.pack(workers)
    long_table.update("app7", (b"app7 1\n" * 100_000,), source="test")
    after = await pages.current()

    changed = [piece for piece in after.pieces if not piece.is_deflated]
    assert 1 <= len(changed) <= 2
    assert len(after.pieces) >= len(before.pieces) - 2


async def test_the_loop_is_served_while_a_page_is_laid_out() -> None:
    """Steps are bounded by the number of apps and of pieces."""
    table = Table()
    for app in range(10_000):
        table.update(f"app{app}", (b"a 1\n",), source="test")
    own = SelfMetrics(table, [], list, 5.0)
    pages = PageCache(table, own)

    # 5 of payloads, 10 of series, and the pieces
    assert sum(1 for _ in pages._lay_out(table.snapshot(), own.render())) >= 5 + 10 + 4


async def test_shows_the_table_at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that comes while the page is laid out is on the next page, not half on this."""
    monkeypatch.setattr("exporter_proxy.views.slices.HOLD_SECONDS", 0)
    table = Table()
    for app in range(6_000):
        table.update(f"app{app}", (b"a 1\n",), source="test")
    pages = PageCache(table, None)
    scrape = asyncio.create_task(pages.current())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for app in range(6_000):
        table.update(f"app{app}", (b"a 2\n",), source="test")
    later = asyncio.create_task(pages.current())

    assert (await scrape).plain == b"a 1\n" * 6_000
    assert (await later).plain == b"a 2\n" * 6_000


async def test_pages_that_come_together_are_one(long_table: Table, workers: Workers) -> None:
    pages = PageCache(long_table, None)
    first, *others = await asyncio.gather(*(pages.current() for _ in range(10)))

    assert all(page is first for page in others)

    packed, *again = await asyncio.gather(*(first.pack(workers) for _ in range(10)))

    assert all(chunks is packed for chunks in again)


async def test_in_slices_returns_what_the_last_step_does(long_table: Table) -> None:
    pages = PageCache(long_table, None)

    pieces = await in_slices(pages._lay_out(long_table.snapshot(), b"own 1\n"))
    assert pieces[-1].text().endswith(b"own 1\n")

"""A page is made once for a state of the table, and handled in pieces."""

import asyncio
import gc
import gzip
import weakref
from collections.abc import Iterator

import pytest

from exporter_proxy.catalog import Catalog
from exporter_proxy.exposition.escaping import Scheme
from exporter_proxy.exposition.page import CHUNK, Encoding, text_chunks
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.table import Table
from exporter_proxy.views import slices
from exporter_proxy.views.kept import KeptKey, KeptPage, KeptPages
from exporter_proxy.views.page import Kind, Page, Selection
from exporter_proxy.views.pages import FORGET_SECONDS, Pages
from exporter_proxy.workers import Workers
from tests.views.conftest import Clock

TEXT = Kind()


def pages_of(table: Table, own: SelfMetrics | None = None, *, merged: bool = False) -> Pages:
    rules = Rules()
    catalog = Catalog(table, rules=(lambda _: rules) if merged else None, wall_ns=Clock())
    return Pages(table, catalog, own, merged=merged)


def text(page: Page) -> bytes:
    return b"".join(text_chunks(page.pieces))


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


@pytest.mark.parametrize("merged", [True, False])
async def test_an_unchanged_page_is_the_same_object(workers: Workers, *, merged: bool) -> None:
    """Compressed bytes included."""
    table = Table()
    table.update("a", (b"# TYPE a gauge\na 1\n",), source="test")
    pages = pages_of(table, merged=merged)
    page = await pages.current(TEXT)
    packed = (await page.pack("gzip", workers))[0]

    assert pages.fresh(TEXT) is page
    assert await pages.current(TEXT) is page
    assert (await page.pack("gzip", workers))[0] is packed
    assert page.plain is not None
    assert page.plain.startswith(b"# TYPE a gauge\na 1\n")

    table.update("a", (b"a 1\n",), source="test")

    assert pages.fresh(TEXT) is None


async def test_what_was_read_waits_for_what_is_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while that is no longer noted as changed: whoever asked again would ask for ever."""
    monkeypatch.setattr(slices, "HOLD_SECONDS", -1.0)
    table = Table()
    pages = pages_of(table, merged=True)
    for rounds in range(1, 20):
        table.update("a", (b"m 1\n" * 50_000,), source="test")
        page = asyncio.create_task(pages.current(TEXT))
        for _ in range(rounds):
            await asyncio.sleep(0)
        assert not page.done()
        assert (await pages.readings())["a"].updates == rounds
        await page


async def test_a_long_page_is_never_joined(long_table: Table, workers: Workers) -> None:
    """No piece is longer than a megabyte, and neither is what is compressed at a time."""
    page = await pages_of(long_table).current(TEXT)
    packed = (await page.pack("gzip", workers))[0]
    whole = b"".join(row.payload[0] for row in long_table)

    assert page.plain is None
    assert max(map(len, text_chunks(page.pieces))) <= 2 * CHUNK
    assert all(piece.packed for piece in page.pieces)
    assert text(page) == gzip.decompress(b"".join(packed)) == whole


async def test_a_change_leaves_other_pieces_as_they_are(
    long_table: Table, workers: Workers
) -> None:
    pages = pages_of(long_table)
    before = await pages.current(TEXT)
    await before.pack("gzip", workers)
    long_table.update("app7", (b"app7 1\n" * 100_000,), source="test")
    after = await pages.current(TEXT)

    changed = [piece for piece in after.pieces if not piece.packed]
    assert 1 <= len(changed) <= 2
    assert len(after.pieces) >= len(before.pieces) - 2


@pytest.mark.parametrize("merged", [True, False])
async def test_shows_the_table_at_one_moment(
    monkeypatch: pytest.MonkeyPatch, *, merged: bool
) -> None:
    """An update that comes while the page is made is on the next page, maybe on this: not half.

    Payloads that are not read are all those of one moment.
    """
    monkeypatch.setattr("exporter_proxy.views.slices.HOLD_SECONDS", 0)
    table = Table()
    for app in range(3_000):
        table.update(f"app{app}", (b'a{app="%d"} 1\n' % app,), source="test")
    pages = pages_of(table, merged=merged)
    scrape = asyncio.create_task(pages.current(TEXT))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for app in range(3_000):
        table.update(f"app{app}", (b'a{app="%d"} 2\n' % app,), source="test")
    later = asyncio.create_task(pages.current(TEXT))

    assert text(await later).count(b"} 2\n") == 3_000
    first = text(await scrape)
    assert first.count(b"\na{") + first.startswith(b"a{") == 3_000
    if not merged:
        assert first.count(b"} 1\n") in (0, 3_000)


async def test_pages_that_come_together_are_one(long_table: Table, workers: Workers) -> None:
    pages = pages_of(long_table)
    first, *others = await asyncio.gather(*(pages.current(TEXT) for _ in range(10)))

    assert all(page is first for page in others)

    packed, *again = await asyncio.gather(*(first.pack("gzip", workers) for _ in range(10)))

    assert all(chunks is packed[0] for chunks, _ in again)


async def test_a_page_never_is_older_than_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although others began one before."""
    monkeypatch.setattr("exporter_proxy.views.slices.HOLD_SECONDS", 0)
    table = Table()
    for app in range(200):
        table.update(f"app{app}", (b'a{app="%d"} 1\n' % app,), source="test")
    pages = pages_of(table, merged=True)
    early = asyncio.create_task(pages.current(TEXT))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    table.update("late", (b"late 1\n",), source="test")

    assert b"\nlate 1\n" in text(await pages.current(TEXT))
    await early


async def test_a_reader_who_leaves_loses_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever moment: the page that was begun for it is finished for the next one."""
    monkeypatch.setattr("exporter_proxy.views.slices.HOLD_SECONDS", 0)
    table = Table()
    pages = pages_of(table, merged=True)
    for moment in range(1, 12):
        for app in range(100):
            payload = b'a{app="%d"} %d\n' % (app, moment)
            table.update(f"app{app}", (payload,), source="test")
        task = asyncio.create_task(pages.current(TEXT))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert text(await pages.current(TEXT)).count(b"} %d\n" % moment) >= 100


async def test_a_page_that_nobody_asks_for_is_forgotten() -> None:
    """It would keep what apps had when it was made; pages that are asked for stay."""
    table, clock, rules = Table(), Clock(0.0), Rules()
    catalog = Catalog(table, rules=lambda _: rules, wall_ns=Clock())
    pages = Pages(table, catalog, None, merged=True, monotonic=clock)
    openmetrics = Kind("openmetrics")
    table.update("a", (b"a 1\n",), source="test")
    old = weakref.ref(await pages.current(openmetrics))
    await pages.current(TEXT)
    watched = len(catalog.index._watchers)
    clock.now = FORGET_SECONDS - 1
    assert pages.fresh(TEXT) is not None
    clock.now = FORGET_SECONDS + 1
    table.update("a", (b"a 2\n",), source="test")
    kept = await pages.current(TEXT)
    gc.collect()

    assert old() is None
    assert len(catalog.index._watchers) == watched - 1
    assert pages.fresh(TEXT) is kept
    assert text(await pages.current(openmetrics)).startswith(b"# TYPE a unknown\na 2\n")


async def test_what_a_search_finds_makes_another_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much to be searched at once is once in OpenMetrics after the search."""
    monkeypatch.setattr("exporter_proxy.views.pages.SEARCHED_AT_ONCE", -1)
    table = Table()
    for app in ("a", "b"):
        table.update(app, (b"# TYPE m gauge\nm 1\n",), source="test")
    pages = pages_of(table, merged=True)
    openmetrics = Kind("openmetrics")
    before = await pages.current(openmetrics)
    await pages.search_duplicates()
    after = await pages.current(openmetrics)

    assert text(before).startswith(b"# TYPE m gauge\nm 1\nm 1\n")
    assert text(after).startswith(b"# TYPE m gauge\nm 1\n#")
    assert b'{app="b",reason="same_series"} 1\n' in text(after)
    assert before.tag != after.tag

    await pages.search_duplicates()

    assert await pages.current(openmetrics) is after


async def test_the_loop_is_served_while_a_page_is_laid_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter_proxy.views.slices.HOLD_SECONDS", 0)
    table = Table()
    for app in range(10_000):
        table.update(f"app{app}", (b"a 1\n",), source="test")
    pages = pages_of(table, SelfMetrics(table, [], list, 5.0))
    task = asyncio.create_task(pages.current(TEXT))
    turns = 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0)

    # at least 5 of payloads and one for each twenty apps that are looked at
    assert turns > 500


async def test_an_openmetrics_page_has_no_series_twice() -> None:
    """Not even before the search in the background has run."""
    table = Table()
    pages = pages_of(table, merged=True)
    for app in ("a", "b"):
        table.update(app, (b"# TYPE x gauge\nx 1\n",), source="test")
    page = await pages.current(Kind("openmetrics"))

    assert text(page).count(b"\nx 1\n") == 1
    assert pages.fresh(Kind("openmetrics")) is page
    assert (await pages.readings())["b"].state == "conflicts: same_series"


@pytest.mark.parametrize("escaping", ["allow-utf-8", "dots", "values"])
async def test_neither_has_one_with_names_of_another_kind(escaping: Scheme) -> None:
    """Where a quoted name is found twice too, and is found once more by the background's search."""
    table = Table()
    pages = pages_of(table, merged=True)
    kind = Kind("openmetrics", escaping=escaping)
    both = b'# TYPE x gauge\nx 1\n# TYPE "q.q" gauge\n{"q.q"} 5\n'
    table.update("a", (both,), source="test")
    table.update("b", (both,), source="test")
    page = await pages.current(kind)

    assert text(page).count(b"\nx 1\n") == 1
    assert text(page).count(b" 5\n") == 1

    table.update("b", (both.replace(b"x 1", b'x{a="b"} 1'),), source="test")
    await pages.search_duplicates()

    assert b'\nx 1\nx{a="b"} 1\n# TYPE' in text(await pages.current(kind))


async def test_what_finds_them_is_forgotten_with_the_page() -> None:
    table, clock = Table(), Clock(0.0)
    pages = pages_of(table, merged=True)
    pages._monotonic = clock
    table.update("a", (b'{"q.q"} 5\n',), source="test")
    await pages.current(Kind("openmetrics", escaping="allow-utf-8"))
    index = pages._duplicates["aliases"]._index
    clock.now = 2 * FORGET_SECONDS
    table.update("a", (b'{"q.q"} 6\n',), source="test")
    await pages.current(TEXT)

    assert not pages._duplicates
    assert not index._watchers


async def test_later_readers_share_what_is_sent(long_table: Table, workers: Workers) -> None:
    """However many there are, also side by side; the first ones leave nothing in memory."""
    page = await pages_of(long_table).current(TEXT)
    raw = b"".join((await page.pack("gzip", workers))[0])
    bodies = [await page.body("gzip", workers) for _ in range(5)]
    first, second, *later = (iter(chunks) for chunks, _ in bodies)
    sent = list(zip(*later, strict=True))

    assert {size for _, size in bodies} == {len(raw)}
    assert b"".join(first) == b"".join(second) == raw
    assert b"".join(chunks[0] for chunks in sent) == raw
    assert all(chunk is chunks[0] for chunks in sent for chunk in chunks)
    assert len(sent[0][0]) <= CHUNK


async def test_nothing_is_read_while_nobody_looks() -> None:
    """Updates that replace one another before anyone sees them are never read."""
    table = Table()
    pages = pages_of(table, merged=True)
    table.update("a", (b"# TYPE x gauge\nx 1\n",), source="test")
    await pages.keep_house()
    assert pages.bytes_read == 0

    await pages.current(TEXT)
    read = pages.bytes_read
    table.update("a", (b"# TYPE x gauge\nx 2\n",), source="test")
    await pages.keep_house()
    assert pages.bytes_read == 2 * read > 0

    table.update("a", (b"# TYPE x gauge\nx 3\n",), source="test")
    await pages.keep_house()
    assert pages.bytes_read == 2 * read


async def test_a_series_twice_is_a_finding_that_names_it() -> None:
    """Found before an OpenMetrics page is made, which has it once."""
    table = Table()
    table.update("a", (b'# TYPE x gauge\nx{a="1",b="2"} 1\nx{b="2",a="1"} 2\n',), source="test")
    pages = pages_of(table, merged=True)
    shown = text(await pages.current(Kind("openmetrics")))

    assert b'x{a="1",b="2"} 1\n# TYPE' in shown
    assert b'{app="a",reason="duplicate_series"} 1\n' in shown
    assert text(await pages.current(TEXT)).count(b"\nx{") == 2
    reading = (await pages.readings())["a"]
    assert reading.state == "repaired: duplicate_series"
    assert [each.what for each in reading.later] == ['x{a="1",b="2"}']

    table.update("a", (b"# TYPE x gauge\nx 1\n",), source="test")
    await pages.current(TEXT)
    await pages.search_duplicates()
    assert (await pages.readings())["a"].state == "ok"


async def test_the_next_page_tells_what_openmetrics_has_in_another_way() -> None:
    """Until nobody asks for it any longer."""
    clock = Clock()
    table = Table()
    below_zero = b"# TYPE x_total counter\nx_total -1\n"
    clash = b"# TYPE y_total counter\ny_total 1\n# TYPE y gauge\ny 1\n"
    table.update("a", (below_zero + clash,), source="test")
    pages = pages_of(table, merged=True)
    pages._monotonic = clock
    openmetrics = Kind("openmetrics")
    await pages.current(openmetrics)
    page = await pages.current(openmetrics)

    assert b'{app="a",reason="openmetrics_held"} 1\n' in text(page)
    assert b'{app="a",reason="openmetrics_invalid"} 1\n' in text(page)
    assert await pages.current(openmetrics) is page
    reading = (await pages.readings())["a"]
    assert reading.state == "repaired: openmetrics_held"
    assert [each.what for each in reading.later] == ["y", "x_total"]

    clock.now += 2 * FORGET_SECONDS
    table.update("b", (b'{"z.z"} 1\n',), source="test")
    quoting = Kind("openmetrics", escaping="allow-utf-8")
    await pages.current(quoting)
    assert b'{app="a",reason="openmetrics_held"} 1\n' in text(await pages.current(quoting))

    clock.now += 2 * FORGET_SECONDS
    table.update("b", (b"z 1\n",), source="test")
    assert b"openmetrics" not in text(await pages.current(TEXT))
    assert (await pages.readings())["a"].state == "ok"


ALONE = Selection(frozenset({"a"}))
KINDS = [
    Kind(),
    Kind("openmetrics"),
    Kind(escaping="values"),
    Kind("openmetrics", escaping="allow-utf-8"),
]


async def body(page: Page | KeptPage, workers: Workers) -> bytes:
    chunks, _ = await page.body("gzip", workers)
    return gzip.decompress(b"".join(chunks))


@pytest.mark.parametrize("kind", KINDS)
async def test_the_page_of_an_app_is_kept(workers: Workers, kind: Kind) -> None:
    """Until anything on it is other: what was sent, or what the proxy tells of it."""
    clock = Clock(0.0)
    table = Table(monotonic=clock)
    table.update("a", (b'x 1\n{"q.q"} 1\n',), source="test", expire_after=5, on_expire="mark")
    table.update("b", (b"x 1\n",), source="test")
    pages = pages_of(table, merged=True)
    made = await pages.selected(kind, ALONE, "gzip")
    shown = await body(made, workers)
    table.update("b", (b'x{c="d"} 2\n',), source="test")
    kept = await pages.selected(kind, ALONE, "gzip")

    assert isinstance(made, Page)
    assert isinstance(kept, KeptPage)
    assert (kept.kind, kept.tag) == (made.kind, made.tag)
    assert await body(kept, workers) == shown
    assert await pages.selected(kind, ALONE, "gzip") is kept

    table.update("a", (b'x 2\n{"q.q"} 1\n',), source="test", expire_after=5, on_expire="mark")
    other = await pages.selected(kind, ALONE, "gzip")

    assert isinstance(other, Page)
    assert other.tag != made.tag
    assert b"x 2\n" in await body(other, workers)

    assert isinstance(await pages.selected(kind, ALONE, "gzip"), KeptPage)
    table.set_problem("a", "gone", source="test")
    down = await pages.selected(kind, ALONE, "gzip")

    assert isinstance(down, Page)
    assert b'exporter_proxy_app_up{app="a"} 0\n' in await body(down, workers)

    table.drop("a")
    table.forget("a")
    assert b"x " not in await body(await pages.selected(kind, ALONE, "gzip"), workers)


@pytest.mark.parametrize(
    ("kind", "selection", "encoding"),
    [
        pytest.param(Kind(), ALONE, "identity", id="plain"),
        pytest.param(Kind(strict=False), ALONE, "gzip", id="for_people"),
        pytest.param(Kind(), Selection(frozenset("ab")), "gzip", id="two_apps"),
        pytest.param(Kind(), Selection(frozenset("a"), frozenset({b"x"})), "gzip", id="names"),
        pytest.param(Kind(), Selection(None, frozenset({b"x"})), "gzip", id="names_alone"),
        pytest.param(Kind(), Selection(frozenset({"other"})), "gzip", id="unknown"),
        pytest.param(Kind(only_self=True), ALONE, "gzip", id="own"),
    ],
)
async def test_what_is_not_kept(kind: Kind, selection: Selection, encoding: Encoding) -> None:
    """What depends on more than one app's families, or is long."""
    table = Table()
    table.update("a", (b"x 1\nbad{\n",), source="test")
    pages = pages_of(table, merged=True)
    for _ in range(2):
        assert isinstance(await pages.selected(kind, selection, encoding), Page)


async def test_kept_pages_follow_the_rules(workers: Workers) -> None:
    table = Table()
    table.update("a", (b"x 1\n",), source="test")
    rules = Rules()
    catalog = Catalog(table, rules=lambda _: rules, wall_ns=Clock())
    pages = Pages(table, catalog, None, merged=True)
    for _ in range(2):
        assert b"\nx 1\n" in await body(await pages.selected(TEXT, ALONE, "gzip"), workers)
    labelled = Rules(labels={"b": "c"})
    catalog.set_rules(lambda _: labelled)
    pages.configure(None, expose=True)

    shown = await pages.selected(TEXT, ALONE, "gzip")
    assert isinstance(shown, Page)
    assert b'\nx{b="c"} 1\n' in await body(shown, workers)
    assert isinstance(await pages.selected(TEXT, ALONE, "gzip"), Page), "scrapers get it all"


async def test_kept_pages_that_nobody_asks_for_are_forgotten() -> None:
    table, clock = Table(), Clock(0.0)
    pages = pages_of(table, merged=True)
    pages._monotonic = clock
    pages._forgotten = 0.0
    for app in "ab":
        table.update(app, (b"x 1\n",), source="test")
        await pages.selected(TEXT, Selection(frozenset(app)), "gzip")
    clock.now = FORGET_SECONDS - 1
    await pages.selected(TEXT, ALONE, "gzip")
    clock.now = FORGET_SECONDS + 1
    table.update("c", (b"x 1\n",), source="test")

    assert isinstance(await pages.selected(TEXT, ALONE, "gzip"), KeptPage)
    assert len(pages._kept) == 1


def test_kept_pages_are_bounded() -> None:
    """What is there stays; what is gone makes room."""
    kept, state = KeptPages(3000), ({}, {})
    keys = [KeptKey(TEXT, str(number), "gzip") for number in range(5)]
    for key in keys:
        kept.put(key, KeptPage(TEXT, 1, key.app, bytes(400), state), 0.0)

    assert [kept.find(key, state, 1.0) is not None for key in keys] == [True] * 3 + [False] * 2

    assert kept.find(keys[0], ({}, {}), 1.0) is None
    kept.put(keys[4], KeptPage(TEXT, 1, "4", bytes(400), state), 2.0)
    kept.put(keys[4], KeptPage(TEXT, 2, "4", bytes(400), state), 2.0)
    assert kept.find(keys[4], state, 2.0) is not None
    kept.forget(1.5)
    assert len(kept) == 1

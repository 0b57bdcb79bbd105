"""How the page is laid out: in steps of a bounded length, whatever apps share."""

from collections.abc import Iterable

from exporter_proxy.exposition.merged import Layout, MergedIndex, TextWriter
from exporter_proxy.exposition.merged.family import MergedFamily
from exporter_proxy.exposition.merged.layout import Part
from exporter_proxy.exposition.model import Family
from exporter_proxy.steps import all_at_once
from tests.exposition.families import family


class CountingWriter(TextWriter):
    """Notes how many cells it writes at a time."""

    def __init__(self, index: MergedIndex) -> None:
        super().__init__(index)
        self.counts: list[int] = []

    def cells(self, family: MergedFamily, part: Part, apps: Iterable[int]) -> list[bytes]:
        """Write as the text page has them."""
        cells = super().cells(family, part, apps)
        self.counts.append(len(cells))
        return cells


def test_cells_of_a_large_block_are_written_some_at_a_time():
    """A block has as many apps as make a piece: of small cells thousands."""
    index = MergedIndex()
    for app in range(6_000):
        index.set_app(app, [family("x", "gauge", f'x{{a="{app}"}} 1')])
    writer = CountingWriter(index)
    layout = Layout(index, writer)

    page = b"".join(piece.text() for piece in all_at_once(layout.refresh()))

    assert sum(writer.counts) == 6_000
    assert max(writer.counts) <= 500
    assert page.splitlines()[1:] == [b'x{a="%d"} 1' % app for app in range(6_000)]


def test_families_that_may_be_shadowed_are_looked_up_in_steps():
    index = MergedIndex()
    index.set_app(1, [family(f"x{number}", "gauge", f"x{number} 1") for number in range(20_000)])

    changes = index.watch()
    changes.metadata.update(dict.fromkeys(index.families))

    assert len(list(TextWriter(index).follow(changes))) >= 4


def large_families(app: int, count: int, value: int) -> list[Family]:
    """Return families that have blocks of their own."""
    samples = b"".join(b'x%%d{app="%d",n="%d"} %d\n' % (app, n, value) for n in range(10_000))
    return [
        Family(b"x%d" % number, "gauge", samples.replace(b"x%d", b"x%d" % number), 10_000)
        for number in range(count)
    ]


def test_large_families_are_replaced_in_steps():
    """Few are much to compare, and to let go of."""
    index = MergedIndex()
    index.set_app(1, large_families(1, 40, 1))

    assert len(list(index.set_app_in_steps(1, large_families(1, 40, 2)))) >= 5


def test_large_families_are_laid_out_in_steps():
    """Also where nothing has changed but the list of families."""
    index = MergedIndex()
    text = b"x 1\n" * 20_000
    families = [Family(b"x%d" % number, "gauge", text, 20_000) for number in range(1_000)]
    index.set_app(1, families)
    layout = Layout(index, TextWriter(index))
    assert len(list(layout.refresh())) >= 1_000 // 100
    index.set_app(1, [*families, family("y", "gauge", "y 1")])

    assert len(list(layout.refresh())) >= 1_000 // 100
    assert b"".join(piece.text() for piece in all_at_once(layout.refresh())).endswith(b"\ny 1\n")

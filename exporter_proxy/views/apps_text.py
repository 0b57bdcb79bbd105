"""``/apps`` for a terminal, drawn with rich: a table in a table, as wide as its longest cells.

rich lays out a table of 10,000 apps in four seconds, since it prepares every cell for wrapping and
styles, of which there are none here. So it draws the frame, and says how many columns of a terminal
a text takes; the rows in between are stamped into that frame, which takes a tenth of a second.
"""

from collections.abc import Generator, Sequence
from io import StringIO
from itertools import islice

from rich.box import ASCII2
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from exporter_proxy.steps import let_go
from exporter_proxy.views.app_lines import COLUMNS, NUMBERS, AppLine, show_time

LINES_A_CHUNK = 100

# Lines of the frame before the rows: down to the line below the head.
_FRAME_HEAD = 6


def draw(lines: Sequence[AppLine], now_ns: int) -> Generator[None, None, list[bytes]]:
    """Return the table in chunks, in steps of a hundred lines.

    Names are text: whatever rich would read as markup or emoji stands as it came.
    """
    cells: list[tuple[str, ...]] = []
    widths = [cell_len(name) for name in COLUMNS]
    rest = iter(lines)
    while some := list(islice(rest, LINES_A_CHUNK)):
        read = [line.cells() for line in some]
        cells += read
        widths = [
            max(width, *map(cell_len, column))
            for width, column in zip(widths, zip(*read, strict=True), strict=True)
        ]
        yield
    frame = draw_frame(f"Current time: {show_time(now_ns)}", widths)
    return (yield from _stamp(frame, widths, cells))


def draw_frame(title: str, widths: Sequence[int]) -> list[str]:
    """Return the lines of the table without a row, the columns being ``widths`` wide."""
    inner = RichTable(box=ASCII2, show_lines=True)
    for name, width in zip(COLUMNS, widths, strict=True):
        head = Text(name, justify="right" if name in NUMBERS else "left")
        inner.add_column(head, min_width=width, no_wrap=True)
    outer = RichTable(box=ASCII2, show_lines=True, show_header=False)
    outer.add_column(no_wrap=True)
    outer.add_row(Text(title))
    outer.add_row(inner)
    out = StringIO()
    # Wider than anything can be, so that there is no reason to wrap or cut.
    width = sum(widths) + len(title) + 100
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(outer)
    return out.getvalue().splitlines()


def _stamp(
    frame: Sequence[str], widths: Sequence[int], cells: list[tuple[str, ...]]
) -> Generator[None, None, list[bytes]]:
    head, last = frame[:_FRAME_HEAD], frame[-1]
    line_below = head[-1]
    chunks = [("\n".join(head) + "\n").encode()]
    rest = iter(cells)
    while some := list(islice(rest, LINES_A_CHUNK)):
        drawn = []
        for row in some:
            drawn += [_row(row, widths), line_below]
        chunks.append(("\n".join(drawn) + "\n").encode())
        yield
    chunks.append((last + "\n").encode())
    yield from let_go(cells)
    return chunks


def _row(cells: tuple[str, ...], widths: Sequence[int]) -> str:
    padded = (
        _pad(cell, width, right=name in NUMBERS)
        for name, cell, width in zip(COLUMNS, cells, widths, strict=True)
    )
    return f"| | {' | '.join(padded)} | |"


def _pad(cell: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - cell_len(cell))
    return blanks + cell if right else cell + blanks

"""The table in a terminal is what rich would draw, whatever the names are."""

from io import StringIO
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.box import ASCII2
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from exporter_proxy.steps import all_at_once
from exporter_proxy.views.app_lines import COLUMNS, NUMBERS, AppLine, printable, show_time
from exporter_proxy.views.apps_text import LINES_A_CHUNK, draw

T = TypeVar("T")
NOW_NS = 1_653_263_512_939_898_700

NAMES = st.text(min_size=1, max_size=20) | st.text(
    alphabet="a漢é[b]:\u200d\ufe0f\u0301👩🇩1#*", max_size=9
)
LINES = st.lists(
    st.builds(
        AppLine,
        NAMES,
        st.none() | st.integers(0, 2**62),
        NAMES,
        st.integers(0, 10**9),
        st.integers(0, 10**9),
        st.integers(0, 10**9),
        NAMES,
    ),
    max_size=4,
)


def drawn(lines: list[AppLine]) -> str:
    return b"".join(all_at_once(draw(lines, NOW_NS))).decode()


def drawn_by_rich(lines: list[AppLine]) -> str:
    """Let rich lay out the whole table, every cell as it is."""
    inner = RichTable(box=ASCII2, show_lines=True)
    for name in COLUMNS:
        inner.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    for line in lines:
        inner.add_row(*map(Text, line.cells()))
    outer = RichTable(box=ASCII2, show_lines=True, show_header=False)
    outer.add_column(no_wrap=True)
    outer.add_row(Text(f"Current time: {show_time(NOW_NS)}"))
    outer.add_row(inner)
    out = StringIO()
    Console(file=out, width=5000, color_system=None).print(outer)
    return out.getvalue()


def line_of(app: str, state: str = "ok") -> AppLine:
    return AppLine(app, 0, "127.0.0.1:6554", 1, 2, 3, state)


@given(LINES)
def test_all_lines_are_equally_wide(lines: list[AppLine]) -> None:
    """In cells of a terminal, of which a character may take none or two."""
    table = drawn(lines).split("\n")

    assert table.pop() == ""
    assert len({cell_len(line) for line in table}) == 1
    assert len(table) == 7 + 2 * len(lines)


@given(LINES.filter(bool))
def test_is_what_rich_would_draw(lines: list[AppLine]) -> None:
    """But for an empty table, below whose head rich draws two lines."""
    assert drawn(lines) == drawn_by_rich(lines)


@pytest.mark.parametrize(
    "app",
    [
        "[bold red]app[/]",
        ":smile:",
        "[link=http://x]y[/link]",
        "漢字のアプリ",
        "x" * 256,
        "https://x",
    ],
)
def test_names_stand_as_they_came(app: str) -> None:
    """Neither markup nor emoji codes; nothing is wrapped or cut."""
    assert f"| | {app} " in drawn([line_of(app), line_of("b", "poll failing: " + "y" * 300)])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a b", "a b", id="plain"),
        pytest.param("\x1b[31mred", "\\x1b[31mred", id="terminal escape"),
        pytest.param("a\nb\r\tc\x7f", "a\\nb\\r\\tc\\x7f", id="control characters"),
        pytest.param("a\u202eb\u200bc\u2028", "a\\u202eb\\u200bc\\u2028", id="invisible"),
        pytest.param("\udcff", "\\udcff", id="surrogate"),
        pytest.param("漢é👩", "漢é👩", id="printable"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_long_table_is_drawn_in_steps() -> None:
    """The event loop can be served between them."""
    lines = [line_of(f"app{number}") for number in range(1000)]
    steps = sum(1 for _ in draw(lines, NOW_NS))

    assert steps == 2 * 1000 / LINES_A_CHUNK
    assert drawn(lines) == drawn_by_rich(lines)

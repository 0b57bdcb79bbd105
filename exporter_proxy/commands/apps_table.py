"""The apps of a running proxy as a table on a terminal or in a pipe."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from exporter_proxy.commands.asking import AskError
from exporter_proxy.errors import quote
from exporter_proxy.logs import one_line

_STATE_COLOURS = {"ok": "green", "repaired": "yellow", "conflicts": "yellow"}
_RATE = "Per second"
_COLUMNS = ("App", "Age", "Source", "Samples", "Bytes", "Updates", _RATE, "State")
_RIGHT = frozenset({"Age", "Samples", "Bytes", "Updates", _RATE})
# What a narrow terminal goes without, in this order, before a name or a state gets less than this.
_EXTRAS = ("Bytes", "Updates", "Source")
_LEAST = {"App": 30, "State": 24}
# Blanks between two columns.
_BETWEEN = 3


class SelectionError(Exception):
    """There is no such selection; the text says why, for a person."""


class App(msgspec.Struct):
    """One app, as ``/apps`` has it in JSON; what it doesn't say stays as it is here.

    Attributes:
        rate: Updates a second since it was last asked for; None: not known.
    """

    app: str
    last_update_ns: int | None = None
    source: str = ""
    samples: int = 0
    bytes: int = 0
    updates: int = 0
    state: str = ""
    rate: float | None = None


class _Apps(msgspec.Struct):
    apps: list[App]


_DECODER = msgspec.json.Decoder(_Apps)


def read(body: bytes, proxy: str) -> list[App]:
    """Return the apps in an answer.

    Raises:
        AskError: It is no such answer.
    """
    try:
        return _DECODER.decode(body).apps
    except msgspec.DecodeError as error:
        raise AskError(f"{proxy}: the answer is not that of /apps: {quote(str(error))}") from error


def select(body: bytes, selection: "Selection", proxy: str) -> bytes:
    """Return an answer with the selected apps alone, in their order, an app a line.

    Raises:
        AskError: It is no such answer.
    """
    apps = read(body, proxy)
    document = msgspec.json.decode(body)
    raw = dict(zip(map(id, apps), document.pop("apps"), strict=True))
    lines = b",\n".join(msgspec.json.encode(raw[id(app)]) for app in selection.of(apps))
    rest = msgspec.json.encode(document).removesuffix(b"}")
    between = b"," if document else b""
    return rest + between + b'"apps":[\n' + lines + b"\n]}\n"


class Selection:
    """Which apps are shown, and in which order.

    Args:
        sort: By what; see ``SORTS`` of the command.
        pattern: What is in the names of those that are shown; None: all are.

    Raises:
        SelectionError: The pattern is none.
    """

    def __init__(self, sort: str, pattern: str | None) -> None:
        self._sort = sort
        try:
            self._pattern = None if pattern is None else re.compile(pattern)
        except re.error as error:
            raise SelectionError(f"--filter: {quote(pattern)}: {error}") from error

    def of(self, apps: Sequence[App]) -> list[App]:
        """Return the selected apps."""
        some = [app for app in apps if self._pattern is None or self._pattern.search(app.app)]
        key, largest_first = _ORDERS.get(self._sort, (None, False))
        return some if key is None else sorted(some, key=key, reverse=largest_first)


_ORDERS: Mapping[str, tuple[Any, bool]] = {
    "app": (lambda app: app.app, False),
    # The oldest first; those that never had metrics before all.
    "age": (lambda app: app.last_update_ns or 0, False),
    "source": (lambda app: (app.source, app.app), False),
    "samples": (lambda app: app.samples, True),
    "bytes": (lambda app: app.bytes, True),
    "updates": (lambda app: app.updates, True),
    "rate": (lambda app: app.rate or 0.0, True),
    # What needs somebody first.
    "state": (lambda app: (app.state == "ok", app.state, app.app), False),
}


def write(apps: Sequence[App], proxy: str, console: Console | None = None) -> None:
    """Write the table to standard output.

    A pipe gets it without colours, as wide as its longest cells.
    """
    console = console or Console()
    width = console.width if console.is_terminal else None
    table = draw(apps, time.time_ns(), rates=False, width=width)
    if console.is_terminal:
        console.print(table)
    else:
        console.width = max(80, console.measure(table, options=_unbounded(console)).maximum)
        with console.capture() as capture:
            console.print(table)
        # The widest state is no reason for blanks after all the others.
        console.file.writelines(f"{line.rstrip()}\n" for line in capture.get().split("\n")[:-1])
    console.print(summary(apps, proxy))


def _unbounded(console: Console) -> ConsoleOptions:
    return console.options.update(max_width=1_000_000)


def draw(
    apps: Sequence[App], now_ns: int, *, rates: bool, width: int | None = None, cut: bool = False
) -> Table:
    """Return the table.

    Args:
        apps: In their order.
        now_ns: The time, in nanoseconds since the epoch, for ages.
        rates: Whether updates a second are known.
        width: Of a terminal; what is too much for it is left out. None: there is room for all.
        cut: Whether each app is to have one line: long cells are cut then, else folded.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    columns = _COLUMNS if rates else tuple(name for name in _COLUMNS if name != _RATE)
    cells = [_cells(app, now_ns) for app in apps]
    if width is not None:
        columns = _affordable(cells, columns, width)
    for name in columns:
        table.add_column(
            name,
            justify="right" if name in _RIGHT else "left",
            no_wrap=name in _RIGHT,
            overflow="fold",
        )
    rows = [[each[name] for name in columns] for each in cells]
    if width is not None and cut:
        _fit(rows, columns, width)
    for row in rows:
        table.add_row(*row)
    return table


def _cells(app: App, now_ns: int) -> dict[str, Text]:
    return {
        "App": Text(one_line(app.app), "bold"),
        "Age": Text(_age(app.last_update_ns, now_ns)),
        "Source": Text(one_line(app.source), "dim"),
        "Samples": Text(f"{app.samples}"),
        "Bytes": Text(f"{app.bytes}"),
        "Updates": Text(f"{app.updates}"),
        _RATE: Text("" if app.rate is None else f"{app.rate:.1f}"),
        "State": Text(one_line(app.state), _colour(app.state)),
    }


def _affordable(
    rows: Sequence[Mapping[str, Text]], columns: Sequence[str], width: int
) -> tuple[str, ...]:
    """Return the columns that a terminal has room for."""
    widths = {
        name: max(
            [cell_len(name), *(min(row[name].cell_len, _LEAST.get(name, width)) for row in rows)]
        )
        for name in columns
    }
    for extra in _EXTRAS:
        if sum(widths.values()) + _BETWEEN * (len(widths) - 1) <= width:
            break
        del widths[extra]
    return tuple(widths)


def _fit(rows: Sequence[Sequence[Text]], columns: Sequence[str], width: int) -> None:
    """Cut texts so that each row has one line: names at their share, states at the rest.

    Names lose their middle: what tells one of many from the others stands at either end.
    """
    widths = [
        max([cell_len(name), *(row[place].cell_len for row in rows)])
        for place, name in enumerate(columns)
    ]
    room = width - _BETWEEN * (len(columns) - 1)
    room -= sum(own for own, name in zip(widths, columns, strict=True) if name in _RIGHT)
    texts = [name for name in columns if name not in _RIGHT]
    for name in texts:
        place = columns.index(name)
        share = (
            room if name == "State" else min(widths[place], max(room // len(texts), cell_len(name)))
        )
        for row in rows:
            if name == "State":
                row[place].truncate(max(share, cell_len(name)), overflow="ellipsis")
            else:
                _cut_amid(row[place], max(share, cell_len(name)))
        room -= share


def _cut_amid(text: Text, width: int) -> None:
    plain = text.plain
    if text.cell_len <= width:
        return
    end = (width - 1) // 2
    tail = len(plain)
    while cell_len(plain[tail - 1 :]) <= end:
        tail -= 1
    text.plain = f"{set_cell_size(plain, width - 1 - end).rstrip()}…{plain[tail:]}"


def summary(apps: Sequence[App], proxy: str) -> Text:
    """Return what it comes to, on one line."""
    samples = sum(app.samples for app in apps)
    bad = sum(app.state != "ok" for app in apps)
    line = f"{_counted(len(apps), 'app')}, {_counted(samples, 'sample')}"
    text = Text(f"{line}{f', {bad} not ok' if bad else ''}", "bold")
    return text.append(f"  {one_line(proxy)}", "not bold dim")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _colour(state: str) -> str:
    return _STATE_COLOURS.get(state.partition(":")[0], "red")


def _age(updated_ns: int | None, now_ns: int) -> str:
    """Return how long ago, short: ``0.4 s``, ``12 s``, ``5m 3s``, ``3h 7m``, ``2d 4h``."""
    if updated_ns is None:
        return "never"
    # The clocks of two machines.
    seconds = max(0.0, (now_ns - updated_ns) / 1e9)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"

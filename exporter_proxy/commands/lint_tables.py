"""A report on a terminal: tables and colours."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter_proxy.commands.lint_plain import FORMATS, KINDS, REFUSED, compared, count, summary
from exporter_proxy.exposition.report import (
    ConflictReport,
    FindingReport,
    QuarantineReport,
    Report,
)
from exporter_proxy.logs import one_line

_COLOURS = {"repair": "yellow", "warning": "magenta", "note": "dim"}
_HEADINGS = {"repair": "Repaired", "warning": "Warnings", "note": "Notes"}
_BAD, _GOOD, _FAIR = "bold red", "bold green", "bold yellow"


def show(report: Report, name: str, *, against: bool, console: Console | None = None) -> None:
    """Write a report to a terminal.

    Args:
        report: What is shown.
        name: How the payload is called.
        against: Whether a running proxy was asked.
        console: Where to; None: standard output.
    """
    console = console or Console()
    head = f": read as {FORMATS[report.format]}{compared(report) if against else ''}"
    console.print(_text(name, "bold").append(one_line(head), "not bold"))
    for section in _sections(report):
        console.print()
        console.print(section)
    console.print()
    console.print(_summary(report))


def _sections(report: Report) -> Sequence[RenderableType]:
    sections: list[RenderableType] = []
    if report.families:
        sections.append(_families(report))
    sections += _findings(report)
    if report.quarantined:
        sections.append(_entries("Held back", [_quarantined(each) for each in report.quarantined]))
    if report.conflicts:
        sections.append(
            _entries("Conflicts with other apps", [_conflict(each) for each in report.conflicts])
        )
    if report.refused is not None:
        sections.append(_text(f"Refused: {report.refused}; {REFUSED}", _BAD))
    return sections


def _families(report: Report) -> Table:
    table = _table()
    table.add_column("Family", overflow="fold")
    table.add_column("Type", no_wrap=True)
    table.add_column("Samples", justify="right", no_wrap=True)
    for family in report.families:
        table.add_row(_text(family.name), _text(family.type, "cyan"), str(family.samples))
    return table


def _findings(report: Report) -> Iterator[RenderableType]:
    rows = {
        kind: [_finding(each) for each in report.findings if each.kind == kind] for kind in KINDS
    }
    widths = [
        max((row[column].cell_len for each in rows.values() for row in each), default=0)
        for column in (0, 1)
    ]
    for kind, some in rows.items():
        if some:
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_column(width=widths[0], justify="right", no_wrap=True)
            table.add_column(width=widths[1], style=_COLOURS[kind], no_wrap=True)
            table.add_column(overflow="fold")
            for row in some:
                table.add_row(*row)
            heading = _text(_HEADINGS[kind], f"bold {_COLOURS[kind]}")
            yield Group(heading, Padding(table, (0, 0, 0, 1), expand=False))


def _finding(finding: FindingReport) -> tuple[Text, Text, Text]:
    line = "" if finding.line is None else f"line {finding.line}"
    times = f" ({finding.times})" if finding.times > 1 else ""
    what = f"{finding.what}: " if finding.what else ""
    return _text(line), _text(finding.reason + times), _text(what + finding.meaning)


def _entries(heading: str, entries: Sequence[RenderableType]) -> Group:
    return Group(
        _text(heading, "bold red"),
        *(Padding(entry, (0, 0, 0, 1), expand=False) for entry in entries),
    )


def _quarantined(quarantined: QuarantineReport) -> Group:
    line = "" if quarantined.line is None else f"line {quarantined.line}: "
    family = f"{quarantined.family} " if quarantined.family else ""
    head = _text(line + family, "bold").append(quarantined.reason, "not bold red")
    head.append(f" ({count(quarantined.lines, 'line')})", "not bold dim")
    details = [_text(quarantined.message)]
    if quarantined.meaning != quarantined.message:
        details.append(_text(quarantined.meaning, "dim"))
    if quarantined.text:
        details.insert(0, _text(quarantined.text, "reverse"))
    return _entry(head, details)


def _conflict(conflict: ConflictReport) -> Group:
    colour = "yellow" if conflict.held_back is None else "red"
    head = _text(f"{conflict.family} ", "bold").append(conflict.reason, f"not bold {colour}")
    return _entry(head, [_text(conflict.effect), _text(f"remedy: {conflict.remedy}", "dim")])


def _entry(head: Text, details: Sequence[Text]) -> Group:
    return Group(head, *(Padding(detail, (0, 0, 0, 3), expand=False) for detail in details))


def _summary(report: Report) -> Text:
    if report.held_back:
        return _text(f"✗ {summary(report)}", _BAD)
    repaired = report.conflicts or any(each.kind != "note" for each in report.findings)
    return _text(f"✓ {summary(report)}", _FAIR if repaired else _GOOD)


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)


def _text(text: str, style: str = "") -> Text:
    """Return text that is no markup, and in which no control character acts on the terminal."""
    return Text(one_line(text), style)

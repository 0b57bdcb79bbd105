"""``/apps/<app>`` for a browser."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from html import escape
from itertools import islice

from exporter_proxy.views import style
from exporter_proxy.views.app_details import Details
from exporter_proxy.views.app_facts import NOT_READ, facts_of, findings_by_title, meaning_of
from exporter_proxy.views.app_lines import OK, printable, show_time
from exporter_proxy.views.app_path import path_of

LINES_A_CHUNK = 500

_NUMBERS = frozenset({"Line", "First line", "Times", "Samples"})
_NUMBER = ' class="number"'

# Each a cell's HTML.
_Cells = tuple[str, ...]


def draw(details: Details, now_ns: int) -> Generator[None, None, list[bytes]]:
    """Return the page in chunks, in steps of some hundred lines."""
    chunks = [_head(details, now_ns).encode(errors="backslashreplace")]
    if details.families is None:
        if details.row is not None:
            chunks.append(f"<p>{NOT_READ}</p>\n".encode())
    else:
        for title, columns, lines in _tables(details):
            chunks += yield from _table(title, columns, lines)
    chunks.append(style.END.encode())
    return chunks


def _tables(details: Details) -> Iterator[tuple[str, Sequence[str], Iterable[_Cells]]]:
    """Yield title, heads of columns and lines of each table."""
    quarantined = (
        (
            _place(each.line),
            _name(each.name.decode(errors="backslashreplace")),
            _cell(each.reason),
            _long(each.message),
            _meaning(each.reason),
        )
        for each in details.quarantined or ()
    )
    yield "Held back", ("Line", "Family", "Reason", "Message", "Meaning"), quarantined
    conflicts = (
        (
            _name(each.family),
            _cell(each.reason),
            _app(each.app),
            _long(each.effect),
            _cell(each.remedy),
        )
        for each in details.conflicts or ()
    )
    yield "Conflicts", ("Family", "Reason", "Other app", "Effect", "Remedy"), conflicts
    for title, found in findings_by_title(details):
        findings = (
            (
                _place(each.line),
                _cell(each.reason),
                _number(each.times, "times"),
                _long(each.what),
                _meaning(each.reason),
            )
            for each in found
        )
        yield title, ("First line", "Reason", "Times", "Of what", "Meaning"), findings
    families = (
        (_name(each.name), _cell(each.type), _number(each.samples, "samples"))
        for each in details.families or ()
    )
    yield "Metric families", ("Name", "Type", "Samples"), families


def _head(details: Details, now_ns: int) -> str:
    lines = "".join(
        f'<tr><th scope="row">{name}</th><td class="{_kind(name, details)}">'
        f"{escape(printable(value))}</td></tr>\n"
        for name, value in facts_of(details).items()
    )
    name = escape(printable(details.app))
    return (
        style.begin(f"{printable(details.app)} · exporter-proxy")
        + f"<h1>{name}</h1>\n<p>Current time: {show_time(now_ns)}. "
        f'<a href="/apps">All apps</a> · <a href="{path_of(details.app)}/metrics">Metrics</a></p>\n'
        f"<table><tbody>\n{lines}</tbody></table>\n"
    )


def _kind(name: str, details: Details) -> str:
    if name == "State":
        return "ok" if details.state == OK else "bad"
    return ""


def _table(
    title: str, columns: Sequence[str], lines: Iterable[_Cells]
) -> Generator[None, None, list[bytes]]:
    rest = iter(lines)
    some = list(islice(rest, LINES_A_CHUNK))
    if not some:
        return []
    heads = "".join(
        f'<th scope="col"{_NUMBER if name in _NUMBERS else ""}>{name}</th>' for name in columns
    )
    table = f'<table class="cards">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n'
    chunks = [f"<h2>{title}</h2>\n{table}".encode()]
    while some:
        chunks.append("".join(map(_row, some)).encode(errors="backslashreplace"))
        yield
        some = list(islice(rest, LINES_A_CHUNK))
    chunks.append(b"</tbody>\n</table>\n")
    return chunks


def _row(cells: _Cells) -> str:
    return f"<tr>{''.join(cells)}</tr>\n"


def _cell(text: str) -> str:
    return f"<td>{escape(printable(text))}</td>"


def _long(text: str) -> str:
    """Return a cell that may be as wide as the window."""
    return f'<td class="long">{escape(printable(text))}</td>'


def _name(name: str) -> str:
    return f'<td class="name">{escape(printable(name))}</td>'


def _number(number: int, what: str) -> str:
    """Return a cell that says what its number is where a narrow window has no heads."""
    return f'<td{_NUMBER} data-what="{what}">{number}</td>'


def _place(line: int) -> str:
    return _number(line, "line") if line else f"<td{_NUMBER}></td>"


def _app(app: str) -> str:
    return f'<td><a href="{path_of(app)}">{escape(printable(app))}</a></td>'


def _meaning(reason: str) -> str:
    """Return a cell that says what a reason means, as what stands for itself looks."""
    parts = enumerate(escape(meaning_of(reason)).split("`"))
    return (
        "<td>" + "".join(f"<code>{each}</code>" if i % 2 else each for i, each in parts) + "</td>"
    )

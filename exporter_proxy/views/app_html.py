"""``/apps/<app>`` for a browser."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any

from exporter_proxy.views import style
from exporter_proxy.views.app_details import Details
from exporter_proxy.views.app_lines import OK, printable, show_time
from exporter_proxy.views.app_path import path_of

LINES_A_CHUNK = 500

_Cells = tuple[str, ...]


def draw(details: Details, now_ns: int) -> Generator[None, None, list[bytes]]:
    """Return the page in chunks, in steps of some hundred lines."""
    chunks = [_head(details, now_ns).encode(errors="backslashreplace")]
    if details.families is None:
        if details.row is not None:
            chunks.append(b"<p>Payloads are not read: they are exposed verbatim.</p>\n")
    else:
        quarantined = (
            (_place(each.line), each.reason, each.message) for each in details.quarantined or ()
        )
        findings = (
            (_place(each.line), each.reason, str(each.times), each.what)
            for each in details.findings or ()
        )
        families = ((each.name, each.type, str(each.samples)) for each in details.families)
        conflicts = (
            (each.family, each.reason, each.app, each.effect) for each in details.conflicts or ()
        )
        heads = (
            ("Held back", ("Line", "Reason", "Message"), quarantined),
            ("Conflicts", ("Family", "Reason", "Other app", "Effect"), conflicts),
            ("Repairs and warnings", ("First line", "Reason", "Times", "Of what"), findings),
            ("Metric families", ("Name", "Type", "Samples"), families),
        )
        for title, columns, lines in heads:
            chunks += yield from _table(title, columns, lines)
    chunks.append(style.END.encode())
    return chunks


def _head(details: Details, now_ns: int) -> str:
    row, updated_ns = details.row, details.updated_ns
    known = {
        "State": details.state,
        "Last update": "never" if updated_ns is None else show_time(updated_ns),
        "Source": details.source or "",
        "Samples": str(details.samples),
        "Bytes": str(0 if row is None else row.size),
        "Updates": str(0 if row is None else row.updates),
    }
    if details.problem is not None:
        known["Since"] = show_time(details.problem.since_ns)
    if details.expire_after is not None and row is not None:
        then = "dropped" if row.on_expire == "drop" else "kept, and said to be down"
        known["Time to live"] = f"{details.expire_after:g} s; then it is {then}"
    if details.expired_ns is not None:
        known["Expired since"] = show_time(details.expired_ns)
    if details.ghost is not None:
        known["Dropped"] = show_time(details.ghost.dropped_ns)
    if details.expires_in is not None:
        known["Expires in"] = f"{details.expires_in:.1f} s"
    if details.polls is not None:
        known |= _polls(details.polls)
    lines = "".join(
        f'<tr><th scope="row">{name}</th><td class="{_kind(name, details)}">'
        f"{escape(printable(value))}</td></tr>\n"
        for name, value in known.items()
    )
    name = escape(printable(details.app))
    return (
        style.begin(f"{printable(details.app)} · exporter-proxy")
        + f"<h1>{name}</h1>\n<p>Current time: {show_time(now_ns)}. "
        f'<a href="/apps">All apps</a> · <a href="{path_of(details.app)}/metrics">Metrics</a></p>\n'
        f"<table><tbody>\n{lines}</tbody></table>\n"
    )


def _polls(polls: Mapping[str, Any]) -> dict[str, str]:
    """Return lines on how an app's polls fare."""
    failures = ", ".join(f"{reason} {times}" for reason, times in polls["failures"].items())
    known = {
        "Polls": str(polls["polls"]),
        "Failed polls": failures or "none",
        "Last poll took": f"{polls['duration_seconds']:.3f} s",
    }
    error = polls["last_error"]
    if error is not None:
        known["Last poll error"] = f"{error['message']} ({error['time']})"
    return known


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
    heads = "".join(f'<th scope="col">{name}</th>' for name in columns)
    table = f'<table class="cards">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n'
    chunks = [f"<h2>{title}</h2>\n{table}".encode()]
    while some:
        chunks.append("".join(map(_row, some)).encode(errors="backslashreplace"))
        yield
        some = list(islice(rest, LINES_A_CHUNK))
    chunks.append(b"</tbody>\n</table>\n")
    return chunks


def _row(cells: _Cells) -> str:
    return "<tr>" + "".join(f"<td>{escape(printable(cell))}</td>" for cell in cells) + "</tr>\n"


def _place(line: int) -> str:
    return str(line) if line else ""

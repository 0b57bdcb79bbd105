"""``/apps`` for a browser."""

from collections.abc import Generator, Sequence
from html import escape
from itertools import islice

from exporter_proxy.views import style
from exporter_proxy.views.app_lines import COLUMNS, NUMBERS, OK, AppLine, show_time
from exporter_proxy.views.app_path import path_of

LINES_A_CHUNK = 200

_CLASSES = tuple("number" if name in NUMBERS else "" for name in COLUMNS)


def draw(lines: Sequence[AppLine], now_ns: int) -> Generator[None, None, list[bytes]]:
    """Return the page in chunks, in steps of some hundred lines."""
    # The head says how many need somebody, which is known at the end.
    chunks = [b""]
    bad = 0
    rest = iter(lines)
    while some := list(islice(rest, LINES_A_CHUNK)):
        chunks.append("".join(map(_row, some)).encode())
        bad += sum(line.state != OK for line in some)
        yield
    chunks[0] = _head(len(lines), bad, now_ns).encode()
    chunks.append(("</tbody>\n</table>" + style.END).encode())
    return chunks


def _head(apps: int, bad: int, now_ns: int) -> str:
    heads = "".join(
        f'<th scope="col" class="{kind}">{name}</th>'
        for name, kind in zip(COLUMNS, _CLASSES, strict=True)
    )
    known = "No app yet" if apps == 0 else f"{apps} app" + "s" * (apps > 1)
    if bad:
        known += f", {bad} not ok"
    return (
        style.begin("Apps · exporter-proxy")
        + f"<h1>Apps</h1>\n<p>{known}. Current time: {show_time(now_ns)}. "
        '<a href="/">exporter-proxy</a></p>\n'
        f'<table class="apps cards">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n'
    )


def _row(line: AppLine) -> str:
    classes = ("", "time", "", *_CLASSES[3:6], "ok" if line.state == OK else "bad")
    name, updated, *others = map(escape, line.cells())
    # What a narrow window leaves out, for what the last column has to say.
    second, point, fraction = updated.partition(".")
    if point:
        updated = f'{second}<span class="fine">.{fraction}</span>'
    # A path of percent signs and letters: nothing in it to escape.
    shown = [f'<a href="{path_of(line.app)}">{name}</a>', updated, *others]
    cells = "".join(
        f'<td class="{kind}">{cell}</td>' if kind else f"<td>{cell}</td>"
        for cell, kind in zip(shown, classes, strict=True)
    )
    return f"<tr>{cells}</tr>\n"

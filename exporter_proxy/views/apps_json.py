"""``/apps`` as JSON."""

from collections.abc import Generator, Sequence
from itertools import islice

from msgspec import json

from exporter_proxy.views.app_lines import AppLine, show_time, unicode_of

LINES_A_CHUNK = 500


def draw(lines: Sequence[AppLine], now_ns: int) -> Generator[None, None, list[bytes]]:
    """Return ``{"current_time": …, "apps": [{…}, …]}`` in chunks, in steps of an app a line."""
    chunks = [b'{"current_time":' + json.encode(show_time(now_ns)) + b',"apps":[\n']
    rest = iter(lines)
    separator = b""
    while some := list(islice(rest, LINES_A_CHUNK)):
        chunks.append(separator + b",\n".join(json.encode(_as_dict(line)) for line in some))
        separator = b",\n"
        yield
    chunks.append(b"\n]}\n")
    return chunks


def _as_dict(line: AppLine) -> dict[str, str | int | None]:
    return {
        "app": unicode_of(line.app),
        "last_update": None if line.updated_ns is None else show_time(line.updated_ns),
        "last_update_ns": line.updated_ns,
        "source": unicode_of(line.source),
        "samples": line.samples,
        "bytes": line.size,
        "updates": line.updates,
        "state": unicode_of(line.state),
    }

"""``/apps/<app>`` for a terminal: facts a line each, then what there is to tell under titles."""

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from exporter_proxy.exposition.model import Finding, Quarantined
from exporter_proxy.exposition.report import ConflictReport
from exporter_proxy.views.app_details import Details, FamilyLine
from exporter_proxy.views.app_facts import NOT_READ, facts_of, findings_by_title, meaning_of
from exporter_proxy.views.app_lines import printable, show_time

T = TypeVar("T")

LINES_A_CHUNK = 500

# Beyond, a name pushes what follows it to the right in its own line alone.
_WIDEST_NAME = 60


def draw(details: Details, now_ns: int) -> Generator[None, None, list[bytes]]:
    """Return the text in chunks, in steps of some hundred lines. No line has a control character.

    Nothing is wrapped: what reads it by lines, as ``grep`` does, finds what belongs together.
    """
    facts = {"App": details.app, **facts_of(details), "Current time": show_time(now_ns)}
    width = max(map(len, facts)) + 1
    chunks = [_joined(f"{name + ':':<{width}} {value}".rstrip() for name, value in facts.items())]
    if details.families is None:
        if details.row is not None:
            chunks.append(_joined(["", NOT_READ]))
        return chunks
    for title, lines in _parts(details):
        some = list(islice(lines, LINES_A_CHUNK))
        if some:
            chunks.append(_joined(["", f"{title}:"]))
        while some:
            chunks.append(_joined(some))
            yield
            some = list(islice(lines, LINES_A_CHUNK))
    return chunks


def _parts(details: Details) -> Iterator[tuple[str, Iterator[str]]]:
    yield "Held back", _each(_quarantined, details.quarantined)
    yield "Conflicts", _each(_conflict, details.conflicts)
    for title, found in findings_by_title(details):
        yield title, _each(_finding, found)
    families = details.families or ()
    width = min(_WIDEST_NAME, max((len(each.name) for each in families), default=0))
    yield "Metric families", (_family(each, width) for each in families)


def _each(show: Callable[[T], Iterable[str]], items: Iterable[T] | None) -> Iterator[str]:
    return (f"  {line}" for item in items or () for line in show(item))


def _quarantined(quarantined: Quarantined) -> Iterator[str]:
    family = quarantined.name.decode(errors="backslashreplace")
    of = f"{family}: " if family else ""
    yield f"{_place(quarantined.line)}{of}{quarantined.reason}: {quarantined.message}"
    yield f"  {meaning_of(quarantined.reason)}"


def _conflict(conflict: ConflictReport) -> Iterator[str]:
    yield f"{conflict.family}: {conflict.reason}: {conflict.effect}"
    yield f"  {conflict.remedy}"


def _finding(finding: Finding) -> Iterator[str]:
    times = f" ({finding.times} times)" if finding.times > 1 else ""
    what = f": {finding.what}" if finding.what else ""
    yield f"{_place(finding.line)}{finding.reason}{times}{what}"
    yield f"  {meaning_of(finding.reason)}"


def _family(family: FamilyLine, width: int) -> str:
    samples = f"{family.samples} sample{'' if family.samples == 1 else 's'}"
    return f"  {family.name:<{width}}  {family.type:<9}  {samples}"


def _place(line: int) -> str:
    return f"line {line}: " if line else ""


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{printable(line)}\n" for line in lines).encode(errors="backslashreplace")

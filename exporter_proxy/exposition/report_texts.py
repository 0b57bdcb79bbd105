"""The words of a report."""

from collections.abc import Callable
from typing import Protocol

from exporter_proxy.errors import quote
from exporter_proxy.exposition.grammar import shown
from exporter_proxy.exposition.merged.conflicts import Conflict, ConflictReason

Names = Callable[[int], str]

LONGEST_LINE = 200
"""Characters that are shown of a line."""

_REMEDIES: dict[ConflictReason, str] = {
    "type_conflict": "give the metric the same TYPE in both apps, or another name in one of them",
    "help_conflict": "give the metric the same HELP in both apps",
    "suffix_clash": "rename one of the two metrics",
    "same_series": 'give each app a label of its own, as exporter.app_label = "app" does',
}


class _Hiding(Protocol):
    @property
    def reason(self) -> str: ...
    @property
    def held_back(self) -> str | None: ...


def remedy(conflict: Conflict) -> str:
    """Return what to do about a conflict."""
    return _REMEDIES[conflict.reason]


def hides(conflict: _Hiding) -> bool:
    """Tell whether a conflict, or the report of one, takes a family off the text page."""
    return conflict.held_back == "this" and conflict.reason != "same_series"


def effect(conflict: Conflict, app: str) -> str:
    """Return what comes of a conflict.

    Args:
        conflict: The conflict.
        app: The name of the other app.
    """
    name = quote(app, 256)
    other = shown(conflict.other, LONGEST_LINE)
    if conflict.reason == "type_conflict":
        return _type_effect(conflict, name)
    if conflict.reason == "help_conflict":
        if conflict.wins:
            return f"the HELP of app {name} is {other}; this one's is shown"
        return f"the HELP of app {name} is {other}, and is shown"
    if conflict.reason == "suffix_clash":
        if conflict.wins:
            return (
                f"{other} of app {name} has the name of a series of this {conflict.type}; held back"
            )
        return f"a series of {other} of app {name} has this name; held back"
    both = f"app {name} has the series {other} too"
    if conflict.times > 1:
        both += f", one of {conflict.times}"
    first = "this one" if conflict.wins else "that one"
    return f"{both}; a page in OpenMetrics has {first} alone, and Prometheus keeps one"


def _type_effect(conflict: Conflict, name: str) -> str:
    other, kind = conflict.other.decode(), conflict.type
    if not conflict.wins:
        fate = "held back" if conflict.held_back else f"shown as {other}"
        return f"TYPE is {other} in app {name}, which counts; these samples are {fate}"
    more = f" (and in {conflict.times - 1} more apps not {kind})" if conflict.times > 1 else ""
    fate = "held back" if conflict.held_back else f"shown as {kind}"
    return f"TYPE is {other} in app {name}{more}; this one's counts, and those samples are {fate}"


def text_of(name: bytes) -> str:
    """Return a name as text, with escapes for what is not UTF-8."""
    return name.decode(errors="backslashreplace")


def cut_line(line: bytes) -> bytes:
    """Return what is needed of a line that may be very long."""
    return line[: 4 * LONGEST_LINE].removesuffix(b"\r")


def cut_text(line: bytes) -> str:
    """Return a line as text, cut, with escapes for what is not UTF-8."""
    text = line.decode(errors="backslashreplace")
    return text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + "…"

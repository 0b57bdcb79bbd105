"""The text format 0.0.4, family by family."""

from collections.abc import Generator, Iterable

from exporter_proxy.exposition.escaping import quoted_name
from exporter_proxy.exposition.merged.family import MergedFamily, fits
from exporter_proxy.exposition.merged.index import Changes, MergedIndex
from exporter_proxy.exposition.merged.layout import Part
from exporter_proxy.exposition.model import FamilyType

# What the text format calls the types that only OpenMetrics has.
_TEXT_TYPES: dict[FamilyType, bytes] = {
    "gaugehistogram": b"untyped",
    "info": b"gauge",
    "stateset": b"gauge",
}
# Changes taken in before the event loop is served.
_NAMES_A_STEP = 5_000


class TextWriter:
    """Writes the families of an index in the text format 0.0.4."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"
    end = b""

    def __init__(self, index: MergedIndex) -> None:
        self._index = index

    def follow(self, changes: Changes) -> Generator[None, None, None]:
        """Take in what changed: which families are shadowed depends on others."""
        names = list(changes.metadata)
        for start in range(0, len(names), _NAMES_A_STEP):
            some = names[start : start + _NAMES_A_STEP]
            changes.metadata.update(dict.fromkeys(self._index.related(some)))
            yield

    def parts(self, family: MergedFamily) -> tuple[Part, ...]:
        """Return HELP and TYPE; nothing if the family can't be shown."""
        if self._index.is_shadowed(family.name):
            return ()
        name = quoted_name(family.name)
        kind = _TEXT_TYPES.get(family.type, family.type.encode())
        if family.name == b"_total" and family.type == "counter":
            # prometheus-client's parser takes the suffix off, and refuses the name that is left.
            kind = b"untyped"
        lines = b"# TYPE %s %s\n" % (name, kind)
        text = family.help
        return (Part(lines if text is None else b"# HELP %s %s\n%s" % (name, text, lines)),)

    def cells(self, family: MergedFamily, part: Part, apps: Iterable[int]) -> list[bytes]:  # noqa: ARG002 - there is one
        """Return the lines of what each app has; none if they can't be shown."""
        kind, cells = family.type, family.cells
        shown = [cells[app] for app in apps]
        # Nearly all are of the family's own type: told without a call.
        return [cell.samples if cell.type == kind or fits(cell, kind) else b"" for cell in shown]

"""The text format 0.0.4, family by family."""

from exporter_proxy.exposition.merged.family import MergedFamily
from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.model import Family, FamilyType

# What the text format calls the types that only OpenMetrics has.
_TEXT_TYPES: dict[FamilyType, bytes] = {
    "gaugehistogram": b"untyped",
    "info": b"gauge",
    "stateset": b"gauge",
}


class TextWriter:
    """Writes the families of an index in the text format 0.0.4."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"
    end = b""

    def __init__(self, index: MergedIndex) -> None:
        self._index = index

    def header(self, family: MergedFamily) -> bytes | None:
        """Return HELP and TYPE; None if the family can't be shown."""
        if self._index.is_shadowed(family.name):
            return None
        name = family.name
        lines = b"# TYPE %s %s\n" % (name, _TEXT_TYPES.get(family.type, family.type.encode()))
        text = family.help
        return lines if text is None else b"# HELP %s %s\n%s" % (name, text, lines)

    def cell(self, family: MergedFamily, cell: Family) -> bytes:
        """Return the lines of what one app has; none if they can't be shown."""
        return cell.samples if family.fits(cell) else b""

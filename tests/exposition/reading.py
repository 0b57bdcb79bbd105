"""What the tests of the reader share: short forms of what it returns, and a page to read back."""

import re

from exporter_proxy.exposition.model import Exposition, Family, Format
from exporter_proxy.exposition.reader import read

NOW_MS = 1_700_000_000_000
_NAME = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")


def read_text(text: bytes, **options: Format | None) -> Exposition:
    """Read a payload that has come in one piece."""
    return read((text,), now_ms=NOW_MS, format=options.get("format"))


def fields(family: Family) -> tuple[object, ...]:
    """Return all that a reader says of a family, to be compared."""
    return (
        family.name,
        family.type,
        family.typed,
        family.help,
        family.unit,
        family.samples,
        family.count,
        family.openmetrics,
        family.quoted,
    )


def everything(exposition: Exposition) -> tuple[object, ...]:
    """Return all that a reader says of a payload, to be compared."""
    return (
        exposition.format,
        [fields(family) for family in exposition.families],
        list(exposition.quarantined),
        list(exposition.findings),
        exposition.samples,
    )


def findings(exposition: Exposition) -> dict[str, tuple[int, int]]:
    """Return how often a finding came up and where first, by reason."""
    return {each.reason: (each.times, each.line) for each in exposition.findings}


def samples(exposition: Exposition) -> dict[bytes, bytes]:
    """Return the families' samples by name."""
    return {family.name: family.samples for family in exposition.families}


def page(exposition: Exposition, prefix: bytes = b"") -> bytes:
    """Return a text page of the families, with types that every reader knows."""
    parts = []
    for family in exposition.families:
        name = prefix + family.name
        if not _NAME.fullmatch(family.name):
            raw = family.name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b'"', b'\\"')
            name = b'"' + raw + b'"'
        if family.help is not None:
            parts.append(b"# HELP " + name + b" " + family.help + b"\n")
        kind = family.type
        if kind in {"info", "stateset", "gaugehistogram"}:
            kind = "untyped"
        if family.typed:
            parts.append(b"# TYPE " + name + b" " + kind.encode() + b"\n")
        parts += [prefix + line + b"\n" for line in family.samples.split(b"\n")[:-1]]
    return b"".join(parts)

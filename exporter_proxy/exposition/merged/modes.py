"""Which names a family takes up on an OpenMetrics page, where none may be taken twice."""

from collections.abc import Container
from typing import NamedTuple

_SUFFIXES = (b"_bucket", b"_sum", b"_count", b"_created", b"_gsum", b"_gcount")
# What OpenMetrics takes off the names of counters and infos.
_TYPE_SUFFIXES = (b"_total", b"_info")

_SAMPLES = {
    "histogram": (b"_bucket", b"_sum", b"_count"),
    "gaugehistogram": (b"_bucket", b"_gsum", b"_gcount"),
    "summary": (b"", b"_sum", b"_count"),
}
_TAKEN = {
    "counter": (b"", b"_total", b"_created"),
    "histogram": (b"", b"_bucket", b"_sum", b"_count", b"_created"),
    "gaugehistogram": (b"", b"_bucket", b"_gsum", b"_gcount"),
    "summary": (b"", b"_sum", b"_count", b"_created"),
    "info": (b"", b"_info"),
}


class Mode(NamedTuple):
    """How a family is written.

    Attributes:
        type: Its OpenMetrics type; empty: it has no samples of its own on the page.
        name: Its name in OpenMetrics.
        parts: Of what is written as a family for each sample name: those names.
        parent: The family among whose samples its own stand: it is one of ``_created``.
    """

    type: str
    name: bytes
    parts: tuple[bytes, ...] = ()
    parent: bytes | None = None

    @property
    def taken(self) -> tuple[bytes, ...]:
        """The names that no other family may take."""
        if not self.type:
            return ()
        if self.parts:
            return self.parts
        return tuple(self.name + suffix for suffix in _TAKEN.get(self.type, (b"",)))


HELD = Mode("", b"")


def typed(name: bytes, kind: str) -> Mode:
    """Return how a family is written whose samples are what OpenMetrics asks of its type."""
    if kind == "counter" and len(name) > 6 and name.endswith(b"_total"):
        return Mode("counter", name[:-6])
    if kind == "info" and len(name) > 5 and name.endswith(b"_info"):
        return Mode("info", name[:-5])
    if kind in {"counter", "info", "untyped"}:
        return Mode("unknown", name)
    return Mode(kind, name)


def untyped(name: bytes, kind: str, more: Container[bytes], taken: Container[bytes]) -> Mode:
    """Return how a family is written that can't be under its type.

    Args:
        name: Its name.
        kind: Its type.
        more: Names that samples of it have though its type has no such samples.
        taken: Names that can't be used.
    """
    suffixes = _SAMPLES.get(kind)
    if suffixes is None:
        return HELD if name in taken else Mode("unknown", name)
    names = [name + suffix for suffix in suffixes]
    if name in more and name not in names:
        names.insert(0, name)
    parts = tuple(each for each in names if each not in taken)
    return Mode("unknown", name, parts) if parts else HELD


def may_clash(name: bytes) -> set[bytes]:
    """Return the names of all families that may take up one of the same names, whatever type."""
    bases = [name]
    if name.endswith(_TYPE_SUFFIXES):
        bases.append(name[:-6] if name.endswith(b"_total") else name[:-5])
    related = {base + suffix for base in bases for suffix in _SUFFIXES}
    related.update(bases)
    for base in bases:
        if base.endswith(_SUFFIXES):
            related.add(base[: base.rindex(b"_")])
    related |= {base + suffix for base in related for suffix in _TYPE_SUFFIXES}
    related.discard(name)
    return related

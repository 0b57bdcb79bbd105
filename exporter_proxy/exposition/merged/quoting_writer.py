"""The OpenMetrics format 1.0 with names of UTF-8 in quotes.

Prometheus 3 asks for it by default, as ``escaping=allow-utf-8``. Made of an index whose names are
aliases (``exposition/aliases.py``).
"""

from collections.abc import Generator, Iterable

from exporter_proxy.exposition.aliases import has_alias, restored_header, restored_lines
from exporter_proxy.exposition.merged.family import MergedFamily
from exporter_proxy.exposition.merged.index import Changes, MergedIndex
from exporter_proxy.exposition.merged.layout import Part
from exporter_proxy.exposition.merged.openmetrics_writer import OpenMetricsWriter
from exporter_proxy.exposition.merged.validity import Held
from exporter_proxy.steps import all_at_once

# Families looked at before the event loop is served.
_STEP = 500


class QuotingWriter(OpenMetricsWriter):
    """Writes aliases as the names that they stand for."""

    content_type = f"{OpenMetricsWriter.content_type}; escaping=allow-utf-8"

    def __init__(self, index: MergedIndex, held: Held | None = None) -> None:
        super().__init__(index, held)
        # {family: {app: {name of a part's samples: with aliases, and without}}}: of apps that have
        # any.
        self._lines: dict[bytes, dict[int, dict[bytes, tuple[bytes, bytes]]]] = {}

    def follow(self, changes: Changes) -> Generator[None, None, None]:
        """Take in what changed, and put names back into it."""
        yield from super().follow(changes)
        for done, name in enumerate(changes.names(), 1):
            family = self._index.families.get(name)
            if family is None:
                self._lines.pop(name, None)
            elif name in changes.anew:
                yield from self._follow_lines(family, [*family.cells])
            else:
                yield from self._follow_lines(family, changes.cells.get(name, ()))
            if done % _STEP == 0:
                yield

    def _follow_lines(
        self, family: MergedFamily, apps: Iterable[int]
    ) -> Generator[None, None, None]:
        lines = self._lines.get(family.name, {})
        parts: tuple[Part, ...] | None = None
        for done, app in enumerate(apps, 1):
            if done % _STEP == 0:
                yield
            lines.pop(app, None)
            cell = family.cells.get(app)
            if cell is None or not cell.aliased:
                continue
            if parts is None:
                parts = self.parts(family)
            known = lines[app] = {}
            for part in parts:
                (text,) = super().cells(family, part, (app,))
                known[part.sample] = text, (yield from restored_lines(text))
        if lines:
            self._lines[family.name] = lines
        else:
            self._lines.pop(family.name, None)

    def parts(self, family: MergedFamily) -> tuple[Part, ...]:
        """Return the headers of what a family is written as, with its name in quotes."""
        parts = super().parts(family)
        if not has_alias(family.name):
            return parts
        return tuple(part._replace(header=restored_header(part.header)) for part in parts)

    def cells(self, family: MergedFamily, part: Part, apps: Iterable[int]) -> list[bytes]:
        """Return the lines that each of some apps has of a part; empty if they can't be shown."""
        apps = list(apps)
        texts = super().cells(family, part, apps)
        aliased = self._lines.get(family.name)
        if aliased is None:
            return texts
        return [
            self._restored(aliased[app], part.sample, text) if app in aliased else text
            for app, text in zip(apps, texts, strict=True)
        ]

    def _restored(
        self, known: dict[bytes, tuple[bytes, bytes]], sample: bytes, text: bytes
    ) -> bytes:
        if known.get(sample, (None,))[0] is not text:
            # Others decide how it is written, too.
            known[sample] = text, all_at_once(restored_lines(text))
        return known[sample][1]

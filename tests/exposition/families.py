"""Families made by hand, and pages of them."""

import re
from collections.abc import Iterable

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.merged.layout import Layout, Writer
from exporter_proxy.exposition.merged.openmetrics_writer import OpenMetricsWriter
from exporter_proxy.exposition.merged.text_writer import TextWriter
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.steps import all_at_once

Series = tuple[str, tuple[tuple[str, str], ...]]


def family(
    name: str,
    kind: FamilyType,
    samples: str,
    openmetrics: str | None = None,
    *,
    help: str | None = None,  # noqa: A002 - the field's own word
    unit: str = "",
    quoted: bool = False,
) -> Family:
    """Make what one app has of a family; lines may be indented."""
    text = lines(samples)
    return Family(
        name.encode(),
        kind,
        text,
        text.count(b"\n"),
        help=None if help is None else help.encode(),
        unit=unit.encode(),
        openmetrics=None if openmetrics is None else lines(openmetrics),
        quoted=quoted,
    )


def lines(text: str) -> bytes:
    """Return lines without indentation."""
    return "".join(line.strip() + "\n" for line in text.strip().split("\n") if line).encode()


def index_of(*apps: Iterable[Family]) -> MergedIndex:
    """Make an index of apps, in their order."""
    index = MergedIndex()
    for app, cells in enumerate(apps):
        index.set_app(app, list(cells))
    return index


def text_of(layout: Layout) -> bytes:
    """Return the page that a layout has now, without its end."""
    return b"".join(piece.text() for piece in all_at_once(layout.refresh()))


def page(index: MergedIndex, writer: Writer) -> bytes:
    """Lay a page out from nothing."""
    return text_of(Layout(index, writer))


def openmetrics(*apps: Iterable[Family]) -> str:
    """Return the OpenMetrics page of apps; it can be parsed."""
    index = index_of(*apps)
    written = page(index, OpenMetricsWriter(index)).decode()
    parse(written)
    return written


def text(*apps: Iterable[Family]) -> str:
    """Return the text page of apps."""
    index = index_of(*apps)
    return page(index, TextWriter(index)).decode()


def parse(written: str) -> dict[Series, str]:
    """Return the series and values that a parser finds in an OpenMetrics page."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): repr(float(sample.value))
        for metric in text_string_to_metric_families(written + "# EOF\n")
        for sample in metric.samples
    }


_LINE = re.compile(r"([^ {]+)(?:\{(.*)\})? ([^ ]+)(?: [^ ]+)?")


def all_series_of(samples: bytes) -> dict[Series, list[str]]:
    """Return the series of samples of the text format with simple labels, each with its values."""
    found: dict[Series, list[str]] = {}
    for line in samples.decode().splitlines():
        match = _LINE.fullmatch(line)
        assert match is not None
        labels = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', match[2] or "")))
        found.setdefault((match[1], labels), []).append(repr(float(match[3])))
    return found

"""Pages as the parsers of prometheus-client read them, in a form that can be compared."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample, Timestamp

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = tuple[tuple[str, str], ...]
Series = tuple[str, Labels]


class Point(NamedTuple):
    """What a page says of a series; the value is as ``repr`` has it, as NaN is not itself."""

    value: str
    timestamp: float | None


class Family(NamedTuple):
    """What a page says of a family: its header, not its samples."""

    name: str
    type: str
    help: str
    unit: str


class Exemplar(NamedTuple):
    """One that stands at a sample."""

    labels: Labels
    value: float
    timestamp: float | None


class Reading(NamedTuple):
    """All that a parser finds."""

    families: list[Family]
    points: dict[Series, Point]
    exemplars: dict[Series, Exemplar]

    def rising(self) -> set[Series]:
        """Return the series that never fall."""
        suffixes = {
            "counter": ("_total",),
            "histogram": ("_bucket", "_count"),
            "summary": ("_count",),
        }
        names = {
            family.name + suffix
            for family in self.families
            for suffix in suffixes.get(family.type, ())
        }
        return {series for series in self.points if series[0] in names}


def read(page: str, content_type: str) -> Reading:
    """Read a page in the format that its content type names; no series may be on it twice."""
    families = _families(page, content_type)
    samples = [sample for family in families for sample in family.samples]
    counted = Counter(_series(sample) for sample in samples)
    assert [series for series, times in counted.items() if times > 1] == []
    return Reading(
        [
            Family(family.name, family.type, family.documentation, family.unit)
            for family in families
        ],
        {
            _series(sample): Point(repr(float(sample.value)), _seconds(sample.timestamp))
            for sample in samples
        },
        {
            _series(sample): Exemplar(
                labels_of(sample.exemplar.labels),
                sample.exemplar.value,
                _seconds(sample.exemplar.timestamp),
            )
            for sample in samples
            if sample.exemplar
        },
    )


def labels_of(labels: dict[str, str]) -> Labels:
    """Return labels in an order of their own."""
    return tuple(sorted(labels.items()))


def series_of(metric: Mapping[str, str]) -> Series:
    """Return a series of Prometheus's without the target's labels, as it was on the page."""
    own = {
        name: value for name, value in metric.items() if name not in {"__name__", "job", "instance"}
    }
    labels: Labels = labels_of(
        {name.removeprefix("exported_"): value for name, value in own.items()}
    )
    return metric["__name__"], labels


def without_empty_labels(points: Mapping[Series, str]) -> dict[Series, str]:
    """Leave out labels without a value, which are none to Prometheus."""
    return {
        (name, tuple(label for label in labels if label[1])): value
        for (name, labels), value in points.items()
    }


def _families(page: str, content_type: str) -> list[Metric]:
    if content_type.startswith("application/openmetrics-text"):
        return [*openmetrics.text_string_to_metric_families(page)]  # type: ignore[no-untyped-call]  # the library's
    assert content_type.startswith("text/plain; version=0.0.4")
    return [*text_string_to_metric_families(page)]


def _series(sample: Sample) -> Series:
    return sample.name, labels_of(sample.labels)


def _seconds(timestamp: float | Timestamp | None) -> float | None:
    return None if timestamp is None else float(timestamp)

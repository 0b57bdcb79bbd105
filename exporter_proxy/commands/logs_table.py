"""The metrics of a log on a terminal: one table, a row a series."""

import math
from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter_proxy.logs import one_line

_Series = tuple[str, float, str]
"""Labels, value, and what a person would say."""
_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


def show(exposition: str, console: Console | None = None) -> None:
    """Write metrics to a terminal.

    Args:
        exposition: Text format 0.0.4.
        console: Where to; None: standard output.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Metric", overflow="fold")
    table.add_column("Value", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="dim")
    for family in text_string_to_metric_families(exposition):
        for row in _rows(family):
            table.add_row(*row)
    (console or Console()).print(table)


def _rows(family: Metric) -> Iterator[Sequence[Text]]:
    """Yield the name, and a row for each series beneath; one series without labels beside it."""
    name = family.name + ("_total" if family.type == "counter" else "")
    values = list(_histogram(family) if family.type == "histogram" else _plain(family, name))
    if not values:
        yield _text(name, "bold"), Text("none", "dim"), Text("")
    elif not values[0][0]:
        _, value, note = values[0]
        yield _text(name, "bold"), _number(value), Text(note)
    else:
        yield _text(name, "bold"), Text(""), Text("")
        for labels, value, note in values:
            yield _text(f"  {labels}", "cyan"), _number(value), Text(note)


def _plain(family: Metric, name: str) -> Iterator[_Series]:
    for sample in family.samples:
        yield _labels(sample), sample.value, _humane(name, sample.value)


def _histogram(family: Metric) -> Iterator[_Series]:
    """Yield how many there were of each series, with their mean."""
    sums = {_labels(each): each.value for each in family.samples if each.name.endswith("_sum")}
    for sample in family.samples:
        if sample.name.endswith("_count"):
            labels, count = _labels(sample), sample.value
            mean = sums[labels] / count if count else 0.0
            shown = _humane(family.name, mean) or f"{mean:.3g}"
            yield labels, count, f"mean {shown}" if count else ""


def _labels(sample: Sample) -> str:
    return ", ".join(f"{name}={value}" for name, value in sample.labels.items())


def _number(value: float) -> Text:
    return Text(f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}")


def _humane(name: str, value: float) -> str:
    """Return a size or a duration as people say it, or nothing for other numbers."""
    if name.endswith(("_seconds", "_seconds_total")):
        return f"{value:.3g} s"
    if not name.endswith(("_bytes", "_bytes_total")) or not 1000 <= value < math.inf:
        return ""
    power = min(int(math.log10(value)) // 3, len(_UNITS))
    return f"{value / 1000**power:.3g} {_UNITS[power - 1]}"


def _text(text: str, style: str = "") -> Text:
    """Return text that is no markup, and in which no control character acts on the terminal."""
    return Text(one_line(text), style)

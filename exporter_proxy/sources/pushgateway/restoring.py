"""Groups of an earlier run, from the rows that the table has of them."""

from exporter_proxy.exposition.reader import read
from exporter_proxy.payload.grouping import labels_of_app
from exporter_proxy.sources.pushgateway.bodies import text_in_steps
from exporter_proxy.sources.pushgateway.group import FAILURE_TIME, OWN, PUSH_TIME, Group, Segment
from exporter_proxy.sources.pushgateway.index import Index
from exporter_proxy.sources.pushgateway.series import with_label_names
from exporter_proxy.sources.pushgateway.shapes import Shape
from exporter_proxy.steps import all_at_once
from exporter_proxy.table import Row


def restore(index: Index, row: Row) -> None:
    """Put a group into the index as its row has it; rows that are none are passed over.

    What went together before goes together now: nothing is checked.
    """
    labels = labels_of_app(row.app)
    if labels is None:
        return
    group = Group(labels)
    exposition = read(row.payload)
    times = {
        family.name: _value(family.samples) for family in exposition.families if family.name in OWN
    }
    group.push_time = times.get(PUSH_TIME, 0.0)
    group.failure_time = times.get(FAILURE_TIME, 0.0)
    families = [each for each in exposition.families if each.count and each.name not in OWN]
    names: set[bytes] | None = set()
    for family in families:
        names = with_label_names(names, family.samples)
    shape = Shape({family.name: family.type for family in families}, names)
    segments: list[Segment] = []
    if families:
        segments.append(Segment(all_at_once(text_in_steps(families)), shape, group.push_time))
    index.put(group, shape.families)
    group.hold(segments)


def _value(samples: bytes) -> float:
    return float(samples.split()[-1])

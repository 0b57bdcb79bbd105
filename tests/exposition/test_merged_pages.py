"""Whatever apps send, the pages are right, and are those of a fresh index."""

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter_proxy.exposition.merged import layout
from exporter_proxy.exposition.merged.duplicates import Duplicates
from exporter_proxy.exposition.merged.family import COMPOUND
from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.merged.layout import Layout
from exporter_proxy.exposition.merged.openmetrics_writer import OpenMetricsWriter
from exporter_proxy.exposition.merged.series import GROUPED
from exporter_proxy.exposition.merged.text_writer import TextWriter
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.steps import all_at_once
from tests.exposition.families import (
    all_series_of,
    family,
    index_of,
    page,
    parse,
    text_of,
)

NAMES = st.sampled_from(
    [
        "a",
        "a_total",
        "a_created",
        "a_info",
        "a_count",
        "a_bucket",
        "a_gcount",
        "a_bucket_total",
        "a_total_created",
        "a_count_created",
        "b_total",
        "b_created",
        "b_info",
    ]
)
TYPES: st.SearchStrategy[FamilyType] = st.sampled_from(
    [
        "counter",
        "gauge",
        "histogram",
        "summary",
        "untyped",
        "gaugehistogram",
        "info",
        "stateset",
    ]
)
VALUES = st.sampled_from(["0", "1", "1", "2", "3", "3", "-1", "NaN", "+Inf", "1.5", "-0.0"])
LABELS = st.lists(st.sampled_from(["", 'x="1"', 'x="2"']), min_size=1, max_size=3, unique=True)


def braced(*labels: str) -> str:
    listed = ",".join(filter(None, labels))
    return "{" + listed + "}" if listed else ""


@st.composite
def compound(draw: st.DrawFn, name: str, kind: FamilyType, label: str) -> list[str]:
    """Draw a histogram's or summary's samples, more often right than not."""
    if draw(st.booleans()):
        mark, bounded = ("quantile", "") if kind == "summary" else ("le", "_bucket")
        bounds = ["0.5", "1"] if kind == "summary" else ["0.5", "+Inf"]
        total, count = ("_gsum", "_gcount") if kind == "gaugehistogram" else ("_sum", "_count")
        return [
            *(
                f'{name}{bounded}{braced(label, f"""{mark}="{bound}" """.strip())} 3'
                for bound in bounds
            ),
            f"{name}{total}{braced(label)} 4.5",
            f"{name}{count}{braced(label)} 3",
        ]
    found = []
    bounds = draw(st.lists(st.sampled_from(["0.5", "1", "+Inf", "-1", "inf", "2"]), unique=True))
    for bound in bounds:
        mark, suffix = ("quantile", "") if kind == "summary" else ("le", "_bucket")
        found.append(
            f'{name}{suffix}{braced(label, f"""{mark}="{bound}" """.strip())} {draw(VALUES)}'
        )
    suffixes = ["_gsum", "_gcount"] if kind == "gaugehistogram" else ["_sum", "_count"]
    # a misplaced sample, which readers let pass
    suffixes.append("")
    more = draw(st.lists(st.sampled_from(suffixes), unique=True))
    return found + [f"{name}{suffix}{braced(label)} {draw(VALUES)}" for suffix in more]


@st.composite
def again(draw: st.DrawFn, samples: list[str]) -> str:
    """Draw a sample of a series that is there already."""
    series, _, _ = draw(st.sampled_from(samples)).rpartition(" ")
    return f"{series} {draw(VALUES)}"


@st.composite
def in_any_order(draw: st.DrawFn, line: str) -> str:
    """Draw a sample's line with its labels in another order."""
    name, _, rest = line.partition("{")
    labels, _, value = rest.rpartition("}")
    if not labels:
        return line
    return f"{name}{braced(*draw(st.permutations(labels.split(','))))}{value}"


@st.composite
def cells(draw: st.DrawFn, app: int) -> list[Family]:
    """Draw what an app has; series may be those of others, and there more than once."""
    found = []
    apart = draw(st.integers(0, 3)) > 0
    for name in draw(st.lists(NAMES, unique=True, max_size=5)):
        kind = draw(TYPES)
        samples: list[str] = []
        for label in draw(LABELS):
            own = ",".join(filter(None, (label, f'app="{app}"' if apart else "")))
            if kind in {"histogram", "summary", "gaugehistogram"}:
                samples += draw(compound(name, kind, own))
            elif kind == "stateset" and draw(st.booleans()):
                samples += [
                    f'{name}{braced(own, f"""{name}="{n}" """.strip())} {n}' for n in (0, 1)
                ]
            else:
                samples.append(f"{name}{braced(own)} {draw(VALUES)}")
        for _ in range(draw(st.sampled_from([0, 0, 1, 3])) if samples else 0):
            samples.append(draw(again(samples)))
        if draw(st.booleans()):
            samples = draw(st.permutations(samples))
        if draw(st.booleans()):
            samples = [draw(in_any_order(line)) for line in samples]
        stamps: st.SearchStrategy[int | None] = st.none()
        if draw(st.integers(0, 4)) == 0:
            stamps = draw(
                st.sampled_from([st.just(1500), st.integers(1, 3), st.none() | st.integers(1, 3)])
            )
        times = [draw(stamps) for _ in samples]
        text = "".join(
            f"{line}\n" if time is None else f"{line} {time}\n"
            for line, time in zip(samples, times, strict=True)
        ).encode()
        stamped = None
        if any(times):
            stamped = "".join(
                f"{line}\n" if time is None else f"{line} {time / 1000}\n"
                for line, time in zip(samples, times, strict=True)
            ).encode()
        found.append(
            Family(
                name.encode(),
                kind,
                text,
                len(samples),
                help=draw(st.sampled_from([None, b"H.", b'Say "h".'])),
                typed=kind != "untyped" or draw(st.booleans()),
                unit=draw(st.sampled_from([b"", b"a", b"info"])),
                openmetrics=stamped,
            )
        )
    return found


APPS = st.integers(1, 4).flatmap(lambda count: st.tuples(*(cells(app) for app in range(count))))


@given(APPS)
@settings(max_examples=500, deadline=None)
def test_any_families_make_a_page_that_is_read(apps: tuple[list[Family], ...]) -> None:
    """No sample is another than on the text page, and what is missing has a finding."""
    index = MergedIndex()
    for app, families in enumerate(apps):
        index.set_app(app, families)
        for cell in families:
            note(f"{app}: {cell.name!r} {cell.type} {cell.typed} {cell.unit!r} {cell.samples!r}")
    duplicates = Duplicates(index)
    all_at_once(duplicates.search())
    all_at_once(duplicates.settle())
    writer = OpenMetricsWriter(index, duplicates.held)
    note(page(index, OpenMetricsWriter(index, duplicates.held)).decode())
    shown = parse(page(index, writer).decode())
    text = TextWriter(index)
    given = [all_series_of(cell.samples) for families in apps for cell in families]
    for series, value in shown.items():
        assert any(value in each.get(series, ()) for each in given)
    for app, families in enumerate(apps):
        for cell in families:
            family = index.families[cell.name]
            on_text_page = text.parts(family) and family.fits(cell)
            stamped = cell.openmetrics is not None
            held = duplicates.held.get(family.name, {}).get(app, frozenset())
            if held and family.type in COMPOUND | GROUPED:
                # With a series goes all of its metric.
                continue
            held_series = all_series_of(b"".join(each + b" 0\n" for each in held))
            if on_text_page and set(writer.findings(family, app)) <= {"openmetrics_invalid"}:
                for series, values in all_series_of(cell.samples).items():
                    if series not in held_series:
                        assert shown.get(series) in (values if stamped else values[:1])


class Updates(RuleBasedStateMachine):
    """Apps come, change and go; pages are asked for now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.index = MergedIndex()
        self.duplicates = Duplicates(self.index)
        self.text = Layout(self.index, TextWriter(self.index))
        self.writer = OpenMetricsWriter(self.index, self.duplicates.held)
        self.openmetrics = Layout(self.index, self.writer)
        self.apps: dict[int, list[Family]] = {}

    @rule(data=st.data(), app=st.sampled_from([0, 1, 2, 17, 40]))
    def set_app(self, data: st.DataObject, app: int) -> None:
        """An app comes, or sends something else."""
        self.apps[app] = data.draw(cells(app))
        self.index.set_app(app, self.apps[app])

    @rule(data=st.data(), app=st.sampled_from([0, 1, 2, 17, 40]))
    def reorder(self, data: st.DataObject, app: int) -> None:
        """An app sends the same in another order."""
        self.apps[app] = data.draw(st.permutations(self.apps.get(app, [])))
        self.index.set_app(app, self.apps[app])

    @rule(data=st.data(), to=st.sampled_from([0, 1, 2, 17, 40]))
    def copy_app(self, data: st.DataObject, to: int) -> None:
        """Another app has the same series."""
        if self.apps:
            app = data.draw(st.sampled_from(sorted(self.apps)))
            self.apps[to] = [copy_of(cell) for cell in self.apps[app]]
            self.index.set_app(to, self.apps[to])

    @rule(data=st.data())
    def drop_app(self, data: st.DataObject) -> None:
        """An app goes."""
        if self.apps:
            app = data.draw(st.sampled_from(sorted(self.apps)))
            del self.apps[app]
            self.index.drop_app(app)

    @invariant()
    def pages_are_those_of_a_fresh_index(self) -> None:
        """And they are read, whatever went before."""
        all_at_once(self.duplicates.search())
        all_at_once(self.duplicates.settle())
        fresh = MergedIndex()
        for app, families in sorted(self.apps.items()):
            fresh.set_app(app, [copy_of(cell) for cell in families])
        duplicates = Duplicates(fresh)
        all_at_once(duplicates.search())
        all_at_once(duplicates.settle())
        written = text_of(self.openmetrics)

        assert text_of(self.text) == page(fresh, TextWriter(fresh))
        assert written == page(fresh, OpenMetricsWriter(fresh, duplicates.held))
        parse(written.decode())


def copy_of(cell: Family) -> Family:
    """Return an equal cell that no writer has seen."""
    return Family(
        cell.name,
        cell.type,
        cell.samples,
        cell.count,
        help=cell.help,
        typed=cell.typed,
        unit=cell.unit,
        openmetrics=cell.openmetrics,
    )


class SmallBlocks(Updates):
    """Families of two apps have blocks already, and apps a bucket of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(layout, "_INLINE_APPS", 1)
        self.patch.setattr(layout, "_BLOCK_BYTES", 100)
        self.patch.setattr(layout, "_SHIFTS", range(4))
        self.patch.setattr(layout, "_STEP", 2)

    def teardown(self) -> None:
        """Put things back."""
        self.patch.undo()


TestUpdates = Updates.TestCase
TestUpdates.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)

TestSmallBlocks = SmallBlocks.TestCase
TestSmallBlocks.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


def test_a_counter_without_a_name_is_read() -> None:
    """prometheus-client's parser takes the suffix off a counter's name: nothing may be left."""
    index = index_of([family("_total", "counter", "_total 1")])
    shown = page(index, TextWriter(index)).decode()

    assert shown == "# TYPE _total untyped\n_total 1\n"
    assert [sample.value for each in read_text(shown) for sample in each.samples] == [1]

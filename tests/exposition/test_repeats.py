"""The same series twice in what one app has of a family."""

import pytest

from exporter_proxy.exposition.merged import repeats as module
from exporter_proxy.exposition.merged.repeats import repeats_of
from exporter_proxy.exposition.merged.text_writer import TextWriter
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.steps import all_at_once
from tests.exposition.families import family, index_of, lines, openmetrics, page


@pytest.mark.parametrize(
    ("kind", "samples", "shown", "times", "series"),
    [
        pytest.param(
            "gauge", 'y{a="a"} 1\ny{a="a"} 2', 'y{a="a"} 1', 1, 'y{a="a"}', id="next to it"
        ),
        pytest.param(
            "gauge",
            'y{a="a"} 1\ny{a="b"} 1\ny{a="a"} 1',
            'y{a="a"} 1\ny{a="b"} 1',
            1,
            'y{a="a"}',
            id="apart",
        ),
        pytest.param(
            "untyped",
            'x{a="1",b="2"} 1\nx{b="2",a="1"} 2\nx{b="1",a="2"} 3',
            'x{a="1",b="2"} 1\nx{b="1",a="2"} 3',
            1,
            'x{a="1",b="2"}',
            id="labels in another order",
        ),
        pytest.param(
            "untyped",
            'x{a="\\",b=",b="2"} 1\nx{b="2",a="\\",b="} 2',
            'x{a="\\",b=",b="2"} 1',
            1,
            'x{a="\\",b=",b="2"}',
            id="quotes in a value",
        ),
        pytest.param(
            "histogram",
            'h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\nh_bucket{le="1"} 9',
            'h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2',
            1,
            'h_bucket{le="1"}',
            id="bucket",
        ),
        pytest.param("counter", "c 1\nc 2\nc 3", "c 1", 2, "c", id="thrice"),
        pytest.param(
            "gauge", "y 1 1000\nz 1\ny 2 1000", "y 1 1000\nz 1", 1, "y", id="at the same time"
        ),
        pytest.param("gauge", "y 1 2\ny 1", "y 1 2", 1, "y", id="with a time and without"),
    ],
)
def test_leaves_out_what_is_there_already(
    kind: FamilyType, samples: str, shown: str, times: int, series: str
) -> None:
    cell = family(samples[0], kind, samples)
    repeats = all_at_once(repeats_of(cell))

    assert repeats is not None
    assert repeats.shown.samples == lines(shown)
    assert repeats.shown.count == shown.count("\n") + 1
    assert (repeats.times, repeats.series) == (times, series.encode())
    assert all_at_once(repeats_of(cell)) is repeats, "it is searched once"


@pytest.mark.parametrize(
    "samples",
    [
        'x{a="1",b="2"} 1\nx{b="1",a="2"} 2',
        'x{a="1"} 1\nx 1\nx{a="1",b="2"} 1',
        "y 1 1000\ny 2 2000",
        'x{a="a 1"} 1\nx{a="a 2"} 1',
        "x 1",
    ],
)
def test_finds_nothing_in_other_series(samples: str) -> None:
    assert all_at_once(repeats_of(family("x", "gauge", samples))) is None


def test_points_of_a_series_stand_together_in_the_order_of_time() -> None:
    """None of them is a duplicate."""
    cell = family("y", "gauge", "y 3 3000\nz 1 1\ny 1 1000", "y 3 3\nz 1 0.001\ny 1 1")
    repeats = all_at_once(repeats_of(cell))

    assert repeats is not None
    assert repeats.shown.openmetrics == b"y 1 1\ny 3 3\nz 1 0.001\n"
    assert (repeats.times, repeats.series) == (0, b"")


@pytest.mark.parametrize("many", [10, 1_000_000], ids=["several-sets", "one-set"])
def test_a_long_family_is_searched_in_steps(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr(module, "_STEP_BYTES", 1000)
    monkeypatch.setattr(module, "_MANY", many)
    samples = "\n".join(f'x{{n="{number % 9990}"}} 1' for number in range(10_000))
    cell = family("x", "gauge", samples)
    distinct = family("x", "gauge", "\n".join(samples.split("\n")[:9990]))
    repeats = all_at_once(repeats_of(cell))

    assert repeats is not None
    assert repeats.times == 10
    assert repeats.series == b'x{n="0"}'
    assert len(list(repeats_of(distinct))) > 50
    assert all_at_once(repeats_of(distinct)) is None


def test_more_series_than_are_kept_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KNOWN", 2)
    for number in range(10):
        assert all_at_once(repeats_of(family("x", "gauge", f'x 1\nx{{n="{number}"}} 1'))) is None
    assert len(module._known) <= 2


def test_the_text_page_keeps_all() -> None:
    cells: list[Family] = [family("y", "gauge", "y 1\ny 2")]
    index = index_of(cells)

    assert page(index, TextWriter(index)) == b"# TYPE y gauge\ny 1\ny 2\n"
    assert openmetrics(cells) == "# TYPE y gauge\ny 1\n"


def test_times_of_creation_go_with_their_metric() -> None:
    """Whatever is there twice, and in whatever order labels stand."""
    cells = [
        family("c_total", "counter", 'c_total{a="1",b="2"} 1\nc_total 1\nc_total{a="1",b="2"} 3'),
        family("c_created", "gauge", 'c_created{b="2",a="1"} 5\nc_created 6\nc_created 7'),
    ]

    assert openmetrics(cells) == (
        '# TYPE c counter\nc_total{a="1",b="2"} 1\nc_created{b="2",a="1"} 5\n'
        "c_total 1\nc_created 6\n"
    )


def test_a_summary_is_whole_in_whatever_order_its_labels_stand() -> None:
    cells = [
        family(
            "s",
            "summary",
            's{a="1",b="2",quantile="0.5"} 1\ns_sum{a="3"} 1\ns_sum{b="2",a="1"} 1\n'
            's_count{b="2",a="1"} 1',
        )
    ]

    assert openmetrics(cells) == (
        '# TYPE s summary\ns{a="1",b="2",quantile="0.5"} 1\ns_sum{b="2",a="1"} 1\n'
        's_count{b="2",a="1"} 1\ns_sum{a="3"} 1\n'
    )


def test_series_of_a_usual_family_are_made_out_in_steps() -> None:
    """A thousand samples, whose series are known from the update before."""
    cell = family("x", "gauge", "\n".join(f'x{{n="{"n" * 90}{n}"}} 1' for n in range(1000)))
    known = family("x", "gauge", "\n".join(f'x{{n="{"n" * 90}{n}"}} 2' for n in range(1000)))
    assert 90_000 < len(cell.samples) < module._STEP_BYTES

    assert len(list(repeats_of(cell))) >= 2
    assert len(list(repeats_of(known))) >= 2
    assert all_at_once(repeats_of(known)) is None

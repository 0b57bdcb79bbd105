"""How families are written in OpenMetrics, to the byte."""

import pytest

from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.merged.layout import Layout
from exporter_proxy.exposition.merged.openmetrics_writer import OpenMetricsWriter
from exporter_proxy.exposition.model import Family
from exporter_proxy.steps import all_at_once
from tests.exposition.families import (
    family,
    index_of,
    lines,
    openmetrics,
    page,
    parse,
    text_of,
)

HISTOGRAM = """\
a_bucket{le="1"} 1
a_bucket{le="+Inf"} 2
a_sum 3
a_count 2
"""
SUMMARY = """\
a{quantile="0.5"} 1
a_sum 3
a_count 2
"""
DEGRADED = """\
# TYPE a_bucket unknown
a_bucket{{le="1"}} {first}
a_bucket{{le="+Inf"}} 2
# TYPE a_sum unknown
a_sum 3
# TYPE a_count unknown
a_count 2
"""


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param(
            [family("a_total", "counter", 'a_total 1\na_total{b="c"} 2')],
            '# TYPE a counter\na_total 1\na_total{b="c"} 2\n',
            id="counter",
        ),
        pytest.param([family("a", "counter", "a 1")], "# TYPE a unknown\na 1\n", id="no-total"),
        pytest.param(
            [family("_total", "counter", "_total 1")],
            "# TYPE _total unknown\n_total 1\n",
            id="total-alone",
        ),
        pytest.param(
            [family("a_total", "counter", "a_total -1")],
            "# TYPE a_total unknown\na_total -1\n",
            id="negative-counter",
        ),
        pytest.param(
            [family("a_total", "counter", 'a_total{b="\\"} -1"} NaN')],
            '# TYPE a_total unknown\na_total{b="\\"} -1"} NaN\n',
            id="counter-is-no-number",
        ),
        pytest.param(
            [family("a_total", "counter", 'a_total{b="} -1 NaN"} -0.0')],
            '# TYPE a counter\na_total{b="} -1 NaN"} -0.0\n',
            id="looks-negative",
        ),
        pytest.param(
            [family("a_total", "gauge", "a_total -1")],
            "# TYPE a_total gauge\na_total -1\n",
            id="gauge-that-ends-in-total",
        ),
        pytest.param([family("a", "untyped", "a 1")], "# TYPE a unknown\na 1\n", id="untyped"),
        pytest.param(
            [family("a", "gauge", "a NaN", help='Say "h" \\\\ \\n.')],
            '# TYPE a gauge\n# HELP a Say \\"h\\" \\\\ \\n.\na NaN\n',
            id="help",
        ),
        pytest.param(
            [family("a_seconds_total", "counter", "a_seconds_total 1", unit="seconds", help="H.")],
            "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds H.\n"
            "a_seconds_total 1\n",
            id="unit",
        ),
        pytest.param(
            [family("a_seconds_total", "counter", "a_seconds_total -1", unit="seconds")],
            "# TYPE a_seconds_total unknown\na_seconds_total -1\n",
            id="unit-that-the-name-lacks",
        ),
        pytest.param(
            [family("a", "gauge", "a 1 1500", 'a 1 1.500 # {b="c"} 2')],
            "# TYPE a gauge\na 1 1.500\n",
            id="gauges-have-no-exemplars",
        ),
        pytest.param(
            [family("a_total", "counter", "a_total 1", 'a_total 1 # {b="c"} 2 3')],
            '# TYPE a counter\na_total 1 # {b="c"} 2 3\n',
            id="exemplar",
        ),
        pytest.param(
            [family("a_total", "counter", 'a_total{x=" # {"} -1', 'a_total{x=" # {"} -1 # {} 2')],
            '# TYPE a_total unknown\na_total{x=" # {"} -1\n',
            id="exemplar-of-what-is-no-counter",
        ),
        pytest.param([family("a", "histogram", HISTOGRAM)], "# TYPE a histogram\n" + HISTOGRAM),
        pytest.param(
            [
                family(
                    "a",
                    "histogram",
                    'a_count 2\na_bucket{le="1"} 1\na_bucket{x="y",le="+Inf"} 2\n'
                    'a_bucket{le="+Inf"} 2\na_sum 3',
                )
            ],
            '# TYPE a histogram\na_count 2\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 2\na_sum 3\n'
            'a_bucket{x="y",le="+Inf"} 2\n',
            id="scattered-histogram",
        ),
        pytest.param(
            [
                family(
                    "a",
                    "histogram",
                    HISTOGRAM,
                    'a_bucket{le="1"} 1 # {} 1\na_bucket{le="+Inf"} 2\na_sum 3\na_count 2 # {} 1',
                )
            ],
            '# TYPE a histogram\na_bucket{le="1"} 1 # {} 1\na_bucket{le="+Inf"} 2\na_sum 3\n'
            "a_count 2\n",
            id="only-buckets-have-exemplars",
        ),
        pytest.param([family("a", "summary", SUMMARY)], "# TYPE a summary\n" + SUMMARY),
        pytest.param(
            [family("a", "summary", 'a{quantile="1.5"} 1\na_sum 3')],
            '# TYPE a unknown\na{quantile="1.5"} 1\n# TYPE a_sum unknown\na_sum 3\n',
            id="quantile-over-one",
        ),
        pytest.param(
            [
                family(
                    "a",
                    "gaugehistogram",
                    'a_bucket{le="-1"} 1\na_bucket{le="+Inf"} 2\na_gsum -3\na_gcount 2',
                )
            ],
            '# TYPE a gaugehistogram\na_bucket{le="-1"} 1\na_bucket{le="+Inf"} 2\na_gsum -3\n'
            "a_gcount 2\n",
            id="gaugehistogram",
        ),
        pytest.param(
            [family("a_info", "info", 'a_info{b="c"} 1')],
            '# TYPE a info\na_info{b="c"} 1\n',
            id="info",
        ),
        pytest.param(
            [family("a_info", "info", "a_info 2")],
            "# TYPE a_info unknown\na_info 2\n",
            id="info-of-two",
        ),
        pytest.param(
            [family("a_info", "info", "a_info 1 1000", "a_info 1 1")],
            "# TYPE a_info unknown\na_info 1 1\n",
            id="info-with-timestamp",
        ),
        pytest.param(
            [family("a_info", "gauge", "a_info 1")],
            "# TYPE a_info gauge\na_info 1\n",
            id="gauge-that-ends-in-info",
        ),
        pytest.param(
            [family("a", "stateset", 'a{a="on"} 1\na{a="off"} 0')],
            '# TYPE a stateset\na{a="on"} 1\na{a="off"} 0\n',
            id="stateset",
        ),
        pytest.param(
            [family("a", "stateset", 'a{a="on"} 2')],
            '# TYPE a unknown\na{a="on"} 2\n',
            id="state-of-two",
        ),
        pytest.param(
            [family("a", "stateset", "a 1")],
            "# TYPE a unknown\na 1\n",
            id="no-state",
        ),
        pytest.param(
            [family("a:b", "stateset", "a:b 1")],
            "# TYPE a:b unknown\na:b 1\n",
            id="name-that-is-no-label",
        ),
        pytest.param(
            [family("a", "stateset", 'a{a="on"} 1\na{a="on"} 0')],
            '# TYPE a stateset\na{a="on"} 1\n',
            id="state-twice",
        ),
        pytest.param(
            [family("a", "stateset", 'a{a="on"} 1\na{a="on",b="c"} 1\na{a="off"} 0')],
            '# TYPE a unknown\na{a="on"} 1\na{a="on",b="c"} 1\na{a="off"} 0\n',
            id="scattered-states",
        ),
    ],
)
def test_one_app(cells: list[Family], expected: str) -> None:
    assert openmetrics(cells) == expected


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param('a_bucket{le="1"} 3', id="decreasing"),
        pytest.param('a_bucket{le="1"} 0.5', id="fraction"),
        pytest.param('a_bucket{le="1"} NaN', id="not-a-number"),
        pytest.param('a_bucket{le="1"} -1', id="negative"),
    ],
)
def test_shows_a_broken_histogram_by_sample_names(samples: str) -> None:
    first = samples.rpartition(" ")[2]
    cell = family("a", "histogram", samples + '\na_bucket{le="+Inf"} 2\na_sum 3\na_count 2')

    assert openmetrics([cell]) == DEGRADED.format(first=first)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param('a_bucket{le="1"} 1', id="no-infinite-bucket"),
        pytest.param('a_bucket{le="inf"} 1', id="infinity-spelled-otherwise"),
        pytest.param('a_bucket{le="2"} 1\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 1', id="order"),
        pytest.param('a_bucket{le="+Inf"} 1\na_count 1', id="no-sum"),
        pytest.param('a_bucket{le="+Inf"} 1\na_sum 1', id="no-count"),
        pytest.param('a_bucket{le="+Inf"} 1\na_sum 1\na_count 2', id="another-count"),
        pytest.param('a_bucket{le="+Inf"} 1\na_sum -1\na_count 1', id="negative-sum"),
        pytest.param('a_bucket{le="-1"} 0\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1', id="below"),
        pytest.param('a_bucket{le="+Inf"} +Inf', id="infinite"),
        pytest.param('a_bucket{le="+Inf"} 1\na 1', id="misplaced"),
        pytest.param("a_bucket 1", id="no-bound"),
        pytest.param('a_bucket{b="c"} 1', id="no-bound-among-labels"),
        pytest.param(
            'a_bucket{le="+Inf"} 1\na_bucket{b="c",le="+Inf"} 1\na_sum 1\na_count 1\na 1',
            id="scattered-and-misplaced",
        ),
        pytest.param(
            'a_bucket{le="1"} 1\na_bucket{b="c",le="+Inf"} 1\na_sum 1\na_count 1',
            id="scattered-and-broken",
        ),
        pytest.param('a_bucket{le="+Inf"} 1 0\na_count 1 0\na_sum 1', id="time-of-zero"),
    ],
)
def test_keeps_every_sample_of_a_broken_histogram(samples: str) -> None:
    written = openmetrics([family("a", "histogram", samples)])

    assert "histogram" not in written
    assert {line for line in written.splitlines() if line[0] != "#"} == set(samples.split("\n"))


def test_of_two_samples_of_a_series_the_first_counts() -> None:
    samples = 'a_bucket{le="+Inf"} 1\na_sum 1\na_sum 2\na_count 1'

    assert openmetrics([family("a", "histogram", samples)]) == (
        '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n'
    )


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param('a{quantile="0.5"} -1', id="negative"),
        pytest.param("a 1", id="no-quantile"),
        pytest.param('a{quantile="NaN"} 1', id="quantile-is-no-number"),
        pytest.param("a_sum -1", id="negative-sum"),
        pytest.param("a_count 0.5", id="fraction"),
        pytest.param('a{quantile="0.5"} 1\na{quantile="0.50"} 1', id="twice"),
    ],
)
def test_keeps_every_sample_of_a_broken_summary(samples: str) -> None:
    written = openmetrics([family("a", "summary", samples)])

    assert "summary" not in written
    assert {line for line in written.splitlines() if line[0] != "#"} == set(samples.split("\n"))


def test_finds_the_bound_among_labels_that_look_like_it() -> None:
    samples = lines(
        r"""
        a_bucket{le="1",x=",le=",y="7"} 1
        a_bucket{le="+Inf",x=",le=",y="7"} 1
        a_bucket{x="{le=\"5\"}",le="1"} 1
        a_bucket{x="{le=\"5\"}",le="+Inf"} 1
        """
    ).decode()

    assert openmetrics([family("a", "histogram", samples)]).endswith(samples)


def test_one_bad_cell_decides_for_the_family() -> None:
    """It has one TYPE; no app's samples are lost."""
    good = family("a_total", "counter", 'a_total{app="1"} 1')
    bad = family("a_total", "counter", 'a_total{app="2"} -1')

    assert openmetrics([good], [bad]) == (
        '# TYPE a_total unknown\na_total{app="1"} 1\na_total{app="2"} -1\n'
    )


CREATED = [
    pytest.param(
        family("a_total", "counter", 'a_total{b="1"} 1\na_total{b="2"} 2'),
        'a_created{b="2"} 9\na_created{b="1"} 8',
        '# TYPE a counter\na_total{b="1"} 1\na_created{b="1"} 8\na_total{b="2"} 2\n'
        'a_created{b="2"} 9\n',
        id="counter",
    ),
    pytest.param(
        family("a", "histogram", HISTOGRAM),
        "a_created 8",
        f"# TYPE a histogram\n{HISTOGRAM}a_created 8\n",
        id="histogram",
    ),
    pytest.param(
        family("a", "summary", SUMMARY),
        "a_created 8",
        f"# TYPE a summary\n{SUMMARY}a_created 8\n",
        id="summary",
    ),
    pytest.param(
        family("a_total", "counter", 'a_total{b="1"} 1'),
        'a_created{b="2"} 9',
        '# TYPE a counter\na_total{b="1"} 1\n',
        id="of-nothing",
    ),
    pytest.param(
        family("a_total", "counter", "a_total -1"),
        "a_created 9",
        "# TYPE a_total unknown\na_total -1\n# TYPE a_created gauge\na_created 9\n",
        id="of-what-is-no-counter",
    ),
    pytest.param(
        family("a_total", "counter", 'a_total{b="1"} 1\na_total{b="2"} 2'),
        'a_created{b="1"} 9\na_created{b="2"} 8',
        '# TYPE a counter\na_total{b="1"} 1\na_created{b="1"} 9\na_total{b="2"} 2\n'
        'a_created{b="2"} 8\n',
        id="counter-in-the-same-order",
    ),
    pytest.param(
        family("a_total", "counter", "a_total 1", "a_total 1 # {} 2"),
        "a_created 9",
        "# TYPE a counter\na_total 1 # {} 2\na_created 9\n",
        id="counter-with-exemplar",
    ),
    pytest.param(
        family("b", "gauge", "b 1"),
        "a_created 9",
        "# TYPE b gauge\nb 1\n# TYPE a_created gauge\na_created 9\n",
        id="alone",
    ),
]


@pytest.mark.parametrize(("parent", "created", "expected"), CREATED)
def test_folds_times_of_creation(parent: Family, created: str, expected: str) -> None:
    assert openmetrics([parent, family("a_created", "gauge", created)]) == expected


def test_folds_what_stands_before() -> None:
    cells = [family("a_created", "gauge", "a_created 8"), family("a_total", "counter", "a_total 1")]

    assert openmetrics(cells) == "# TYPE a counter\na_total 1\na_created 8\n"


def test_folds_only_what_has_the_same_timestamp() -> None:
    cells = [
        family("a_total", "counter", "a_total 1 1000", "a_total 1 1"),
        family("a_created", "gauge", "a_created 8"),
    ]
    index = index_of(cells)
    writer = OpenMetricsWriter(index)

    assert page(index, writer).decode() == "# TYPE a counter\na_total 1 1\n"
    assert list(writer.findings(index.families[b"a_created"], 0)) == ["openmetrics_created"]


@pytest.mark.parametrize(
    ("cells", "expected", "finding"),
    [
        pytest.param(
            [family("a", "gauge", "a 1"), family("a_total", "counter", "a_total 1")],
            "# TYPE a gauge\na 1\n# TYPE a_total unknown\na_total 1\n",
            "a_total",
            id="gauge-and-counter",
        ),
        pytest.param(
            [family("a_total", "counter", "a_total 1"), family("a", "gauge", "a 1")],
            "# TYPE a counter\na_total 1\n",
            "a",
            id="counter-and-gauge",
        ),
        pytest.param(
            [family("a_info", "info", "a_info 1"), family("a_total", "counter", "a_total 1")],
            "# TYPE a info\na_info 1\n# TYPE a_total unknown\na_total 1\n",
            "a_total",
            id="info-and-counter",
        ),
        pytest.param(
            [family("a", "histogram", HISTOGRAM), family("a_count", "gauge", "a_count 7")],
            f"# TYPE a histogram\n{HISTOGRAM}",
            "a_count",
            id="histogram-and-count",
        ),
        pytest.param(
            [family("a_count", "gauge", "a_count 7"), family("a", "histogram", HISTOGRAM)],
            '# TYPE a_count gauge\na_count 7\n# TYPE a_bucket unknown\na_bucket{le="1"} 1\n'
            'a_bucket{le="+Inf"} 2\n# TYPE a_sum unknown\na_sum 3\n',
            "a",
            id="count-and-histogram",
        ),
        pytest.param(
            [
                family("a_created", "histogram", 'a_created_bucket{le="+Inf"} 1'),
                family("a_total", "counter", "a_total 1"),
            ],
            '# TYPE a_created histogram\na_created_bucket{le="+Inf"} 1\n'
            "# TYPE a_total unknown\na_total 1\n",
            "a_total",
            id="created-that-is-no-time",
        ),
    ],
)
def test_gives_a_name_to_the_first(
    cells: list[Family], expected: str, finding: str, request: pytest.FixtureRequest
) -> None:
    index = index_of(cells)
    writer = OpenMetricsWriter(index)
    written = page(index, writer).decode()
    found = {
        name.decode(): reason
        for name, each in index.families.items()
        for reason in writer.findings(each, 0)
    }

    assert written == expected
    assert parse(written)
    is_left_out = request.node.callspec.id in {"counter-and-gauge", "histogram-and-count"}
    assert found == {finding: "openmetrics_held" if is_left_out else "openmetrics_clash"}


def test_says_what_is_not_valid() -> None:
    index = index_of(
        [
            family("a_total", "counter", "a_total -1"),
            family("b", "gauge", "b 1"),
        ],
        [family("a_total", "counter", 'a_total{b="c"} 1'), family("b", "summary", "b_sum 1")],
    )
    writer = OpenMetricsWriter(index)
    page(index, writer)

    def found(name: bytes, app: int) -> list[str]:
        return list(writer.findings(index.families[name], app))

    assert found(b"a_total", 0) == ["openmetrics_invalid"]
    assert found(b"a_total", 1) == []
    assert found(b"b", 1) == [], "what the text page lacks too is no finding of this one"


def test_leaves_out_what_is_held() -> None:
    """Of a histogram the whole metric, as the rest of it were none."""
    index = index_of(
        [
            family("a", "histogram", HISTOGRAM),
            family("b", "gauge", 'b 1\nb{c="d"} 2', 'b 1 1\nb{c="d"} 2'),
        ],
        [family("a", "histogram", HISTOGRAM + 'a_bucket{x="y",le="+Inf"} 2')],
    )
    held: dict[bytes, dict[int, frozenset[bytes]]] = {
        b"a": {1: frozenset({b"a_sum"})},
        b"b": {0: frozenset({b"b"})},
    }
    writer = OpenMetricsWriter(index, held)
    layout = Layout(index, writer)

    assert text_of(layout).decode() == (
        f"# TYPE a histogram\n{HISTOGRAM}"
        'a_bucket{x="y",le="+Inf"} 2\n# TYPE b gauge\nb{c="d"} 2\n'
    )

    del held[b"b"]
    assert text_of(layout).endswith(b'# TYPE b gauge\nb 1 1\nb{c="d"} 2\n')


def test_valid_text_is_not_copied() -> None:
    """By that pieces of the page know that nothing has changed."""
    cells = [
        family("a", "histogram", HISTOGRAM),
        family("b_total", "counter", 'b_total{x=" -1"} 1'),
        family("c", "gauge", "c 1 1000", "c 1 1"),
    ]
    index = index_of(cells)
    writer = OpenMetricsWriter(index)
    page(index, writer)

    for cell in cells:
        merged = index.families[cell.name]
        (part,) = writer.parts(merged)
        (written,) = writer.cells(merged, part, [0])
        assert written is (cell.samples if cell.openmetrics is None else cell.openmetrics)


def test_a_change_costs_what_it_touches() -> None:
    """Blocks of other apps stay the same objects, until one app's cell decides over all."""
    index = MergedIndex()
    for app in range(100):
        index.set_app(app, [family("a_total", "counter", f'a_total{{app="{app}"}} 1')])
    layout = Layout(index, OpenMetricsWriter(index))

    def pieces() -> set[int]:
        return {id(piece) for piece in kept[-1]}

    kept = [all_at_once(layout.refresh())]
    first = pieces()
    index.set_app(99, [family("a_total", "counter", 'a_total{app="99"} 2')])
    kept.append(all_at_once(layout.refresh()))
    second = pieces()
    index.set_app(99, [family("a_total", "counter", 'a_total{app="99"} -2')])
    kept.append(all_at_once(layout.refresh()))

    assert first & second
    assert not second & pieces()
    assert b"".join(piece.text() for piece in kept[-1]).startswith(b"# TYPE a_total unknown\n")

"""What an OpenMetrics page shows in another way than it was sent, app by app."""

from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.merged.layout import Layout
from exporter_proxy.exposition.merged.openmetrics_writer import OpenMetricsWriter
from exporter_proxy.exposition.model import Finding
from tests.exposition.families import family, text_of


def test_findings_follow_what_apps_send() -> None:
    """They come with the page, name a family, and go when they no longer hold."""
    index = MergedIndex()
    writer = OpenMetricsWriter(index)
    layout = Layout(index, writer)
    fine = [family("a_total", "counter", 'a_total{b="c"} 1')]
    index.set_app(0, [family("a_total", "counter", "a_total -1"), family("b", "info", "b 2")])
    index.set_app(1, fine)
    text_of(layout)

    assert writer.found.take() == {0}
    assert writer.found.of(0) == [Finding("openmetrics_invalid", 1, 0, "a_total")]
    assert writer.found.of(1) == []

    text_of(layout)
    assert writer.found.take() == set(), "nothing is new"

    index.set_app(0, [family("a_total", "counter", "a_total 1")])
    text_of(layout)
    assert writer.found.take() == {0}
    assert writer.found.of(0) == []
    assert writer.found.apps == set()


def test_what_is_gone_has_no_findings() -> None:
    index = MergedIndex()
    writer = OpenMetricsWriter(index)
    layout = Layout(index, writer)
    index.set_app(0, [family("a_total", "counter", "a_total -1")])
    text_of(layout)
    index.drop_app(0)
    text_of(layout)

    assert writer.found.apps == set()


def test_times_of_creation_that_have_no_metric() -> None:
    """Also when it is the metric that goes."""
    index = MergedIndex()
    writer = OpenMetricsWriter(index)
    layout = Layout(index, writer)
    created = family("a_created", "gauge", "a_created 1")
    index.set_app(0, [family("a_total", "counter", "a_total 1"), created])
    text_of(layout)
    assert writer.found.of(0) == []

    index.set_app(0, [family("a_total", "counter", 'a_total{b="c"} 1'), created])
    text_of(layout)
    assert writer.found.of(0) == [Finding("openmetrics_created", 1, 0, "a_created")]


def test_of_several_families_one_is_named() -> None:
    index = MergedIndex()
    writer = OpenMetricsWriter(index)
    for app in (0, 1):
        index.set_app(
            app,
            [
                family("b_total", "counter", f'b_total{{app="{app}"}} -1'),
                family("a_total", "counter", f'a_total{{app="{app}"}} -1'),
            ],
        )
    text_of(Layout(index, writer))

    assert writer.found.of(1) == [Finding("openmetrics_invalid", 2, 0, "a_total")]

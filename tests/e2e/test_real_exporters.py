"""Real exporters' metrics, pushed and polled, against a direct scrape of the same exporters."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import pytest

from tests.e2e.conftest import Query
from tests.e2e.expected import expected_families
from tests.e2e.exporters import ACCEPT, Capture, Exporter, exporters
from tests.e2e.reading import (
    Point,
    Reading,
    Series,
    labels_of,
    read,
    series_of,
    without_empty_labels,
)
from tests.e2e.relay import Relay, relay
from tests.proxy_process import ProxyProcess, until

FORMATS = ("text", "openmetrics")
POLLED = "polled-"

_T = TypeVar("_T")


@pytest.fixture(scope="module")
def running_exporters(tool, tmp_path_factory) -> Iterator[list[Exporter]]:
    """All exporters; started once, as no test changes them."""
    with exporters(tool, tmp_path_factory.mktemp("exporters")) as started:
        yield started


@pytest.fixture(scope="module", params=FORMATS)
def captures(request, running_exporters) -> list[Capture]:
    """What the exporters answer to those who ask for a format.

    Debian's exporters know text only and answer so in any case; the application knows both.
    """
    answers = [exporter.scrape(request.param) for exporter in running_exporters]
    assert [answer.form for answer in answers] == ["text", "text", "text", request.param]
    return answers


@pytest.fixture
def merged(proxy, captures, running_exporters) -> ProxyProcess:
    """A proxy that polls all exporters, asking as for ``captures``, and had those pushed too."""
    running: ProxyProcess = proxy(
        exporter={"exposition": "merged", "app_label": "app", "self_metrics_interval": 0.1},
        poll_external={
            "poll_other_scrape_endpoints": True,
            "poll_interval": 0.2,
            "client_timeout": 10,
            "other_scrape_endpoints": [
                {
                    "url": exporter.url,
                    "name": POLLED + exporter.name,
                    "headers": {"Accept": ACCEPT[captures[-1].form]},
                }
                for exporter in running_exporters
            ],
        },
    )
    push(running, captures)
    wait_for_polls(running, running_exporters)
    return running


def push(proxy: ProxyProcess, captures: Sequence[Capture]) -> None:
    """Push captured pages, each as an app: by TCP and the Unix socket, whole and in lines."""
    for number, capture in enumerate(captures):
        if number % 2:
            answer = proxy.push_unix(json.dumps({capture.name: capture.text}).encode())
        else:
            # not splitlines(), for which more than line feeds end a line
            lines = capture.text.removesuffix("\n").split("\n")
            answer = proxy.push_tcp(json.dumps({capture.name: lines}).encode())
        assert answer == ""


def wait_for_polls(proxy: ProxyProcess, exporters: Sequence[Exporter]) -> None:
    """Wait until each exporter has been polled from begin to end."""
    wanted = {POLLED + exporter.name for exporter in exporters}

    def updates() -> dict[str, int]:
        apps = proxy.apps_json()["apps"]
        return {app["app"]: app["updates"] for app in apps if app["app"] in wanted}

    # The one after the next has begun since.
    targets = {app: updates().get(app, 0) + 2 for app in wanted}
    until(
        lambda: all(updates().get(app, 0) >= target for app, target in targets.items()),
        "polls of all exporters",
    )


def page_of(proxy: ProxyProcess, form: str, query: str = "") -> str:
    """Return a page of the proxy, which has to be in the format that is asked for."""
    answer = proxy.get("/metrics" + query, {"Accept": ACCEPT[form]})
    assert (answer.status, answer.headers["content-type"]) == (200, ACCEPT[form])
    return answer.body.decode()


def labelled(capture: Capture, series: Mapping[Series, _T]) -> dict[Series, _T]:
    """Add the label ``app`` to what a capture has of each series."""
    return {
        (name, labels_of({**dict(labels), "app": capture.name})): value
        for (name, labels), value in series.items()
    }


def split(points: Mapping[Series, Point]) -> tuple[dict[Series, Point], dict[Series, Point]]:
    """Return what was pushed, and what was polled, without what is the proxy's own."""
    pushed, polled = {}, {}
    for series, point in points.items():
        name, labels = series
        if name.startswith("exporter_proxy_"):
            continue
        of = polled if dict(labels).get("app", "").startswith(POLLED) else pushed
        of[series] = point
    return pushed, polled


def test_pushed_series_are_those_of_the_exporters(merged, captures):
    """Every series of every exporter has its value and time on the page, and there is no other."""
    expected: dict[Series, Point] = {}
    for capture in captures:
        expected.update(labelled(capture, capture.read().points))

    for form in FORMATS:
        assert split(read(page_of(merged, form), ACCEPT[form]).points)[0] == expected
    states = {app["app"]: app["state"] for app in merged.apps_json()["apps"]}
    assert states == {
        prefix + capture.name: "ok" for prefix in ("", POLLED) for capture in captures
    }


def test_types_help_units_and_exemplars_are_those_of_the_exporters(merged, captures):
    """What formats can't say alike differs, as the documentation has it, and nothing else."""
    for capture, form in itertools.product(captures, FORMATS):
        sent = capture.read()
        shown = read(page_of(merged, form, f"?app={capture.name}"), ACCEPT[form])

        families = [f for f in shown.families if not f.name.startswith("exporter_proxy_")]
        assert sorted(families) == sorted(expected_families(capture, form))
        kept = sent.exemplars if form == "openmetrics" else {}
        assert shown.exemplars == labelled(capture, kept)
        # so that there is something to keep
        assert bool(sent.exemplars) == (capture.form == "openmetrics")


def test_polled_series_are_those_of_the_exporters(merged, running_exporters, captures):
    """What exporters have all the time is on the pages, and counters are between two scrapes.

    Series that come or go meanwhile, such as of a network interface, are free to be there.
    """
    asked = captures[-1].form
    before = [exporter.scrape(asked) for exporter in running_exporters]
    wait_for_polls(merged, running_exporters)
    pages = [split(read(page_of(merged, form), ACCEPT[form]).points)[1] for form in FORMATS]
    after = [exporter.scrape(asked) for exporter in running_exporters]

    older = readings(before)
    newer = readings(after)
    rising = older.rising() & newer.rising()
    assert len(rising) > 100
    for polled in pages:
        assert older.points.keys() & newer.points.keys() <= polled.keys()
        assert polled.keys() <= older.points.keys() | newer.points.keys()
        wrong = {
            series: (older.points[series], polled[series], newer.points[series])
            for series in rising
            if not value(older, series) <= float(polled[series].value) <= value(newer, series)
        }
        assert wrong == {}


def readings(captures: Sequence[Capture]) -> Reading:
    """Put together what polls of exporters find."""
    together = Reading([], {}, {})
    for capture in captures:
        reading = capture.read()
        together.families.extend(reading.families)
        polled = capture._replace(name=POLLED + capture.name)
        together.points.update(labelled(polled, reading.points))
    return together


def value(reading: Reading, series: Series) -> float:
    """Return the value of a series."""
    return float(reading.points[series].value)


def test_promtool_takes_the_page(merged, promtool):
    """It finds much to say about the style of exporters' metrics, but nothing that is wrong."""
    assert promtool(page_of(merged, "text")) in {0, 3}


def test_without_a_label_series_of_several_apps_are_the_first_ones(
    proxy, running_exporters, promtool
):
    """Exporters all have series of their process; pages can be read even so, by default too.

    Such series are looked for in the background: only then OpenMetrics' parser takes the page.
    """
    running = proxy(exporter={"exposition": "merged"})
    captures = [exporter.scrape("openmetrics") for exporter in running_exporters]
    push(running, captures)

    def openmetrics() -> Reading | None:
        try:
            return read(page_of(running, "openmetrics"), ACCEPT["openmetrics"])
        except ValueError:
            return None

    expected: dict[Series, Point] = {}
    for capture in captures:
        expected = capture.read().points | expected
    shown = until(openmetrics, "the search for series that several apps have")
    assert split(shown.points)[0] == expected
    assert promtool(page_of(running, "text")) in {0, 3}


def test_prometheus_takes_the_pages(merged, prometheus, captures):
    """It takes every sample of the page in either format, and gives back what was pushed."""
    expected: dict[Series, str] = {}
    for capture in captures:
        points = capture.read().points
        values = {series: point.value for series, point in points.items()}
        expected.update(without_empty_labels(labelled(capture, values)))
    text, openmetrics = relay(merged.http_port, ACCEPT["text"]), relay(merged.http_port)
    with text as asked_for_text, openmetrics as asked_by_itself:
        query = prometheus(asked_for_text.port, asked_by_itself.port)

        assert pushed_to_prometheus(query, asked_for_text, merged, "text") == expected
        assert pushed_to_prometheus(query, asked_by_itself, merged, "openmetrics") == expected


def pushed_to_prometheus(
    query: Query, way: Relay, proxy: ProxyProcess, form: str
) -> dict[Series, str]:
    """Wait until Prometheus has all samples of a page, and return those of pushed apps."""
    target = f'instance="127.0.0.1:{way.port}"'

    def value_of(name: str) -> float | None:
        found = query(f"{name}{{{target}}}")
        return float(found[0]["value"][1]) if found else None

    def is_whole() -> bool:
        samples = len(read(page_of(proxy, form), ACCEPT[form]).points)
        scraped, stored = "scrape_samples_scraped", "scrape_samples_post_metric_relabeling"
        return value_of(scraped) == value_of(stored) == samples

    until(lambda: value_of("up") == 1, f"a good scrape of {form}")
    # Not at once: polled apps may have more or fewer series on the next page.
    until(is_whole, f"a scrape of {form} with as many samples as the page")
    names = '__name__!~"exporter_proxy_.*|up|scrape_.*"'
    pushed = f'{{{target}, app!~"{POLLED}.*", {names}}}'
    # A scrape that comes too late on a busy machine ends all series until the next one.
    samples = until(lambda: query(pushed), "the samples of a scrape in time")
    assert way.content_types == {ACCEPT[form]}
    return {series_of(sample["metric"]): repr(float(sample["value"][1])) for sample in samples}

"""Two applications built on a client library: both bring process metrics of the same names."""

import subprocess
import sys
from collections.abc import Callable

from tests.conftest import StartProxy
from tests.e2e.clients import CLIENTS
from tests.e2e.conftest import Query
from tests.proxy_process import ProxyProcess, until

BROKEN = b'{"broken": ["good_metric 1", "bad_metric{place=\\"door 1"]}'

StartPrometheus = Callable[[int], Query]


def push(running: ProxyProcess, name: str) -> None:
    """Push what one of the shipped applications prints."""
    message = subprocess.run(
        [sys.executable, str(CLIENTS / name)], capture_output=True, timeout=20, check=True
    ).stdout
    assert running.push_tcp(message) == ""


def push_both(running: ProxyProcess) -> None:
    push(running, "shop.py")
    push(running, "billing.py")


def states(running: ProxyProcess) -> dict[str, str]:
    return {row["app"]: row["state"] for row in running.apps_json()["apps"]}


def value_of(page: str, series: str) -> list[float]:
    """Return the values that a page has of a series."""
    return [
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith(f"{series} ")
    ]


def test_prometheus_keeps_the_first(proxy: StartProxy, prometheus: StartPrometheus):
    """Both are in the text page and the log warns; Prometheus has the first and says nothing."""
    running = proxy()
    push_both(running)
    first, second = value_of(running.metrics(), "process_start_time_seconds")
    assert first < second
    until(lambda: states(running)["billing"] != "ok", "the search for duplicates")

    assert states(running)["shop"] == "ok"
    assert states(running)["billing"].startswith("conflicts: same_series (")
    [warning] = [each for each in running.log_records() if each["level"] == "WARNING"]
    assert "apps=shop, billing" in warning["message"]
    assert 'exporter.app_label = "app"' in warning["message"]
    query = prometheus(running.http_port)
    until(lambda: query('billing_run_seconds_count{job="exporter-proxy"} == 3'), "a scrape")
    [kept] = until(lambda: query("process_start_time_seconds"), "the one that is kept")
    assert float(kept["value"][1]) == first
    until(lambda: query('up{job="exporter-proxy"} == 1'), "a scrape in time")


def test_label_tells_them_apart(proxy: StartProxy, prometheus: StartPrometheus):
    """With ``app_label`` Prometheus has the series of both, and nobody is at odds."""
    running = proxy(exporter={"app_label": "app"})
    push_both(running)
    query = prometheus(running.http_port)
    until(lambda: query('billing_run_seconds_count{app="billing"} == 3'), "a scrape")

    kept = until(lambda: query("process_start_time_seconds"), "both")
    assert sorted(each["metric"]["app"] for each in kept) == ["billing", "shop"]
    assert len({each["value"][1] for each in kept}) == 2
    samples = [line for line in running.metrics().splitlines() if not line.startswith("#")]
    series = [sample.rpartition(" ")[0] for sample in samples]
    assert len(series) == len(set(series))


def test_broken_app_breaks_nothing(proxy: StartProxy, prometheus: StartPrometheus):
    """Prometheus still scrapes, and has all but the one family that can't be read."""
    running = proxy()
    push(running, "shop.py")
    assert running.push_tcp(BROKEN) == ""
    assert states(running)["broken"].startswith("quarantined: line 2: ")
    for accept in ("text/plain", "application/openmetrics-text"):
        page = running.get("/metrics", {"Accept": accept}).body.decode()
        assert "\ngood_metric 1\n" in page
        assert "bad_metric" not in page
    query = prometheus(running.http_port)
    until(lambda: query("good_metric == 1"), "a scrape")

    until(lambda: query('shop_orders_total{paid="card"} == 3'), "the other app's")
    assert not query("bad_metric")
    until(lambda: query('up{job="exporter-proxy"} == 1'), "a scrape in time")

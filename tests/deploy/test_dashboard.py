"""The Grafana dashboard: its expressions, by a Prometheus that scrapes a proxy."""

import json
import re
from typing import Any

from tests.deploy.files import DEPLOY, alert_rules, documented_metrics, metric_names
from tests.proxy_process import until

DASHBOARD: dict[str, Any] = json.loads(
    (DEPLOY / "grafana" / "exporter-proxy.json").read_text(encoding="utf-8")
)
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
# What Grafana puts in for variables.
VARIABLES = {"$job": "exporter-proxy", "$instance": ".+", "$__rate_interval": "1m"}
# Metrics that have no panel, and why not.
NOT_SHOWN = {
    "exporter_proxy_access_reload_failures_total": "a panel shows which files are unusable now",
    "exporter_proxy_log_checkpoints_total": "one goes with the next; those that fail are shown",
    "exporter_proxy_log_lines_total": "its parts are shown: lines that were understood, and others",
    "exporter_proxy_process_virtual_memory_bytes": "address space costs nothing",
    "exporter_proxy_state_last_save_timestamp_seconds": "what waits to be saved is shown",
    "exporter_proxy_state_restored_apps": "says something once, at the start",
}
# What is there only after something went wrong, or where something is polled.
MAY_BE_EMPTY = (
    "_poll",
    "_rejected_",
    "_closed_",
    "_failures_",
    "_access_",
    "_requests_refused_",
    "_tls_",
)


def filled_in(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


def test_metrics_are_documented():
    used = {name for expression in EXPRESSIONS for name in metric_names(expression)}

    assert used
    assert used <= documented_metrics()


def test_all_others_have_a_reason():
    """Whoever adds a metric says where it is seen, or why it is not."""
    text = json.dumps(DASHBOARD)
    series = documented_metrics()
    # Of a summary there are a sum and a number alone.
    series = {name for name in series if f"{name}_sum" not in series}

    assert series - metric_names(text) == NOT_SHOWN.keys()


def test_every_expression_has_an_answer(proxy, prometheus, tmp_path):
    """Prometheus can read each of them, and has series for all that is always there."""
    (tmp_path / "job.prom").write_text("job_runs 1\n", encoding="utf-8")
    (tmp_path / "log").write_text("one\n", encoding="utf-8")
    running = proxy(
        exporter={"state_file": str(tmp_path / "state.db")},
        module=[
            {"name": "job", "kind": "file", "path": str(tmp_path / "job.prom"), "interval": 0.2}
        ],
        log=[{"path": str(tmp_path / "log"), "app": "log", "preset": "sshd"}],
    )
    running.push_tcp(b'{"shop": "shop_orders 1"}')
    query = prometheus(running.http_port)
    # Two scrapes at least, for rates.
    until(lambda: query("rate(exporter_proxy_scrapes_total[1m])"), "two scrapes")

    for expression in map(filled_in, EXPRESSIONS):
        # The result of what can't be read is empty, too: a literal tells them apart.
        # A scrape that comes too late on a busy machine ends series until the next one.
        until(lambda wanted=f"vector(1) or ({expression})": query(wanted), expression)
        # What is shown only where there is some of it.
        some = expression.endswith(" > 0")
        if not some and not any(part in expression for part in MAY_BE_EMPTY):
            until(lambda wanted=expression: query(wanted), expression)


def test_held_back_counts_what_the_alert_counts():
    """The same reasons."""
    (rule,) = [rule for rule in alert_rules() if rule["alert"] == "ExporterProxyAppQuarantined"]
    (reasons,) = re.findall(r'reason=~"[^"]+"', rule["expr"])
    (panel,) = [panel for panel in PANELS if panel["title"] == "Held back"]

    assert reasons in panel["targets"][0]["expr"]


def test_variables():
    """A data source to choose, and whatever jobs and instances there are."""
    names = [variable["name"] for variable in DASHBOARD["templating"]["list"]]

    assert names == ["datasource", "job", "instance"]
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"


def test_layout():
    """No panel lies on another, none is wider than the page, and each has an id of its own."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)

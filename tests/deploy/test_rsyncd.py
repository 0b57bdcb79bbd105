"""What deploy/ has for rsync daemons, by Prometheus's own tools and a log that is read."""

import json
import re
from pathlib import Path
from typing import Any

from tests.deploy.files import DEPLOY, load, metric_names
from tests.deploy.test_dashboard import filled_in
from tests.deploy.test_prometheus import promtool
from tests.proxy_process import ROOT, until

RULES = [
    rule
    for group in load(DEPLOY / "prometheus" / "rsyncd.yml")["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "rsyncd.json").read_text("utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
LOG = """\
2022/05/22 10:00:00 [{pid}] connect from a (10.0.0.1)
2022/05/22 10:00:00 [{pid}] rsync {way} ftp/x from a (10.0.0.1)
2022/05/22 10:00:00 [{pid}] building file list
2022/05/22 10:00:01 [{pid}] sent 3000000 bytes  received 20 bytes  total size 5000000
2022/05/22 10:00:01 [{pid}] rsync error: timeout in data send/receive (code 30) at io.c(1) [x=3.2]
2022/05/22 10:00:00 [{pid}1] auth failed on module ftp from a (10.0.0.1): password mismatch
2022/05/22 10:00:00 [{pid}2] rsync denied on module ftp from a (10.0.0.1)
"""


def test_alert_rules(tool):
    """Each goes off when it should, at another time not, and tells what to do."""
    said = promtool(tool, "check", "rules", "rsyncd.yml")
    assert f"SUCCESS: {len(RULES)} rules found" in said
    assert "SUCCESS" in promtool(tool, "test", "rules", "rsyncd_test.yml")
    tried: dict[str, set[bool]] = {}
    for case in load(DEPLOY / "prometheus" / "rsyncd_test.yml")["tests"]:
        for check in case["alert_rule_test"]:
            tried.setdefault(check["alertname"], set()).add(bool(check["exp_alerts"]))

    assert tried == {rule["alert"]: {True, False} for rule in RULES}
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_metrics_are_documented():
    """Those of rsync in docs/logs.md."""
    text = (ROOT / "docs" / "logs.md").read_text("utf-8")
    documented = set(re.findall(r"`(rsync_\w+)`", text))
    used = {
        name.removesuffix("_bucket")
        for expression in [*EXPRESSIONS, *(rule["expr"] for rule in RULES)]
        for name in re.findall(r"\brsync_[a-z_]+", expression)
    }

    assert used
    assert used <= documented


def test_every_expression_has_an_answer(proxy, prometheus, tmp_path: Path):
    """From a log that has something of everything, while it grows."""
    log = tmp_path / "rsyncd.log"
    log.write_text(LOG.format(pid=1, way="on"))
    running = proxy(log=[{"path": str(log), "preset": "rsyncd", "start": "beginning"}])
    running.wait_metrics("rsync_connections_total 1")
    query = prometheus(running.http_port)
    until(lambda: query("rsync_connections_total == 1"), "the first scrape")
    with log.open("a") as file:
        file.write(LOG.format(pid=2, way="on"))
    until(lambda: query("rate(rsync_connections_total[1m]) > 0"), "two scrapes")
    until(lambda: query("exporter_proxy_log_unread_bytes"), "the self-metrics")

    for expression in map(filled_in, EXPRESSIONS):
        # A scrape that comes too late on a busy machine ends series until the next one.
        until(lambda wanted=f"vector(1) or ({expression})": query(wanted), expression)
        until(lambda wanted=expression: query(wanted), expression)
    assert metric_names(" ".join(EXPRESSIONS)) == {"exporter_proxy_log_unread_bytes"}


def test_layout():
    """No panel lies on another, and each has an id of its own."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])

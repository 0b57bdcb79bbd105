"""The scrape configurations and the alerts, by Prometheus's own tools."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.deploy.files import DEPLOY, alert_rules, documented_metrics, load, metric_names
from tests.proxy_process import ROOT

PROMETHEUS = DEPLOY / "prometheus"


def promtool(tool, *arguments: str, cwd: Path = PROMETHEUS) -> str:
    """Run promtool, which has to be content, and return what it says."""
    done = subprocess.run(
        [tool("promtool"), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_scrape_configuration(tool):
    """With the rules that it names."""
    said = promtool(tool, "check", "config", "prometheus.yml")

    assert "SUCCESS: prometheus.yml is valid" in said
    assert f"SUCCESS: {len(list(alert_rules()))} rules found" in said


def test_scrape_configuration_of_kubernetes(tool, tmp_path):
    """What there is besides its service discovery, without which Debian builds Prometheus."""
    file = DEPLOY / "kubernetes" / "prometheus.yml"
    (job,) = load(file)["scrape_configs"]
    assert job["kubernetes_sd_configs"] == [{"role": "pod"}]
    text = file.read_text(encoding="utf-8")
    discovery = "    kubernetes_sd_configs:\n      - role: pod\n"
    assert discovery in text
    (tmp_path / "prometheus.yml").write_text(text.replace(discovery, ""), encoding="utf-8")

    promtool(tool, "check", "config", "prometheus.yml", cwd=tmp_path)


def test_alert_rules(tool):
    said = promtool(tool, "check", "rules", "alerts.yml")

    assert f"SUCCESS: {len(list(alert_rules()))} rules found" in said


def test_alerts_go_off_when_they_should(tool):
    assert "SUCCESS" in promtool(tool, "test", "rules", "alerts_test.yml")


def test_the_tests_of_alerts_can_fail(tool, tmp_path):
    """A threshold that is another fails them."""
    for name in ("alerts.yml", "alerts_test.yml"):
        shutil.copy(PROMETHEUS / name, tmp_path)
    rules = tmp_path / "alerts.yml"
    text = rules.read_text(encoding="utf-8")
    assert "max_apps > 0.9" in text
    rules.write_text(text.replace("max_apps > 0.9", "max_apps > 0.99"), encoding="utf-8")
    done = subprocess.run(
        [tool("promtool"), "test", "rules", "alerts_test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "alertname: ExporterProxyTableNearlyFull" in done.stdout + done.stderr


def test_each_alert_is_tried_both_ways():
    """At one time it goes off, at another it doesn't."""
    tried: dict[str, set[bool]] = {}
    for case in load(PROMETHEUS / "alerts_test.yml")["tests"]:
        for check in case["alert_rule_test"]:
            tried.setdefault(check["alertname"], set()).add(bool(check["exp_alerts"]))

    assert tried == {rule["alert"]: {True, False} for rule in alert_rules()}


def test_alerts_name_documented_metrics():
    used = {name for rule in alert_rules() for name in metric_names(rule["expr"])}

    assert used
    assert used <= documented_metrics()


def test_alerts_tell_what_to_do():
    for rule in alert_rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_all_reasons_of_quarantine_set_off_the_alert():
    """Those for which docs/exposition.md says so, and no other."""
    text = (ROOT / "docs" / "exposition.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(\w+)` \| quarantine \|", text, re.MULTILINE)
    (rule,) = [rule for rule in alert_rules() if rule["alert"] == "ExporterProxyAppQuarantined"]
    (reasons,) = re.findall(r'reason=~"([^"]+)"', rule["expr"])

    assert sorted(reasons.split("|")) == sorted(documented)

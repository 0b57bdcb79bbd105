"""What the files under deploy/ are held against."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.proxy_process import ROOT

DEPLOY = ROOT / "deploy"

_NAME = re.compile(r"\bexporter_proxy_[a-z_]+")


def metric_names(expression: str) -> set[str]:
    """Return the names of the proxy's own metrics in a PromQL expression."""
    return set(_NAME.findall(expression))


def documented_metrics() -> set[str]:
    """Return the names of all series of which docs/metrics.md tells."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(exporter_proxy_\w+)` \| (\w+) \|", text, re.MULTILINE)
    names = {name for name, _ in rows}
    for name, kind in rows:
        if kind in {"summary", "histogram"}:
            names |= {f"{name}_sum", f"{name}_count"}
    return names


def alert_rules() -> Iterator[dict[str, Any]]:
    """Yield the rules of all groups of alerts.yml."""
    document = load(DEPLOY / "prometheus" / "alerts.yml")
    for group in document["groups"]:
        yield from group["rules"]


def load(path: Path) -> Any:
    """Return the only YAML document of a file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))

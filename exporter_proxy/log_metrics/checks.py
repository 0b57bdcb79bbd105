"""What is wrong with a ``[[log]]`` section, whatever its log looks like."""

import re
from itertools import pairwise

from exporter_proxy.errors import quote
from exporter_proxy.log_metrics.settings import LogSettings, MetricSettings

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_OURS = "exporter_proxy_"


def check_section(settings: LogSettings, key: str) -> tuple[list[str], list[str]]:
    """Return problems and doubts, one line each, each beginning with the name of its key."""
    problems: list[str] = []
    doubts: list[str] = []
    if settings.format and settings.format_file:
        problems.append(f"{key}.format_file: can't be used together with format")
    if settings.preset is not None and settings.metrics:
        problems.append(f"{key}.metrics: can't be used together with preset: write another [[log]]")
    if settings.preset is None and not settings.metrics:
        problems.append(f"{key}.metrics: missing: must be sections [[log.metrics]], or set preset")
    names: set[str] = set()
    for place, metric in enumerate(settings.metrics):
        metric_key = f"{key}.metrics[{place}]"
        problems += _problems(metric, metric_key)
        doubts += _doubts(metric, metric_key)
        own = {metric.name}
        if metric.type == "histogram":
            own |= {metric.name + suffix for suffix in ("_bucket", "_sum", "_count")}
        if own & names:
            problems.append(f"{metric_key}.name: {quote(metric.name)}: is there twice")
        names |= own
    return problems, doubts


def _problems(metric: MetricSettings, key: str) -> list[str]:
    found: list[str] = []
    name = f"{key}.name: {quote(metric.name)}"
    if not _NAME.fullmatch(metric.name):
        found.append(f"{name}: must be a metric name: letters, digits, _ and :, no digit first")
    elif metric.name.startswith(_OURS):
        found.append(f"{name}: must not begin with {_OURS}, as the proxy's own metrics do")
    if metric.type == "histogram":
        found += _bucket_problems(metric, key)
    elif metric.buckets:
        found.append(f"{key}.buckets: can't be used: only a histogram has buckets")
    if metric.action != "set" and metric.type != "gauge":
        found.append(f"{key}.action: can't be used: only a gauge is set or moved")
    if not metric.scale > 0:
        found.append(f"{key}.scale: {metric.scale:g}: must be greater than 0")
    return found


def _bucket_problems(metric: MetricSettings, key: str) -> list[str]:
    buckets = list(metric.buckets)
    if not buckets:
        return [f"{key}.buckets: missing: must be a list of numbers, such as [0.1, 1, 10]"]
    if len(buckets) > 200:
        return [f"{key}.buckets: must be at most 200"]
    if any(low >= high for low, high in pairwise(buckets)):
        return [f"{key}.buckets: must be ascending, each once"]
    if not metric.value:
        return [f"{key}.value: missing: a histogram needs the group that has its numbers"]
    return []


def _doubts(metric: MetricSettings, key: str) -> list[str]:
    shown = f"{key}.name: {quote(metric.name)}"
    if metric.type == "counter" and not metric.name.endswith("_total"):
        return [f"{shown}: the name of a counter should end in _total"]
    if metric.type != "counter" and metric.name.endswith("_total"):
        return [f"{shown}: the name of a {metric.type} should not end in _total"]
    return []

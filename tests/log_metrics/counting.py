"""Counters of sections, and what they have counted."""

from typing import Any

from exporter_proxy.config.logs import LOGS, LogConfig
from exporter_proxy.log_metrics.columns import Found
from exporter_proxy.log_metrics.compile import compile_log
from exporter_proxy.log_metrics.counter import LineCounter


def section(**keys: Any) -> LogConfig:
    """Return the ``[[log]]`` section with ``keys`` as TOML has them."""
    return LOGS.read([{"path": "/var/log/x", **keys}], "log")[0]


def counter(format_text: str | None = None, **keys: Any) -> LineCounter:
    return compile_log(section(**keys), "log[0]", format_text)


def samples(counted: LineCounter) -> dict[str, float]:
    """Return {series: value}."""
    lines = counted.exposition().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def count(lines: str | bytes, format_text: str | None = None, **keys: Any) -> dict[str, float]:
    """Return {series: value} after ``lines``, without buckets and zeros."""
    counted = counter(format_text, **keys)
    counted.feed(lines.encode() if isinstance(lines, str) else lines)
    return {
        name: value for name, value in samples(counted).items() if value and "_bucket" not in name
    }


def rows(found: Found, *groups: str) -> list[tuple[str, ...]]:
    """Return what ``groups`` hold in each event."""
    if not groups:
        return [()] * found.events
    columns = (found.columns[name] if found.columns else () for name in groups)
    return [tuple(held or "" for held in row) for row in zip(*columns, strict=True)]

"""From sections ``[[log.metrics]]``, and what presets have instead, to metrics."""

from collections.abc import Collection, Sequence
from typing import Any

import re2

from exporter_proxy.errors import ConfigError, quote
from exporter_proxy.log_metrics.conditions import Condition, ConditionError, re2_message
from exporter_proxy.log_metrics.families import (
    CounterFamily,
    Family,
    GaugeFamily,
    HistogramFamily,
)
from exporter_proxy.log_metrics.line_format import LINE, Re2Format, compile_re2
from exporter_proxy.log_metrics.metric import Metric, Selection
from exporter_proxy.log_metrics.settings import MetricSettings
from exporter_proxy.log_metrics.templates import Template, TemplateError, read_template


def make_metrics(
    settings: Sequence[MetricSettings], groups: Collection[str], max_series: int, key: str
) -> list[Metric]:
    """Return the metrics; those of one name count in one family.

    Args:
        settings: What they are.
        groups: The groups that the format has.
        max_series: Label sets, for those that have none of their own.
        key: How the section is called in messages.

    Raises:
        ConfigError: One of them can't be used.
    """
    families: dict[str, Family[Any]] = {}
    metrics: list[Metric] = []
    problems: list[str] = []
    for place, each in enumerate(settings):
        try:
            metrics.append(
                _make_metric(each, groups, max_series, f"{key}.metrics[{place}]", families)
            )
        except ConfigError as exc:
            problems += exc.problems
    if problems:
        raise ConfigError(problems)
    return metrics


def _make_metric(
    settings: MetricSettings,
    groups: Collection[str],
    max_series: int,
    key: str,
    families: dict[str, Family[Any]],
) -> Metric:
    problems: list[str] = []
    templates = _templates(settings, key, problems)
    try:
        selection = _selection(settings, key, _used(settings, templates))
    except ConfigError as exc:
        raise ConfigError([*problems, *exc.problems]) from None
    known = [*groups, *(selection.regex.groups if selection.regex else ())]
    problems += _unknown_groups(settings, templates, known, key)
    if problems:
        raise ConfigError(problems)
    family = families.get(settings.name)
    if family is None:
        limit = max_series if settings.max_series is None else settings.max_series
        family = families[settings.name] = _family(settings, limit)
    return Metric(family, selection, templates, settings.value, settings.action)


def _used(settings: MetricSettings, templates: Sequence[Template]) -> list[str]:
    return [*(name for each in templates for name in each.groups), settings.value]


def _family(settings: MetricSettings, max_series: int) -> Family[Any]:
    labels, scale = list(settings.labels), settings.scale
    if settings.type == "histogram":
        return HistogramFamily(
            settings.name, settings.help, settings.buckets, labels, max_series, scale
        )
    kind: type[CounterFamily] = GaugeFamily if settings.type == "gauge" else CounterFamily
    return kind(settings.name, settings.help, labels, max_series, scale)


def _templates(settings: MetricSettings, key: str, problems: list[str]) -> list[Template]:
    templates = []
    for name, text in settings.labels.items():
        try:
            templates.append(read_template(text))
        except TemplateError as exc:
            problems.append(f"{key}.labels.{name}: {exc}")
    return templates


def _selection(settings: MetricSettings, key: str, used: list[str]) -> Selection:
    match = settings.match
    if isinstance(match, str):
        if not match:
            return Selection()
        try:
            compile_re2(match)
        except re2.error as exc:
            problem = f"{quote(match)}: RE2 does not take it: {re2_message(exc)}"
            raise ConfigError([f"{key}.match: {problem}"]) from None
        return Selection(regex=Re2Format(match, used))
    conditions: list[tuple[str, Condition]] = []
    problems: list[str] = []
    for group, texts in match.items():
        for text in texts:
            try:
                conditions.append((group, Condition(text)))
            except ConditionError as exc:
                problems.append(f"{key}.match.{group}: {quote(text)}: {exc}")
    if problems:
        raise ConfigError(problems)
    return Selection(conditions)


def _unknown_groups(
    settings: MetricSettings, templates: Sequence[Template], known: Sequence[str], key: str
) -> list[str]:
    """Say which groups there are not."""
    shown = ", ".join(name for name in dict.fromkeys(known) if name != LINE) or "none"
    asked: list[tuple[str, str]] = [(f"{key}.value", settings.value)] if settings.value else []
    if not isinstance(settings.match, str):
        asked += [(f"{key}.match.{group}", group) for group in settings.match]
    for name, template in zip(settings.labels, templates, strict=False):
        asked += [(f"{key}.labels.{name}", group) for group in template.groups]
    return [
        f"{where}: there is no group {quote(group)} in the format; there are: {shown}"
        for where, group in asked
        if group not in known and group != LINE
    ]

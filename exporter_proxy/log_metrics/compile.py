"""From what the configuration says about a log to what counts its lines."""

import re
from collections.abc import Collection, Sequence
from hashlib import sha256

import re2

from exporter_proxy.errors import ConfigError, quote
from exporter_proxy.log_metrics.checks import check_section
from exporter_proxy.log_metrics.conditions import re2_message
from exporter_proxy.log_metrics.counter import LineCounter, Reader
from exporter_proxy.log_metrics.grok import GrokError, expand, looks_like_grok
from exporter_proxy.log_metrics.line_format import (
    LINE,
    AnyLine,
    OwnFormat,
    Re2Format,
    compile_re2,
)
from exporter_proxy.log_metrics.log_format import (
    FormatError,
    log_format_pattern,
    looks_like_log_format,
)
from exporter_proxy.log_metrics.making import make_metrics
from exporter_proxy.log_metrics.presets import (
    ACCESS_LINES,
    SSHD_LINE,
    access_metrics,
    sshd_metrics,
)
from exporter_proxy.log_metrics.reader import FormatReader
from exporter_proxy.log_metrics.rsyncd.reader import RsyncdReader
from exporter_proxy.log_metrics.rsyncd.transfer_line import DEFAULT, transfer_pattern
from exporter_proxy.log_metrics.settings import LogSettings, MetricSettings

_GROUP = re.compile(r"\(\?P?<(\w+)>")


def compile_log(settings: LogSettings, key: str, format_text: str | None = None) -> LineCounter:
    """Return a new counter for the lines of a ``[[log]]`` section.

    Args:
        settings: The section.
        key: How it is called in messages: ``log[0]``.
        format_text: The first line of ``settings.format_file``, which the caller has read, without
            its newline; None: there is no such key.

    Raises:
        ConfigError: It can't be used; each problem begins with the full name of its key.
    """
    problems, _ = check_section(settings, key)
    if problems:
        raise ConfigError(problems)
    text = settings.format if format_text is None else format_text
    format_key = f"{key}.format" if format_text is None else f"{key}.format_file"
    reader: Reader
    if settings.preset == "rsyncd":
        reader = RsyncdReader(transfer_pattern(text or DEFAULT, format_key), settings.max_series)
    elif settings.preset is None:
        reader = _own_reader(settings, key, text, format_key)
    else:
        reader = _preset_reader(settings, text, format_key)
    return LineCounter(reader, _fingerprint(settings, text))


def check_log(settings: LogSettings, key: str) -> list[str]:
    """Return what may be meant in a section, but hardly is: one line each.

    Raises:
        ConfigError: It can't be used. What depends on the text of a ``format_file`` isn't checked.
    """
    problems, doubts = check_section(settings, key)
    if problems:
        raise ConfigError(problems)
    if not settings.format_file:
        compile_log(settings, key)
    return doubts


def _preset_reader(settings: LogSettings, text: str, format_key: str) -> FormatReader:
    preset = settings.preset
    assert preset in ("nginx", "apache", "sshd")
    if preset == "sshd":
        if text:
            raise ConfigError([f"{format_key}: can't be used: the preset sshd needs no format"])
        source, specs = SSHD_LINE, sshd_metrics()
    else:
        source = _log_format(text, format_key) if text else ACCESS_LINES[preset]
        specs = access_metrics(preset, _GROUP.findall(source))
    metrics = make_metrics(specs, _GROUP.findall(source), settings.max_series, "")
    needed = {name for metric in metrics for name in metric.groups}
    if text:
        source = _log_format(text, format_key, needed)
    return FormatReader(OwnFormat(source, needed), metrics)


def _own_reader(settings: LogSettings, key: str, text: str, format_key: str) -> FormatReader:
    """Return the reader for a format and metrics of the operator's own."""
    if not text:
        metrics = make_metrics(settings.metrics, (LINE,), settings.max_series, key)
        return FormatReader(AnyLine(), metrics, any_line=True)
    kind = _guess(text, settings) if settings.format_type == "auto" else settings.format_type
    own: type[OwnFormat | Re2Format] = Re2Format
    if kind == "log_format":
        source, own = _log_format(text, format_key), OwnFormat
    elif kind == "grok":
        source = _grok(text, settings, format_key)
    else:
        source = text
    if own is Re2Format:
        _check_re2(source, text, format_key)
    groups = list(dict.fromkeys([*_GROUP.findall(source), LINE]))
    metrics = make_metrics(settings.metrics, groups, settings.max_series, key)
    needed = {name for metric in metrics for name in metric.groups}
    if kind == "log_format":
        return FormatReader(OwnFormat(_log_format(text, format_key, needed), needed), metrics)
    return FormatReader(Re2Format(source, needed), metrics)


def _guess(text: str, settings: LogSettings) -> str:
    """Return which kind of format ``text`` is."""
    if looks_like_grok(text, settings.patterns):
        return "grok"
    return "log_format" if looks_like_log_format(text) else "regex"


def _log_format(text: str, format_key: str, needed: Collection[str] | None = None) -> str:
    try:
        return log_format_pattern(text, needed)
    except FormatError as exc:
        raise ConfigError([f"{format_key}: {quote(text)}: {exc}"]) from None


def _grok(text: str, settings: LogSettings, format_key: str) -> str:
    try:
        return expand(text, settings.patterns)
    except GrokError as exc:
        raise ConfigError([f"{format_key}: {quote(text)}: {exc}"]) from None


def _check_re2(source: str, text: str, format_key: str) -> None:
    try:
        compile_re2(source)
    except re2.error as exc:
        raise ConfigError(
            [f"{format_key}: {quote(text)}: RE2 does not take it: {re2_message(exc)}"]
        ) from None


def _fingerprint(settings: LogSettings, text: str) -> str:
    """Return a text that is another if counts made before don't belong to these metrics."""
    parts: Sequence[object] = (
        settings.preset,
        text,
        settings.format_type,
        sorted(settings.patterns.items()),
        [_meaning(metric) for metric in settings.metrics],
    )
    return sha256(repr(parts).encode(errors="replace")).hexdigest()


def _meaning(metric: MetricSettings) -> tuple[object, ...]:
    match = metric.match if isinstance(metric.match, str) else sorted(metric.match.items())
    return (
        (metric.name, metric.type, match, metric.value, metric.scale, metric.action),
        (sorted(metric.labels.items()), list(metric.buckets)),
    )

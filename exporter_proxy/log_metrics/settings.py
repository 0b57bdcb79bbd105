"""What the configuration says about a log, as far as it concerns the metrics.

Protocols, which the sections of the configuration satisfy: this room needs nothing of theirs.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

MetricType = Literal["counter", "gauge", "histogram"]
Action = Literal["set", "add", "subtract"]
FormatType = Literal["auto", "regex", "grok", "log_format"]
Preset = Literal["rsyncd", "nginx", "apache", "sshd"]
PRESETS: tuple[Preset, ...] = ("rsyncd", "nginx", "apache", "sshd")

Match = str | Mapping[str, Sequence[str]]
"""A regular expression for the line, or {group: conditions}, all of which must hold."""


class MetricSettings(Protocol):
    """A ``[[log.metrics]]`` section; what its keys mean is in docs/logs.md."""

    @property
    def name(self) -> str: ...  # noqa: D102  # here and below: the keys of the section
    @property
    def type(self) -> MetricType: ...  # noqa: D102
    @property
    def help(self) -> str: ...  # noqa: D102
    @property
    def match(self) -> Match: ...  # noqa: D102
    @property
    def value(self) -> str: ...  # noqa: D102
    @property
    def scale(self) -> float: ...  # noqa: D102
    @property
    def action(self) -> Action: ...  # noqa: D102
    @property
    def labels(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def buckets(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def max_series(self) -> int | None: ...  # noqa: D102


class LogSettings(Protocol):
    """A ``[[log]]`` section, as far as it concerns the metrics."""

    @property
    def preset(self) -> Preset | None: ...  # noqa: D102
    @property
    def format(self) -> str: ...  # noqa: D102
    @property
    def format_file(self) -> str: ...  # noqa: D102
    @property
    def format_type(self) -> FormatType: ...  # noqa: D102
    @property
    def patterns(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def metrics(self) -> Sequence[MetricSettings]: ...  # noqa: D102
    @property
    def max_series(self) -> int: ...  # noqa: D102

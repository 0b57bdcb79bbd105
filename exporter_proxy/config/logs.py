"""Logs that are followed: the ``[[log]]`` sections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from exporter_proxy.config.endpoints import APP
from exporter_proxy.config.kinds import Duration, Integer, Kind, Size, UnfitError, type_name
from exporter_proxy.config.labels import LABELS
from exporter_proxy.config.tables import ListOf, Section, TableOf
from exporter_proxy.config.texts import Choice, OptionalPath, Path, String
from exporter_proxy.errors import ConfigError, PayloadError, quote
from exporter_proxy.payload.names import MAX_NAME_CHARACTERS, check_name

LOG_SOURCE = "log: "
"""What the source of every app of a log begins with, as ``/apps`` shows it."""

MAX_SERIES = Integer(1, 1_000_000)
_SHOWN_NUMBER = "a number, such as 0.001"


class Number(Kind[float]):
    """A finite number."""

    expected = _SHOWN_NUMBER

    def convert(self, value: object) -> float:
        """See :meth:`Kind.convert`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnfitError
        if not abs(value) < 1e300:  # also refuses not-a-number, of which no comparison is true
            raise UnfitError
        return float(value)


class LogPath(Path):
    """A file, or a pattern of several; nothing that can be read only once."""

    def __init__(self) -> None:
        super().__init__()
        self.expected = 'the path of a log file, or a pattern such as "/var/log/nginx/*.log"'

    def convert(self, value: object) -> str:
        """See :meth:`Kind.convert`."""
        path = super().convert(value)
        if path in {"-", "/dev/stdin"} or path.startswith("/dev/fd/"):
            raise UnfitError("must be a file: standard input can't be followed")
        try:
            check_name(f"{LOG_SOURCE}{path[:100]}")
        except PayloadError:
            raise UnfitError("must not have control characters") from None
        return path


class LineSize(Size):
    """How long a line may be."""

    expected = 'a size from 256 bytes to 1 MiB, such as 65536 or "64KiB"'

    def convert(self, value: object) -> int:
        """See :meth:`Kind.convert`."""
        size = super().convert(value)
        if not 256 <= size <= 2**20:
            raise UnfitError
        return size


class Conditions(Kind[tuple[str, ...]]):
    """One condition on a group, or a list of them: ``">= 500"``, ``["=~ ^/api/", "!= /api/x"]``."""

    expected = 'a condition such as ">= 500", "GET" or "=~ ^/api/", or a list of them'

    def convert(self, value: object) -> tuple[str, ...]:
        """See :meth:`Kind.convert`; a number is a condition for equality."""
        if isinstance(value, list):
            return tuple(text for item in value for text in self.convert(item))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return (f"== {value}",)
        if not isinstance(value, str):
            raise UnfitError
        return (value,)


def _any_name(_name: str) -> None:
    """Take every name: whether there is such a group is known when the format is read."""


class Match(Kind[str | Mapping[str, tuple[str, ...]]]):
    """A regular expression for the line, or a table of conditions on groups."""

    expected = 'a regular expression (RE2), or a table such as { status = ">= 500" }'
    _table = TableOf(Conditions(), expected, _any_name)

    def read(self, value: object, key: str) -> str | Mapping[str, tuple[str, ...]]:
        """See :meth:`Kind.read`."""
        if isinstance(value, str):
            return value
        if isinstance(value, dict):
            return self._table.read(value, key)
        raise ConfigError([f"{key}: {type_name(value)}: must be {self.expected}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMetricConfig:
    """A ``[[log.metrics]]`` section: one metric family that is made of events.

    Attributes:
        name: The family's name.
        type: What it is.
        help: What it tells.
        match: Which lines count: a regular expression searched in the line, or conditions on groups
            of the format; empty: every line that the format matches.
        value: The group that has the number to count with; empty: 1.
        scale: What the number is multiplied by: from the log's unit to the metric's.
        action: What the number does to a gauge.
        labels: Labels, whose texts may have groups in braces: ``{method}``.
        buckets: Upper bounds of a histogram's buckets, in the metric's unit, without ``+Inf``.
        max_series: Label sets; what has another goes to one overflow series. None: the section's.
    """

    name: Annotated[str, String("the name of a metric")]
    type: Annotated[
        Literal["counter", "gauge", "histogram"], Choice("counter", "gauge", "histogram")
    ]
    help: Annotated[str, String("a text about the metric")] = ""
    match: Annotated[str | Mapping[str, tuple[str, ...]], Match()] = ""
    value: Annotated[str, String("the name of a group")] = ""
    scale: Annotated[float, Number()] = 1.0
    action: Annotated[Literal["set", "add", "subtract"], Choice("set", "add", "subtract")] = "set"
    labels: Annotated[dict[str, str], LABELS] = field(default_factory=dict)
    buckets: Annotated[tuple[float, ...], ListOf(Number(), "a list of numbers")] = ()
    max_series: Annotated[int | None, MAX_SERIES] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """A ``[[log]]`` section: files whose lines are counted.

    Attributes:
        path: The file, or a pattern of several.
        app: The app that has the metrics; None: ``log: `` and the path.
        preset: A kind of log whose lines and metrics are known.
        format: How a line looks: a regular expression, Grok pattern or log_format.
        format_file: A file whose first line is the format.
        format_type: Which of them it is.
        patterns: Grok patterns of one's own, by name.
        metrics: What is counted.
        max_series: Label sets of each metric.
        start: Where files are read from that are there when the proxy starts, without a checkpoint.
        checkpoint: File that keeps how far was read, and the counts; empty: none does.
        checkpoint_interval: Seconds from one writing of it to the next.
        poll_interval: Seconds from one look at the files to the next, at most.
        update_interval: Seconds from one update of the app to the next, at least.
        max_line: Bytes of a line that are read; the rest is left out.
        max_files: How many files that match ``path`` are followed.
    """

    path: Annotated[str, LogPath()]
    app: Annotated[str | None, APP] = None
    preset: Annotated[
        Literal["rsyncd", "nginx", "apache", "sshd"] | None,
        Choice("rsyncd", "nginx", "apache", "sshd"),
    ] = None
    format: Annotated[str, String("a format of lines")] = ""
    format_file: Annotated[str, OptionalPath()] = ""
    format_type: Annotated[
        Literal["auto", "regex", "grok", "log_format"],
        Choice("auto", "regex", "grok", "log_format"),
    ] = "auto"
    patterns: Annotated[
        dict[str, str],
        TableOf(
            String("a Grok pattern"),
            'a table of Grok patterns, such as { QUEUE = "[A-Z]{6}" }',
            _any_name,
        ),
    ] = field(default_factory=dict)
    metrics: Annotated[
        tuple[LogMetricConfig, ...],
        ListOf(
            Section(
                LogMetricConfig,
                expected="a section, written [[log.metrics]]",
                place="[[log.metrics]]",
            ),
            "sections, each written [[log.metrics]]",
        ),
    ] = ()
    max_series: Annotated[int, MAX_SERIES] = 1000
    start: Annotated[Literal["end", "beginning"], Choice("end", "beginning")] = "end"
    checkpoint: Annotated[str, OptionalPath()] = ""
    checkpoint_interval: Annotated[float, Duration(0.1, '5 or "1m"')] = 5.0
    poll_interval: Annotated[float, Duration(0.05, '1 or "500ms"')] = 1.0
    update_interval: Annotated[float, Duration(0.05, '1 or "500ms"')] = 1.0
    max_line: Annotated[int, LineSize()] = 64 * 2**10
    max_files: Annotated[int, Integer(1, 10_000)] = 1000

    @property
    def app_name(self) -> str:
        """The app that has the metrics."""
        return self.source if self.app is None else self.app

    @property
    def source(self) -> str:
        """As ``/apps`` shows it."""
        return f"{LOG_SOURCE}{self.path}"


def log_conflicts(logs: Sequence[LogConfig]) -> list[str]:
    """Return what is wrong between sections: two that write the same app, or the same file."""
    problems: list[str] = []
    apps: dict[str, str] = {}
    files: dict[str, str] = {}
    for number, log in enumerate(logs):
        key = f"log[{number}]"
        owner = apps.setdefault(log.app_name, key)
        if owner != key:
            problems.append(
                f"{key}.app: {quote(log.app_name)}: is the app of {owner}, too: give one of them "
                "another"
            )
        if log.checkpoint and (owner := files.setdefault(log.checkpoint, key)) != key:
            problems.append(
                f"{key}.checkpoint: {quote(log.checkpoint)}: is the one of {owner}, too: each "
                "needs its own"
            )
        if len(log.app_name) > MAX_NAME_CHARACTERS:
            problems.append(
                f"{key}.app: missing: an app's name has at most {MAX_NAME_CHARACTERS} characters, "
                "and this path has more"
            )
    return problems


LOGS = ListOf(
    Section(LogConfig, expected="a section, written [[log]]", place="[[log]]"),
    "sections, each written [[log]]",
)

"""What becomes of the metrics of apps: the ``[[app]]`` sections."""

from dataclasses import dataclass, field
from typing import Annotated

from exporter_proxy.config.kinds import Boolean
from exporter_proxy.config.labels import LABELS, PATTERN, PATTERNS
from exporter_proxy.config.tables import ListOf, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class AppConfig:
    """An ``[[app]]`` section: apps whose names match, and what becomes of their metrics.

    Attributes:
        match: Pattern that the whole name of an app must match; the first section that does counts.
        labels: Labels for every sample.
        override_labels: Whether ours replace those that a sample has; None:
            ``exporter.override_labels``.
        keep: Patterns of the metric families to keep; none: all.
        drop: Patterns of the metric families to leave out.
        honor_timestamps: Whether timestamps of samples are kept.
    """

    match: Annotated[str, PATTERN]
    labels: Annotated[dict[str, str], LABELS] = field(default_factory=dict)
    override_labels: Annotated[bool | None, Boolean()] = None
    keep: Annotated[tuple[str, ...], PATTERNS] = ()
    drop: Annotated[tuple[str, ...], PATTERNS] = ()
    honor_timestamps: Annotated[bool, Boolean()] = True


APPS = ListOf(
    Section(AppConfig, expected="a section, written [[app]]", place="[[app]]"),
    "sections, each written [[app]]",
)

"""What becomes of the metrics of apps: the ``[[app]]`` sections."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from exporter_proxy.config.kinds import Age, Boolean
from exporter_proxy.config.labels import LABELS, PATTERN, PATTERNS
from exporter_proxy.config.limits import ON_EXPIRE, RATE, SAMPLES, SIZE
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
        expire_after: Seconds after which an app that sent nothing expires; None: as its source has
            it.
        on_expire: What becomes of it then; None: as its source has it.
        max_samples: Samples of an update; 0: no limit. None, here and below: as ``[exporter]`` has
            it for every app.
        max_bytes: Bytes of an update; 0: no limit.
        max_updates_per_second: Updates, on average; 0: no limit.
    """

    match: Annotated[str, PATTERN]
    labels: Annotated[dict[str, str], LABELS] = field(default_factory=dict)
    override_labels: Annotated[bool | None, Boolean()] = None
    keep: Annotated[tuple[str, ...], PATTERNS] = ()
    drop: Annotated[tuple[str, ...], PATTERNS] = ()
    honor_timestamps: Annotated[bool, Boolean()] = True
    expire_after: Annotated[float | None, Age()] = None
    on_expire: Annotated[Literal["drop", "mark"] | None, ON_EXPIRE] = None
    max_samples: Annotated[int | None, SAMPLES] = None
    max_bytes: Annotated[int | None, SIZE] = None
    max_updates_per_second: Annotated[float | None, RATE] = None


APPS = ListOf(
    Section(AppConfig, expected="a section, written [[app]]", place="[[app]]"),
    "sections, each written [[app]]",
)

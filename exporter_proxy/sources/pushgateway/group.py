"""Groups and what they hold."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exporter_proxy.exposition.given import Given
from exporter_proxy.exposition.model import FamilyType, Finding
from exporter_proxy.payload.grouping import app_name
from exporter_proxy.sources.pushgateway.series import written
from exporter_proxy.sources.pushgateway.shapes import Shape
from exporter_proxy.table import Payload

PUSH_TIME = b"push_time_seconds"
FAILURE_TIME = b"push_failure_time_seconds"
OWN: Mapping[bytes, FamilyType] = {PUSH_TIME: "gauge", FAILURE_TIME: "gauge"}
"""The families that every group has."""

_TIMES = (
    b"# HELP push_failure_time_seconds When a push to the group was last refused, in Unix time.\n"
    b"# TYPE push_failure_time_seconds gauge\n"
    b"push_failure_time_seconds %a\n"
    b"# HELP push_time_seconds When the group was last changed by a push, in Unix time.\n"
    b"# TYPE push_time_seconds gauge\n"
    b"push_time_seconds "
)
# Of groups to which no push was refused, which are nearly all.
_TIMES_OF_SOUND = _TIMES % 0


class Segment:
    """What one push brought, as far as no later one replaced it.

    Attributes:
        payload: Its text.
        shape: What is known of it.
        openmetrics: Whether it is read as OpenMetrics, which can't be mixed with text.
        pushed_at: When, in seconds since the epoch.
        findings: What the push had and the text doesn't hold.
        rendered: Its text with the group's labels, where nobody else adds them.
    """

    __slots__ = ("findings", "openmetrics", "payload", "pushed_at", "rendered", "shape")

    def __init__(
        self,
        payload: Payload,
        shape: Shape,
        pushed_at: float,
        *,
        openmetrics: bool = False,
        findings: Sequence[Finding] = (),
    ) -> None:
        self.payload = payload
        self.shape = shape
        self.pushed_at = pushed_at
        self.openmetrics = openmetrics
        self.findings = findings
        self.rendered: Payload | None = None


class Kind:
    """Which labels a group's key has: of one kind, two groups can't have the same series.

    They differ in the value of a label that stands on every sample.

    Attributes:
        names: Labels with a value.
        empty: Labels without one, which keep samples from having one.
    """

    __slots__ = ("empty", "key", "names")

    def __init__(self, labels: Mapping[bytes, bytes]) -> None:
        self.names = frozenset(name for name, value in labels.items() if value)
        self.empty = frozenset(labels) - self.names
        self.key = (self.names, self.empty)


class Group:
    """A group: an app whose name is its grouping key.

    Args:
        labels: The key, without an empty ``instance``.

    Attributes:
        app: Its name in the table.
        labels: The key.
        written: The same as it stands in a line.
        kind: Which labels the key has.
        given: What the catalog adds to its samples.
        segments: What it holds; no family is in two of them.
        families: ``{name: type}`` of them all.
        push_time: When it was last changed, in seconds since the epoch; 0: never.
        failure_time: When a push to it was last refused; 0: never.
        ttl: Seconds to live that its last push asked for; None: none.
    """

    __slots__ = (
        "app",
        "failure_time",
        "families",
        "given",
        "kind",
        "labels",
        "push_time",
        "segments",
        "ttl",
        "written",
    )

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.app = app_name(labels)
        self.labels = dict(labels)
        self.written = written(labels)
        self.kind = Kind(self.written)
        self.segments: list[Segment] = []
        self.families: Mapping[bytes, FamilyType] = {}
        self.push_time = 0.0
        self.failure_time = 0.0
        self.ttl: float | None = None
        self.given = self._give(())

    def hold(self, segments: list[Segment]) -> None:
        """Take over what it holds from now on; families are as they were."""
        self.segments = segments
        findings = tuple(finding for segment in segments for finding in segment.findings)
        if findings != self.given.findings:
            self.given = self._give(findings)

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever pushed to it."""
        return not (self.segments or self.push_time or self.failure_time)

    def _give(self, findings: Sequence[Finding]) -> Given:
        defaults = {} if "instance" in self.labels else {"instance": ""}
        return Given(self.labels, defaults, findings)

    def times(self) -> bytes:
        """Return the families with the group's times."""
        failures = _TIMES % self.failure_time if self.failure_time else _TIMES_OF_SOUND
        return b"%b%a\n" % (failures, self.push_time or 0)


class Planned(NamedTuple):
    """What a push makes of a group, once it is judged.

    Attributes:
        group: Which.
        segments: What it holds then.
        families: ``{name: type}`` of them all.
        now: When it was pushed to, in seconds since the epoch.
        ttl: Seconds to live that the push asks for; None: none.
    """

    group: Group
    segments: list[Segment]
    families: Mapping[bytes, FamilyType]
    now: float
    ttl: float | None

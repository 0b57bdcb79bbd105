"""What was read of one app, and what became known of it since."""

from collections import Counter
from collections.abc import Mapping, Sequence

from exporter_proxy.exposition.escaping import Escaped
from exporter_proxy.exposition.findings import is_worth_a_state
from exporter_proxy.exposition.model import Exposition, Finding, Quarantined
from exporter_proxy.exposition.origin import Origin
from exporter_proxy.exposition.rules import Applied, Rules
from exporter_proxy.table import Row


class AppReading:
    """What was read of one app.

    Attributes:
        app: Its name.
        number: Its number in the table.
        updates: Which of its updates was read.
        updated_ns: When that was, in nanoseconds since the epoch.
        samples: How many samples the reader took.
        quarantined: Families that are held back from scrapers.
        families: What is left for the page.
        escaped: The same with names that every reader takes.
        found: Repairs, warnings and notes.
        findings: ``{reason: how often}``: those.
        conflicts: ``{reason: how often}``: what is at odds with other apps.
        later: What was found since it was read, in what this app sent alone.
        rules: What was done to its families.
        origin: What it sent, for other rules.
    """

    __slots__ = (
        "_unreadable",
        "app",
        "conflicts",
        "escaped",
        "families",
        "findings",
        "found",
        "later",
        "number",
        "origin",
        "quarantined",
        "rules",
        "samples",
        "updated_ns",
        "updates",
    )

    def __init__(
        self,
        row: Row,
        exposition: Exposition,
        applied: Applied,
        escaped: Escaped,
        rules: Rules,
        origin: Origin,
    ) -> None:
        # Not the row itself, which would keep an old payload in memory.
        self.app = row.app
        self.number = row.number
        self.updates = row.updates
        self.updated_ns = row.updated_ns
        self.samples = exposition.samples
        self.families = applied.families
        self.escaped = escaped.families
        self._unreadable = (
            *exposition.quarantined,
            *applied.quarantined,
            *escaped.quarantined,
        )
        self.quarantined: Sequence[Quarantined] = self._unreadable
        self.rules = rules
        self.origin = origin
        self.conflicts: Counter[str] = Counter()
        self.later: Sequence[Finding] = ()
        self.found: Sequence[Finding] = (*exposition.findings, *applied.findings)
        self.findings: Counter[str] = Counter()
        for finding in self.found:
            self.findings[finding.reason] += finding.times

    def lose(self, families: Sequence[Quarantined]) -> None:
        """Note which families have no place beside those of other apps."""
        self.quarantined = (*self._unreadable, *families) if families else self._unreadable

    @property
    def all_findings(self) -> Counter[str]:
        """``{reason: how often}``, of all that is known by now."""
        found = self.findings + self.conflicts
        for quarantined in self.quarantined:
            found[quarantined.reason] += 1
        for finding in self.later:
            found[finding.reason] += finding.times
        return found

    @property
    def state(self) -> str:
        """What ``/apps`` shows."""
        if self.quarantined:
            first = min(self.quarantined, key=lambda each: each.line)
            place = f"line {first.line}: " if first.line else ""
            others = len(self.quarantined) - 1
            more = f" (and {others} more)" if others else ""
            return f"quarantined: {place}{first.message}{more}"
        if conflicts := _counted(self.conflicts):
            return f"conflicts: {conflicts}"
        repairs = _counted(self.all_findings)
        return f"repaired: {repairs}" if repairs else "ok"


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(
        reason if times == 1 else f"{reason} ({times})"
        for reason, times in sorted(reasons.items())
        if is_worth_a_state(reason)
    )

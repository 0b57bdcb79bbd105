"""What is done to an app's families between the reader and the page."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter_proxy.errors import quote
from exporter_proxy.exposition.lines import WINDOW, add_latest, windows, without_timestamps
from exporter_proxy.exposition.model import Family, Finding, Quarantined
from exporter_proxy.exposition.name_pattern import NamePattern
from exporter_proxy.exposition.relabel import Labels, Seen
from exporter_proxy.steps import all_at_once

# A family takes as long as so many bytes, however few it has.
_FAMILY_BYTES = 256
_FAMILIES_A_STEP = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is done to the families of an app.

    Attributes:
        labels: ``{name: value}``, given to every sample; an empty value is no label.
        override_labels: Whether they replace those that a sample has, or the names of those that
            do; else the sample's own win.
        empty_labels: Names of labels that are written though their value is empty.
        keep: Families to keep; None: all.
        drop: Families to leave out, of those kept; None: none.
        honor_timestamps: Whether timestamps of samples are kept.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    override_labels: bool | frozenset[str] = False
    empty_labels: frozenset[str] = frozenset()
    keep: NamePattern | None = None
    drop: NamePattern | None = None
    honor_timestamps: bool = True
    relabel: Labels | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.labels:
            relabel = Labels(self.labels, override=self.override_labels, empty=self.empty_labels)
            object.__setattr__(self, "relabel", relabel)

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.labels or self.keep or self.drop or not self.honor_timestamps)

    def wants(self, name: bytes) -> bool:
        """Tell whether the family ``name`` is kept."""
        if self.keep is not None and not self.keep.matches(name):
            return False
        return self.drop is None or not self.drop.matches(name)


class Applied(NamedTuple):
    """What rules make of an app's families.

    Attributes:
        families: In their order; those about which nothing changed are the same objects.
        findings: ``own_label``: samples that keep a label of their own instead of one of ours;
            ``repeated_series``: samples of a series that another sample follows, left out, as
            without timestamps there is no telling them apart. No line is known: 0.
        quarantined: ``label_clash``: families two of whose series the labels would make one. Which
            lines these were is not known: 0.
    """

    families: Sequence[Family]
    findings: Sequence[Finding] = ()
    quarantined: Sequence[Quarantined] = ()


def apply(families: Sequence[Family], rules: Rules) -> Applied:
    """Return what ``rules`` make of ``families``, which stay as they are."""
    return all_at_once(apply_in_steps(families, rules))


def apply_in_steps(families: Sequence[Family], rules: Rules) -> Generator[None, None, Applied]:
    """Do what :func:`apply` does, and yield after some milliseconds; return the result."""
    if not rules:
        return Applied(families)
    if rules.keep is not None or rules.drop is not None:
        kept: list[Family] = []
        for start in range(0, len(families), _FAMILIES_A_STEP):
            some = families[start : start + _FAMILIES_A_STEP]
            kept += [family for family in some if rules.wants(family.name)]
            yield
        families = kept
    if rules.honor_timestamps and not rules.labels:
        return Applied(families)
    return (yield from _Change(rules).run(families))


class _Change:
    """Changes the samples of families, one after another."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._own = 0
        self._repeated = 0

    def run(self, families: Sequence[Family]) -> Generator[None, None, Applied]:
        """Change all; yield after some milliseconds."""
        changed: list[Family] = []
        quarantined: list[Quarantined] = []
        done = 0
        for family in families:
            done += len(family.samples) + _FAMILY_BYTES
            if done > WINDOW:
                yield
                done = 0
            samples = self._at_once(family)
            if samples is not None:
                changed.append(self._with_samples(family, samples, family.count, None))
                continue
            made = yield from self._in_steps(family)
            if isinstance(made, Family):
                changed.append(made)
            else:
                quarantined.append(made)
        counts = {"own_label": self._own, "repeated_series": self._repeated}
        findings = [Finding(reason, times, 0) for reason, times in counts.items() if times]
        return Applied(changed, findings, quarantined)

    def _at_once(self, family: Family) -> bytes | None:
        """Return the samples of most families; None: there is more to it."""
        samples, relabel = family.samples, self._rules.relabel
        if (
            relabel is None
            or not self._rules.honor_timestamps
            or family.openmetrics is not None
            or len(samples) > WINDOW
            or relabel.in_use(samples)
        ):
            return None
        return relabel.add(samples, family.name, family.count, quoted=family.quoted)

    def _in_steps(self, family: Family) -> Generator[None, None, Family | Quarantined]:
        samples, openmetrics, count = family.samples, family.openmetrics, family.count
        if not self._rules.honor_timestamps:
            samples, left_out = yield from _strip(samples)
            self._repeated += left_out
            count -= left_out
            if openmetrics is not None:
                openmetrics, _ = yield from _strip(openmetrics)
                if openmetrics == samples:
                    openmetrics = None
        relabel = self._rules.relabel
        if relabel is not None:
            seen = Seen(follow=relabel.may_clash(samples))
            samples = yield from _relabel(samples, family, relabel, seen)
            if seen.clash is not None:
                return _clash(family, seen.clash, self._rules)
            self._own += seen.own
            if openmetrics is not None:
                openmetrics = yield from _relabel(openmetrics, family, relabel, Seen(follow=False))
        return self._with_samples(family, samples, count, openmetrics)

    def _with_samples(
        self, family: Family, samples: bytes, count: int, openmetrics: bytes | None
    ) -> Family:
        """Return ``family`` with other samples; itself, if they are the same objects."""
        if samples is family.samples and openmetrics is family.openmetrics:
            return family
        relabel = self._rules.relabel
        return Family(
            family.name,
            family.type,
            samples,
            count,
            help=family.help,
            typed=family.typed,
            unit=family.unit,
            openmetrics=openmetrics,
            quoted=family.quoted or (relabel is not None and relabel.quoted),
        )


def _strip(block: bytes) -> Generator[None, None, tuple[bytes, int]]:
    """Take away timestamps.

    Of the samples of one series the last is left, since without timestamps there can be but one.

    Returns:
        The lines, the same object if none has a timestamp, and how many were left out.
    """
    parts: list[bytes] = []
    for window in windows(block, WINDOW // 4):
        parts.append(without_timestamps(window))
        yield
    stripped = b"".join(parts)
    if len(stripped) == len(block):
        return block, 0
    latest: dict[bytes, bytes] = {}
    lines = 0
    for part in parts:
        add_latest(part, latest)
        lines += part.count(b"\n")
        yield
    if len(latest) == lines:
        return stripped, 0
    return b"".join(latest.values()), lines - len(latest)


def _relabel(
    block: bytes, family: Family, relabel: Labels, seen: Seen
) -> Generator[None, None, bytes]:
    parts: list[bytes] = []
    for window in windows(block):
        if relabel.in_use(window):
            break
        yield
    else:
        for window in windows(block):
            lines = window.count(b"\n")
            parts.append(relabel.add(window, family.name, lines, quoted=family.quoted))
            yield
        return b"".join(parts)
    # All of it, since a sample without the label may become one that has it.
    for window in windows(block, WINDOW // 4):
        parts.append(relabel.add_exactly(window, seen))
        yield
    changed = b"".join(parts)
    return block if changed == block else changed


def _clash(family: Family, metric: bytes, rules: Rules) -> Quarantined:
    name = quote(metric.decode(errors="replace"))
    labels = ", ".join(rules.labels)
    message = f"two series of {name} would be one with the labels that are added: {labels}"
    return Quarantined(family.name, 0, "label_clash", message, family.samples)

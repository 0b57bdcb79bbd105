"""What would happen to a payload, for a person or a program to read."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from exporter_proxy.exposition.findings import kind_of
from exporter_proxy.exposition.grammar import shown
from exporter_proxy.exposition.merged.conflicts import Conflict, conflicts_in_steps
from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.merged.repeats import repeats_of
from exporter_proxy.exposition.model import Family, Finding, Format, Quarantined
from exporter_proxy.exposition.reader import read_in_steps
from exporter_proxy.exposition.report_texts import (
    Names,
    cut_line,
    cut_text,
    effect,
    hides,
    remedy,
    text_of,
)
from exporter_proxy.exposition.rules import Rules, apply_in_steps
from exporter_proxy.steps import all_at_once

_STEP = 1000
# Bytes of samples looked at before the event loop is served, and what a family takes beside them.
_STEP_BYTES = 131_072
_FAMILY_BYTES = 512


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """A metric family that is shown: its name in the text format, its type, its samples."""

    name: str
    type: str
    samples: int


@dataclass(frozen=True, slots=True)
class FindingReport:
    """A repair, a warning or a note.

    Attributes:
        reason: From the fixed set of findings.
        kind: How much it matters.
        times: How often it came up.
        line: Number of the first line, from 1; None: it isn't known.
        meaning: One sentence.
        what: What it is about first, where no line tells it: a series; None: nothing in particular.
    """

    reason: str
    kind: Literal["repair", "warning", "note"]
    times: int
    line: int | None
    meaning: str
    # The last, as reports come from other versions too.
    what: str | None = None


@dataclass(frozen=True, slots=True)
class QuarantineReport:
    """A metric family that is held back from scrapers, with all of its lines.

    Attributes:
        family: Its name, as far as it can be told.
        line: Number of the first line that can't be read, from 1; None: it isn't known.
        reason: From the fixed set of findings.
        message: What is wrong with the line.
        text: The line, cut; empty: it isn't known.
        lines: How many lines are held back.
        meaning: What the reason means, in one sentence.
    """

    family: str
    line: int | None
    reason: str
    message: str
    text: str
    lines: int
    meaning: str


@dataclass(frozen=True, slots=True)
class ConflictReport:
    """What stands between a family and what another app has.

    Attributes:
        family: Its name.
        reason: ``type_conflict``, ``help_conflict``, ``suffix_clash`` or ``same_series``.
        app: The other app; of several, the first.
        other: Its type, its HELP, its family, or a series that both have.
        wins: Whether this payload's counts, because its app comes first.
        held_back: Whose samples some scraper doesn't get: ``this`` payload's, the ``other``
            app's, or nobody's (None).
        times: How many other apps or series it is about.
        effect: What comes of it, in one sentence.
        remedy: What to do about it, in one sentence.
    """

    family: str
    reason: str
    app: str
    other: str
    wins: bool
    held_back: Literal["this", "other"] | None
    times: int
    effect: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Report:
    """What would happen to a payload.

    Attributes:
        format: As what it is read.
        samples: How many samples are shown.
        held_back: Whether something of it, or something of another app because of it, is not.
        refused: Why no way in takes the payload at all; None: it is taken.
        app: The app that it was compared with others as; None: it was compared with none.
        apps: How many other apps it was compared with; None: it was not.
        families: What is shown on the text page, in the order of the payload.
        findings: Repairs, warnings and notes.
        quarantined: What is held back.
        conflicts: What stands between it and other apps.
    """

    format: Format
    samples: int
    held_back: bool
    refused: str | None
    app: str | None
    apps: int | None
    families: Sequence[FamilyReport]
    findings: Sequence[FindingReport]
    quarantined: Sequence[QuarantineReport]
    conflicts: Sequence[ConflictReport]

    @property
    def held_families(self) -> int:
        """How many of its families are not shown on the text page."""
        hidden = {each.family for each in self.conflicts if hides(each)}
        return len(self.quarantined) + len(hidden)


@dataclass(frozen=True, slots=True)
class Others:
    """The other apps that a payload is compared with.

    Attributes:
        index: All apps.
        app: As whose the payload is looked at.
        number: That app's number, or the one that it would get.
        rules: What is done to its families.
        names: Gives the name of an app by its number.
        apps: How many other apps there are.
    """

    index: MergedIndex
    app: str
    number: int
    rules: Rules
    names: Names
    apps: int


def report(
    payload: tuple[bytes, ...],
    *,
    format: Format | None = None,  # noqa: A002  # the field's own word
    now_ms: int | None = None,
    others: Others | None = None,
) -> Report:
    """Do at once what :func:`report_in_steps` does."""
    return all_at_once(report_in_steps(payload, format=format, now_ms=now_ms, others=others))


def report_in_steps(
    payload: tuple[bytes, ...],
    *,
    format: Format | None = None,  # noqa: A002  # the field's own word
    now_ms: int | None = None,
    others: Others | None = None,
) -> Generator[None, None, Report]:
    """Say what would happen to a payload. Nothing that it holds raises an error.

    Args:
        payload: Exposition text, in pieces cut at line ends.
        format: What it was declared as; None: told by its content.
        now_ms: The time, in milliseconds since 1970, for telling old timestamps.
        others: What it is compared with; None: nothing.

    Yields:
        Nothing, after some milliseconds of work at most.
    """
    refused = yield from _refusal(payload)
    exposition = yield from read_in_steps(payload, format=format, now_ms=now_ms)
    families: Sequence[Family] = exposition.families
    findings = [*exposition.findings]
    quarantined = [*exposition.quarantined]
    conflicts: list[ConflictReport] = []
    hidden: set[bytes] = set()
    if others is not None:
        applied = yield from apply_in_steps(families, others.rules)
        families = applied.families
        findings += applied.findings
        quarantined += applied.quarantined
        found = yield from conflicts_in_steps(others.index, families, others.number)
        for count, each in enumerate(found, 1):
            conflicts.append(conflict_report(each, others.names))
            if count % _STEP == 0:
                yield
        hidden = {each.family for each in found if hides(each)}
    findings += yield from _repeats(families)
    lines = yield from _lines(payload, [each.line for each in quarantined])
    samples = 0
    shown_families = []
    for count, family in enumerate(families, 1):
        if family.name not in hidden:
            shown_families.append(FamilyReport(text_of(family.name), family.type, family.count))
            samples += family.count
        if count % _STEP == 0:
            yield
    held_back = bool(refused or quarantined) or any(each.held_back for each in conflicts)
    return Report(
        format=exposition.format,
        samples=samples,
        held_back=held_back,
        refused=refused,
        app=None if others is None else others.app,
        apps=None if others is None else others.apps,
        families=shown_families,
        findings=[_finding(each) for each in findings],
        quarantined=[_quarantine(each, lines.get(each.line, b"")) for each in quarantined],
        conflicts=conflicts,
    )


def _repeats(families: Iterable[Family]) -> Generator[None, None, list[Finding]]:
    """Return what a payload has twice: one finding, or none."""
    times, what = 0, ""
    done = 0
    for family in families:
        repeats = yield from repeats_of(family)
        if repeats is not None and repeats.times:
            what = what or text_of(repeats.series)
            times += repeats.times
        done += _FAMILY_BYTES + len(family.samples)
        if done > _STEP_BYTES:
            done = 0
            yield
    return [Finding("duplicate_series", times, 0, what)] if times else []


def _refusal(payload: Iterable[bytes]) -> Generator[None, None, str | None]:
    """Return why every way in would refuse a payload as a whole, whatever else is in it."""
    line = 1
    for piece in payload:
        nul, wrong = piece.find(b"\0"), -1
        try:
            if not piece.isascii():
                piece.decode()
        except UnicodeDecodeError as error:
            wrong = error.start
        if nul >= 0 or wrong >= 0:
            is_nul = wrong == -1 or 0 <= nul < wrong
            line += piece.count(b"\n", 0, nul if is_nul else wrong)
            return f"line {line} {'has a NUL byte' if is_nul else 'is not UTF-8'}"
        line += piece.count(b"\n")
        yield
    return None


def _lines(
    payload: Iterable[bytes], wanted: Iterable[int]
) -> Generator[None, None, dict[int, bytes]]:
    """Return lines of a payload by their numbers, cut."""
    found: dict[int, bytes] = {}
    missing = sorted({line for line in wanted if line > 0}, reverse=True)
    first = 1
    for piece in payload:
        count = piece.count(b"\n")
        line, start = first, 0
        last = first + count - piece.endswith(b"\n")
        while missing and missing[-1] <= last:
            number = missing.pop()
            for _ in range(number - line):
                start = piece.index(b"\n", start) + 1
            line = number
            end = piece.find(b"\n", start)
            found[number] = cut_line(piece[start:] if end == -1 else piece[start:end])
        first += count
        yield
    return found


def _finding(finding: Finding) -> FindingReport:
    known = kind_of(finding.reason)
    assert known.kind != "quarantine"  # these have a list of their own
    return FindingReport(
        finding.reason,
        known.kind,
        finding.times,
        finding.line or None,
        known.description,
        cut_text(finding.what.encode()) or None,
    )


def _quarantine(quarantined: Quarantined, line: bytes) -> QuarantineReport:
    # The reader quotes the line too, for those who have nothing else.
    message = quarantined.message.removesuffix(f": {shown(line, 100)}")
    lines = quarantined.text.count(b"\n") + (not quarantined.text.endswith(b"\n"))
    return QuarantineReport(
        family=text_of(quarantined.name),
        line=quarantined.line or None,
        reason=quarantined.reason,
        message=message,
        text=cut_text(line),
        lines=lines,
        meaning=kind_of(quarantined.reason).description,
    )


def conflict_report(conflict: Conflict, names: Names) -> ConflictReport:
    """Return a conflict in words.

    Args:
        conflict: Between two apps.
        names: The names of apps, by their numbers.
    """
    app = names(conflict.app)
    return ConflictReport(
        family=text_of(conflict.family),
        reason=conflict.reason,
        app=app,
        other=cut_text(conflict.other),
        wins=conflict.wins,
        held_back=conflict.held_back or None,
        times=conflict.times,
        effect=effect(conflict, app),
        remedy=remedy(conflict),
    )

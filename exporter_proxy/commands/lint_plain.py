"""A report as lines of text: those about a line begin with ``FILE:LINE:``, as editors read them."""

from collections import Counter
from collections.abc import Iterator

from exporter_proxy.exposition.report import (
    ConflictReport,
    FindingReport,
    QuarantineReport,
    Report,
)
from exporter_proxy.logs import one_line

FORMATS = {"text": "text format 0.0.4", "openmetrics": "OpenMetrics 1.0"}
KINDS = ("repair", "warning", "note")
REFUSED = "every way into the proxy refuses such a payload as a whole"


def lines(report: Report, name: str, *, against: bool) -> Iterator[str]:
    """Yield the lines of a report, without line ends.

    Args:
        report: What is shown.
        name: How the payload is called.
        against: Whether a running proxy was asked.
    """
    yield from map(one_line, _lines(report, one_line(name), against=against))


def _lines(report: Report, name: str, *, against: bool) -> Iterator[str]:
    yield f"{name}: read as {FORMATS[report.format]}{compared(report) if against else ''}"
    for family in report.families:
        yield f"{name}: {family.type} {family.name}: {count(family.samples, 'sample')}"
    for kind in KINDS:
        for finding in report.findings:
            if finding.kind == kind:
                yield _finding(finding, name)
    for quarantined in report.quarantined:
        yield _quarantined(quarantined, name)
        if quarantined.text:
            yield f"    {quarantined.text}"
    for conflict in report.conflicts:
        yield _conflict(conflict, name)
    if report.refused is not None:
        yield f"{name}: refused: {report.refused}; {REFUSED}"
    yield f"{name}: {summary(report)}"


def _finding(finding: FindingReport, name: str) -> str:
    times = f" ({finding.times} times)" if finding.times > 1 else ""
    place = _place(name, finding.line)
    what = f"{finding.what}: " if finding.what else ""
    return f"{place}: {finding.kind}: {finding.reason}{times}: {what}{finding.meaning}"


def _quarantined(quarantined: QuarantineReport, name: str) -> str:
    place = _place(name, quarantined.line)
    return (
        f"{place}: quarantine: {quarantined.reason}: {quarantined.message}; "
        f"{quarantined.family or 'it'} is held back, {count(quarantined.lines, 'line')}"
    )


def _conflict(conflict: ConflictReport, name: str) -> str:
    return f"{name}: conflict: {conflict.reason}: {conflict.family}: {conflict.effect}"


def _place(name: str, line: int | None) -> str:
    return name if line is None else f"{name}:{line}"


def compared(report: Report) -> str:
    """Return what a running proxy compared the payload with."""
    if report.apps is None:
        return "; not compared with other apps, as the proxy shows payloads verbatim"
    return f'; compared with {count(report.apps, "other app")} as app "{report.app}"'


def summary(report: Report) -> str:
    """Return what it comes to, on one line."""
    families = len(report.families)
    verb = "is" if families == 1 else "are"
    shown = f"{count(families, 'family')} with {count(report.samples, 'sample')} {verb} shown"
    parts = [shown, f"{_held(report)} held back"]
    kinds: Counter[str] = Counter(finding.kind for finding in report.findings)
    parts += [count(kinds[kind], kind) for kind in KINDS if kinds[kind]]
    if report.conflicts:
        parts.append(count(len(report.conflicts), "conflict"))
    if report.refused is not None:
        parts.insert(0, "refused; otherwise")
        return f"{parts[0]} {', '.join(parts[1:])}"
    return ", ".join(parts)


def _held(report: Report) -> str:
    """Return what is held back; what a conflict holds back may be samples of either app."""
    if report.held_families:
        return f"{report.held_families}"
    return "samples of a conflict" if any(each.held_back for each in report.conflicts) else "none"


def count(number: int, noun: str) -> str:
    """Return a number with what it counts: ``1 family``, ``2 families``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"

"""What a reader can find in a payload: the fixed table of reasons."""

from typing import Literal, NamedTuple

RepairReason = Literal[
    "bad_exemplar",
    "bad_help",
    "bad_unit",
    "byte_order_mark",
    "carriage_returns",
    "counter_without_total",
    "early_eof",
    "exemplar_in_text",
    "late_metadata",
    "number_spelling",
    "metadata_spacing",
    "missing_eof",
    "openmetrics_in_text",
    "outer_blanks",
    "repeated_help",
    "repeated_type",
    "repeated_unit",
    "scattered_samples",
    "timestamp_in_milliseconds",
    "type_missing",
    "type_spelling",
    "unknown_escape",
]

WarningReason = Literal["misplaced_sample", "old_timestamp"]

NoteReason = Literal[
    "blank_lines",
    "comments",
    "missing_newline",
    "quoted_names",
    "samples_without_type",
    "spacing",
    "trailing_comma",
]

QuarantineReason = Literal[
    "bad_bucket",
    "bad_label_name",
    "bad_labels",
    "bad_name",
    "bad_quantile",
    "bad_timestamp",
    "bad_type",
    "bad_value",
    "duplicate_label",
    "invalid_utf8",
    "line_too_long",
    "missing_name",
    "missing_value",
    "nul_byte",
    "reserved_label",
    "suffix_clash",
    "too_many",
    "too_many_families",
    "trailing_text",
    "value_overflow",
]

FindingReason = RepairReason | WarningReason | NoteReason


class Kind(NamedTuple):
    """A row of the table.

    Attributes:
        kind: ``repair``: other readers may refuse the payload for it; the proxy writes what was
            meant. ``quarantine``: the family is held back. ``warning``: it is served as it came,
            but something will not work as expected. ``note``: allowed, and written differently.
        description: One sentence for a person.
    """

    kind: Literal["repair", "quarantine", "warning", "note"]
    description: str


def _repair(description: str) -> Kind:
    return Kind("repair", description)


def _quarantine(description: str) -> Kind:
    return Kind("quarantine", description)


def _warning(description: str) -> Kind:
    return Kind("warning", description)


def _note(description: str) -> Kind:
    return Kind("note", description)


FINDINGS: dict[str, Kind] = {
    "bad_exemplar": _repair(
        "an exemplar can't be read, or stands where none may; the sample is kept without it"
    ),
    "bad_help": _repair("a HELP line has no readable metric name; it is taken for a comment"),
    "bad_unit": _repair(
        "a UNIT line has no readable name, or a unit that the family's name doesn't end in, or "
        "belongs to an info or stateset; it is dropped"
    ),
    "byte_order_mark": _repair("the payload begins with a byte order mark; it is dropped"),
    "carriage_returns": _repair("lines end in `\\r\\n`; read as `\\n`"),
    "counter_without_total": _repair(
        "OpenMetrics: a sample of a counter or info has the family's own name, without `_total` "
        "or `_info`; it keeps its name"
    ),
    "early_eof": _repair("`# EOF` is not the last line; what follows is read as well"),
    "exemplar_in_text": _repair("the text format has no exemplars; the sample is kept without it"),
    "late_metadata": _repair("HELP, TYPE or UNIT comes after samples of its family; moved up"),
    "number_spelling": _repair(
        "a value such as `inf` or `-nan` is spelled so that some readers refuse it; written as "
        "`+Inf`, `-Inf` or `NaN`"
    ),
    "metadata_spacing": _repair(
        "a HELP, TYPE or UNIT line has blanks before its `#`, none after it, or some after the "
        "type; readers disagree on what it says"
    ),
    "missing_eof": _repair(
        "OpenMetrics: the last line is not `# EOF`; the payload may have been cut"
    ),
    "openmetrics_in_text": _repair(
        "a payload that is declared as text has a type or a UNIT line of OpenMetrics; it is used"
    ),
    "outer_blanks": _repair("a sample has blanks before or after it; dropped"),
    "repeated_help": _repair("a family has more than one HELP line; the first counts"),
    "repeated_type": _repair("a family has more than one TYPE line; the first counts"),
    "repeated_unit": _repair("a family has more than one UNIT line; the first counts"),
    "scattered_samples": _repair(
        "samples of one family stand apart from each other; moved together"
    ),
    "timestamp_in_milliseconds": _repair(
        "OpenMetrics has timestamps in seconds, and one is so large that it must be milliseconds"
    ),
    "type_missing": _repair("a TYPE line names no type; it is dropped"),
    "type_spelling": _repair("a type is spelled in capitals, or in the other format's word"),
    "unknown_escape": _repair(
        "a backslash escapes nothing that can be escaped; it is read as a backslash"
    ),
    "misplaced_sample": _warning(
        "a sample of a histogram or summary bears the family's bare name (or lacks `le`)"
    ),
    "old_timestamp": _warning(
        "a sample's timestamp is more than 5 minutes old; Prometheus won't show it as current"
    ),
    "blank_lines": _note("blank lines; dropped"),
    "comments": _note("comments other than HELP, TYPE and UNIT; dropped"),
    "missing_newline": _note("the last line lacks its newline; added"),
    "quoted_names": _note(
        "metric or label names stand in quotes (UTF-8 names); readers that don't ask for them "
        "get them escaped"
    ),
    "samples_without_type": _note("samples of a family have no TYPE line; untyped"),
    "spacing": _note("blanks in a row, tabs, blanks or nothing within braces; normalised"),
    "trailing_comma": _note("a comma after the last label; dropped"),
    "bad_bucket": _quarantine("a histogram's `le` is not a number that Go can read"),
    "bad_label_name": _quarantine("a label name has characters that need quotes, or is empty"),
    "bad_labels": _quarantine(
        "the label set can't be read: a quote, brace, `=` or comma is amiss; or there are more "
        "than 5,000 labels"
    ),
    "bad_name": _quarantine("a metric name has characters that need quotes, or is empty"),
    "bad_quantile": _quarantine("a summary's `quantile` is not a number that Go can read"),
    "bad_timestamp": _quarantine(
        "a timestamp is not a whole number of milliseconds from 0 to 2^63 - 1 (text), or not a "
        "number of seconds within that range (OpenMetrics)"
    ),
    "bad_type": _quarantine("a TYPE line names a type that no format has"),
    "bad_value": _quarantine(
        "a value is not a number; hexadecimal and digits grouped by `_` are refused by Prometheus"
    ),
    "duplicate_label": _quarantine(
        "a sample has a label name twice; Prometheus fails the whole scrape for it"
    ),
    "invalid_utf8": _quarantine("a line is not UTF-8"),
    "line_too_long": _quarantine("a line is longer than 1 MiB"),
    "missing_name": _quarantine("a sample has labels but no metric name"),
    "missing_value": _quarantine("a sample has no value"),
    "nul_byte": _quarantine("a line has a NUL byte; Prometheus stops reading there"),
    "reserved_label": _quarantine("a label name begins with `__`"),
    "suffix_clash": _quarantine(
        "a family's name is that of a series of a histogram or summary beside it (`x_count` "
        "beside `x`, `x_gcount` beside a gaugehistogram `x`); the later one is held back"
    ),
    "too_many": _quarantine("unreadable families beyond the thousandth, in one entry"),
    "too_many_families": _quarantine(
        "a payload has more than 50,000 metric families; nothing of it is shown"
    ),
    "trailing_text": _quarantine("something follows where a sample ought to end"),
    "value_overflow": _quarantine(
        "a value is beyond the range of a 64-bit float; Prometheus fails the whole scrape for it"
    ),
}
"""Every reason that a reader gives, in the order in which findings are listed."""

LATER_FINDINGS: dict[str, Kind] = {
    "label_clash": _quarantine(
        "two series of a family become one by the labels that the configuration adds"
    ),
    "name_clash": _quarantine(
        "escaped for readers that don't take UTF-8 names, a family's name is that of another, of "
        "this app or one before it, or two labels of a sample become one, or one becomes reserved; "
        "held back from those readers"
    ),
    "native_histogram": _warning(
        "a native histogram was pushed as protobuf; its classic buckets are kept, as text has no "
        "others"
    ),
    "repeated_series": _warning(
        "without its timestamp a sample can't be told from another of the app; the last is shown"
    ),
    "duplicate_series": _warning(
        "a series stands more than once in the payload; the text page has all, of which Prometheus "
        "keeps the first, the OpenMetrics page the first alone"
    ),
    "own_label": _note("a sample has a label that the configuration adds; its own one is kept"),
    "type_conflict": _warning(
        "an app before this one gives the family another TYPE, which counts; where the samples "
        "can't stand under it, they are held back"
    ),
    "help_conflict": _note("an app before this one gives the family another HELP, which counts"),
    "openmetrics_clash": _note(
        "a family before it has taken a name that its own or a suffix of its type makes, and "
        "OpenMetrics gives each name once; the OpenMetrics page has it as `unknown`"
    ),
    "openmetrics_held": _warning(
        "a family before it has taken its name, as a counter `x_total` takes the name `x`, and "
        "OpenMetrics gives each name once; the OpenMetrics page leaves it out"
    ),
    "openmetrics_created": _warning(
        "`_created` samples belong to no metric beside them; the OpenMetrics page leaves them out"
    ),
    "openmetrics_invalid": _note(
        "samples are not what OpenMetrics asks of the type, such as a counter below zero or a "
        "histogram without `+Inf`; the OpenMetrics page has them as `unknown`"
    ),
    "same_series": _warning(
        "an app before this one has the same series; the text page has both, of which Prometheus "
        "keeps one, the OpenMetrics page the first"
    ),
}
"""Every reason that is given after a payload was read: by rules, and in comparison with others."""


def kind_of(reason: str) -> Kind:
    """Return the row of a reason, whoever gave it."""
    return FINDINGS.get(reason) or LATER_FINDINGS[reason]


def is_worth_a_state(reason: str) -> bool:
    """Tell whether a finding is shown as an app's state: whether it is more than a note."""
    return kind_of(reason).kind != "note"


class Tally:
    """Counts findings while a payload is read."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lines: dict[str, int] = {}

    def add(self, reason: FindingReason, line: int, count: int = 1) -> None:
        """Count a finding; the lowest line number is kept."""
        self._counts[reason] = self._counts.get(reason, 0) + count
        known = self._lines.get(reason)
        if known is None or line < known:
            self._lines[reason] = line

    def items(self) -> list[tuple[str, int, int]]:
        """Return reason, count and first line of each finding, in the table's order."""
        return [
            (reason, self._counts[reason], self._lines[reason])
            for reason in FINDINGS
            if reason in self._counts
        ]

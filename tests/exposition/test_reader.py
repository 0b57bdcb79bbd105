"""Every finding: where it comes up, and what is read nevertheless."""

from pathlib import Path

import pytest

from exporter_proxy.exposition.findings import FINDINGS, LATER_FINDINGS, Tally
from exporter_proxy.exposition.reader import read
from tests.exposition.reader_cases import (
    KEPT,
    NOTES,
    QUARANTINES,
    REPAIRS,
    TEXT_REPAIRS,
    WARNINGS,
    Case,
)
from tests.exposition.reading import findings, read_text, samples

FOUND = REPAIRS | WARNINGS | NOTES
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("reason", FOUND)
def test_counts_a_finding_and_keeps_the_family(reason):
    case = FOUND[reason]

    exposition = read_text(case.payload)

    assert findings(exposition)[reason] == (case.count, case.line)
    assert samples(exposition) == case.families
    assert exposition.quarantined == []


@pytest.mark.parametrize("reason", TEXT_REPAIRS)
def test_uses_what_declared_text_has_of_openmetrics(reason):
    case = TEXT_REPAIRS[reason]

    exposition = read_text(case.payload, format="text")

    assert exposition.format == "text"
    assert findings(exposition)[reason] == (case.count, case.line)
    assert samples(exposition) == case.families


@pytest.mark.parametrize(
    ("reason", "case"),
    [
        pytest.param(reason, case, id=f"{reason}-{number}")
        for reason, cases in QUARANTINES.items()
        for number, case in enumerate(cases)
    ],
)
def test_holds_back_a_family_that_cant_be_read(reason, case: Case):
    exposition = read_text(case.payload)

    assert (reason, case.line) in [(bad.reason, bad.line) for bad in exposition.quarantined]
    assert samples(exposition) == case.families


def test_has_a_case_for_each_reason():
    cases = {
        "repair": set(REPAIRS) | set(TEXT_REPAIRS),
        "warning": set(WARNINGS),
        "note": set(NOTES),
        "quarantine": set(QUARANTINES),
    }

    assert cases == {
        kind: {reason for reason, row in FINDINGS.items() if row.kind == kind} for kind in cases
    }


def test_documents_each_finding():
    """The table in docs/exposition.md is the one in the code, row for row."""
    text = (ROOT / "docs" / "exposition.md").read_text()
    section = text.partition("\n## Findings\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    assert [
        f"| `{reason}` | {row.kind} | {row.description} |" for reason, row in FINDINGS.items()
    ] == rows


def test_documents_what_is_found_after_the_reader():
    """And no reason has two meanings."""
    text = (ROOT / "docs" / "exposition.md").read_text()
    section = text.partition("\n## After the reader\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    assert [
        f"| `{reason}` | {row.kind} | {row.description} |" for reason, row in LATER_FINDINGS.items()
    ] == rows
    assert not FINDINGS.keys() & LATER_FINDINGS.keys()


def test_lists_findings_in_the_order_of_the_table():
    tally = Tally()
    tally.add("spacing", 7)
    tally.add("byte_order_mark", 1)
    tally.add("spacing", 3, 2)

    assert tally.items() == [("byte_order_mark", 1, 1), ("spacing", 3, 3)]


def test_quotes_what_is_wrong_and_keeps_the_lines():
    """An entry of the quarantine has all lines of its family, as they came, in order."""
    payload = b"# HELP a \ta's help\na 1\nother 1\na{ 2\n  a 3\n#TYPE a gauge\na{x\n"

    exposition = read_text(payload)

    (entry,) = exposition.quarantined
    assert entry.name == b"a"
    assert entry.line == 4
    assert entry.reason == "bad_labels"
    assert entry.message == 'no label can be read from " 2": "a{ 2"'
    assert entry.text == b"# HELP a \ta's help\na 1\na{ 2\n  a 3\n#TYPE a gauge\na{x\n"
    assert samples(exposition) == KEPT


def test_cuts_a_long_line_in_a_message():
    exposition = read_text(b"a " + b"9" * 5000 + b"x\n")

    assert len(exposition.quarantined[0].message) < 250


def test_shows_control_characters_of_a_message_escaped():
    exposition = read_text(b"a \x1b[31m\n")

    assert exposition.quarantined[0].message == ('value "\\x1b[31m" is not a number: "a \\x1b[31m"')


def test_holds_back_the_family_of_a_suffix():
    """A bad bucket takes its histogram out, and nothing else."""
    payload = (
        b"# TYPE h histogram\n"
        b'h_bucket{le="1"} 1\nh_bucket{le= 1\nh_sum 1\nh_count 1\n'
        b"h_total 1\nother 1\n"
    )

    exposition = read_text(payload)

    assert [entry.name for entry in exposition.quarantined] == [b"h"]
    assert samples(exposition) == KEPT | {b"h_total": b"h_total 1\n"}


def test_puts_lines_without_a_readable_name_into_one_entry():
    exposition = read_text(b"\xff 1\n{x 2\nother 1\n" + b"n" * 300 + b"- 1\n")

    assert [(bad.name, bad.line, bad.reason) for bad in exposition.quarantined] == [
        (b"", 1, "invalid_utf8")
    ]
    assert exposition.quarantined[0].text.count(b"\n") == 3
    assert samples(exposition) == KEPT


def test_guesses_a_quoted_name():
    exposition = read_text(b'{"a.b",c=1} 1\n{"a.b"} 2\n')

    assert [bad.name for bad in exposition.quarantined] == [b"a.b"]
    assert exposition.families == []


def test_puts_unreadable_families_beyond_the_thousandth_together():
    exposition = read_text(b"".join(b"bad%d x\n" % number for number in range(1005)))

    assert len(exposition.quarantined) == 1001
    last = exposition.quarantined[-1]
    assert last.message.startswith("5 more families can't be read; the first: value")
    assert last.text == b"".join(b"bad%d x\n" % number for number in range(1000, 1005))


def test_reads_nothing():
    assert read(()).families == []
    assert read((b"",)).samples == 0

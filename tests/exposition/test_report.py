"""What is said about a payload."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter_proxy.exposition.lines import windows
from exporter_proxy.exposition.merged import MergedIndex
from exporter_proxy.exposition.name_pattern import NamePattern
from exporter_proxy.exposition.reader import read
from exporter_proxy.exposition.report import (
    FamilyReport,
    FindingReport,
    Others,
    QuarantineReport,
    Report,
    report,
    report_in_steps,
)
from exporter_proxy.exposition.report_json import decode, encode
from exporter_proxy.exposition.rules import Rules

NOW_MS = 1_700_000_000_000


def others(*apps: bytes, rules: Rules | None = None, number: int = 100) -> Others:
    index = MergedIndex()
    for place, text in enumerate(apps):
        index.set_app(place, read((text,)).families)
    return Others(index, "mine", number, rules or Rules(), "app{}".format, len(apps))


def test_nothing() -> None:
    assert report(()) == Report(
        format="text",
        samples=0,
        held_back=False,
        refused=None,
        app=None,
        apps=None,
        families=[],
        findings=[],
        quarantined=[],
        conflicts=[],
    )


def test_everything_at_once() -> None:
    payload = b'# TYPE a counter\na{x="1"} -inf\na{x="2"} 2\nb one\r\nb 2\nc 1 1000\n'

    assert report((payload,), now_ms=NOW_MS) == Report(
        format="text",
        samples=3,
        held_back=True,
        refused=None,
        app=None,
        apps=None,
        families=[FamilyReport("a", "counter", 2), FamilyReport("c", "untyped", 1)],
        findings=[
            FindingReport(
                "carriage_returns", "repair", 1, 4, "lines end in `\\r\\n`; read as `\\n`"
            ),
            FindingReport(
                "number_spelling",
                "repair",
                1,
                2,
                "a value such as `inf` or `-nan` is spelled so that some readers refuse it; "
                "written as `+Inf`, `-Inf` or `NaN`",
            ),
            FindingReport(
                "old_timestamp",
                "warning",
                1,
                6,
                "a sample's timestamp is more than 5 minutes old; Prometheus won't show it as "
                "current",
            ),
            FindingReport(
                "samples_without_type",
                "note",
                1,
                6,
                "samples of a family have no TYPE line; untyped",
            ),
        ],
        quarantined=[
            QuarantineReport(
                family="b",
                line=4,
                reason="bad_value",
                message='value "one" is not a number',
                text="b one",
                lines=2,
                meaning=(
                    "a value is not a number; hexadecimal and digits grouped by `_` are refused "
                    "by Prometheus"
                ),
            )
        ],
        conflicts=[],
    )


@pytest.mark.parametrize(
    ("payload", "refused"),
    [
        pytest.param((b"a 1\nb 2\n", b"c \xff\n"), "line 3 is not UTF-8", id="not UTF-8"),
        pytest.param((b"\n", b"\na\0 1\n"), "line 3 has a NUL byte", id="NUL"),
        pytest.param((b"a\0\n\xff\n",), "line 1 has a NUL byte", id="NUL first"),
        pytest.param((b"\xff\na\0\n",), "line 1 is not UTF-8", id="not UTF-8 first"),
        pytest.param(("ä 1\n".encode(), b"a 1\n"), None, id="UTF-8"),
    ],
)
def test_says_what_no_way_in_takes(payload: tuple[bytes, ...], refused: str | None) -> None:
    made = report(payload)

    assert made.refused == refused
    assert made.held_back or refused is None


@pytest.mark.parametrize("size", [1, 20, 1000])
def test_shows_the_line_wherever_it_is(size: int) -> None:
    """In whichever piece, first or last, and with another family's line on either side."""
    payload = b"a x\nok 1\nb x\nc x\nok 2\nd x"

    made = report(tuple(windows(payload, size)))

    assert [(each.line, each.text) for each in made.quarantined] == [
        (1, "a x"),
        (3, "b x"),
        (4, "c x"),
        (6, "d x"),
    ]


def test_cuts_long_lines() -> None:
    (quarantined,) = report((b"a" * 5000 + b" x\n",)).quarantined

    assert quarantined.text == "a" * 200 + "…"


def test_counts_what_rules_do() -> None:
    """Whose reasons are no reader's."""
    rules = Rules(labels={"x": "ours"}, drop=NamePattern(("b",)))
    made = report((b'a{x="theirs"} 1\nb 1\n',), others=others(rules=rules))

    assert [family.name for family in made.families] == ["a"]
    (finding,) = [each for each in made.findings if each.reason == "own_label"]
    assert (finding.kind, finding.times, finding.line) == ("note", 1, None)
    assert finding.meaning == (
        "a sample has a label that the configuration adds; its own one is kept"
    )


def test_holds_back_what_rules_make_one() -> None:
    rules = Rules(labels={"x": "ours"}, override_labels=True)
    (quarantined,) = report((b'a{x="1"} 1\na{x="2"} 1\n',), others=others(rules=rules)).quarantined

    assert (quarantined.reason, quarantined.line, quarantined.text) == ("label_clash", None, "")
    assert quarantined.lines == 2
    assert quarantined.meaning == (
        "two series of a family become one by the labels that the configuration adds"
    )


@pytest.mark.parametrize(
    ("apps", "number", "payload", "expected"),
    [
        pytest.param(
            [b"# TYPE a gauge\n"],
            9,
            b"# TYPE a counter\na 1\n",
            'TYPE is gauge in app "app0", which counts; these samples are shown as gauge',
            id="type",
        ),
        pytest.param(
            [b"# TYPE a summary\n"],
            9,
            b"# TYPE a counter\na 1\n",
            'TYPE is summary in app "app0", which counts; these samples are held back',
            id="type_held",
        ),
        pytest.param(
            [b"", b"# TYPE a gauge\n", b"# TYPE a untyped\n"],
            0,
            b"# TYPE a counter\na 1\n",
            'TYPE is gauge in app "app1" (and in 1 more apps not counter); this one\'s counts, and '
            "those samples are shown as counter",
            id="type_wins",
        ),
        pytest.param(
            [b"", b"# TYPE a summary\n"],
            0,
            b"# TYPE a counter\na 1\n",
            'TYPE is summary in app "app1"; this one\'s counts, and those samples are held back',
            id="type_wins_held",
        ),
        pytest.param(
            [b"# HELP a A.\n# TYPE a gauge\n"],
            9,
            b"# HELP a B.\n# TYPE a gauge\na 1\n",
            'the HELP of app "app0" is "A.", and is shown',
            id="help",
        ),
        pytest.param(
            [b"", b"# HELP a A.\n# TYPE a gauge\n"],
            0,
            b"# HELP a B.\n# TYPE a gauge\na 1\n",
            'the HELP of app "app1" is "A."; this one\'s is shown',
            id="help_wins",
        ),
        pytest.param(
            [b"# TYPE a summary\n"],
            9,
            b"# TYPE a_count gauge\na_count 1\n",
            'a series of "a" of app "app0" has this name; held back',
            id="clash",
        ),
        pytest.param(
            [b"", b"# TYPE a_count gauge\n"],
            0,
            b"# TYPE a summary\na_count 1\n",
            '"a_count" of app "app1" has the name of a series of this summary; held back',
            id="clash_wins",
        ),
        pytest.param(
            [b'a{x="1"} 1\na{x="2"} 1\n'],
            9,
            b'a{x="1"} 2\na{x="2"} 2\n',
            'app "app0" has the series \'a{x="1"}\' too, one of 2; a page in OpenMetrics has that '
            "one alone, and Prometheus keeps one",
            id="series",
        ),
        pytest.param(
            [b"", b"a 1\n"],
            0,
            b"a 2\n",
            'app "app1" has the series "a" too; a page in OpenMetrics has this one alone, and '
            "Prometheus keeps one",
            id="series_wins",
        ),
    ],
)
def test_says_what_comes_of_a_conflict(
    apps: list[bytes], number: int, payload: bytes, expected: str
) -> None:
    made = report((payload,), others=others(*apps, number=number))

    assert [each.effect for each in made.conflicts] == [expected]
    assert all(each.remedy for each in made.conflicts)


def test_counts_the_families_that_are_not_shown() -> None:
    """Once each."""
    made = report(
        (b"a 1\nb x\n# TYPE c_count gauge\nc_count 1\n",),
        others=others(b"# TYPE a summary\n# TYPE c summary\n# TYPE c_count summary\n"),
    )

    assert (len(made.families), made.held_families) == (0, 3)


def test_works_in_steps() -> None:
    """However many families and lines there are."""
    payload = b"".join(b"# TYPE a%d gauge\na%d 1\n" % (number, number) for number in range(5_000))

    steps = list(report_in_steps(tuple(windows(payload, 20_000)), others=others(payload)))

    assert len(steps) > 40


def test_many_families_are_encoded() -> None:
    made = report((b"".join(b"a%d 1\nb%d x\n" % (number, number) for number in range(1_200)),))

    assert decode(encode(made)) == made


FRAGMENTS = st.sampled_from(
    [
        b"# TYPE a counter\n",
        b"# HELP a x\n",
        b"a 1\n",
        b'a{b="\\',
        b'"} ',
        b"nan 1\r\n",
        b"\xff",
        b"\0",
        b"# EOF\n",
        b"a_bucket{le=",
        b"\n",
    ]
)


@given(
    st.one_of(st.binary(), st.lists(FRAGMENTS).map(b"".join)),
    st.sampled_from([None, "text", "openmetrics"]),
    st.integers(1, 50),
    st.booleans(),
)
@example(b"", None, 1, True)
def test_any_bytes_give_a_report(payload: bytes, form, size: int, compared: bool) -> None:  # noqa: FBT001 - drawn
    """That JSON can carry; nothing is shown and held back at once."""
    against = others(b"# TYPE a histogram\n", b"a_count 1\n") if compared else None
    made = report(tuple(windows(payload, size)), format=form, now_ms=NOW_MS, others=against)

    assert decode(encode(made)) == made
    assert json.loads(encode(made))["held_back"] == made.held_back
    assert made.held_back or not made.quarantined

"""Names of UTF-8, escaped for readers that can't take them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter_proxy.exposition.escaping import (
    SCHEMES,
    Scheme,
    escape_in_steps,
    escape_label,
    escape_metric,
    quoted_name,
)
from exporter_proxy.exposition.model import Family
from exporter_proxy.exposition.reader import read
from exporter_proxy.steps import all_at_once


@pytest.mark.parametrize(
    ("name", "underscores", "dots", "values"),
    [
        pytest.param("plain_name", "plain_name", "plain_name", "plain_name", id="plain"),
        pytest.param("a:b", "a:b", "a:b", "a:b", id="colon"),
        pytest.param(
            "http.server", "http_server", "http_dot_server", "U__http_2e_server", id="dot"
        ),
        pytest.param("a.b_c", "a_b_c", "a_dot_b__c", "U__a_2e_b__c", id="both"),
        pytest.param("größe", "gr__e", "gr____e", "U__gr_f6__df_e", id="letters"),
        pytest.param("1st", "_st", "__st", "U___31_st", id="digit_first"),
        pytest.param("a b", "a_b", "a__b", "U__a_20_b", id="blank"),
        pytest.param("\U0001f600", "_", "__", "U___1f600_", id="emoji"),
    ],
)
def test_escapes_names(name: str, underscores: str, dots: str, values: str):
    """As Prometheus does, by code point."""
    assert escape_metric(name.encode(), "underscores").decode() == underscores
    assert escape_metric(name.encode(), "dots").decode() == dots
    assert escape_metric(name.encode(), "values").decode() == values
    assert escape_metric(name.encode(), "allow-utf-8").decode() == name


def test_labels_have_no_colons():
    assert escape_label(b"a:b", "underscores") == b"a_b"
    assert escape_label(b"a:b", "values") == b"U__a_3a_b"


@pytest.mark.parametrize(
    ("label", "scheme"), [("..x", "underscores"), ("_.x", "dots"), ("1", "dots")]
)
def test_a_reserved_label_holds_the_family_back(label: str, scheme: Scheme):
    """Parsers refuse a page with one."""
    escaped = all_at_once(escape_in_steps(families(f'x{{"{label}"="1"}} 1\n'), scheme))

    assert not escaped.families
    assert [each.reason for each in escaped.quarantined] == ["name_clash"]
    assert "which is reserved" in escaped.quarantined[0].message


def test_plain_labels_stay_beside_others():
    escaped = all_at_once(escape_in_steps(families('x{_y="1","a.b"="2"} 1\n'), "dots"))

    assert escaped.families[0].samples == b'x{_y="1",a_dot_b="2"} 1\n'


def test_quotes_names_that_need_it():
    assert quoted_name(b"plain_name") == b"plain_name"
    assert quoted_name(b'my."x"\\') == b'"my.\\"x\\"\\\\"'


def families(text: str) -> tuple[Family, ...]:
    exposition = read((text.encode(),))
    assert not exposition.quarantined
    return tuple(exposition.families)


def test_families_without_such_names_are_the_same():
    """Nothing is made anew where nothing changes."""
    given_families = families('# TYPE a gauge\na{b="c.d"} 1\n')

    assert all_at_once(escape_in_steps(given_families, "underscores")).families is given_families


def test_escapes_samples_whole():
    """Names of metrics and labels change, values and timestamps never."""
    text = '# TYPE "my.gauge" gauge\n{"my.gauge","a.b"="c.d,{\\"}",e="f"} 1 1234567890123\n'
    escaped = all_at_once(escape_in_steps(families(text), "underscores"))

    assert [family.name for family in escaped.families] == [b"my_gauge"]
    assert escaped.families[0].samples == (b'my_gauge{a_b="c.d,{\\"}",e="f"} 1 1234567890123\n')
    assert escaped.families[0].openmetrics is not None
    assert not escaped.families[0].quoted


@pytest.mark.parametrize(
    ("name", "scheme", "shown"),
    [("a.b_c", "values", "U__a_2e_b__c"), ("a.b_c", "dots", "a_dot_b__c"), ("a", "dots", "a")],
)
def test_samples_of_a_histogram_stay_its_own(name: str, scheme: Scheme, shown: str):
    """What their names have beyond the family's is no part of what is escaped."""
    text = f'# TYPE "{name}" histogram\n' + "".join(
        f'{{"{name}{suffix}"{label}}} 1\n'
        for suffix, label in (("_bucket", ',le="+Inf"'), ("_sum", ""), ("_count", ""))
    )
    escaped = all_at_once(escape_in_steps(families(text), scheme))

    assert [family.name.decode() for family in escaped.families] == [shown]
    assert escaped.families[0].samples.decode() == (
        f'{shown}_bucket{{le="+Inf"}} 1\n{shown}_sum 1\n{shown}_count 1\n'
    )


def test_a_plain_name_keeps_its_place():
    """Of two names that become one, the one that needs no escape is shown."""
    text = '# TYPE "a.b" gauge\n{"a.b"} 1\n# TYPE a_b gauge\na_b 2\n# TYPE "a-b" gauge\n{"a-b"} 3\n'
    escaped = all_at_once(escape_in_steps(families(text), "underscores"))

    assert [family.samples for family in escaped.families] == [b"a_b 2\n"]
    assert [each.name for each in escaped.quarantined] == [b"a.b", b"a-b"]
    assert {each.reason for each in escaped.quarantined} == {"name_clash"}
    assert escaped.quarantined[0].message == (
        '"a.b": its name becomes "a_b" for readers that don\'t take UTF-8 names, '
        "as that of another family is"
    )


def test_labels_that_become_one_hold_the_family_back():
    escaped = all_at_once(escape_in_steps(families('x{"a.b"="1","a-b"="2"} 1\n'), "underscores"))

    assert not escaped.families
    assert [each.reason for each in escaped.quarantined] == ["name_clash"]


@given(
    st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4, unique=True),
    st.text(max_size=5),
    st.sampled_from([scheme for scheme in SCHEMES if scheme != "allow-utf-8"]),
)
def test_what_is_escaped_can_be_read(names: list[str], value: str, scheme: Scheme):
    """By a parser that knows plain names alone: every family that has a place, no other name."""
    shown = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    lines = [
        b"{%s,%s} 1\n"
        % (
            b'"%s"'
            % name.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n"),
            b'"l.%d"="%s"' % (place, shown.encode(errors="replace")),
        )
        for place, name in enumerate(names)
        if "\0" not in name
    ]
    exposition = read((b"".join(lines),), format="text")
    escaped = all_at_once(escape_in_steps(exposition.families, scheme))
    page = b"".join(family.samples for family in escaped.families).decode()

    read_back = [
        sample.name for family in text_string_to_metric_families(page) for sample in family.samples
    ]
    assert [family.name.decode() for family in escaped.families] == read_back
    assert len(read_back) + len(escaped.quarantined) == len(exposition.families)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        pytest.param('"trace.id"="x"', ' # {trace_id="x"} 2 3', id="quoted"),
        pytest.param('a="b"', ' # {a="b"} 2 3', id="plain"),
        pytest.param('"a.b"="x","a-b"="y"', "", id="clash"),
        pytest.param('"..x"="x"', "", id="reserved"),
    ],
)
def test_escapes_exemplars(labels: str, shown: str):
    """An exemplar whose labels have no place is left out; the sample stays."""
    text = f'# TYPE a counter\na_total{{"c.d"="e"}} 1 # {{{labels}}} 2 3\n# EOF\n'
    escaped = all_at_once(escape_in_steps(families(text), "underscores"))

    assert escaped.families[0].openmetrics == b'a_total{c_d="e"} 1' + shown.encode() + b"\n"
    assert escaped.families[0].samples == b'a_total{c_d="e"} 1\n'


def test_an_exemplar_alone_has_its_family_escaped():
    """Else its name would be in quotes on the OpenMetrics page of readers that don't take one."""
    text = '# TYPE a counter\na_total 1 # {"c.d"="e"} 2\n# EOF\n'
    escaped = all_at_once(escape_in_steps(families(text), "underscores"))

    assert escaped.families[0].openmetrics == b'a_total 1 # {c_d="e"} 2\n'

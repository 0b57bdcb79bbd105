"""OpenMetrics pages with names of UTF-8 in quotes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.exposition.aliases import alias, has_alias, restored_lines, restored_name
from exporter_proxy.exposition.escaping import Scheme, escape_in_steps
from exporter_proxy.exposition.merged import Layout, MergedIndex, OpenMetricsWriter, QuotingWriter
from exporter_proxy.exposition.reader import read
from exporter_proxy.steps import all_at_once
from tests.exposition.families import page, parse, text_of
from tests.exposition.payloads import well_formed


def put(index: MergedIndex, app: int, payload: str, scheme: Scheme = "aliases") -> None:
    exposition = read((payload.encode(),))
    assert not exposition.quarantined
    escaped = all_at_once(escape_in_steps(exposition.families, scheme))
    assert not escaped.quarantined
    index.set_app(app, list(escaped.families))


def quoting(*payloads: str) -> str:
    """Return the page of apps; it can be parsed."""
    index = MergedIndex()
    for app, payload in enumerate(payloads):
        put(index, app, payload)
    written = page(index, QuotingWriter(index)).decode()
    parse(written)
    return written


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param('# TYPE "a.b" gauge\n# HELP "a.b" Help.\n{"a.b"} 1\n', id="name"),
        pytest.param('# TYPE "a" gauge\na{"x.y"="z",b="c"} 1\n'.replace('"a"', "a"), id="label"),
        pytest.param('# TYPE "1" gauge\n{"1","2"="3"} 1\n', id="digit"),
        pytest.param('# TYPE "a \\"\\\\" gauge\n{"a \\"\\\\"} 1 1.5\n', id="escapes"),
        pytest.param('# TYPE "größe:Z" gauge\n{"größe:Z","l:Z"="Z"} 1\n', id="letters"),
        pytest.param(
            '# TYPE "http.requests" counter\n'
            '{"http.requests_total",a="b"} 3 # {trace_id="x"} 1 2.5\n'
            '{"http.requests_created",a="b"} 1.5\n',
            id="counter",
        ),
        pytest.param(
            '# TYPE "http.time_seconds" histogram\n# UNIT "http.time_seconds" seconds\n'
            '{"http.time_seconds_bucket",le="0.1"} 1 # {"trace.id"="x"} 0.05\n'
            '{"http.time_seconds_bucket",le="+Inf"} 2\n'
            '{"http.time_seconds_sum"} 3\n{"http.time_seconds_count"} 2\n',
            id="histogram",
        ),
        pytest.param(
            '# TYPE "a.q" summary\n{"a.q",quantile="0.5"} 1\n{"a.q_sum"} 1\n{"a.q_count"} 1\n',
            id="summary",
        ),
        pytest.param('# TYPE "my.build" info\n{"my.build_info",v="1"} 1\n', id="info"),
        pytest.param(
            '# TYPE "my.state" stateset\n{"my.state","my.state"="on"} 1\n'
            '{"my.state","my.state"="off"} 0\n',
            id="stateset",
        ),
        pytest.param(
            '# TYPE a counter\na_total 1 # {"trace.id"="x"} 1\n# TYPE b counter\nb_total 2\n',
            id="exemplar-alone",
        ),
        pytest.param(
            '# TYPE "a.b" unknown\n{"a.b",x=" # {",y=",u=",z="}"} 1\n', id="values-like-syntax"
        ),
    ],
)
def test_what_was_sent_is_written(payload: str) -> None:
    """Byte for byte, where it is as OpenMetrics wants it."""
    assert quoting(payload + "# EOF\n") == payload


def test_a_histogram_out_of_order_is_arranged() -> None:
    """As one with a plain name is."""
    shown = quoting(
        '# TYPE "h.x" histogram\n'
        '{"h.x_bucket",a="1",le="+Inf"} 2\n{"h.x_bucket",a="2",le="+Inf"} 1\n'
        '{"h.x_sum",a="1"} 3\n{"h.x_count",a="1"} 2\n'
    )

    assert shown == (
        '# TYPE "h.x" histogram\n'
        '{"h.x_bucket",a="1",le="+Inf"} 2\n{"h.x_sum",a="1"} 3\n{"h.x_count",a="1"} 2\n'
        '{"h.x_bucket",a="2",le="+Inf"} 1\n'
    )


def test_what_is_not_valid_is_written_by_sample_name() -> None:
    """A histogram without +Inf is a family for each name, whose headers are quoted, too."""
    shown = quoting('# TYPE "h.x" histogram\n{"h.x_bucket",le="1"} 2\n{"h.x_sum"} 3\n')

    assert shown == (
        '# TYPE "h.x_bucket" unknown\n{"h.x_bucket",le="1"} 2\n'
        '# TYPE "h.x_sum" unknown\n{"h.x_sum"} 3\n'
    )


def test_follows_updates() -> None:
    """What did not change stays the same object; what is gone is gone."""
    index = MergedIndex()
    put(index, 0, '# TYPE "a.b" gauge\n{"a.b"} 1\n')
    put(index, 1, '# TYPE "a.b" gauge\n{"a.b",app="1"} 1\n# TYPE c gauge\nc{"d.e"="f"} 1\n')
    writer = QuotingWriter(index)
    layout = Layout(index, writer)
    text_of(layout)
    family = index.families[alias(b"a.b")]
    (part,) = writer.parts(family)
    before = writer.cells(family, part, (0, 1))
    put(index, 0, '# TYPE "a.b" gauge\n{"a.b"} 2\n')

    assert text_of(layout).decode() == (
        '# TYPE "a.b" gauge\n{"a.b"} 2\n{"a.b",app="1"} 1\n# TYPE c gauge\nc{"d.e"="f"} 1\n'
    )
    assert writer.cells(family, part, (1,))[0] is before[1]

    index.drop_app(1)
    put(index, 0, '# TYPE "a.b" histogram\n{"a.b_bucket",le="+Inf"} 2\n')

    assert text_of(layout).decode() == ('# TYPE "a.b" histogram\n{"a.b_bucket",le="+Inf"} 2\n')

    index.drop_app(0)

    assert text_of(layout) == b""
    assert not writer._lines, "nothing is kept of what is gone"


def test_findings_name_families_as_they_were_sent() -> None:
    index = MergedIndex()
    put(index, 0, '# TYPE "a.b_total" counter\n{"a.b_total"} -1\n')
    writer = QuotingWriter(index)
    page(index, writer)

    assert [(each.reason, each.what) for each in writer.found.of(0)] == [
        ("openmetrics_invalid", "a.b_total")
    ]


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_aliases_tell_names_apart(names: list[str]) -> None:
    one, other = (name.encode(errors="replace") for name in names)

    assert restored_name(alias(one)) == one
    assert restored_name(one) == one
    assert (alias(one) == alias(other)) == (one == other)
    assert alias(one + b"_total") == alias(one) + b"_total"


_NAMED = re.compile(r"(?m)^(# (?:HELP|TYPE) )?(family\d\w*)([ {])")


def _quote(match: re.Match[str]) -> str:
    header, name, what = match.groups()
    name = f'"{name.replace("family", "fa.mily")}"'
    return f"{header}{name} " if header else f"{{{name}{',' if what == '{' else '} '}"


@given(st.lists(well_formed(), min_size=1, max_size=3))
def test_names_make_no_other_difference(payloads: list[tuple[str, object]]) -> None:
    """A page of quoted names is that of plain names, with quotes; by any payload."""

    def quoted(text: str) -> str:
        return _NAMED.sub(_quote, text).replace('b_c="', '"b.c"="')

    plain, index = MergedIndex(), MergedIndex()
    for app, (payload, _) in enumerate(payloads):
        put(plain, app, payload)
        put(index, app, quoted(payload))

    shown = page(index, QuotingWriter(index))

    assert shown.decode() == quoted(page(plain, OpenMetricsWriter(plain)).decode())
    assert not has_alias(shown)


def test_long_lines_are_restored_in_steps() -> None:
    """So that the loop is served between."""
    lines = b"".join(b'%s{a="%d"} 1\n' % (alias(b"x.y"), place) for place in range(20_000))
    steps = restored_lines(lines)
    count = 0
    for _ in steps:
        count += 1

    assert count > 8
    assert all_at_once(restored_lines(lines)).count(b'{"x.y",a="') == 20_000

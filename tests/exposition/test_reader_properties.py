"""What holds for any payload."""

import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from exporter_proxy.exposition.reader import read, shapes
from tests.exposition.payloads import Series, anything, well_formed
from tests.exposition.reading import everything, page

FORMATS = st.sampled_from([None, None, "text", "openmetrics"])
NOW_MS = 1_700_000_000_000


@pytest.fixture(autouse=True, scope="module")
def _compiled():
    """Have an automaton for each shape, however seldom it is seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "WORTH_COMPILING", 0)
        yield


def _samples(text: bytes) -> list[tuple[str, dict[str, str], str, float | None]]:
    """Read a text page with prometheus-client; counters get their own names back."""
    found = []
    for family in text_string_to_metric_families(text.decode()):
        for name, labels, value, timestamp, *_ in family.samples:
            own = name
            # it adds the suffix to counters that don't have it
            if family.type == "counter" and f"\n# TYPE {name} " not in f"\n{text.decode()}":
                own = name.removesuffix("_total")
            found.append((own, labels, repr(float(value)), timestamp))
    return found


@given(anything(), FORMATS)
@settings(max_examples=400)
def test_any_lines_give_a_page_that_can_be_read(payload, declared):
    exposition = read(payload, format=declared, now_ms=NOW_MS)

    text = page(exposition)
    assert b"\n\n" not in text
    assert len(_samples(text)) == exposition.samples
    assert len({family.name for family in exposition.families}) == len(exposition.families)
    assert all(
        family.samples.count(b"\n") == family.count
        and (family.openmetrics is None or family.openmetrics.count(b"\n") == family.count)
        for family in exposition.families
    )


@given(anything(), FORMATS)
@settings(max_examples=400)
def test_both_paths_read_the_same(payload, declared):
    fast = read(payload, format=declared, now_ms=NOW_MS)
    slow = read(payload, format=declared, now_ms=NOW_MS, fast=False)

    assert everything(slow) == everything(fast)


@given(anything())
@settings(max_examples=200)
def test_what_was_read_is_read_again_as_it_is(payload):
    """A page made of the families needs no repair."""
    once = read(payload, format="text")
    # the helper writes another type for these, which names its samples otherwise
    assume(not {"info", "stateset", "gaugehistogram"} & {family.type for family in once.families})
    again = read((page(once),), format="text")

    assert page(again) == page(once)
    assert again.quarantined == []
    assert {finding.reason for finding in again.findings} <= {
        "quoted_names",
        "samples_without_type",
        "misplaced_sample",
    }


@given(st.binary(max_size=300), FORMATS)
def test_any_bytes_give_a_page_that_can_be_read(payload, declared):
    exposition = read((payload,), format=declared)

    assert len(_samples(page(exposition))) == exposition.samples


@given(well_formed())
@settings(max_examples=200)
def test_reads_what_is_well_formed(payload: tuple[str, list[Series]]):
    """Series, values and timestamps are those that prometheus-client's parser finds."""
    text, series = payload

    exposition = read((text.encode(),))

    assert {finding.reason for finding in exposition.findings} <= {"samples_without_type"}
    assert exposition.quarantined == []
    expected = _samples(text.encode())
    assert len(expected) == len(series)
    assert _samples(page(exposition)) == expected
    assert [(name, labels, value) for name, labels, value, _ in expected] == [
        (item.name, item.labels, repr(float(item.value))) for item in series
    ]


@given(well_formed())
@settings(max_examples=100)
def test_renders_the_same_samples_for_openmetrics(payload: tuple[str, list[Series]]):
    text, series = payload

    exposition = read((text.encode(),))

    lines = b"".join(
        family.samples if family.openmetrics is None else family.openmetrics
        for family in exposition.families
    ).split(b"\n")[:-1]
    for line, item in zip(lines, series, strict=True):
        (family,) = openmetrics_families(line.decode() + "\n# EOF\n")
        (sample,) = family.samples
        assert (sample.name, sample.labels) == (item.name, item.labels)
        assert repr(float(sample.value)) == repr(float(item.value))
        stamp = sample.timestamp
        # in seconds and nanoseconds
        assert item.timestamp == (stamp and stamp.sec * 1000 + stamp.nsec // 1_000_000)


@given(
    well_formed(),
    st.integers(0, 10_000),
    st.sampled_from(["{", '{a="', " x", '{a="1",a="2"} 1', '{a="\\"} 1', " 1 2 3", " 1e999"]),
)
@settings(max_examples=200)
def test_one_bad_line_takes_out_its_own_family_alone(payload, place, tail):
    text, series = payload
    assume(series)
    item = series[place % len(series)]
    lines = text.split("\n")
    index = lines.index(item.line().removesuffix("\n"))
    broken = "\n".join([*lines[:index], item.name + tail, *lines[index + 1 :]]).encode()

    good = read((text.encode(),))
    exposition = read((broken,))

    (entry,) = exposition.quarantined
    assert entry.line == index + 1
    assert {family.name: family.samples for family in exposition.families} == {
        family.name: family.samples for family in good.families if family.name != entry.name
    }
    assert entry.name in {family.name for family in good.families}


LONG = 200_000


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"{" * LONG, id="braces"),
        pytest.param(b"a{" + b'x="1",' * (LONG // 6), id="one label very often"),
        pytest.param(
            b"a{" + b",".join(b'x%d="1"' % n for n in range(LONG // 10)) + b"} 1\n", id="labels"
        ),
        pytest.param(b'a{x="' + b"\\" * LONG, id="backslashes"),
        pytest.param(b'a{x="' + b'"' * LONG, id="quotes"),
        pytest.param(b"#\n" * (LONG // 2), id="comments"),
        pytest.param(b"# c\na 1\n" * (LONG // 8), id="comments between samples"),
        pytest.param(b"a 1\nb 1\n" * (LONG // 8), id="families in turn"),
        pytest.param(b"".join(b"a%d x\n" % n for n in range(LONG // 9)), id="bad families"),
        pytest.param(
            b"".join(b'# TYPE a%d gauge\na%d{x%d="1"} 1\n' % (n, n, n) for n in range(LONG // 35)),
            id="shapes",
        ),
        pytest.param(b" # TYPE a gauge\n" * (LONG // 16), id="types"),
        pytest.param(b"a 1 " + b"# {" * (LONG // 3), id="exemplars"),
        pytest.param(b"a " + b"1" * LONG, id="digits"),
        pytest.param(b"a" + b"_count" * (LONG // 6) + b" 1\n", id="suffixes"),
        pytest.param(
            b"".join(
                b"# TYPE a%d histogram\na%d_sum 1\n# TYPE a%d_sum gauge\na%d_sum 1\n" % (n, n, n, n)
                for n in range(LONG // 70)
            ),
            id="clashes",
        ),
    ],
)
def test_takes_time_in_proportion_to_the_payload(payload):
    """What takes time in proportion to the square would take minutes; this takes a blink."""
    start = time.process_time()
    read((payload,))

    assert time.process_time() - start < 10

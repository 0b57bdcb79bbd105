"""What is kept of families that were seen before: it makes reading faster, and no different."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter_proxy.exposition.reader import fast_text, read, shapes
from exporter_proxy.exposition.reader.dialect import OPENMETRICS, TEXT
from exporter_proxy.exposition.reader.plans import MOST_BYTES, MOST_PLANS, Plan, Plans, make_plan
from tests.exposition.reading import everything, read_text, samples

HEAD = b"# HELP a Text.\n# TYPE a gauge\n"


@pytest.fixture(autouse=True)
def _compiled(monkeypatch):
    """Have an automaton for each shape, and no plans from elsewhere."""
    monkeypatch.setattr(shapes, "WORTH_COMPILING", 0)
    monkeypatch.setattr(fast_text, "_PLANS", {"text": Plans(), "openmetrics": Plans()})


def _plan(head: bytes, line: bytes = b"a 1") -> Plan:
    plan = make_plan(head, line, TEXT)
    assert plan is not None
    return plan


def _keep(plans: Plans, plan: Plan, before: bytes = b"") -> None:
    """Keep a plan, for a family that is seen for the second time."""
    plans.keep(plan, before)
    plans.keep(plan, before)


def _check(*payloads: bytes) -> None:
    """Read payloads one after another, three times, as the slow path reads them."""
    for payload in payloads * 3:
        assert everything(read((payload,))) == everything(read((payload,), fast=False))


@pytest.mark.parametrize(
    ("head", "line"),
    [
        pytest.param(b"# HELP b Text.\n# TYPE a gauge\n", b"a 1", id="help of another"),
        pytest.param(b"# HELP a \\n.\n# TYPE a gauge\n", b"a 1", id="escapes"),
        pytest.param(b"# TYPE a unknown\n", b"a 1", id="the other format"),
        pytest.param(b"# TYPE a gauge\n# HELP a Text.\n", b"a 1", id="help below"),
        pytest.param(b"# TYPE a_sum summary\n", b"a_sum_sum 1", id="suffix"),
        pytest.param(b"# TYPE a gauge\n", b"b 1", id="another name"),
        pytest.param(b"# TYPE a gauge\n", b"a 1 2", id="timestamp"),
        pytest.param(b"# TYPE a gauge\n", b'a{b="c",} 1', id="comma"),
        pytest.param(b"# TYPE a gauge\n", b"a{" + b"b" * 1024 + b'="c"} 1', id="long labels"),
        pytest.param(b"a 1\n", b"a 1", id="no head"),
    ],
)
def test_plans_what_is_usual_alone(head, line):
    assert make_plan(head, line, TEXT) is None


def test_plans_a_counter_by_its_name_in_text():
    plan = make_plan(b"# TYPE a counter\n", b'a_total{b="c"} 1', OPENMETRICS)

    assert plan is not None
    assert (plan.name, plan.usual, plan.mark) == (b"a", b"a_total", b"\na_total{")


def test_keeps_a_bounded_number_of_plans():
    """One in use stays, however many others come and go."""
    plans = Plans()
    kept = _plan(HEAD)
    for number in range(3 * MOST_PLANS):
        plan = _plan(b"# TYPE a%d gauge\n" % number, b"a%d 1" % number)
        _keep(plans, kept)
        _keep(plans, plan, HEAD)
        assert plans.get(HEAD) is kept

    assert MOST_PLANS <= len(plans) <= 2 * MOST_PLANS
    assert len(plans.after) <= MOST_PLANS + 1


def test_keeps_a_bounded_number_of_bytes():
    plans = Plans()
    text = b"x" * 900
    for number in range(3 * MOST_BYTES // 900):
        head = b"# HELP a%d %b\n# TYPE a%d gauge\n" % (number, text, number)
        _keep(plans, _plan(head, b"a%d 1" % number))

    assert len(plans) <= 2 * MOST_BYTES // 900


def test_counts_bytes_of_plans_that_replace_others():
    """Other labels for the same family again and again push out what is not used."""
    plans = Plans()
    _keep(plans, _plan(HEAD))
    for number in range(3 * MOST_BYTES // 800):
        line = b"b{" + b"c" * 800 + b'%d="d"} 1' % number
        _keep(plans, _plan(b"# TYPE b gauge\n", line))

    assert plans.get(HEAD) is None


def test_keeps_nothing_of_what_comes_once():
    plans = Plans()
    for number in range(20_000):
        plans.keep(_plan(b"# TYPE a%d gauge\n" % number, b"a%d 1" % number), b"")

    assert len(plans) == 0
    assert plans.after == {}
    assert len(plans._seen) <= 16_384


def test_keeps_no_long_metadata():
    head = b"# HELP a " + b"x" * 1024 + b"\n# TYPE a gauge\n"
    plans = Plans()
    _keep(plans, _plan(head))
    _keep(plans, _plan(HEAD), head)

    assert len(plans) == 1
    assert plans.get(head) is None
    assert plans.after == {}


def test_reads_names_without_end_into_bounded_plans():
    for number in range(0, 3 * MOST_PLANS, 500):
        names = [b"a%d" % place for place in range(number, number + 500)]
        payload = b"".join([b"# TYPE %b gauge\n%b 1\n" % (name, name) for name in names])
        for _ in range(2):
            assert read_text(payload).samples == 500

    plans = fast_text._PLANS["text"]
    assert MOST_PLANS <= len(plans) <= 2 * MOST_PLANS
    assert len(plans.after) <= MOST_PLANS + 1


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(b'a{b="c"} 1\n', id="labels"),
        pytest.param(b'a{c="b"} 1\n', id="other labels"),
        pytest.param(b"a 1\n", id="no labels"),
        pytest.param(b'a{b="c",b="c"} 1\n', id="a label twice"),
        pytest.param(b'a{b="c"} 1\na{c="b"} 1\n', id="labels that change"),
        pytest.param(b'a{b="c"} 1\nab{b="c"} 1\n', id="a longer name"),
        pytest.param(b'a{b="c"} 1\nb{b="c"} 1\n', id="another name"),
        pytest.param(b'a{b="c"} 1 5\n', id="timestamp"),
        pytest.param(b'a{b="#"} 1\n', id="hash"),
        pytest.param(b'a{b="\\n# TYPE a"} 1\n', id="what looks like TYPE"),
        pytest.param(b'a{b="c"} 1\n\n', id="blank line"),
        pytest.param(b'\na{b="c"} 1\n', id="blank line first"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"# a comment\n", id="comment"),
        pytest.param(b'a{b="c"} x\n', id="bad value"),
        pytest.param(b'a s"x"ummary 0 {b="c"} 1\n', id="what looks like a key"),
    ],
)
def test_reads_the_same_head_with_other_samples(lines):
    """Between two payloads with usual samples, and beside families of the same shape."""
    usual = HEAD + b'a{b="c"} 1\na{b="d"} 2\n'
    other = b'# TYPE z gauge\nz{b="c"} 1\n'

    _check(usual, HEAD + lines, usual, other + HEAD + lines + other.replace(b"z", b"y"))


def test_reads_families_of_one_shape_together():
    """A name that is amiss in one of them is seen all the same."""
    payload = b"".join([b'# TYPE a%d gauge\na%d{b="c"} 1\n' % (n, n) for n in range(9)])

    _check(payload, payload.replace(b"\na4", b"\na5"), payload.replace(b"a3 gauge", b"a3 counter"))
    assert samples(read_text(payload.replace(b"\na8", b"\nb8")))[b"b8"] == b'b8{b="c"} 1\n'


def test_reads_families_in_another_order():
    first, second = HEAD + b"a 1\n", b"# TYPE b counter\nb 1\n"

    _check(first + second, second + first, first * 2, second, first + second * 2)


_NAMES = st.sampled_from(["h", "h_x", "h_sum", "h_x_y", "h_y"])
_SUFFIXES = st.sampled_from(["_bucket", "_sum", "_count", "_created", "_gsum", "_gcount", ""])
_LABELS = st.sampled_from(["", '{a="b"}', '{le="1"}', '{a="b",le="1"}', '{quantile="1"}'])
_KINDS = st.sampled_from(["histogram", "summary", "gaugehistogram", "gauge"])


@st.composite
def _families(draw: st.DrawFn) -> bytes:
    text = ""
    for _ in range(draw(st.integers(1, 3))):
        name = draw(_NAMES)
        text += f"# TYPE {name} {draw(_KINDS)}\n"
        for _ in range(draw(st.integers(1, 4))):
            text += f"{draw(st.one_of(st.just(name), _NAMES))}{draw(_SUFFIXES)}{draw(_LABELS)} 1\n"
    return text.encode()


@given(st.lists(_families(), min_size=1, max_size=3), st.sampled_from(["text", "openmetrics"]))
@settings(max_examples=400)
def test_tells_suffixes_from_names(payloads, declared):
    for payload in payloads:
        fast = read((payload,), format=declared)
        slow = read((payload,), format=declared, fast=False)
        assert everything(fast) == everything(slow)


def test_forgets_between_pieces_how_far_it_has_looked():
    good = HEAD + b'a{b="c"} 1\n' * 20
    pieces = (good, b'# TYPE z gauge\nz{b="c"} x\n')
    read((good,))

    exposition = read(pieces)

    assert [bad.name for bad in exposition.quarantined] == [b"z"]
    assert everything(exposition) == everything(read(pieces, fast=False))

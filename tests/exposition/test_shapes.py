"""Automata by shape: when one is made, what it takes, and how many are kept."""

import pytest

from exporter_proxy.exposition.reader import read, shapes
from exporter_proxy.exposition.reader.shapes import MOST_SHAPES, Shape, Shapes, takes
from tests.exposition.reading import everything, findings, read_text, samples


@pytest.fixture
def _compiling(monkeypatch):
    """Compile a shape when it is first seen."""
    monkeypatch.setattr(shapes, "WORTH_COMPILING", 0)


def _takes(shape: Shape, line: bytes) -> bool:
    matcher = Shapes().matcher(shape, 1_000_000)
    assert matcher is not None
    return takes(matcher, line, 0, len(line))


def test_compiles_a_shape_when_enough_samples_had_it():
    known = Shapes()
    shape = Shape(b"{a=")

    made = [known.matcher(shape, 50) is not None for _ in range(4)]

    assert made == [False, False, True, True]


def test_forgets_what_it_has_seen_of_shapes_that_are_too_many():
    known = Shapes()
    for number in range(10_000):
        assert known.matcher(Shape(b"{a%d=" % number), 1) is None

    assert len(known._seen) <= 4096


def test_keeps_the_shapes_that_are_used():
    """One in use stays, however many others come and go."""
    known = Shapes()
    kept = known.matcher(Shape(b"{kept="), 1_000)
    for number in range(MOST_SHAPES * 2):
        known.matcher(Shape(b"{a%d=" % number), 1_000)
        assert known.matcher(Shape(b"{kept="), 1) is kept

    assert len(known._matchers) + len(known._older) <= MOST_SHAPES
    assert known.usual.keys() <= {shape.key() for shape in known._matchers}


@pytest.mark.parametrize(
    "labels",
    [b"{a=,a=", b"{a=,b=,a=", b"{__a=", b"{a-b=", b"{a=b=", b"{=", b"{" + b"a" * 1024 + b"="],
)
def test_makes_none_for_labels_that_are_never_right(labels):
    assert Shapes().matcher(Shape(labels), 1_000_000) is None


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        (b'a{b="c",d="e"} 1\n', True),
        (b'a{b="\\"\\\\\\n",d=""} -1.5e+10\n', True),
        (b'a{b="c",d="e"} 1\na:b{b="c",d="e"} NaN\n', True),
        (b'a{b="c"} 1\n', False),
        (b'a{d="e",b="c"} 1\n', False),
        (b'a{b="c",d="e",d="e"} 1\n', False),
        (b'a{b="c",b="c",d="e"} 1\n', False),
        (b'a{b="\\d",d="e"} 1\n', False),
        (b'a{b="c",d="e"} 1e400\n', False),
        (b'a{b="c",d="e"} ' + b"1" * 21 + b"\n", False),
        (b'a{b="c",d="e"} nan\n', False),
        (b'a{b="c",d="e"} 1 5\n', False),
        (b'a{b="c",d="e"}  1\n', False),
        (b'a{b="c",d="e"} 1', False),
    ],
)
def test_takes_lines_of_its_shape_alone(line, taken):
    assert _takes(Shape(b"{b=,d="), line) is taken


@pytest.mark.usefixtures("_compiling")
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b'# TYPE a gauge\na{b="c",b="d"} 1\n', "duplicate_label", id="label twice"),
        pytest.param(
            b'# TYPE a gauge\na{b="c"} 1\na{b="c",b="d"} 1\n', "duplicate_label", id="later"
        ),
        pytest.param(
            b'# TYPE a histogram\na_bucket{le="1"} 1\na_bucket{le="x"} 1\n', "bad_bucket", id="le"
        ),
        pytest.param(
            b'# TYPE a summary\na{quantile="0.5"} 1\na{quantile=""} 1\n',
            "bad_quantile",
            id="quantile",
        ),
    ],
)
def test_leaves_nothing_bad_unseen(payload, reason):
    exposition = read_text(payload)

    assert [bad.reason for bad in exposition.quarantined] == [reason]


@pytest.mark.usefixtures("_compiling")
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'# TYPE a gauge\na{b="c"} 1\naa{b="c"} 1\n', id="a longer name"),
        pytest.param(b'# TYPE aa gauge\naa{b="c"} 1\na{b="c"} 1\n', id="a shorter name"),
        pytest.param(b'# TYPE a histogram\na_bucket{le="1"} 1\na_x_bucket{le="1"} 1\n', id="x"),
        pytest.param(b"# TYPE a summary\na_sum 1\na_sum_count 1\n", id="two suffixes"),
        pytest.param(b"# TYPE a histogram\na_sum 1\na_summary 1\n", id="more than a suffix"),
        pytest.param(b"# TYPE a_sum summary\na_sum 1\na_sum_sum 1\n", id="a name like a suffix"),
    ],
)
def test_takes_no_sample_of_another_family(payload):
    fast, slow = read((payload,)), read((payload,), fast=False)

    assert len(fast.families) == 2 or "misplaced_sample" in findings(fast)
    assert everything(fast) == everything(slow)


def test_skips_lines_without_a_type_that_are_alike(monkeypatch):
    """Lines of one name, without TYPE, are taken together; the line that differs is seen."""
    monkeypatch.setattr(shapes, "WORTH_COMPILING", 0)
    lines = b'a{b="c"} 1\n' * 1000
    payload = lines + b'a{b="c",b="d"} 1\n' + b"b 1\n" * 3 + b'a{c="d"} 1\nc{e="f"} 1\n' * 2

    exposition = read_text(payload)

    assert samples(exposition) == {b"b": b"b 1\n" * 3, b"c": b'c{e="f"} 1\n' * 2}
    (entry,) = exposition.quarantined
    assert (entry.name, entry.line, entry.reason) == (b"a", 1001, "duplicate_label")
    assert entry.text == lines + b'a{b="c",b="d"} 1\n' + b'a{c="d"} 1\n' * 2
    assert everything(exposition) == everything(read((payload,), fast=False))


@pytest.mark.usefixtures("_compiling")
def test_finds_commas_within_values():
    """Trailing commas are replaced blindly only where no value has one that looks alike."""
    payload = b'# TYPE a gauge\na{b="c",} 1\na{b="\\",} ",} 1\n'

    exposition = read_text(payload)

    assert samples(exposition) == {b"a": b'a{b="c"} 1\na{b="\\",} "} 1\n'}


def test_reads_very_many_label_sets():
    payload = b"".join(b'a{b%d="c"} 1\n' % number for number in range(5000))

    assert read_text(payload).samples == 5000

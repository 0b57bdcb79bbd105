"""Labels are added to the samples that lack them, and to nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.exposition.model import Family
from exporter_proxy.exposition.relabel import Labels, Seen
from tests.exposition.sample_lines import families, read

HISTOGRAM = b"""\
h_bucket{le="1"} 1
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
"""


def add(block: bytes, labels: dict[str, str], *, override: bool = False, **kind: object) -> bytes:
    """Add labels in the way that the block asks for."""
    ours = Labels(labels, override=override)
    if ours.in_use(block):
        return ours.add_exactly(block, Seen(follow=ours.may_clash(block)))
    name = str(kind.get("name", "m")).encode()
    return ours.add(block, name, block.count(b"\n"), quoted=bool(kind.get("quoted")))


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        pytest.param(b"m 1\n", b'm{a="x"} 1\n', id="one without labels"),
        pytest.param(b'm{b="{ "} 1\n', b'm{a="x",b="{ "} 1\n', id="one with labels"),
        pytest.param(
            b'm{b="1"} 1\nm{b="2"} 2 3\n', b'm{a="x",b="1"} 1\nm{a="x",b="2"} 2 3\n', id="more"
        ),
        pytest.param(
            b'm{b="{id}"} 1\nm{b="2"} 2\n',
            b'm{a="x",b="{id}"} 1\nm{a="x",b="2"} 2\n',
            id="brace in a value",
        ),
        pytest.param(
            b'm{b="{"} 1\nm 2\n', b'm{a="x",b="{"} 1\nm{a="x"} 2\n', id="as many braces as lines"
        ),
        pytest.param(
            b'm 2\nm{b="{"} 1\n', b'm{a="x"} 2\nm{a="x",b="{"} 1\n', id="and the first without"
        ),
        pytest.param(
            b'm{b="1"} 1 # {c="d"} 1\nm{b="2"} 2\n',
            b'm{a="x",b="1"} 1 # {c="d"} 1\nm{a="x",b="2"} 2\n',
            id="exemplar",
        ),
        pytest.param(
            b'm{b="1"} 1 # {a="d"} 1\n', b'm{a="x",b="1"} 1 # {a="d"} 1\n', id="an exemplar's label"
        ),
        pytest.param(b'm{aa="1"} 1\n', b'm{a="x",aa="1"} 1\n', id="a longer label"),
        pytest.param(b'm{b=",a=\\""} 1\n', b'm{a="x",b=",a=\\""} 1\n', id="label in a value"),
        pytest.param(b'm{a="1"} 1\n', b'm{a="1"} 1\n', id="its own label wins"),
        pytest.param(b'm{a=""} 1\n', b'm{a=""} 1\n', id="an empty one too"),
        pytest.param(
            b'm{b="1",a="1"} 1\nm{b="1"} 1\n',
            b'm{b="1",a="1"} 1\nm{a="x",b="1"} 1\n',
            id="only one has it",
        ),
        pytest.param(b'n{b="{"} 1\nn 5\n', b'n{a="x",b="{"} 1\nn{a="x"} 5\n', id="unknown name"),
    ],
)
def test_adds_a_label(block, expected):
    assert add(block, {"a": "x"}) == expected


def test_adds_to_every_name_of_a_histogram():
    expected = (
        b'h_bucket{a="x",le="1"} 1\nh_bucket{a="x",le="+Inf"} 2\nh_sum{a="x"} 3\nh_count{a="x"} 2\n'
    )
    assert add(HISTOGRAM, {"a": "x"}, name="h") == expected


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        pytest.param(b'{"m"} 1\n', b'{"m",a="x"} 1\n', id="without labels"),
        pytest.param(b'{"m",b="{"} 1\n', b'{"m",a="x",b="{"} 1\n', id="with labels"),
        pytest.param(b'm{"b.c"="1"} 1\nm 1\n', b'm{a="x","b.c"="1"} 1\nm{a="x"} 1\n', id="label"),
        pytest.param(b'{"m",a="1"} 1\n', b'{"m",a="1"} 1\n', id="its own label wins"),
    ],
)
def test_adds_to_quoted_names(block, expected):
    assert add(block, {"a": "x"}, quoted=True) == expected


@pytest.mark.parametrize(
    ("value", "text"), [('"', b'\\"'), ("\\", b"\\\\"), ("\n", b"\\n"), ("é{", "é{".encode())]
)
def test_escapes_values(value, text):
    assert add(b"m 1\n", {"a": value}) == b'm{a="%s"} 1\n' % text


def test_labels_keep_their_order():
    assert add(b'm{c="1"} 1\n', {"b": "y", "a": "x"}) == b'm{b="y",a="x",c="1"} 1\n'


def test_overrides():
    """Whatever the sample says; its other labels stay."""
    block = b'm{b="1",a="1"} 1\nm{b="2"} 1\nm{a="2"} 1\n'
    expected = b'm{a="x",b="1"} 1\nm{a="x",b="2"} 1\nm{a="x"} 1\n'

    assert add(block, {"a": "x"}, override=True) == expected


def test_empty_value_is_no_label():
    """It adds nothing; what it overrides goes."""
    block = b'm{b="1",a="1"} 1\nm{a="1"} 1\n'

    assert add(block, {"a": ""}) is block
    assert add(b"m 1\n", {"a": ""}) == b"m 1\n"
    assert add(block, {"a": ""}, override=True) == b'm{b="1"} 1\nm 1\n'


@pytest.mark.parametrize(
    ("block", "override", "clash"),
    [
        pytest.param(b'm{a="1"} 1\nm{a="2"} 2\n', True, b"m", id="overridden"),
        pytest.param(b'm{a="x"} 1\nm 2\n', False, b"m", id="added"),
        pytest.param(b'm{c="1",b="1",a="1"} 1\nm{b="1",c="1"} 2\n', True, b"m", id="other order"),
        pytest.param(b'm{a="1"} 1\nn{a="2"} 2\n', True, None, id="two metrics"),
        pytest.param(b'm{a="1"} 1\nm{a="1"} 2\n', True, None, id="one before"),
        pytest.param(b'{"m",a="1"} 1\n{"m"} 2\n', True, b'"m"', id="quoted"),
    ],
)
def test_sees_series_become_one(block, override, clash):
    seen = Seen()
    ours = Labels({"a": "x"}, override=override)
    ours.add_exactly(block, seen)

    assert seen.clash == clash
    assert ours.may_clash(block) >= (clash is not None)


@pytest.mark.parametrize("follow", [False, True])
def test_counts_samples_that_keep_their_own(follow):
    seen = Seen(follow=follow)
    Labels({"a": "x", "b": "y"}, override=False).add_exactly(
        b'm{a="1"} 1\nm{c="1"} 2\nm{b="1",a="2"} 2\n', seen
    )

    assert seen.own == 2


OURS = st.dictionaries(
    st.sampled_from(["a", "b", "le", "z"]), st.sampled_from(["", "x", 'm{a="\n']), max_size=3
)


@pytest.mark.parametrize("override", [False, True])
@given(family=families(), labels=OURS)
def test_adds_as_a_slow_reader_would(override, family: Family, labels: dict[str, str]):
    """Names, order of the samples, values, timestamps and exemplars stay."""
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }
    for block in filter(None, (family.samples, family.openmetrics)):
        changed = read(
            add(block, labels, override=override, name=family.name.decode(), quoted=family.quoted)
        )
        before = read(block)

        assert len(before) == len(changed)
        for old, new in zip(before, changed, strict=True):
            own = dict(old.labels)
            if override:
                expected = {name: text for name, text in own.items() if name not in labels}
                expected |= {name: text for name, text in escaped.items() if text}
            else:
                expected = {name: text for name, text in escaped.items() if text} | own
            assert (new.name, new.rest) == (old.name, old.rest)
            assert len(new.labels) == len(dict(new.labels))
            assert dict(new.labels) == expected


@pytest.mark.parametrize("follow", [False, True])
@given(family=families(), labels=OURS)
def test_exact_way_is_the_fast_way(follow, family: Family, labels: dict[str, str]):
    """Where no sample has one of the labels, both ways give the same bytes."""
    ours = Labels(labels, override=False)
    if ours.in_use(family.samples):
        return
    fast = ours.add(family.samples, family.name, family.count, quoted=family.quoted)

    assert ours.add_exactly(family.samples, Seen(follow=follow)) == fast

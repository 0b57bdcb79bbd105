"""What is remembered of families that don't clash, and what is not."""

import pytest

from exporter_proxy.exposition.reader import closing, shapes
from exporter_proxy.exposition.reader.closing import Apart
from tests.exposition.reading import read_text, samples

HISTOGRAM = b'# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> Apart:
    """Remember nothing of other tests, and have no family read line by line."""
    monkeypatch.setattr(shapes, "WORTH_COMPILING", 0)
    apart = Apart()
    monkeypatch.setattr(closing, "_APART", apart)
    return apart


def test_families_that_do_not_clash_are_remembered(apart: Apart):
    """In their order, with which of them have samples with suffixes."""
    payload = HISTOGRAM + b"# TYPE g gauge\ng 1\n"
    read_text(payload)

    assert apart.has((b"h", b"g"), [b"h"])
    assert not apart.has((b"g", b"h"), [b"h"])
    assert not apart.has((b"h", b"g"), [])
    assert list(samples(read_text(payload))) == [b"h", b"g"]


def test_families_that_clash_are_not(apart: Apart):
    """Those that did not when they had another type, neither."""
    gauge = b"# TYPE h gauge\nh 1\n# TYPE h_count gauge\nh_count 2\n"
    other = HISTOGRAM.replace(b"h_", b"g_").replace(b" h ", b" g ")
    for _ in range(2):
        assert list(samples(read_text(gauge + other))) == [
            b"h",
            b"h_count",
            b"g",
        ]
        read_text(HISTOGRAM + b"# TYPE h_count gauge\nh_count 2\n")
        clash = read_text(HISTOGRAM + b"# TYPE h_count gauge\nh_count 2\n")
        assert [entry.reason for entry in clash.quarantined] == ["suffix_clash"]
    assert not apart.has((b"h", b"h_count"), [b"h"])


def test_no_more_names_are_kept_than_there_is_place_for():
    apart = Apart(most=8)
    apart.add((b"a", b"b", b"c"), [])
    assert not apart.has((b"a", b"b", b"c"), [])
    apart.add((b"a",), [b"a"])
    apart.add((b"b",), [])
    apart.add((b"c",), [])
    assert apart.has((b"a",), [b"a"])
    for number in range(5):
        apart.add((b"d%d" % number,), [])
    assert not apart.has((b"a",), [b"a"])
    assert apart.has((b"d4",), [])

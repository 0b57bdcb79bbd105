"""Which samples are of the same series."""

import pytest

from exporter_proxy.exposition.merged import MergedIndex
from exporter_proxy.exposition.merged.duplicates import Duplicates, _Search
from exporter_proxy.exposition.merged.series import series_of
from exporter_proxy.exposition.model import Family


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(b"x", id="no labels"),
        pytest.param(b'x{a="b"}', id="label"),
        pytest.param(b'x{a="host: 127.0.0.1:1025"}', id="blank in the last label"),
        pytest.param(b'x{a="1 2 3",b="4 5"}', id="numbers in labels"),
        pytest.param(b'x{a="b } 1"}', id="brace in a label"),
        pytest.param(b'x{a="b \\" 1"}', id="quote in a label"),
        pytest.param(b'x{a=" "}', id="nothing but a blank"),
        pytest.param('x{a="größe 日本"}'.encode(), id="beyond ascii"),
    ],
)
@pytest.mark.parametrize("value", [b"1", b"-1.5e+09", b"NaN", b"+Inf", b"1 1700000000000", b"1 -5"])
def test_series_is_all_but_the_value(series: bytes, value: bytes):
    """Of a sample the value and the timestamp are left out, whatever is in its labels."""
    assert series_of(b"%b %b\nother 1\n" % (series, value)) == [series, b"other"]


def test_many_small_families_are_searched_in_steps():
    """Although none of them has enough to be worth a step."""
    index = MergedIndex()
    index.set_app(1, [Family(b"x%d" % number, "gauge", b"x 1\n", 1) for number in range(5_000)])
    duplicates = Duplicates(index)

    assert len(list(duplicates.search())) >= 10


def test_apps_with_next_to_nothing_are_searched_in_steps():
    """Whose labels there is no need to look at."""
    index = MergedIndex()
    for app in range(20_000):
        index.set_app(app, [Family(b"x", "gauge", b"x %d\n" % app, 1)])
    search = _Search(index.families[b"x"])

    assert len(list(search.look_at_orders())) >= 4
    assert not search.by_key

"""Histograms of a log's numbers: many of them counted at once, to the same result."""

from bisect import bisect_left
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.log_metrics.counter import LineCounter, StateError
from exporter_proxy.log_metrics.waiting import Waiting
from tests.log_metrics.counting import counter, samples

BOUNDS = [0.01, 0.5, 3]


def histogram(**keys: object) -> LineCounter:
    labels = {"kind": "{kind}"}
    metric = {"name": "h", "type": "histogram", "value": "n", "buckets": BOUNDS, "labels": labels}
    form = r"^(?P<kind>[ab]?) (?P<n>\S*)$"
    return counter(format=form, metrics=[{**metric, **keys}])


NUMBERS = st.sampled_from(["0.1", "0.01", "3", "0.500001", "17"]) | st.decimals(
    0, 10**6, places=6
).map(str)
LINES = st.lists(st.tuples(st.sampled_from("ab"), NUMBERS | st.sampled_from(["-", "x", ""])))


@given(LINES, st.data())
@pytest.mark.parametrize("most", [1, 4096])
def test_counts_and_sums_are_exact_wherever_blocks_and_states_end(most, lines, data):
    """Also when so many numbers are different that they aren't waited with."""
    counted = histogram()
    for metric in counted._reader._metrics:
        metric._waiting = Waiting(most)
    for kind, text in lines:
        counted.feed(f"{kind} {text}\n".encode())
        if data.draw(st.booleans()):
            state = counted.state()
            counted = histogram()
            counted.restore(state)

    found = samples(counted)
    assert counted.unread_values == [text for _, text in lines].count("x")
    for kind in "ab":
        read = [
            Decimal(text) for each, text in lines if each == kind and text not in ("-", "x", "")
        ]
        if not read:
            continue
        places = [bisect_left(BOUNDS, float(each)) for each in read]
        counts = [found[f'h_bucket{{kind="{kind}",le="{bound:g}"}}'] for bound in BOUNDS]
        assert counts == [sum(each <= place for each in places) for place in range(3)]
        assert found[f'h_count{{kind="{kind}"}}'] == len(read)
        assert found[f'h_sum{{kind="{kind}"}}'] == float(sum(read))


def test_a_sum_that_was_kept_as_a_float_is_gone_on_from():
    counted = histogram(labels={})
    counted.feed(b"a 0.1\na 0.2\n")
    state = msgspec.msgpack.decode(counted.state())
    assert state[6][0][0][1][-1] == "0.3"
    state[6][0][0][1][-1] = 0.1 + 0.2
    counted.restore(msgspec.msgpack.encode(state))
    counted.feed(b"a 0.5\n")

    assert samples(counted)["h_sum"] == 0.8


@pytest.mark.parametrize("damaged", ["x", "nan", "1e", "-inf", ""])
def test_a_state_with_a_damaged_sum_is_refused(damaged):
    counted = histogram(labels={})
    state = msgspec.msgpack.decode(counted.state())
    state[6][0][0][1][-1] = damaged

    with pytest.raises(StateError, match="damaged"):
        counted.restore(msgspec.msgpack.encode(state))


@pytest.mark.parametrize("text", ["{0}.{0:06}", "x" * 5_000 + "{0}"], ids=["numbers", "long"])
def test_little_waits_whatever_the_numbers_are(text):
    """Neither many nor long texts are kept: what there is takes milliseconds to count."""
    counted = histogram(labels={"kind": "{kind}"})
    (metric,) = counted._reader._metrics
    for block in range(100):
        lines = "".join(f"a {text.format(block * 100 + line)}\n" for line in range(100))
        counted.feed(lines.encode())
        assert metric.waiting <= 1

    found = samples(counted)
    assert found.get('h_count{kind="a"}', 0) + counted.unread_values == 10_000


def test_labels_wait_no_longer_than_numbers_do():
    counted = counter(
        format=r"^(?P<a>\S*)$",
        max_series=50_000,
        metrics=[{"name": "a_total", "type": "counter", "labels": {"a": "{a}"}}],
    )
    (metric,) = counted._reader._metrics
    for block in range(50):
        counted.feed("".join(f"{block * 100 + line}\n" for line in range(100)).encode())
        assert metric.waiting <= 1

    assert len(samples(counted)) == 5_000

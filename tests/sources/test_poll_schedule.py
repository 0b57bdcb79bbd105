import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.sources.poll.schedule import Slots, spacing


def test_first_slot_is_the_start():
    """The first poll is due at start-up, not an interval later."""
    assert Slots(100.0, 5.0).due == 100.0


@pytest.mark.parametrize(
    ("ended", "due"),
    [
        pytest.param(100.0, 105.0, id="at-once"),
        pytest.param(104.9, 105.0, id="just-in-time"),
        pytest.param(105.0, 105.0, id="at-the-next-slot"),
        pytest.param(105.1, 110.0, id="overran-one"),
        pytest.param(121.0, 125.0, id="overran-four"),
    ],
)
def test_an_overrun_skips_slots(ended: float, due: float):
    """A slow poll costs the slots it has overrun, and moves none."""
    slots = Slots(100.0, 5.0)

    slots.advance(ended)

    assert slots.due == due


@given(
    interval=st.floats(0.01, 1000),
    delays=st.lists(st.floats(0, 0.9), min_size=1, max_size=200),
)
def test_late_polls_never_drift(interval: float, delays: list[float]):
    """However late each poll ends within its interval, the k-th is due at start + k intervals."""
    slots = Slots(50.0, interval)
    for number, delay in enumerate(delays, start=1):
        slots.advance(slots.due + delay * interval)

        assert slots.due == 50.0 + number * interval


@pytest.mark.parametrize(
    ("intervals", "seconds"),
    [
        pytest.param([], 0.002, id="none"),
        pytest.param([5.0] * 500, 0.002, id="many"),
        pytest.param([5.0] * 10_000, 0.0005, id="too-many"),
        pytest.param([60.0, 0.1] * 50, 0.001, id="shortest-counts"),
    ],
)
def test_first_polls_are_spread_within_an_interval(intervals: list[float], seconds: float):
    assert spacing(intervals) == pytest.approx(seconds)

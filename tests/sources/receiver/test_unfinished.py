"""The bound on all unfinished messages together, and that there is always progress."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter_proxy.sources.receiver.unfinished import Unfinished


class FakeSender:
    """Knows whether it was told to wait."""

    def __init__(self) -> None:
        self.begun = -1.0
        self.paused = False

    def pause_reading(self) -> None:
        """Wait."""
        self.paused = True

    def resume_reading(self) -> None:
        """Go on."""
        self.paused = False


@pytest.fixture
def senders() -> list[FakeSender]:
    return [FakeSender() for _ in range(4)]


def test_counts_what_all_hold(senders: list[FakeSender]):
    unfinished = Unfinished(1000)
    for number, sender in enumerate(senders):
        unfinished.set(sender, 10 * (number + 1), now=number, began=False)
    assert (len(unfinished), unfinished.buffered) == (4, 100)
    assert [sender.begun for sender in senders] == [0, 1, 2, 3]
    unfinished.set(senders[0], 60, now=9, began=False)
    assert (unfinished.buffered, senders[0].begun) == (150, 0)
    assert senders[1] in unfinished
    unfinished.remove(senders[1], 9)
    unfinished.remove(senders[1], 9)
    assert senders[1] not in unfinished
    assert (len(unfinished), unfinished.buffered) == (3, 130)


def test_time_begins_with_each_message(senders: list[FakeSender]):
    unfinished = Unfinished(1000)
    first, second, *_ = senders
    unfinished.set(first, 10, now=1, began=False)
    unfinished.set(second, 10, now=2, began=False)
    unfinished.set(first, 5, now=3, began=True)
    assert unfinished.overdue(1.5) == []
    assert unfinished.overdue(2.5) == [second]
    assert unfinished.overdue(3.5) == [second, first]


def test_up_to_the_bound_nobody_waits(senders: list[FakeSender]):
    unfinished = Unfinished(40)
    for sender in senders:
        unfinished.set(sender, 10, now=0, began=False)
    assert not any(sender.paused for sender in senders)


def test_beyond_the_bound_all_but_the_first_wait(senders: list[FakeSender]):
    """When they may go on their time begins anew."""
    unfinished = Unfinished(40)
    first, second, third, _ = senders
    for sender in (first, second, third):
        unfinished.set(sender, 10, now=0, began=False)
    unfinished.set(second, 30, now=1, began=False)
    unfinished.set(third, 30, now=1, began=False)
    unfinished.set(first, 1000, now=1, began=False)
    assert [first.paused, second.paused, third.paused] == [False, True, True]
    assert unfinished.overdue(5) == [first]
    unfinished.remove(first, 6)
    # still too much for both
    assert [second.paused, third.paused] == [False, True]
    assert unfinished.overdue(5.5) == []
    assert unfinished.overdue(6.5) == [second]
    unfinished.remove(second, 8)
    assert not third.paused
    assert unfinished.overdue(7.5) == []
    assert unfinished.overdue(8.5) == [third]


def test_the_one_that_goes_on_is_not_sent_back(senders: list[FakeSender]):
    """Its next bytes find it first, however much the others hold."""
    unfinished = Unfinished(40)
    for sender in senders:
        unfinished.set(sender, 30, now=0, began=False)
    unfinished.remove(senders[0], 1)
    unfinished.set(senders[1], 35, now=2, began=False)
    assert [sender.paused for sender in senders[1:]] == [False, True, True]


def test_first_that_begins_another_message_goes_to_the_end(senders: list[FakeSender]):
    """Then the next one goes on."""
    unfinished = Unfinished(40)
    first, second, third, _ = senders
    for sender in (first, second, third):
        unfinished.set(sender, 30, now=0, began=False)
    assert [first.paused, second.paused, third.paused] == [False, True, True]
    unfinished.set(first, 20, now=1, began=True)
    assert [first.paused, second.paused, third.paused] == [True, False, True]


def test_all_go_on_below_the_bound(senders: list[FakeSender]):
    unfinished = Unfinished(40)
    first, second, third, _ = senders
    for sender in (first, second, third):
        unfinished.set(sender, 15, now=0, began=False)
    assert third.paused
    unfinished.set(first, 1, now=1, began=False)
    assert not third.paused


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 30), st.booleans(), st.integers(0, 2)),
        max_size=60,
    )
)
@settings(max_examples=200, deadline=None)
def test_there_is_always_progress(steps: list[tuple[int, int, bool, int]]):
    """In any order of events the sums are right, and the first in line never waits."""
    senders = [FakeSender() for _ in range(4)]
    unfinished = Unfinished(40)
    held: dict[FakeSender, int] = {}
    now = 0.0
    for who, buffered, began, pause in steps:
        now += pause
        sender = senders[who]
        if sender.paused and buffered:
            # nothing comes of it
            continue
        if buffered:
            unfinished.set(sender, buffered, now=now, began=began)
            held[sender] = buffered
        else:
            unfinished.remove(sender, now)
            held.pop(sender, None)
            sender.paused = False
        assert unfinished.buffered == sum(held.values())
        assert len(unfinished) == len(held)
        waiting = [each for each in held if each.paused]
        assert set(unfinished._paused) == set(waiting)
        if unfinished.buffered <= 40:
            assert not waiting
        if held:
            assert len(waiting) < len(held)
            assert not next(iter(unfinished._senders)).paused
        due = [each for each in held if each.begun < now and not each.paused]
        assert set(unfinished.overdue(now)) == set(due)

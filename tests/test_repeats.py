"""What is logged of repetitions; time is moved by the test."""

import logging
import re

import pytest

from exporter_proxy.repeats import Crowd, Streak, Throttle, span
from tests.sources.polling import ManualClock
from tests.timers import ManualTimers

logger = logging.getLogger("exporter_proxy.test")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def streak(clock: ManualClock) -> Streak:
    return Streak(logger, "poll", "source=x", monotonic=clock)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what a log without debug lines has since the last look."""
    found = [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG]
    caplog.clear()
    return found


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "exporter_proxy")


def test_failure_is_told_once_and_counted_at_its_end(
    streak: Streak, clock: ManualClock, caplog: pytest.LogCaptureFixture
):
    streak.worked()
    for _ in range(57):
        streak.failed("connection refused")
        clock.now += 5
    streak.worked()
    streak.worked()

    assert told(caplog) == [
        "poll failing: source=x connection refused",
        "poll works again: source=x after 57 failures, 4m45s",
    ]


def test_levels(streak: Streak, caplog: pytest.LogCaptureFixture):
    """A warning, what is the same at debug, good news at info."""
    streak.failed("a")
    streak.failed("a")
    streak.worked()

    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "INFO"]


def test_other_failure_is_news(
    streak: Streak, clock: ManualClock, caplog: pytest.LogCaptureFixture
):
    for why in ("a", "a", "b", "b"):
        streak.failed(why)
        clock.now += 30
    streak.worked()

    assert told(caplog) == [
        "poll failing: source=x a",
        "poll failing: source=x b (failing for 1m0s, 2 failures)",
        "poll works again: source=x after 4 failures, 2m0s",
    ]


def test_what_flaps_comes_once_a_minute(
    streak: Streak, clock: ManualClock, caplog: pytest.LogCaptureFixture
):
    """An hour of it is an hour's lines, and nothing is left out in silence."""
    for _ in range(360):
        streak.failed("a")
        clock.now += 5
        streak.worked()
        clock.now += 5

    lines = told(caplog)
    assert len(lines) <= 4 + 60
    numbers = re.findall(r"\((\d+) changes? left out\)", "".join(lines))
    left_out = sum(map(int, numbers))
    assert len(lines) + left_out == pytest.approx(720, abs=12)


def test_end_of_flapping_is_told(
    streak: Streak, clock: ManualClock, caplog: pytest.LogCaptureFixture
):
    """Whichever way it ends, the last line is how it is, as soon as a line is allowed."""
    for _ in range(5):
        streak.failed("a")
        streak.worked()
    assert told(caplog)[-1].startswith("poll works again")
    clock.now += 59
    streak.worked()
    assert told(caplog) == []
    clock.now += 1
    streak.worked()
    streak.worked()

    assert told(caplog) == [
        "poll works again: source=x after 3 failures, 1m0s (6 changes left out)"
    ]


def test_failure_that_lasts_after_flapping_is_told(
    streak: Streak, clock: ManualClock, caplog: pytest.LogCaptureFixture
):
    for _ in range(2):
        streak.failed("a")
        streak.worked()
    told(caplog)
    for _ in range(13):
        streak.failed("a")
        clock.now += 5

    assert told(caplog) == [
        "poll failing: source=x a (failing for 1m0s, 12 failures) (1 change left out)"
    ]


def test_traceback_comes_with_what_is_told(streak: Streak, caplog: pytest.LogCaptureFixture):
    for _ in range(3):
        streak.failed("KeyError", level=logging.ERROR, bug=KeyError("x"))

    assert [record.levelname for record in caplog.records] == ["ERROR", "DEBUG", "DEBUG"]
    assert [bool(record.exc_info) for record in caplog.records] == [True, False, False]


def test_throttle_counts_each_kind(caplog: pytest.LogCaptureFixture):
    timers, found = ManualTimers(), []
    throttle: Throttle[str] = Throttle(
        lambda kind, count: found.append((kind, count)), timers.call_later
    )
    assert [throttle.is_first(kind) for kind in "aabab"] == [True, False, True, False, False]
    timers.advance(60)
    assert found == [("a", 2), ("b", 1)]
    assert not throttle.is_first("a")
    throttle.close()

    assert found[2:] == [("a", 1)]
    assert not timers.timers


async def test_throttle_takes_the_loops_timers():
    throttle: Throttle[int] = Throttle(lambda *_: None)

    assert throttle.is_first(1)
    assert not throttle.is_first(1)

    throttle.close()


def test_crowd_has_32_lines_a_minute(clock: ManualClock, caplog: pytest.LogCaptureFixture):
    """It says when it begins to leave some out, and then how many those were."""
    crowd = Crowd(logger, "there are more", clock)

    assert [crowd.has_room() for _ in range(1000)] == [True] * 32 + [False] * 968
    assert told(caplog) == ["there are more"]

    clock.now += 4
    assert [crowd.has_room() for _ in range(3)] == [True, True, False]
    assert told(caplog) == ["there are more (968 left out)", "there are more"]

    clock.now += 600
    assert all(crowd.has_room() for _ in range(32))
    assert told(caplog) == ["there are more (1 left out)"]


def test_many_streaks_share_their_lines(clock: ManualClock, caplog: pytest.LogCaptureFixture):
    """What is not told is not told later either, and nothing of it is kept."""
    crowd = Crowd(logger, "more fail than are named here", clock)
    streaks = [
        Streak(logger, "module", f"file={number}", monotonic=clock, crowd=crowd)
        for number in range(40)
    ]
    for each in streaks:
        each.failed("not UTF-8")
    lines = told(caplog)
    assert len(lines) == 33
    assert lines[:2] == ["module failing: file=0 not UTF-8", "module failing: file=1 not UTF-8"]
    assert lines[32] == "more fail than are named here"
    for each in streaks:
        each.worked()
    assert [each.failures for each in streaks] == [0] * 40
    clock.now += 60
    for each in streaks:
        each.worked()
    streaks[0].failed("not UTF-8")
    assert told(caplog) == [
        "more fail than are named here (48 left out)",
        "module failing: file=0 not UTF-8",
    ]


def test_streak_is_old_when_another_would_do(streak: Streak, clock: ManualClock):
    """It works, that is told, and as many lines are allowed as at its beginning."""
    assert streak.is_old
    streak.failed("a")
    clock.now += 3600
    assert not streak.is_old
    streak.worked()
    assert not streak.is_old
    clock.now += 59
    assert not streak.is_old
    clock.now += 1
    assert streak.is_old


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (0.4, "0s"),
        (59.6, "1m0s"),
        (285, "4m45s"),
        (3600, "1h0m"),
        (7_384, "2h3m"),
        (86_400 * 3 + 3_600, "3d1h"),
        (-1, "0s"),
    ],
)
def test_span(seconds: float, shown: str):
    assert span(seconds) == shown

"""What the log says of a module and its parts; time is moved by the test."""

import logging

import pytest

from exporter_proxy.errors import ModuleError
from exporter_proxy.sources.module.streaks import ModuleStreaks
from tests.sources.polling import ManualClock

INTERVAL = 15


class Log:
    """A module that is polled, and what is logged of it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "exporter_proxy")
        self._caplog = caplog
        self.clock = ManualClock()
        self.streaks = ModuleStreaks("m", self.clock)

    def poll(self, **bad: str) -> list[str]:
        """Poll once, with what is wrong with which file; return what is logged of it."""
        self.note(
            *(ModuleError(why, reason="invalid_utf8", part=name) for name, why in bad.items())
        )
        return self.told()

    def note(self, *errors: ModuleError, bug: Exception | None = None) -> None:
        self.streaks.note(errors, bug)
        self.clock.now += INTERVAL

    def told(self) -> list[str]:
        found = [record.getMessage() for record in self._caplog.records]
        self._caplog.clear()
        return found


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


def test_each_file_begins_and_ends_for_itself(log: Log):
    """With a count; what others do says nothing of it."""
    assert log.poll(a="not UTF-8") == [
        'module failing: module="m" file="a" reason=invalid_utf8: not UTF-8'
    ]
    assert log.poll(a="not UTF-8", b="torn") == [
        'module failing: module="m" file="b" reason=invalid_utf8: torn'
    ]
    assert log.poll(a="not UTF-8", b="torn") == []
    assert log.poll(a="not UTF-8") == [
        'module works again: module="m" file="b" after 2 failures, 30s'
    ]
    assert log.poll(a="empty") == [
        (
            'module failing: module="m" file="a" reason=invalid_utf8: empty '
            "(failing for 1m0s, 4 failures)"
        )
    ]
    assert log.poll() == ['module works again: module="m" file="a" after 5 failures, 1m15s']


@pytest.mark.parametrize("goes", [False, True], ids=["works", "is_gone"])
def test_file_that_flaps_comes_once_a_minute(log: Log, goes: bool):  # noqa: FBT001
    """However it does; the number of changes that were left out is told."""
    lines = []
    for number in range(240):
        # What is not there is not among the errors either: for the log it is the same.
        lines += log.poll(**({} if number % 2 else {"a": "torn"}), **({} if goes else {"b": "bad"}))
    of_a = [line for line in lines if 'file="a"' in line]
    minutes = 240 * INTERVAL / 60
    assert minutes - 2 <= len(of_a) <= minutes + 4
    assert "changes left out)" in of_a[-1]
    assert len(lines) - len(of_a) == (0 if goes else 1)


def test_file_that_fails_all_the_time_hides_no_other(log: Log):
    log.poll(a="bad")
    for _ in range(100):
        log.poll(a="bad")
    assert log.poll(a="bad", b="torn") == [
        'module failing: module="m" file="b" reason=invalid_utf8: torn'
    ]


def test_the_whole_says_nothing_of_its_parts(log: Log):
    """They are as they were when it works again."""
    log.poll(a="bad")
    for _ in range(3):
        log.note(ModuleError("can't be read", reason="unreadable_file"))
    assert log.told() == ['module failing: module="m" reason=unreadable_file: can\'t be read']
    assert log.poll(a="bad") == ['module works again: module="m" after 3 failures, 45s']
    assert log.poll() == ['module works again: module="m" file="a" after 2 failures, 1m15s']


def test_bug_brings_its_traceback(log: Log, caplog: pytest.LogCaptureFixture):
    log.note(ModuleError("internal error: KeyError", reason="other"), bug=KeyError("x"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


def test_files_with_other_names_each_time(log: Log):
    """Lines are bounded, and what is kept of them."""
    lines = 0
    for number in range(1000):
        lines += len(log.poll(**{f"{number}.{each}": "torn" for each in range(20)}))
    minutes = 1000 * INTERVAL / 60
    assert lines < minutes * 48
    # Each has to be quiet for a while, so that it could not begin anew each time.
    assert len(log.streaks._parts) < 20 * 60 * 3 / INTERVAL
    for _ in range(100):
        log.poll()
    assert not log.streaks._parts


def test_a_thousand_files_at_once(log: Log):
    bad = {f"{number}": "torn" for number in range(1000)}
    lines = log.poll(**bad)
    assert len(lines) == 33
    assert lines[32] == (
        'more files of a module fail or work again than are named here: module="m": '
        "/health tells how many fail"
    )
    assert log.poll(**bad) == []


def test_names_are_shown_and_never_obeyed(log: Log):
    assert log.poll(**{"a\nb": "torn"}) == [
        'module failing: module="m" file="a\\nb" reason=invalid_utf8: torn'
    ]

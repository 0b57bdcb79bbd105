"""What is logged of refused messages, on a clock that the test moves."""

from collections.abc import Callable

import pytest

from exporter_proxy.errors import PayloadError, RejectReason
from exporter_proxy.sources.receiver.refusals import RefusalLog


class Clock:
    """Calls functions when their time has come."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def call_later(
        self, delay: float, function: Callable[[RejectReason], None], reason: RejectReason
    ) -> "Timer":
        """Have ``function`` called when that time has passed."""
        timer = Timer(self, self.now + delay, lambda: function(reason))
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Let that time pass."""
        self.now += seconds
        for timer in [timer for timer in self.timers if timer.due <= self.now]:
            self.timers.remove(timer)
            timer.function()


class Timer:
    """A call that is due."""

    def __init__(self, clock: Clock, due: float, function: Callable[[], None]) -> None:
        self.clock = clock
        self.due = due
        self.function = function

    def cancel(self) -> None:
        """Call nothing."""
        self.clock.timers.remove(self)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> RefusalLog:
    return RefusalLog("127.0.0.1:6554", clock.call_later)


def refuse(log: RefusalLog, reason: RejectReason = "not_text", times: int = 1) -> None:
    for _ in range(times):
        log.note(PayloadError(f"it is {reason}", reason=reason), lambda: "127.0.0.1:5")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings since the last look."""
    found = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    caplog.clear()
    return found


def first(reason: str) -> str:
    return f"message refused: source=127.0.0.1:6554 peer=127.0.0.1:5: it is {reason}"


def test_first_refusal_of_each_reason(log: RefusalLog, caplog: pytest.LogCaptureFixture):
    refuse(log)
    refuse(log, "bad_ttl")
    refuse(log, times=100)

    assert lines(caplog) == [first("not_text"), first("bad_ttl")]


def test_one_line_a_minute_says_how_many(
    log: RefusalLog, clock: Clock, caplog: pytest.LogCaptureFixture
):
    refuse(log, times=18)
    clock.advance(59)
    assert lines(caplog) == [first("not_text")]
    clock.advance(1)
    assert lines(caplog) == ["17 more messages refused: source=127.0.0.1:6554 reason=not_text"]
    refuse(log)
    clock.advance(59)
    assert lines(caplog) == []
    clock.advance(1)
    assert lines(caplog) == ["1 more message refused: source=127.0.0.1:6554 reason=not_text"]


def test_after_a_minute_of_peace_a_refusal_is_news(
    log: RefusalLog, clock: Clock, caplog: pytest.LogCaptureFixture
):
    refuse(log)
    clock.advance(60)
    assert not clock.timers
    refuse(log)

    assert lines(caplog) == [first("not_text")] * 2


def test_end_tells_the_rest(log: RefusalLog, clock: Clock, caplog: pytest.LogCaptureFixture):
    refuse(log, times=3)
    refuse(log, "tls")
    caplog.clear()
    log.close()

    assert lines(caplog) == ["2 more messages refused: source=127.0.0.1:6554 reason=not_text"]
    assert not clock.timers


def test_every_refusal_is_logged_for_who_debugs(log: RefusalLog, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG", "exporter_proxy")
    refuse(log, times=3)

    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "DEBUG"]
    assert caplog.messages == [first("not_text")] * 3


def test_peer_is_asked_for_only_where_it_is_shown(log: RefusalLog):
    asked = []

    def peer() -> str:
        asked.append(1)
        return "unix"

    for _ in range(5):
        log.note(PayloadError("no", reason="tls"), peer)

    assert len(asked) == 1

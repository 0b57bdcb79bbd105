"""What is logged of refused messages, on a clock that the test moves."""

import pytest

from exporter_proxy.errors import PayloadError, RejectReason
from exporter_proxy.sources.refusals import RefusalLog
from tests.timers import ManualTimers

REST = "source=127.0.0.1:6554 peer=127.0.0.1 reason=not_text"


@pytest.fixture
def clock() -> ManualTimers:
    return ManualTimers()


@pytest.fixture
def log(clock: ManualTimers) -> RefusalLog:
    return RefusalLog("127.0.0.1:6554", clock.call_later)


def refuse(
    log: RefusalLog, reason: RejectReason = "not_text", times: int = 1, peer: str = "127.0.0.1:5"
) -> None:
    for _ in range(times):
        log.note(PayloadError(f"it is {reason}", reason=reason), peer)


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
    log: RefusalLog, clock: ManualTimers, caplog: pytest.LogCaptureFixture
):
    refuse(log, times=18)
    clock.advance(59)
    assert lines(caplog) == [first("not_text")]
    clock.advance(1)
    assert lines(caplog) == [f"17 more messages refused: {REST}"]
    refuse(log)
    clock.advance(59)
    assert lines(caplog) == []
    clock.advance(1)
    assert lines(caplog) == [f"1 more message refused: {REST}"]


def test_after_a_minute_of_peace_a_refusal_is_news(
    log: RefusalLog, clock: ManualTimers, caplog: pytest.LogCaptureFixture
):
    refuse(log)
    clock.advance(60)
    assert not clock.timers
    refuse(log)

    assert lines(caplog) == [first("not_text")] * 2


def test_end_tells_the_rest(log: RefusalLog, clock: ManualTimers, caplog: pytest.LogCaptureFixture):
    refuse(log, times=3)
    refuse(log, "tls")
    caplog.clear()
    log.close()

    assert lines(caplog) == [f"2 more messages refused: {REST}"]
    assert not clock.timers


def test_every_refusal_is_logged_for_who_debugs(log: RefusalLog, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG", "exporter_proxy")
    refuse(log, times=3)

    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "DEBUG"]
    assert caplog.messages == [first("not_text")] * 3


def test_peers_are_told_apart(
    log: RefusalLog, clock: ManualTimers, caplog: pytest.LogCaptureFixture
):
    """One that is noisy doesn't hide another's first mistake; its connections are one peer."""
    for port in range(1, 5):
        refuse(log, peer=f"10.0.0.1:{port}")
    refuse(log, peer="::1:7")
    refuse(log, peer="unix", times=2)
    clock.advance(60)

    source = "source=127.0.0.1:6554"
    assert lines(caplog) == [
        f"message refused: {source} peer=10.0.0.1:1: it is not_text",
        f"message refused: {source} peer=::1:7: it is not_text",
        f"message refused: {source} peer=unix: it is not_text",
        f"3 more messages refused: {source} peer=10.0.0.1 reason=not_text",
        f"1 more message refused: {source} peer=unix reason=not_text",
    ]


def test_any_number_of_peers_is_a_bounded_number_of_lines(
    log: RefusalLog, clock: ManualTimers, caplog: pytest.LogCaptureFixture
):
    for number in range(1000):
        refuse(log, peer=f"10.0.{number // 256}.{number % 256}:1", times=2)
    assert len(lines(caplog)) == 32
    clock.advance(60)

    told = lines(caplog)
    assert len(told) == 33
    assert "1936 more messages of other peers refused: source=127.0.0.1:6554" in told

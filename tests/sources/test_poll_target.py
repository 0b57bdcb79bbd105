import logging
from typing import Any

import pytest

from exporter_proxy.errors import PollError
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import TargetStatus
from exporter_proxy.sources.poll.target import Target
from exporter_proxy.table import FOR_EVER, Life, Table
from tests.sources.polling import ManualClock, endpoint

URL = "http://127.0.0.1:1025/"
SOURCE = "external_poll: target"
ERROR = PollError("HTTP status 503", reason="http_status")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def make(clock: ManualClock, table: Table, *, life: Life = FOR_EVER, **settings: Any) -> Target:
    return Target(endpoint(URL, **settings), table, Admission(table), life=life, monotonic=clock)


def test_success_enters_the_table(clock: ManualClock):
    table = Table(monotonic=clock)
    target = make(clock, table, life=Life(30.0))
    clock.now += 0.25

    target.succeed((b"a 1\n",), clock.now - 0.25)

    row = table.get("app")
    assert row is not None
    assert (row.payload, row.source) == ((b"a 1\n",), SOURCE)
    assert row.expires_at == clock.now + 30.0
    when = target.status.last_success_ns
    assert when is not None
    assert abs(when - row.updated_ns) < 60e9
    assert target.status == TargetStatus(
        SOURCE, "app", up=True, duration_seconds=0.25, polls=1, last_success_ns=when
    )


def test_failure_keeps_the_last_good_metrics(clock: ManualClock):
    """They stay, and it is told why they get old."""
    table = Table()
    target = make(clock, table)
    target.succeed((b"a 1\n",), clock.now)
    target.fail(ERROR, clock.now - 1.5)

    row = table.get("app")
    assert row is not None
    assert row.payload == (b"a 1\n",)
    assert table.problems["app"].text == "poll failing: HTTP status 503"
    assert table.problems["app"].source == SOURCE
    assert target.status.up is False
    assert (target.status.polls, target.status.duration_seconds) == (2, 1.5)
    assert target.status.failures == {"http_status": 1}
    assert target.status.last_error == "HTTP status 503"


def test_failure_drops_the_app_where_configured(clock: ManualClock):
    table = Table()
    target = make(clock, table, on_failure="drop")
    target.succeed((b"a 1\n",), clock.now)

    target.fail(ERROR, clock.now)
    target.fail(ERROR, clock.now)

    assert "app" not in table
    assert "app" in table.problems


def test_failure_drops_nothing_of_another_source(clock: ManualClock):
    """An app of the same name that was pushed is not the poller's to drop."""
    table = Table()
    table.update("app", (b"pushed 1\n",), source="127.0.0.1:6554")

    make(clock, table, on_failure="drop").fail(ERROR, clock.now)

    assert "app" in table


def test_recovery_clears_the_problem(clock: ManualClock):
    table = Table()
    target = make(clock, table)
    target.fail(ERROR, clock.now)

    target.succeed((b"a 1\n",), clock.now)

    assert not table.problems
    assert target.status.up is True
    assert target.status.last_error is None
    assert target.status.failures == {"http_status": 1}


def test_only_changes_are_logged(clock: ManualClock, caplog: pytest.LogCaptureFixture):
    """A warning when it begins, a line when it ends with how long it was; the rest is debug."""
    caplog.set_level(logging.INFO)
    target = make(clock, Table())

    target.succeed((), clock.now)
    for _ in range(3):
        target.fail(ERROR, clock.now)
        clock.now += 5
    target.succeed((), clock.now)
    target.succeed((), clock.now)
    target.fail(ERROR, clock.now)

    failing = f"poll failing: source={SOURCE} reason=http_status: HTTP status 503"
    recovered = f"poll works again: source={SOURCE} after 3 failures, 15s"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", failing),
        ("INFO", recovered),
        ("WARNING", failing),
    ]


def test_every_failure_is_logged_at_debug(clock: ManualClock, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    target = make(clock, Table())

    target.fail(ERROR, clock.now)
    target.fail(ERROR, clock.now)
    target.fail(PollError("no answer", reason="timeout"), clock.now)

    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "WARNING"]
    assert "reason=timeout: no answer" in caplog.text


def test_a_bug_is_logged_with_its_traceback(clock: ManualClock, caplog: pytest.LogCaptureFixture):
    error = PollError("internal error: KeyError", reason="other")

    make(clock, Table()).fail(error, clock.now, bug=KeyError("x"))

    assert caplog.records[0].levelname == "ERROR"
    assert "KeyError: 'x'" in caplog.text


def test_a_full_table_is_a_failed_poll(clock: ManualClock):
    """Nothing was counted as a success before the table refused."""
    table = Table(max_apps=0)
    target = make(clock, table)

    with pytest.raises(PollError, match="the table is full") as caught:
        target.succeed((b"a 1\n",), clock.now)

    assert caught.value.reason == "too_many_apps"
    assert target.status.polls == 0

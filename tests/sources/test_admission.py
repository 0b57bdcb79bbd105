"""What every source asks before it writes the table."""

from collections.abc import Generator

import pytest

from exporter_proxy.budgets import Budget, Limit
from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.message import Message, Push
from exporter_proxy.sources.admission import NO_TERMS, Admission, Terms
from exporter_proxy.table import Life, Payload, Table


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


LIFE = Life(60, "drop")
TERMS = {
    "small": Terms(budget=Budget(samples=Limit(2, "k.samples"), bytes=Limit(100, "k.bytes"))),
    "slow": Terms(budget=Budget(rate=Limit(0.1, "k.rate"))),
    "short": Terms(expire_after=5, on_expire="mark"),
}


def message(*pushes: tuple[str, bytes] | tuple[str, bytes, float]) -> Message:
    """Return a message of pushes: name, text, time to live."""
    return [Push(each[0], (each[1],), each[2] if len(each) > 2 else None) for each in pushes]


class Door:
    """A source: looks into each message, then applies it."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission

    def push(self, sent: Message) -> None:
        """Push."""
        for _ in self.admission.look_into(sent, source="s"):
            pass
        self.admission.apply(sent, source="s", life=LIFE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(clock: Clock) -> Table:
    return Table(max_apps=4, monotonic=clock)


@pytest.fixture
def door(table: Table, clock: Clock) -> Door:
    return Door(Admission(table, terms=lambda app: TERMS.get(app, NO_TERMS), clock=clock))


def test_nothing_to_look_for(table: Table):
    """What is not configured is not asked for."""
    admission = Admission(table)
    assert not admission.looks
    assert list(admission.look_into(message(("a", b"x 1")), source="s")) == []
    admission.apply(message(("a", b"x 1"), ("b", b"x 1", 5.0)), source="s", life=Life(9, "mark"))
    a, b = table
    assert (a.source, a.expires_at - a.updated_at, a.on_expire) == ("s", 9, "mark")
    assert (b.source, b.expires_at - b.updated_at, b.on_expire) == ("s", 5, "mark")


@pytest.mark.parametrize(
    ("app", "ttl", "lives", "on_expire"),
    [
        pytest.param("other", None, 60, "drop", id="the source's"),
        pytest.param("short", None, 5, "mark", id="the section's before the source's"),
        pytest.param("short", 7.0, 7, "mark", id="the sender's before all"),
        pytest.param("short", float("inf"), float("inf"), "mark", id="for ever"),
    ],
)
def test_which_age_counts(door: Door, table: Table, app, ttl, lives, on_expire):
    door.push([Push(app, (b"x 1",), ttl)])
    row = table.get(app)
    assert row is not None
    assert (row.expires_at - row.updated_at, row.on_expire) == (lives, on_expire)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        pytest.param(b"x 1\n" * 3, "app_over_samples", "more than 2 samples (k.samples)", id="n"),
        pytest.param(b"# " + b"x" * 99, "app_over_bytes", "more than 100 bytes (k.bytes)", id="b"),
    ],
)
def test_over_budget_the_last_good_metrics_stay(
    door: Door, table: Table, text: bytes, reason: str, line: str
):
    """All of the message is refused; the app's state says why until its next update."""
    door.push(message(("small", b"x 1\nx 2\n"), ("other", b"x 1\n")))
    with pytest.raises(PayloadError) as caught:
        door.push(message(("other", b"x 2\n"), ("small", text)))
    assert (caught.value.reason, str(caught.value)) == (
        reason,
        f'the metrics of "small": {line}',
    )
    assert [row.payload for row in table] == [(b"x 1\nx 2\n",), (b"x 1\n",)]
    assert {app: each.text for app, each in table.problems.items()} == {
        "small": f"update refused: {line}"
    }
    assert table.is_up("small")
    door.push(message(("small", b"x 3\n")))
    assert not table.problems


def test_app_that_was_never_taken_leaves_no_trace(door: Door, table: Table):
    with pytest.raises(PayloadError):
        door.push(message(("small", b"x 1\n" * 3)))
    assert len(table) == 0
    assert not table.problems


def test_over_rate(door: Door, table: Table, clock: Clock):
    """Two at once, then one every ten seconds."""
    for value in (1, 2):
        door.push(message(("slow", b"x %d" % value)))
    with pytest.raises(PayloadError) as caught:
        door.push(message(("other", b"x 1"), ("slow", b"x 3")))
    assert caught.value.reason == "app_over_rate"
    assert str(caught.value) == 'the metrics of "slow": more than 0.1 updates a second (k.rate)'
    assert [row.payload for row in table] == [(b"x 2",)]
    assert table.problems["slow"].text == "update refused: more than 0.1 updates a second (k.rate)"
    clock.now += 10
    door.push(message(("slow", b"x 4")))
    assert not table.problems


def test_rates_count_also_between_looking_and_applying(door: Door, table: Table):
    """Messages that were looked into side by side are not all of them in time."""
    sent = [message(("slow", b"x %d" % value)) for value in range(4)]
    for each in sent:
        assert list(door.admission.look_into(each, source="s")) == []
    for each in sent[:2]:
        door.admission.apply(each, source="s", life=LIFE)
    with pytest.raises(PayloadError, match=r'^the metrics of "slow": more than 0\.1 updates'):
        door.admission.apply(message(("other", b"x 1"), ("slow", b"x 2")), source="s", life=LIFE)
    assert [row.app for row in table] == ["slow"]


def test_full_table_takes_none_of_a_message(door: Door, table: Table):
    """And what it refuses is not counted against a rate."""
    door.push(message(("a", b""), ("b", b""), ("c", b"")))
    for _ in range(3):
        with pytest.raises(PayloadError, match="the table is full"):
            door.push(message(("slow", b""), ("d", b"")))
    assert len(table) == 3
    for _ in range(2):
        door.push(message(("slow", b"")))


def test_message_of_very_many_apps(clock: Clock):
    """It is looked into and applied in steps, with room for all of them from the first on."""
    table = Table(max_apps=2001, monotonic=clock)
    terms = Terms(budget=Budget(rate=Limit(0.1, "k.rate")))
    admission = Admission(table, terms=lambda _: terms, clock=clock)

    def push(*, extra: int) -> int:
        sent = message(*((f"{number}", b"") for number in range(2000 + extra)))
        assert len(list(admission.look_into(sent, source="s"))) == 4
        steps = admission.apply(sent, source="s", life=LIFE)
        assert steps is not None
        with pytest.raises(PayloadError, match="the table is full"):
            table.room.check(2)
        return sum(steps)

    assert push(extra=0) == 2000
    assert len(table) == 2000
    with pytest.raises(PayloadError, match="the table is full"):
        push(extra=2)
    assert push(extra=1) == 2001
    assert [row.app for row in table] == [f"{number}" for number in range(2001)]
    sent = message(*((f"{number}", b"") for number in range(2001)))
    with pytest.raises(PayloadError, match=r"more than 0\.1 updates a second"):
        list(admission.look_into(sent, source="s"))


def test_check_comes_after_budgets(table: Table):
    """What costs most is done last, and only if nothing else was found."""
    looked: list[Payload] = []

    def check(payload: Payload) -> Generator[None, None, str | None]:
        looked.append(payload)
        yield
        return "line 1: no good" if payload == (b"bad",) else None

    door = Door(Admission(table, terms=lambda _: TERMS["small"], check=check))
    assert door.admission.looks
    door.push(message(("a", b"good")))
    with pytest.raises(PayloadError) as caught:
        door.push(message(("a", b"bad")))
    assert (caught.value.reason, str(caught.value)) == (
        "invalid_metrics",
        'the metrics of "a": line 1: no good',
    )
    assert table.problems["a"].text == "update refused: line 1: no good"
    with pytest.raises(PayloadError, match="more than 2 samples"):
        door.push(message(("a", b"x 1\n" * 3)))
    assert looked == [(b"good",), (b"bad",)]

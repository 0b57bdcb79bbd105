"""The table: replacement as a whole, order, snapshots, expiry on a clock moved by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter_proxy.errors import PayloadError
from exporter_proxy.table import Life, Problem, Row, Table


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        """Return seconds."""
        return self.seconds

    def wall_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return int(self.seconds * 1e9) + 5


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(clock: Clock) -> Table:
    return Table(max_apps=1000, wall_ns=clock.wall_ns, monotonic=clock.monotonic)


def apps(table: Table) -> list[str]:
    return [row.app for row in table.snapshot().rows]


def test_row_says_who_when_and_what(table: Table, clock: Clock):
    row = table.update("a", (b"x 1\n", b"y 1"), source="here", expire_after=30)
    assert table.get("a") is row
    assert (row.app, row.payload, row.size, row.source) == ("a", (b"x 1\n", b"y 1"), 7, "here")
    assert (row.updated_ns, row.updated_at, row.updates) == (1_000_000_000_005, 1000.0, 1)
    assert row.expires_at == 1030.0
    assert row.derived is None


@pytest.mark.parametrize(("payload", "size"), [((b"x 1",), 3), ((), 0), ((b"",), 0)])
def test_payload_is_kept_as_it_came(table: Table, payload: tuple[bytes, ...], size: int):
    row = table.update("a", payload, source="s")
    assert row.payload is payload
    assert row.size == size


def test_update_replaces_everything(table: Table, clock: Clock):
    """Nothing of the row before is left but the count of updates and the place."""
    old = table.update("a", (b"old 1\n",), source="s", expire_after=5)
    old.derived = {"view": "seen"}
    table.update("b", (b"b 1\n",), source="s")
    clock.seconds += 1
    new = table.update("a", (b"new 1\n",), source="t")
    assert table.get("a") is new
    assert (new.payload, new.source, new.updates) == ((b"new 1\n",), "t", 2)
    assert (new.updated_at, new.expires_at, new.derived) == (1001.0, math.inf, None)
    assert old.payload == (b"old 1\n",)
    assert apps(table) == ["a", "b"]


def test_order_is_that_of_first_sight(table: Table):
    """An app that was dropped and comes again is last."""
    for app in "bcabca":
        table.update(app, (b"",), source="s")
    assert apps(table) == ["b", "c", "a"]
    assert [row.app for row in table] == ["b", "c", "a"]
    table.drop("b")
    table.update("b", (b"",), source="s")
    assert apps(table) == ["c", "a", "b"]
    assert table.get("b").updates == 1


def test_membership(table: Table):
    table.update("a", (b"",), source="s")
    assert len(table) == 1
    assert "a" in table
    assert "b" not in table
    assert table.get("b") is None
    assert table.max_apps == 1000


def test_drop(table: Table):
    table.update("a", (b"",), source="s")
    generation = table.generation
    assert table.drop("a")
    assert table.generation > generation
    generation = table.generation
    assert not table.drop("a")
    assert table.generation == generation
    assert len(table) == 0


def test_generation_counts_every_change(table: Table):
    """Also an update with the same content: its time is another."""
    seen = {table.generation}
    for app in ("a", "a", "b"):
        table.update(app, (b"same",), source="s")
        seen.add(table.generation)
    assert len(seen) == 4


def test_snapshot_is_the_same_until_something_changes(table: Table):
    """And one that was taken never changes."""
    empty = table.snapshot()
    assert (empty.generation, empty.rows) == (0, ())
    assert table.snapshot() is empty
    table.update("a", (b"1",), source="s")
    first = table.snapshot()
    assert table.snapshot() is first
    assert first.generation == table.generation
    row = first.rows[0]
    table.update("a", (b"2",), source="s")
    table.update("b", (b"1",), source="s")
    second = table.snapshot()
    assert second is not first
    assert second.generation != first.generation
    table.drop("a")
    assert first.rows == (row,)
    assert row.payload == (b"1",)
    assert [row.app for row in second.rows] == ["a", "b"]
    assert empty.rows == ()
    with pytest.raises(AttributeError):
        first.rows = ()


def test_full_table_takes_updates_but_no_new_app():
    table = Table(max_apps=2)
    table.update("a", (b"1",), source="s")
    table.update("b", (b"1",), source="s")
    before = table.snapshot()
    with pytest.raises(PayloadError) as caught:
        table.update("c", (b"1",), source="s", expire_after=5)
    assert caught.value.reason == "too_many_apps"
    assert str(caught.value) == "the table is full: 2 apps (exporter.max_apps)"
    assert table.snapshot() is before
    assert not table._deadlines
    table.update("b", (b"2",), source="s")
    table.drop("a")
    table.update("c", (b"1",), source="s")
    assert apps(table) == ["b", "c"]


def test_room_is_checked_for_a_whole_message():
    """Who brings several apps asks before the first of them, so that all or none are taken."""
    table = Table(max_apps=3)
    table.update("a", (b"1",), source="s")
    table.room.check(0)
    table.room.check(2)
    with pytest.raises(PayloadError, match=r"^the table is full: 3 apps"):
        table.room.check(3)


def test_room_that_was_promised_is_nobody_elses():
    """Until it is taken, app by app; an app of those that went meanwhile has a place too."""
    table = Table(max_apps=3)
    table.room.promise(2)
    table.update("other", (b"1",), source="s")
    for refused in (table.room.check, table.room.promise):
        with pytest.raises(PayloadError, match=r"^the table is full: 3 apps"):
            refused(1)
    table.room.take(1)
    table.update("a", (b"1",), source="s", promised=True)
    table.room.take(1)
    table.update("b", (b"1",), source="s", promised=True)
    table.drop("b")
    table.room.check(1)
    assert apps(table) == ["other", "a"]


def test_expires_at_its_time_and_not_before(table: Table, clock: Clock):
    table.update("short", (b"",), source="s", expire_after=5)
    table.update("long", (b"",), source="s", expire_after=10)
    table.update("ever", (b"",), source="s")
    assert table.expire() == []
    clock.seconds += 4.999
    assert table.expire() == []
    generation = table.generation
    clock.seconds += 0.001
    assert table.expire() == ["short"]
    assert table.generation > generation
    assert table.expire() == []
    clock.seconds += 1e9
    assert table.expire() == ["long"]
    assert apps(table) == ["ever"]
    assert not table._deadlines


def test_every_update_begins_a_new_life(table: Table, clock: Clock):
    for _ in range(10):
        table.update("a", (b"",), source="s", expire_after=5)
        clock.seconds += 4
        assert table.expire() == []
    clock.seconds += 1
    assert table.expire() == ["a"]


@pytest.mark.parametrize(
    ("lives", "ends"),
    [
        pytest.param([100, 5], 5, id="shortened"),
        pytest.param([5, 100], 100, id="lengthened"),
        pytest.param([5, 100, 7], 7, id="lengthened_and_shortened"),
        pytest.param([100, 5, 50], 50, id="shortened_and_lengthened"),
        pytest.param([math.inf, 5], 5, id="begun"),
    ],
)
def test_last_time_to_live_counts(table: Table, clock: Clock, lives: list[float], ends: float):
    for life in lives:
        table.update("a", (b"",), source="s", expire_after=life)
    clock.seconds += ends - 0.5
    assert table.expire() == []
    clock.seconds += 0.5
    assert table.expire() == ["a"]


def test_life_without_end_again(table: Table, clock: Clock):
    table.update("a", (b"",), source="s", expire_after=5)
    table.update("a", (b"",), source="s")
    clock.seconds += 100
    assert table.expire() == []
    assert "a" in table
    table.update("a", (b"",), source="s", expire_after=5)
    clock.seconds += 5
    assert table.expire() == ["a"]


def test_dropped_and_seen_again(table: Table, clock: Clock):
    """The deadline of a row that was dropped does not end the one that came after it."""
    table.update("a", (b"",), source="s", expire_after=5)
    table.drop("a")
    table.update("a", (b"",), source="s", expire_after=50)
    clock.seconds += 6
    assert table.expire() == []
    clock.seconds += 44
    assert table.expire() == ["a"]


def test_deadlines_do_not_pile_up(table: Table, clock: Clock):
    """What the table keeps for expiry is bounded by its apps, however often they are written."""
    for round_ in range(500):
        for app in "abc":
            # longer, then shorter and shorter lives
            table.update(app, (b"",), source="s", expire_after=10_000 - round_)
        clock.seconds += 0.001
    assert len(table._deadlines) <= 2 * 3 + 64 + 1
    for _ in range(500):
        table.update("d", (b"",), source="s", expire_after=5)
        table.drop("d")
    assert len(table._deadlines) <= 2 * 4 + 64 + 1
    clock.seconds += 20_000
    assert sorted(table.expire()) == ["a", "b", "c"]
    assert not table._deadlines


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from([1, 2, 3, 5, 8, math.inf, None]),
            st.integers(0, 3),
            st.booleans(),
        ),
        max_size=40,
    )
)
@settings(max_examples=150, deadline=None)
def test_expiry_as_if_every_row_were_looked_at(
    steps: list[tuple[str, float | None, int, bool]],
):
    """A plain model, dropping whatever is due, has the same rows at every moment."""
    clock = Clock()
    table = Table(wall_ns=clock.wall_ns, monotonic=clock.monotonic)
    # When it was updated, and how long it lives.
    model: dict[str, tuple[float, float]] = {}
    for app, life, pause, reloads in steps:
        row = table.get(app)
        if life is None:
            assert table.drop(app) == (model.pop(app, None) is not None)
        elif reloads and row is not None:
            table.set_life(row, Life(life))
            model[app] = model[app][0], life
        else:
            table.update(app, (b"",), source="s", expire_after=life)
            model[app] = clock.seconds, life
        clock.seconds += pause
        due = {app for app, (updated, life) in model.items() if updated + life <= clock.seconds}
        assert set(table.expire()) == due
        model = {app: ends for app, ends in model.items() if app not in due}
        assert apps(table) == list(model)


def test_another_life_begins_with_the_last_update(table: Table, clock: Clock):
    """Shorter, longer and shorter again; those who follow are told, if it is another one."""
    row = table.update("a", (b"1",), source="s", expire_after=30)
    clock.seconds += 10
    changes = table.feed()
    changes.clear()
    for life, left in [(Life(15), 5), (Life(), math.inf), (Life(11, "mark"), 1)]:
        table.set_life(row, life)
        assert (table.seconds_left(row), row.on_expire) == (left, life.on_expire)
        assert list(changes) == ["a"]
        changes.clear()
        generation = table.generation
        table.set_life(row, life)
        assert (list(changes), table.generation) == ([], generation)
    clock.seconds += 1
    assert table.expire() == ["a"]
    assert not table.is_up("a")


def test_another_life_may_have_passed_already(table: Table, clock: Clock):
    row = table.update("a", (b"1",), source="s", expire_after=30)
    clock.seconds += 10
    table.set_life(row, Life(5))
    assert table.is_due
    assert table.expire() == ["a"]
    assert list(table.ghosts) == ["a"]


def test_marked_app_under_another_life(table: Table, clock: Clock):
    """It is up again if it would not have ended yet, and is dropped if that is what is wanted."""
    longer, dropped = (
        table.update(app, (b"1",), source="s", expire_after=5, on_expire="mark")
        for app in ("longer", "dropped")
    )
    clock.seconds += 5
    assert sorted(table.expire()) == ["dropped", "longer"]
    table.set_life(longer, Life(7, "mark"))
    table.set_life(dropped, Life(5, "drop"))
    assert table.is_up("longer")
    assert table.expire() == ["dropped"]
    assert list(table.ghosts) == ["dropped"]
    clock.seconds += 2
    assert table.expire() == ["longer"]
    assert list(table.expired) == ["longer"]


@pytest.mark.parametrize("ttl", [20, math.inf])
def test_time_that_its_sender_said_stays(table: Table, clock: Clock, ttl: float):
    """But not what becomes of it then."""
    row = table.update("a", (b"1",), source="s", expire_after=ttl, own_ttl=True)
    table.set_life(row, Life(1, "mark"))
    assert (table.seconds_left(row), row.on_expire) == (ttl, "mark")


def test_marked_app_stays_until_it_is_updated(table: Table, clock: Clock):
    """By the timer alone; it is the same row, in the same place, and comes up only once."""
    row = table.update("a", (b"1",), source="s", expire_after=5, on_expire="mark")
    table.update("b", (b"1",), source="s")
    assert table.is_up("a")
    clock.seconds += 4.999
    assert table.expire() == []
    changes = table.feed()
    changes.clear()
    generation = table.generation
    clock.seconds += 0.001
    assert table.expire() == ["a"]
    assert table.get("a") is row
    assert dict(table.expired) == {"a": clock.wall_ns()}
    assert (table.is_up("a"), table.is_up("b")) == (False, True)
    assert (table.generation, list(changes)) == (generation + 1, ["a"])
    clock.seconds += 1e6
    assert table.expire() == []
    assert not table.is_due

    table.update("a", (b"2",), source="s", expire_after=5, on_expire="mark")
    assert not table.expired
    assert table.is_up("a")
    assert apps(table) == ["a", "b"]
    clock.seconds += 5
    assert table.expire() == ["a"]


def test_what_becomes_of_an_app_its_last_update_says(table: Table, clock: Clock):
    table.update("a", (b"",), source="s", expire_after=5, on_expire="mark")
    clock.seconds += 5
    table.expire()
    table.update("a", (b"",), source="s", expire_after=5, on_expire="drop")
    clock.seconds += 5
    assert table.expire() == ["a"]
    assert "a" not in table
    table.update("b", (b"",), source="s", expire_after=5, on_expire="mark")
    clock.seconds += 5
    table.expire()
    assert table.drop("b")
    assert not table.expired
    assert table.ghosts["b"].dropped_ns == clock.wall_ns()


def test_time_of_day_has_no_part_in_ages():
    """It jumps by hours, forwards and back: nothing goes before its time, and nothing stays."""
    seconds, wall_ns = 1000.0, 10**18
    table = Table(forget_after=10, wall_ns=lambda: wall_ns, monotonic=lambda: seconds)
    table.update("a", (b"",), source="s", expire_after=5)
    table.update("b", (b"",), source="s", expire_after=5, on_expire="mark")
    for jump in (6 * 3600, -12 * 3600):
        wall_ns += jump * 10**9
        assert table.expire() == []
        assert table.seconds_left(table.get("a")) == 5
    seconds += 5
    assert table.expire() == ["a", "b"]
    assert table.ghosts["a"].dropped_ns == wall_ns < table.ghosts["a"].updated_ns
    wall_ns += 48 * 3600 * 10**9
    table.expire()
    assert list(table.ghosts) == ["a"]
    seconds += 10
    wall_ns -= 96 * 3600 * 10**9
    table.expire()
    assert not table.ghosts


def test_expires_in_steps(table: Table, clock: Clock):
    """So many are looked at in one go, whatever becomes of them: dropped, marked, put off."""
    for number in range(9):
        on_expire = ("drop", "mark")[number % 2]
        table.update(f"{number}", (b"",), source="s", expire_after=5, on_expire=on_expire)
    table.update("0", (b"",), source="s", expire_after=50)
    clock.seconds += 5
    seen = []
    steps = 0
    while table.is_due:
        ended = table.expire(2)
        assert len(ended) <= 2
        seen += ended
        steps += 1
    assert sorted(seen) == list("12345678")
    assert steps == 5
    assert apps(table) == list("01357")
    assert not table.is_due


def test_forgets_in_steps(clock: Clock):
    table = Table(forget_after=10, wall_ns=clock.wall_ns, monotonic=clock.monotonic)
    for number in range(5):
        table.update(f"{number}", (b"",), source="s")
        table.drop(f"{number}")
    assert not table.is_due
    clock.seconds += 10
    assert table.is_due
    assert table.expire(3) == []
    assert list(table.ghosts) == ["3", "4"]
    table.expire(3)
    assert not table.ghosts
    assert not table.is_due


def test_refusal_lasts_until_the_next_update(table: Table, clock: Clock):
    """It keeps the time it began, and leaves the app up."""
    row = table.update("a", (b"1",), source="s")
    table.refuse("a", "too long", source="s")
    clock.seconds += 10
    generation = table.generation
    table.refuse("a", "too often", source="t")
    assert table.generation == generation
    problem = Problem("a", "t", "too often", 1_000_000_000_005, is_refusal=True)
    assert dict(table.problems) == {"a": problem}
    assert table.is_up("a")
    assert table.get("a") is row
    table.update("b", (b"1",), source="s")
    assert "a" in table.problems
    table.update("a", (b"1",), source="s")
    assert not table.problems


def test_refusals_of_unknown_apps_are_not_kept(table: Table):
    table.refuse("nobody", "too long", source="s")
    assert not table.problems
    assert table.generation == 0


def test_refusals_of_apps_that_are_expected_are_kept(table: Table):
    """Though they never had anything; they are not up."""
    table.refuse("named", "too long", source="s", expected=True)
    assert table.problems["named"].is_refusal
    assert not table.is_up("named")

    table.update("named", (b"1",), source="s")
    assert not table.problems
    assert table.is_up("named")


def test_refusal_goes_with_its_app(clock: Clock):
    """As long as the app is remembered so is what it was told."""
    table = Table(forget_after=10, wall_ns=clock.wall_ns, monotonic=clock.monotonic)
    table.update("a", (b"1",), source="s")
    table.drop("a")
    table.refuse("a", "too long", source="s")
    assert list(table.problems) == ["a"]
    clock.seconds += 10
    table.expire()
    assert not table.problems
    forgetful = Table(forget_after=0)
    forgetful.update("a", (b"1",), source="s")
    forgetful.refuse("a", "too long", source="s")
    forgetful.drop("a")
    assert not forgetful.problems


def test_what_its_source_says_of_an_app_counts_more_than_a_refusal(table: Table):
    table.update("a", (b"1",), source="poller")
    table.set_problem("a", "poll failing", source="poller")
    table.refuse("a", "too long", source="receiver")
    assert table.problems["a"].text == "poll failing"
    table.update("a", (b"1",), source="receiver")
    assert table.problems["a"].text == "poll failing"
    assert not table.is_up("a")


def test_problem_keeps_the_time_it_began(table: Table, clock: Clock):
    table.set_problem("a", "refused", source="s")
    clock.seconds += 10
    table.set_problem("a", "timed out", source="s")
    table.set_problem("b", "no such host", source="t")
    assert dict(table.problems) == {
        "a": Problem("a", "s", "timed out", 1_000_000_000_005),
        "b": Problem("b", "t", "no such host", 1_010_000_000_005),
    }
    assert "a" not in table
    table.set_problem("a", None, source="s")
    table.set_problem("a", None, source="s")
    assert list(table.problems) == ["b"]
    table.set_problem("a", "refused", source="s")
    assert table.problems["a"].since_ns == 1_010_000_000_005


def test_problem_leaves_the_payload(table: Table):
    row = table.update("a", (b"x 1\n",), source="s")
    table.set_problem("a", "refused", source="s")
    assert table.get("a") is row


def test_feed_names_what_changed(table: Table, clock: Clock):
    """What is there at first, and every app that is written or dropped, in order, each once."""
    table.update("a", (b"",), source="s")
    first = table.feed()
    assert list(first) == ["a"]
    first.clear()
    table.update("b", (b"",), source="s", expire_after=5)
    table.update("a", (b"",), source="s")
    table.update("b", (b"",), source="s", expire_after=5)
    assert list(first) == ["b", "a"]
    first.clear()
    second = table.feed()
    assert list(second) == ["a", "b"]
    second.clear()
    clock.seconds += 5
    table.expire()
    table.drop("nobody")
    assert list(first) == ["b"]
    assert list(second) == ["b"]


def test_a_deleted_app_is_forgotten_wholly():
    """Its feeds hear of it, and it comes back as a new one."""
    table = Table()
    table.update("a", (b"m 1\n",), source="s")
    table.set_problem("a", "poll failing", source="s")
    changes = table.feed()
    changes.clear()
    generation = table.generation

    assert table.delete("a")
    assert not table.delete("a")
    assert [*changes] == ["a"]
    assert table.generation > generation
    assert "a" not in table
    assert not table.ghosts
    assert not table.problems
    assert table.update("a", (b"m 2\n",), source="s").updates == 1


def test_amended_row_is_as_old_as_before(table: Table, clock: Clock):
    """Another payload, which those who follow are told of, and nothing else."""
    table.update("a", (b"1",), source="s", expire_after=5, on_expire="mark", own_ttl=True)
    clock.seconds += 5
    assert table.expire() == ["a"]
    table.refuse("a", "too long", source="s")
    before = table.get("a")
    assert before is not None
    changes, payloads = table.feed(), table.payload_feed()
    changes.clear()
    generation = table.generation
    table.amend(before, (b"12", b"345"))
    row = table.get("a")
    assert row is not None
    assert row is not before
    assert (row.payload, row.size, before.payload) == ((b"12", b"345"), 5, (b"1",))
    for name in set(Row.__slots__) - {"payload", "size"}:
        assert getattr(row, name) == getattr(before, name), name
    assert not table.is_up("a")
    assert "a" in table.problems
    assert (list(changes), list(payloads), table.generation) == (["a"], ["a"], generation + 1)

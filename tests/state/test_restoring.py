"""Ages over a restart: they go on by the time of day, whatever that does."""

from typing import Any

import pytest

from exporter_proxy.state.record import Change, Record, Saved, Trouble
from exporter_proxy.state.restoring import Now, Restored, Restorer, change_of, in_order, look
from exporter_proxy.table import FOR_EVER, NEVER, Life, Problem, Table

S = 1_000_000_000
# At this moment, on a machine that was started 50 s ago: ages are longer than its clock runs.
NOW = Now(10_000 * S, 50.0, "this boot")


class Clock:
    """The two clocks of a table, moved by hand."""

    def __init__(self, now: Now) -> None:
        self.now = now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now = Now(self.now.wall_ns + int(seconds * S), self.now.seconds + seconds, "this boot")

    def table(self, max_apps: int = 1000) -> Table:
        """Return an empty table."""
        return Table(
            max_apps=max_apps,
            forget_after=3600,
            wall_ns=lambda: self.now.wall_ns,
            monotonic=lambda: self.now.seconds,
        )


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


def restore(table: Table, *saved: Saved, **options: object) -> Restored:
    is_wanted = options.get("is_wanted", lambda _app, _source: True)
    find_life = options.get("find_life")
    restorer = Restorer(table, NOW, 3600, is_wanted, find_life)  # type: ignore[arg-type]
    restorer.put_back(in_order(saved))
    return restorer.outcome


def row(app: str, number: int = 0, age: float = 10, ttl: float | None = None) -> Saved:
    record = Record("here", NOW.wall_ns - int(age * S), 7, ttl)
    return Saved(app, number, record, (b"x 1\n", b"y 1\n"))


def test_a_row_is_what_it_was(clock: Clock):
    """Who, when, how often; its age goes on."""
    table = clock.table()
    outcome = restore(table, row("a", 5, age=100, ttl=130))
    (back,) = table
    assert (back.app, back.number, back.payload, back.size) == ("a", 5, (b"x 1\n", b"y 1\n"), 8)
    assert (back.source, back.updates, back.updated_ns) == ("here", 7, 9_900 * S)
    assert back.updated_at == -50.0
    assert table.seconds_left(back) == 30.0
    assert outcome == Restored(apps=1, bytes=8)


def test_what_comes_next_continues_the_row(clock: Clock):
    """Its place and its count; new apps come after it."""
    table = clock.table()
    restore(table, row("b", 9), row("a", 4))
    table.update("new", (b"x 1",), source="s")
    table.update("a", (b"x 1",), source="s")
    assert [(each.app, each.number, each.updates) for each in table] == [
        ("a", 4, 8),
        ("b", 9, 7),
        ("new", 10, 1),
    ]


def test_an_app_whose_time_passed_meanwhile_expires_at_once(clock: Clock):
    """And is remembered as one that is down."""
    table = clock.table()
    restore(table, row("gone", age=100, ttl=99), row("there", 1, age=100, ttl=101))
    assert table.expire() == ["gone"]
    assert list(table.ghosts) == ["gone"]
    clock.move(1)
    assert table.expire() == ["there"]


@pytest.mark.parametrize("ahead", [1, 3600, 10**9])
def test_a_clock_that_went_back_makes_nothing_older_or_younger_than_now(clock: Clock, ahead: int):
    """Written in the future, so to say: the age begins with 0, and the time to live counts."""
    table = clock.table()
    outcome = restore(table, row("a", age=-ahead, ttl=30))
    (back,) = table
    assert (back.updated_ns, back.updated_at) == (NOW.wall_ns, NOW.seconds)
    assert table.seconds_left(back) == 30
    # It is written so, too: otherwise every restart would make it young again.
    assert outcome.changed == ["a"]
    clock.move(30)
    assert table.expire() == ["a"]


def test_an_app_whose_time_passed_meanwhile_is_marked_if_that_is_what_becomes_of_it(clock: Clock):
    table = clock.table()
    record = Record("here", NOW.wall_ns - 100 * S, 7, 99.0, "mark")
    restore(table, Saved("a", 0, record, (b"x 1",)))
    assert table.expire() == ["a"]
    assert list(table.expired) == ["a"]
    assert not table.is_up("a")


@pytest.mark.parametrize("jump", [-(10**6), -5, 5, 10**6])
def test_a_clock_that_jumped_changes_no_age_as_long_as_the_machine_runs(clock: Clock, jump: int):
    """The clock of ages goes on over a restart of the proxy; nobody can set it."""
    table = clock.table()
    record = Record("here", (10_000 - 20 - jump) * S, ttl=30, updated_at=30.0, boot="this boot")
    outcome = restore(table, Saved("a", 0, record, (b"x 1",)))
    (back,) = table
    assert back.updated_at == 30.0
    assert table.seconds_left(back) == 10
    # What is shown is what was told then, unless that is yet to come.
    assert back.updated_ns == (record.updated_ns if jump > -20 else NOW.wall_ns - 20 * S)
    assert outcome.changed == (["a"] if jump < -20 else [])


def test_clock_of_ages_of_another_boot_says_nothing(clock: Clock):
    table = clock.table()
    other = Record("here", NOW.wall_ns - 20 * S, updated_at=7.0, boot="another boot")
    unknown = Record("here", NOW.wall_ns - 20 * S, updated_at=7.0)
    restore(table, Saved("a", 0, other, ()), Saved("b", 1, unknown, ()))
    assert [each.updated_at for each in table] == [30.0, 30.0]


def test_a_clock_that_went_forward_expires_what_has_a_time_to_live(clock: Clock):
    """Nobody knows better; what lives for ever stays."""
    table = clock.table()
    restore(table, row("a", age=10**9, ttl=30), row("b", 1, age=10**9))
    assert table.expire() == ["a"]
    assert table.get("b") is not None


def test_the_configuration_says_how_long_rows_live(clock: Clock):
    """As it is now; for those whose sender said it, only what becomes of them then."""
    lives = {"shorter": Life(5), "longer": Life(20, "mark"), "never": FOR_EVER}
    own = Record("here", NOW.wall_ns - 10 * S, ttl=15, own_ttl=True)
    for_ever = Record("here", NOW.wall_ns - 10 * S, own_ttl=True)
    table = clock.table()
    restore(
        table,
        *(row(app, number, 10, ttl=7) for number, app in enumerate(lives)),
        Saved("own", 3, own, (b"x 1",)),
        Saved("for ever", 4, for_ever, (b"x 1",)),
        find_life=lambda app, source: lives.get(app, Life(1, "mark")) if source == "here" else None,
    )
    assert {each.app: (table.seconds_left(each), each.on_expire) for each in table} == {
        "shorter": (-5, "drop"),
        "longer": (10, "mark"),
        "never": (NEVER, "drop"),
        "own": (5, "mark"),
        "for ever": (NEVER, "mark"),
    }
    assert table.expire() == ["shorter"]


@pytest.mark.parametrize(
    ("life", "stays", "is_up"),
    [
        pytest.param(Life(5, "mark"), True, False, id="as_before"),
        pytest.param(Life(50, "mark"), True, True, id="longer"),
        pytest.param(FOR_EVER, True, True, id="for_ever"),
        pytest.param(Life(5, "drop"), False, False, id="dropped_now"),
    ],
)
def test_marked_row_under_another_configuration(
    clock: Clock,
    life: Life,
    stays: bool,  # noqa: FBT001
    is_up: bool,  # noqa: FBT001
):
    expired_ns = NOW.wall_ns - 5 * S
    record = Record("here", NOW.wall_ns - 10 * S, 7, 5.0, "mark", expired_ns=expired_ns)
    table = clock.table()
    restore(table, Saved("a", 0, record, (b"x 1",)), find_life=lambda *_: life)
    table.expire()
    assert ("a" in table, table.is_up("a")) == (stays, is_up)
    assert table.expired == ({"a": expired_ns} if stays and not is_up else {})


def ghost(app: str, number: int, left: float) -> Saved:
    forget_ns = NOW.wall_ns + int(left * S)
    return Saved(app, number, Record("here", 5 * S, forget_ns=forget_ns), ())


def test_a_ghost_is_forgotten_when_it_was_due(clock: Clock):
    """The order in which they are forgotten is theirs, not that of their numbers."""
    table = clock.table()
    outcome = restore(table, ghost("late", 1, 20), ghost("soon", 2, 10), ghost("gone", 3, 0))
    assert list(table.ghosts) == ["soon", "late"]
    assert (table.ghosts["soon"].updated_ns, table.ghosts["soon"].source) == (5 * S, "here")
    assert outcome.changed == ["gone"]
    assert len(table) == 0
    clock.move(10)
    table.expire()
    assert list(table.ghosts) == ["late"]
    assert table.update("new", (), source="s").number == 3


def test_a_ghost_is_not_remembered_longer_than_the_configuration_says(clock: Clock):
    table = clock.table()
    restore(table, ghost("a", 1, 10**9))
    assert table.ghosts["a"].forget_at == NOW.seconds + 3600


def test_a_problem_is_what_it_was(clock: Clock):
    """Until its source says something else."""
    table = clock.table()
    down = Record("poll", NOW.wall_ns, problem=Trouble("poll", "is down", 77))
    restore(table, Saved("a", 0, down, (b"x 1",)))
    assert table.problems == {"a": Problem("a", "poll", "is down", 77)}


def test_no_more_apps_than_the_table_takes(clock: Clock):
    """Those seen first stay, as they would have without a restart."""
    table = clock.table(max_apps=2)
    outcome = restore(table, row("a", 1), row("b", 2), row("c", 3), ghost("d", 4, 10))
    assert [each.app for each in table] == ["a", "b"]
    assert (outcome.apps, outcome.no_room, outcome.changed) == (2, 1, ["c"])


def test_apps_that_the_configuration_no_longer_has_are_left_out(clock: Clock):
    """Rows and ghosts, with nothing left of them."""
    table = clock.table()
    outcome = restore(
        table,
        row("a", 1),
        row("b", 2),
        ghost("c", 3, 10),
        is_wanted=lambda app, source: app == "a" and source == "here",
    )
    assert [each.app for each in table] == ["a"]
    assert not table.ghosts
    assert (outcome.unwanted, outcome.changed) == (2, ["b", "c"])


def test_pages_are_told_of_all_that_is_put_back(clock: Clock):
    """Also of apps that have no row."""
    table = clock.table()
    early = table.feed()
    restore(table, row("a", 1), ghost("b", 2, 10))
    assert list(early) == list(table.feed()) == ["a", "b"]


def test_what_is_put_back_is_what_was_there(clock: Clock):
    """Row, mark of trouble, ghost: through the file and back."""
    table = clock.table()
    table.update("a", (b"x 1",), source="s", expire_after=60)
    table.update("b", (b"x 2",), source="s")
    table.update("c", (b"x 3",), source="s")
    table.update("m", (b"x 4",), source="s", expire_after=0, on_expire="mark", own_ttl=True)
    table.expire()
    table.set_problem("b", "is down", source="p")
    table.drop("c")
    table.refuse("c", "is too large", source="q")
    changes = [change_of(look(table, app, (b"p",)), clock.now) for app in "abcdm"]
    known: Any = {"updated_at": 50.0, "boot": "this boot"}
    refusal = Trouble("q", "is too large", NOW.wall_ns, is_refusal=True)
    assert changes == [
        Change("a", 0, Record("s", NOW.wall_ns, 1, 60.0, **known), (b"p",)),
        Change(
            "b",
            1,
            Record("s", NOW.wall_ns, 1, problem=Trouble("p", "is down", NOW.wall_ns), **known),
            (b"p",),
        ),
        Change(
            "c",
            2,
            Record(
                "s",
                NOW.wall_ns,
                dropped_ns=NOW.wall_ns,
                forget_ns=NOW.wall_ns + 3600 * S,
                problem=refusal,
            ),
            (),
        ),
        Change("d", 0, None, None),
        Change(
            "m",
            3,
            Record("s", NOW.wall_ns, 1, 0.0, "mark", expired_ns=NOW.wall_ns, own_ttl=True, **known),
            (b"p",),
        ),
    ]
    again = clock.table()
    saved = [
        Saved(app, number, record, payload or ())
        for app, number, record, payload in changes
        if record is not None
    ]
    restore(again, *saved)
    assert again.expire() == []
    assert [(each.app, each.expires_at, each.on_expire, each.own_ttl) for each in again] == [
        ("a", 110.0, "drop", False),
        ("b", NEVER, "drop", False),
        ("m", 50.0, "mark", True),
    ]
    assert again.expired == table.expired == {"m": NOW.wall_ns}
    assert again.problems == table.problems
    assert again.ghosts == table.ghosts

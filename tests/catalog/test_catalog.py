"""The table, read: what changed, once, and under the right number."""

import itertools
import logging
from collections.abc import Generator, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter_proxy.catalog import Catalog, digest
from exporter_proxy.exposition.escaping import SCHEMES, Scheme
from exporter_proxy.exposition.merged import Layout, TextWriter
from exporter_proxy.exposition.model import Exposition
from exporter_proxy.exposition.name_pattern import NamePattern
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.steps import all_at_once
from exporter_proxy.table import Table
from tests.exposition.families import text_of
from tests.views.conftest import Clock

RULES = Rules()


class Reading:
    """A catalog of a table; what it reads is written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
        self.clock = Clock(100.0)
        self.table = Table(
            wall_ns=Clock(1_500_000_000_000_000_000), monotonic=self.clock, forget_after=60
        )
        self.catalog = Catalog(self.table, rules=lambda _: RULES, wall_ns=Clock())
        self.read: list[bytes] = []
        if monkeypatch is not None:
            monkeypatch.setattr(digest, "read_in_steps", self._read_in_steps)

    def _read_in_steps(
        self, payload: tuple[bytes, ...], **named: int
    ) -> Generator[None, None, Exposition]:
        self.read.append(payload[0])
        return (yield from original(payload, **named))  # type: ignore[arg-type]

    def update(self, app: str, payload: bytes) -> None:
        """Replace what an app has."""
        self.table.update(app, (payload,), source="x")

    def refresh(self) -> int:
        """Take all steps; return how many there were."""
        return sum(1 for _ in self.catalog.refresh())

    def page(self) -> list[str]:
        """Return the samples of a page that is laid out from nothing."""
        self.refresh()
        layout = Layout(self.catalog.index, TextWriter(self.catalog.index))
        return [line for line in text_of(layout).decode().splitlines() if line[0] != "#"]


original = digest.read_in_steps


def test_is_stale_until_a_refresh_has_ended() -> None:
    """What it reads is not read yet, and no longer noted as changed."""
    reading = Reading()
    for updates in range(1, 3):
        reading.update("a", b"a 1\n" * 50_000)
        steps = [reading.catalog.stale for _ in reading.catalog.refresh()]

        assert steps
        assert all(steps)
        assert not reading.catalog.stale
        assert reading.catalog.readings["a"].updates == updates


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(monkeypatch)


def own(name: str, app: str, value: str) -> str:
    return f'exporter_proxy_app_{name}{{app="{app}"}} {value}'


UP = "up"
TIME = "last_update_timestamp_seconds"


def test_reads_when_asked_and_only_what_changed(reading: Reading) -> None:
    reading.update("a", b"a 1\n")
    reading.update("b", b"b 1\n")

    assert reading.read == []
    assert reading.catalog.stale

    reading.refresh()
    reading.update("b", b"b 2\n")
    reading.refresh()

    assert reading.read == [b"a 1\n", b"b 1\n", b"b 2\n"]
    assert not reading.catalog.stale
    assert reading.catalog.readings["b"].samples == 1


def test_an_update_that_was_overwritten_is_never_read(reading: Reading) -> None:
    for value in range(5):
        reading.update("a", b"a %d\n" % value)
    reading.refresh()

    assert reading.read == [b"a 4\n"]


def test_a_problem_does_not_have_the_payload_read_again(reading: Reading) -> None:
    reading.update("a", b"a 1\n")
    reading.refresh()
    reading.table.set_problem("a", "poll failing: timeout", source="x")

    assert own(UP, "a", "0") in reading.page()
    assert reading.read == [b"a 1\n"]


def test_tells_of_each_app(reading: Reading) -> None:
    """Up as long as it is there and nothing is wrong; as a ghost down with its last time."""
    reading.update("a", b"# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n")
    reading.table.set_problem("polled", "poll failing: timeout", source="x")

    assert reading.page() == [
        "a 1",
        "b 1",
        own(TIME, "a", "1500000000.0"),
        own("samples", "a", "2"),
        own(UP, "polled", "0"),
        own(UP, "a", "1"),
    ]

    reading.table.drop("a")
    reading.table.set_problem("polled", None, source="x")

    assert reading.page() == [own(TIME, "a", "1500000000.0"), own(UP, "a", "0")]

    reading.clock.now += 61
    reading.table.expire()

    assert reading.page() == []
    assert dict(reading.catalog.numbers) == {}


def test_an_expired_app_that_stays_is_down_until_its_next_update(reading: Reading) -> None:
    """Its metrics are what they were, and are not read again for that."""
    row = {"source": "x", "expire_after": 10.0, "on_expire": "mark"}
    reading.table.update("a", (b"# TYPE a gauge\na 1\n",), **row)
    fresh = reading.page()
    assert own(UP, "a", "1") in fresh

    reading.clock.now += 10
    assert reading.table.expire() == ["a"]

    assert reading.page() == [line.replace(own(UP, "a", "1"), own(UP, "a", "0")) for line in fresh]
    assert len(reading.read) == 1

    reading.table.update("a", (b"# TYPE a gauge\na 1\n",), **row)

    assert reading.page() == fresh


def test_an_app_whose_update_was_refused_is_up(reading: Reading) -> None:
    reading.update("a", b"a 1\n")
    reading.table.refuse("a", "update refused: more than 5 bytes", source="x")

    assert own(UP, "a", "1") in reading.page()


def test_an_app_that_comes_back_is_the_last(reading: Reading) -> None:
    """What it left is not on the page a second time."""
    for app in ("a", "b"):
        reading.update(app, b"# TYPE m gauge\nm 1\n")
    reading.refresh()
    reading.table.drop("a")
    reading.refresh()
    reading.update("a", b"m 2\n")

    assert [
        line for line in reading.page() if line[:2] in {"m ", "ex"} and "samples" not in line
    ] == [
        "m 1",
        "m 2",
        own(TIME, "b", "1500000000.0"),
        own(TIME, "a", "1500000000.0"),
        own(UP, "b", "1"),
        own(UP, "a", "1"),
    ]


def test_an_app_that_was_polled_in_vain_gets_its_place_with_its_metrics(reading: Reading) -> None:
    reading.table.set_problem("polled", "poll failing: timeout", source="x")
    reading.update("a", b"m 1\n")
    reading.refresh()
    reading.update("polled", b"m 2\n")
    reading.table.set_problem("polled", None, source="x")
    page = reading.page()

    assert page[:2] == ["m 1", "m 2"]
    assert page[-2:] == [own(UP, "a", "1"), own(UP, "polled", "1")]


def test_quarantined_families_are_held_in_the_order_of_the_table(
    reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    """And logged when they come and when they go, not each time."""
    for app in ("b", "a", "c"):
        reading.update(app, b"# TYPE bad gauge\nbad{ 1\n")
    with caplog.at_level(logging.INFO, "exporter_proxy.catalog"):
        reading.refresh()
        reading.update("b", b"# TYPE bad gauge\nbad{ 2\n")
        reading.update("c", b"good 1\n")
        reading.refresh()

    assert [each.app for each in reading.catalog.held] == ["b", "a"]
    assert reading.catalog.readings["a"].state.startswith("quarantined: line 2: ")
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in told] == ["WARNING"] * 3 + ["INFO"]
    assert told[0][1].startswith("metric families are held back: app=b families=1: line 2: ")
    assert told[3][1] == "all metric families can be read again: app=c"

    reading.table.drop("b")
    reading.refresh()

    assert [each.app for each in reading.catalog.held] == ["a"]


def test_many_apps_do_not_fill_the_log(reading: Reading, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(100):
        reading.update(f"app{number}", b"bad{ 1\n")
    with caplog.at_level(logging.INFO, "exporter_proxy.catalog"):
        reading.refresh()

    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 33
    assert told[31].startswith("metric families are held back: app=app31 ")
    assert told[32].startswith("metric families are held back of more apps than are named here")
    assert len(reading.catalog.held) == 100


def test_app_that_flaps_does_not_fill_the_log(
    reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    """Four changes are told, and then how many there were besides."""
    with caplog.at_level(logging.INFO, "exporter_proxy.catalog"):
        for _ in range(50):
            for payload in (b"bad{ 1\n", b"good 1\n"):
                reading.update("a", payload)
                reading.refresh()

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"] * 2


def test_a_change_between_steps_is_for_the_next_refresh(reading: Reading) -> None:
    """The refresh that goes on comes to its end, and loses nothing."""
    for app in range(100):
        reading.update(f"app{app}", b"m 1\n")
    steps: Iterator[None] = reading.catalog.refresh()
    next(steps)
    for app in range(100):
        reading.update(f"app{app}", b"m 2\n")
    for _ in steps:
        pass

    assert reading.catalog.stale
    assert [line for line in reading.page() if line[:2] == "m "] == ["m 2"] * 100


def test_verbatim_payloads_are_not_read(reading: Reading) -> None:
    plain = Catalog(reading.table, rules=None, wall_ns=Clock())
    reading.update("a", b"a 1\n")
    for _ in plain.refresh():
        pass

    assert reading.read == []
    assert plain.readings == {}
    assert plain.index.families == {}
    assert set(plain.own.families) == {
        b"exporter_proxy_app_up",
        b"exporter_proxy_app_last_update_timestamp_seconds",
    }


APPS = st.sampled_from(["a", "b", "c", "d"])
PAYLOADS = st.lists(
    st.sampled_from(
        [
            "# TYPE m gauge\nm 1\n",
            "# HELP m one\nm 2\n",
            "# HELP m two\n# TYPE m counter\nm 3\n",
            "n 1\n",
            '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
            "h_count 5\n",
            "bad{ 1\n",
        ]
    ),
    max_size=4,
    unique=True,
).map("".join)
CHANGES = st.lists(
    st.tuples(st.just("update"), APPS, PAYLOADS)
    | st.tuples(
        st.sampled_from(["drop", "forget", "refresh", "problem", "well"]), APPS, st.just("")
    ),
    max_size=25,
)


def change(reading: Reading, what: str, app: str, payload: str) -> None:
    match what:
        case "update":
            reading.update(app, payload.encode())
        case "drop":
            reading.table.drop(app)
        case "forget":
            reading.table.forget(app)
        case "refresh":
            reading.refresh()
        case _:
            text = "failing" if what == "problem" else None
            reading.table.set_problem(app, text, source="x")


@given(CHANGES)
@settings(deadline=None)
def test_the_page_is_that_of_a_fresh_table(changes: list[tuple[str, str, str]]) -> None:
    """Given the last payloads in the same order of apps, whatever came before."""
    old, fresh = Reading(), Reading()
    for each in changes:
        change(old, *each)
    # The table lets go of what was read.
    last = {app: payload for what, app, payload in changes if what == "update"}
    for row in old.table.snapshot().rows:
        fresh.update(row.app, last[row.app].encode())
    for app in list(old.table.ghosts):
        old.table.forget(app)
    for app in list(old.table.problems):
        # Those that never were in the table have no place that could be the same.
        seen = old.table.get(app) is not None
        (fresh if seen else old).table.set_problem(app, "failing" if seen else None, source="x")

    assert old.page() == fresh.page()


def test_a_payload_that_takes_long_keeps_nobody_waiting() -> None:
    """It is set aside after a while; until it is read, the app has what it had."""
    table = Table()
    ticks = iter(range(1_000_000))
    catalog = Catalog(
        table, rules=lambda _: RULES, wall_ns=Clock(), monotonic=lambda: next(ticks) * 0.05
    )
    large = b"".join(b"metric_%d 1\n" % number for number in range(20_000))
    table.update("large", (b"old 1\n",), source="x")
    for _ in catalog.refresh():
        pass
    table.update("large", (large,) * 6, source="x")
    table.update("small", (b"small 1\n",), source="x")
    for _ in catalog.refresh():
        pass

    assert catalog.readings["small"].samples == 1
    assert catalog.readings["large"].samples == 1
    assert catalog.stale
    assert not catalog.is_finished

    refreshes = 0
    while not catalog.is_finished:
        refreshes += 1
        assert refreshes < 100_000
        for _ in catalog.refresh():
            pass

    assert refreshes > 1
    assert catalog.readings["large"].samples == 120_000
    assert not catalog.stale


def test_what_was_set_aside_is_dropped_for_something_newer() -> None:
    """Nobody wants to see it any more."""
    table = Table()
    ticks = iter(range(1_000_000))
    catalog = Catalog(
        table, rules=lambda _: RULES, wall_ns=Clock(), monotonic=lambda: next(ticks) * 0.05
    )
    table.update("a", (b"x 1\n" * 500_000,), source="x")
    for _ in catalog.refresh():
        pass
    assert not catalog.is_finished
    table.update("a", (b"y 1\n",), source="x")
    for _ in catalog.refresh():
        pass

    assert catalog.is_finished
    assert b"y" in catalog.index.families
    assert b"x" not in catalog.index.families


@pytest.mark.parametrize(
    "kind", [pytest.param("histogram", id="compound"), pytest.param("counter", id="scalar")]
)
def test_no_app_takes_the_place_of_what_the_proxy_tells(reading: Reading, kind: str) -> None:
    """Apps may be proxies too: what they send under these names is shown, but decides nothing."""
    name = "exporter_proxy_app_up"
    sent = f'# TYPE {name} {kind}\n{name}{{app="far"}} 1\n'
    reading.update(
        "a", (sent if kind == "counter" else sent.replace("{app", "_count{app")).encode()
    )
    reading.update("b", b"b 1\n")
    page = reading.page()

    assert [line for line in page if line.startswith(name)] == [
        own(UP, "a", "1"),
        own(UP, "b", "1"),
        *([own(UP, "far", "1")] if kind == "counter" else []),
    ]
    assert reading.catalog.readings["a"].conflicts["type_conflict"] == 1


def rules(label: str, drop: str = "") -> Rules:
    return Rules(labels={"l": label}, drop=NamePattern([drop]) if drop else None)


@pytest.mark.parametrize(
    "before", [Rules(), rules("x"), rules("x", "b")], ids=["none", "label", "both"]
)
@pytest.mark.parametrize(
    "after", [Rules(), rules("y"), rules("y", "a")], ids=["none", "label", "both"]
)
def test_other_rules_apply_to_what_was_read(before: Rules, after: Rules) -> None:
    """As if they had always been in force: the payload was let go of long ago."""
    table = Table()
    catalog = Catalog(table, rules=lambda _: before, wall_ns=Clock())
    fresh = Catalog(table, rules=lambda _: after, wall_ns=Clock())
    table.update("app", (b'# HELP a A.\na{k="v"} 1\n', b"b 2\nc one\n"), source="x")
    payload = table.get("app").payload
    for _ in catalog.refresh():
        pass
    table.get("app").payload = payload
    for _ in fresh.refresh():
        pass
    assert table.get("app").payload == ()

    catalog.set_rules(lambda _: after)
    assert catalog.stale
    for _ in catalog.refresh():
        pass

    pages = [text_of(Layout(each.index, TextWriter(each.index))) for each in (catalog, fresh)]
    assert pages[0] == pages[1]
    ours, theirs = (each.readings["app"] for each in (catalog, fresh))
    assert (ours.samples, ours.findings) == (theirs.samples, theirs.findings)
    assert [q.text for q in ours.quarantined] == [q.text for q in theirs.quarantined]
    assert catalog.rules_of("app") is after

    # And back again.
    catalog.set_rules(lambda _: before)
    for _ in catalog.refresh():
        pass
    assert catalog.readings["app"].samples == ours.samples


def test_only_apps_whose_rules_changed_are_done_again(reading: Reading) -> None:
    reading.update("a", b"a 1\n")
    reading.update("b", b"b 1\n")
    reading.refresh()
    before = dict(reading.catalog.readings)
    reading.catalog.set_rules(lambda app: rules("x") if app == "b" else Rules())
    page = reading.page()

    assert 'b{l="x"} 1' in page
    assert "a 1" in page
    assert reading.catalog.readings["a"] is before["a"]
    # It was not compressed, so nothing had to be read.
    assert reading.read == [b"a 1\n", b"b 1\n"]


def test_other_rules_while_a_payload_is_being_read(reading: Reading) -> None:
    """It is begun again with them."""
    text = b"".join(b"family_%d 1\n" % number for number in range(40_000))
    reading.update("large", text)
    reading.catalog._monotonic = itertools.count(0, 0.9).__next__
    reading.refresh()
    assert not reading.catalog.is_finished
    reading.catalog._monotonic = lambda: 0.0
    reading.catalog.set_rules(lambda _: rules("x", "family_1[0-9]*"))
    page = reading.page()
    assert 'family_20{l="x"} 1' in page
    assert not [line for line in page if line.startswith("family_1")]


def test_rows_get_back_what_was_read(reading: Reading) -> None:
    """Packed or not; who was updated since has what is newer."""
    reading.catalog.set_rules(lambda app: rules("x") if app == "packed" else Rules())
    for app in ("packed", "plain", "newer", "gone"):
        reading.update(app, b"# a comment\n%s 1\n" % app.encode())
    reading.refresh()
    reading.update("newer", b"newer 2\n")
    reading.table.drop("gone")
    for _ in reading.catalog.give_back():
        pass
    payloads = {row.app: b"".join(row.payload) for row in reading.table}
    assert payloads == {
        "packed": b"# a comment\npacked 1\n",
        "plain": b"plain 1\n",
        "newer": b"newer 2\n",
    }
    # It follows the table no more, and takes nothing away if it is still asked.
    reading.refresh()
    reading.update("newer", b"newer 3\n")
    reading.refresh()
    assert [b"".join(row.payload) for row in reading.table][2] == b"newer 3\n"


def test_samples_of_all_apps(reading: Reading) -> None:
    reading.update("a", b"a 1\nb 1\n")
    reading.update("b", b"b 1\n")
    reading.refresh()
    assert reading.catalog.samples == 3
    reading.update("a", b"a 1\n")
    reading.table.drop("b")
    reading.refresh()
    assert reading.catalog.samples == 1


DOTTED = b'# TYPE "a.b" gauge\n{"a.b"} 1\n'
DASHED = b'# TYPE "a-b" gauge\n{"a-b"} 2\n'
PLAIN = b"# TYPE a_b gauge\na_b 3\n"


def samples_of(reading: Reading, scheme: Scheme = "underscores") -> list[str]:
    """Return the samples of apps on a page of a scheme."""
    reading.refresh()
    index = all_at_once(reading.catalog.index_for(scheme))
    page = text_of(Layout(index, TextWriter(index))).decode().splitlines()
    return [line for line in page if line[0] != "#" and not line.startswith("exporter_proxy_")]


def test_a_name_that_an_escape_makes_belongs_to_one_family(reading: Reading) -> None:
    """The first, until its app has it no longer: in the page of that escaping alone."""
    reading.update("first", DOTTED)
    reading.update("later", DASHED + b"c 1\n")

    assert samples_of(reading) == ["a_b 1", "c 1"]
    assert samples_of(reading, "values") == ["U__a_2e_b 1", "U__a_2d_b 2", "c 1"]
    assert samples_of(reading, "allow-utf-8") == ['{"a.b"} 1', '{"a-b"} 2', "c 1"]
    readings = reading.catalog.readings
    assert readings["first"].state == "ok"
    assert readings["later"].state == (
        'quarantined: "a-b": its name becomes "a_b" for readers that don\'t take UTF-8 names, '
        'as that of a family of app "first" is'
    )
    assert readings["later"].all_findings["name_clash"] == 1
    assert [each.app for each in reading.catalog.held] == ["later"]

    reading.update("first", b"d 1\n")
    assert samples_of(reading) == ["d 1", "a_b 2", "c 1"]
    assert readings["later"].state == "ok"
    assert not reading.catalog.held


def test_the_same_family_of_two_apps_is_no_clash(reading: Reading) -> None:
    reading.update("first", DOTTED)
    reading.update("later", DOTTED.replace(b" 1", b" 2"))

    assert samples_of(reading) == ["a_b 1", "a_b 2"]


def test_a_name_without_an_escape_comes_first(reading: Reading) -> None:
    """Whichever app has it: its series keep their names."""
    reading.update("first", DOTTED)
    reading.update("later", PLAIN)
    assert samples_of(reading) == ["a_b 3"]
    assert reading.catalog.readings["first"].all_findings["name_clash"] == 1

    reading.table.drop("later")
    assert samples_of(reading) == ["a_b 1"]
    assert reading.catalog.readings["first"].state == "ok"


def test_what_the_proxy_tells_of_itself_keeps_its_names(reading: Reading) -> None:
    reading.update("first", b'# TYPE "exporter_proxy.app_up" gauge\n{"exporter_proxy.app_up"} 7\n')
    reading.update("first", b'{"exporter_proxy_app.up"} 7\n')
    shown = reading.page()

    assert 'exporter_proxy_app_up{app="first"} 1' in shown
    assert "exporter_proxy_app_up 7" not in shown


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from([None, DOTTED, DASHED, PLAIN, DASHED + b'{"a.c"} 1\n', b"a_c 1\n"]),
        ),
        max_size=8,
    ),
    st.sampled_from(SCHEMES),
)
@settings(max_examples=100, deadline=None)
def test_names_are_given_as_in_a_fresh_table(
    updates: list[tuple[str, bytes | None]], scheme: Scheme
) -> None:
    """Whatever came before, and whether the page was asked for meanwhile."""
    reading, fresh = Reading(), Reading()
    all_at_once(reading.catalog.index_for(scheme))
    last: dict[str, bytes | None] = {}
    for app, payload in updates:
        last[app] = payload
        if payload is None:
            reading.table.drop(app)
            fresh.table.drop(app)
        else:
            reading.update(app, payload)
            fresh.update(app, payload)
        samples_of(reading, scheme)

    assert samples_of(reading, scheme) == samples_of(fresh, scheme)
    assert {app: each.state for app, each in reading.catalog.readings.items()} == {
        app: each.state for app, each in fresh.catalog.readings.items()
    }

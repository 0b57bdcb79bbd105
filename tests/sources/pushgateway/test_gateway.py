"""Pushes to groups, without a transport: what the table has of them, and what it costs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter_proxy.budgets import Budget, Limit
from exporter_proxy.config import PushConfig
from exporter_proxy.sources.admission import Terms
from exporter_proxy.sources.answers import ForbiddenError
from exporter_proxy.sources.pushgateway import index
from exporter_proxy.table import Life, Table
from tests.payload.test_metric_families import delimited, family
from tests.sources.pushgateway.pushing import LOCAL, NOW, Pushing, finish
from tests.step_sizes import calls_of_steps

X = '{instance="",job="x"}'
PROTOBUF = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)


@pytest.fixture
def pushing() -> Pushing:
    return Pushing()


def test_a_group_is_an_app(pushing: Pushing) -> None:
    assert pushing.put("/x/instance/i", b"a 1\n") == 200

    (row,) = pushing.table
    assert (row.app, row.source) == ('{instance="i",job="x"}', "pushgateway")
    assert pushing.lines() == ['a{job="x",instance="i"} 1']
    assert pushing.gateway.stats.updates == 1


def test_the_same_series_again(pushing: Pushing) -> None:
    """Values change, and so does whatever else is not the same, however often one comes."""
    bodies = [
        b"a 1\nb 2\n", b"a 3\nb NaN\n", b"a -1e+9\nb +Inf\n", b"a 1\nb 2", b"a 1\nc 2\n",
    ]  # fmt: skip
    for body in bodies * 2:
        assert pushing.put("/x", body) == 200
        expected = [
            line.replace(" ", '{instance="",job="x"} ') for line in body.decode().split("\n")
        ]
        assert pushing.lines() == sorted(filter(None, expected))


@pytest.mark.parametrize(
    "body",
    [
        b"a \0\nb 1\n", b"a 1 \nb x\n", b"a 1.2.3\nb 1\n", b"a\nb 1\n", b"a 0x1\nb 1\n",
        b"a 1 5\nb 1\n", b"a 1\nb 1 1.5\n", b'a{l="\xff"} 1\nb 1\n',
    ],
)  # fmt: skip
def test_nothing_passes_for_the_same_series(pushing: Pushing, body: bytes) -> None:
    """A body that only looks like the one before is judged by itself."""
    assert pushing.put("/x", b"a 1\nb 1\n") == 200
    assert pushing.put("/x", body) == 400
    assert pushing.lines() == ['a{instance="",job="x"} 1', 'b{instance="",job="x"} 1']


def test_a_large_body_is_read_in_steps(pushing: Pushing) -> None:
    """And is there as a whole only when the answer is."""
    body = b"".join(b'a{l="%d"} %d\n' % (n, n) for n in range(100_000))
    steps = pushing.gateway.handle("PUT", "/metrics/job/x", {}, body, LOCAL)
    assert not isinstance(steps, tuple)
    for _ in range(5):
        next(steps)
    assert len(pushing.table) == 0
    assert pushing.put("/x", b"a 1\n") == 200

    assert finish(steps).status == 200
    assert len(pushing.lines()) == 100_000
    row = pushing.table.get(X)
    assert row is not None
    assert row.updates == 2


def test_protobuf(pushing: Pushing) -> None:
    """What text can't hold is a finding of the app."""
    histogram = {
        "sample_count": 3,
        "sample_sum": 4,
        "positive_span": [{"offset": 1, "length": 2}],
        "bucket": [{"cumulative_count": 1, "upper_bound": 1}],
    }
    body = delimited(family("h", 4, {"histogram": histogram}))

    assert pushing.put("/x", body, {"content-type": PROTOBUF}) == 200
    assert 'h_bucket{instance="",job="x",le="1.0"} 1' in pushing.lines()
    assert pushing.findings(X) == {"native_histogram": 1}
    assert pushing.put("/x", b"a 1\n") == 200
    assert pushing.findings(X) == {"samples_without_type": 1}
    assert pushing.put("/x", b"\x05a", {"content-type": PROTOBUF}) == 400


def test_openmetrics_stays_so_alone_and_becomes_text_beside_others(pushing: Pushing) -> None:
    body = b'# TYPE i info\ni_info{v="1"} 1\n# TYPE c counter\nc_total 2 # {t="x"} 1\n# EOF\n'
    assert pushing.put("/x", body) == 200
    (row,) = pushing.table
    assert row.payload[-1] == body
    assert pushing.post("/x", b"# TYPE a gauge\na 1\n") == 200

    assert pushing.lines() == [
        'a{instance="",job="x"} 1',
        'c_total{instance="",job="x"} 2',
        'i_info{instance="",job="x",v="1"} 1',
    ]
    cut = body.removesuffix(b"# EOF\n")
    assert pushing.put("/y", cut, {"content-type": "application/openmetrics-text"}) == 200


def test_timestamps_can_be_honored() -> None:
    pushing = Pushing(PushConfig(honor_timestamps=True))

    for stamp in (1_700_000_000_000, 1_700_000_000_001):
        assert pushing.put("/x", b"a 1 %d\n" % stamp) == 200
        assert pushing.lines() == [f'a{{instance="",job="x"}} 1 {stamp}']


def test_verbatim_has_the_labels_in_the_payload() -> None:
    """Of a verbatim page nobody reads payloads, so that nobody could add them."""
    pushing = Pushing(render=True)
    assert pushing.put("/x/l/v", b'a{l="own"} 1\n') == 200

    (row,) = pushing.table
    text = b"".join(row.payload).decode()
    assert 'a{instance="",job="x",l="v"} 1\n' in text
    assert f'push_time_seconds{{instance="",job="x",l="v"}} {NOW}\n' in text
    pushing.store.configure(life=Life(), render=False)
    (row,) = pushing.table
    assert b'a{l="own"} 1\n' in row.payload


def test_metadata_without_samples_stands_above_nobody_elses(pushing: Pushing) -> None:
    """A TYPE line that came alone says nothing of samples that another push brings."""
    assert pushing.put("/x", b"# TYPE a gauge\nb 1\n") == 200
    assert pushing.post("/x", b"a 1\n") == 200
    assert pushing.put("/y", b"a 2\n") == 200
    pushing.lines()
    cells = pushing.catalog.index.families[b"a"].cells.values()
    assert [cell.type for cell in cells] == ["untyped", "untyped"]


def test_what_is_deleted_is_let_go_of(pushing: Pushing) -> None:
    """A path that is remembered holds nothing of a group that is gone."""
    pushing.put("/x", b"a 1\n")
    group = pushing.store.group({"job": "x"})
    pushing.ask("DELETE", "/x")
    assert group.segments == []
    assert pushing.put("/x", b"a 1\n") == 200
    assert pushing.lines() == ['a{instance="",job="x"} 1']


# Ages.


def test_time_to_live(pushing: Pushing) -> None:
    pushing.put("/a", b"a 1\n", {"x-ttl": "30s"})
    pushing.ask("PUT", "/b?ttl=1m", b"a 1\n")
    pushing.put("/c", b"a 1\n")
    for seconds, left in ((29, 3), (2, 2), (30, 1)):
        pushing.clock.now += seconds
        pushing.table.expire()
        assert len(pushing.lines()) == left


def test_a_push_without_one_lives_as_configured() -> None:
    pushing = Pushing(life=Life(100.0, "mark"))
    pushing.put("/x", b"a 1\n", {"x-ttl": "10s"})
    pushing.put("/x", b"a 1\n")
    (row,) = pushing.table
    assert (pushing.table.seconds_left(row), row.on_expire) == (100.0, "mark")


@pytest.mark.parametrize("ttl", ["soon", "-1", "5 s"])
def test_bad_time_to_live(pushing: Pushing, ttl: str) -> None:
    answer = pushing.ask("PUT", "/x", b"a 1\n", {"x-ttl": ttl})

    assert answer.status == 400
    assert len(pushing.table) == 0


def test_a_failure_lengthens_no_life(pushing: Pushing) -> None:
    pushing.put("/x", b"a 1\n", {"x-ttl": "30s"})
    pushing.clock.now += 20
    assert pushing.put("/x", b"a x\n") == 400
    (row,) = pushing.table
    assert pushing.table.seconds_left(row) == pytest.approx(10)
    assert pushing.times({"job": "x"}) == (NOW, NOW + 20)


def test_a_group_that_expired_is_in_nobodys_way(pushing: Pushing) -> None:
    pushing.put("/x", b"# TYPE a counter\na 1\n", {"x-ttl": "30s"})
    pushing.clock.now += 31
    pushing.table.expire()
    assert pushing.put("/y", b"# TYPE a gauge\na 1\n") == 200
    assert pushing.put("/x", b"# TYPE a counter\na 1\n") == 400
    assert pushing.times({"job": "x"})[0] == 0


def test_an_app_of_that_name_from_elsewhere_ends_a_group(pushing: Pushing) -> None:
    """The last writer has it, and what it writes gets no labels of a group."""
    pushing.put("/x", b"a 1\n")
    pushing.table.update(X, (b"b 2\n",), source="tcp")
    assert pushing.lines() == ["b 2"]
    assert pushing.post("/x", b"c 3\n") == 200
    assert pushing.lines() == ['c{instance="",job="x"} 3']


# Limits, rights.


def test_full_table() -> None:
    pushing = Pushing(max_apps=1)
    assert pushing.put("/x", b"a 1\n") == 200
    assert pushing.put("/y", b"a 1\n") == 503
    assert pushing.put("/y", b"a x\n") == 400
    assert pushing.put("/x", b"a 2\n") == 200
    assert pushing.lines() == ['a{instance="",job="x"} 2']
    pushing.ask("DELETE", "/x")
    assert pushing.put("/y", b"# TYPE a gauge\na 1\n") == 200


def test_budget() -> None:
    """It counts for what the group would have; what it has stays."""
    pushing = Pushing(terms=Terms(budget=Budget(samples=Limit(3, "n"))))
    assert pushing.put("/x", b"a 1\n") == 200
    assert pushing.post("/x", b"b 1\nc 1\n") == 400
    assert pushing.lines() == ['a{instance="",job="x"} 1']
    assert pushing.gateway.stats.rejected == {"app_over_samples": 1}


def test_too_often() -> None:
    pushing = Pushing(terms=Terms(budget=Budget(rate=Limit(0.1, "r"))))
    assert [pushing.put("/x", b"a %d\n" % n) for n in range(3)] == [200, 200, 400]
    assert pushing.lines() == ['a{instance="",job="x"} 1']
    pushing.clock.now += 10
    assert pushing.put("/x", b"a 9\n") == 200


def test_forbidden(pushing: Pushing) -> None:
    pushing.put("/x", b"a 1\n")
    pushing.forbidden.add(X)
    for method, body in (("PUT", b"a 2\n"), ("PUT", b"b 2\n"), ("DELETE", b"")):
        with pytest.raises(ForbiddenError):
            pushing.ask(method, "/x", body)
    assert pushing.lines() == ['a{instance="",job="x"} 1']


# Restarts.


def test_groups_come_back_from_their_rows() -> None:
    before = Pushing()
    before.put("/x/l/%22", b"# HELP a x\n# TYPE a counter\na 1\n")
    before.post("/x/l/%22", b"b 2\n")
    before.put("/y", b"a x\n")
    table = Table()
    for row in before.table:
        table.update(row.app, row.payload, source=row.source)
    table.update("other", (b"a 5\n",), source="tcp")
    table.update("no group", (b"a 5\n",), source="pushgateway")

    after = Pushing(table=table)

    assert after.lines() == sorted([*before.lines(), "a 5", "a 5"])
    assert after.times({"job": "x", "l": '"'}) == (NOW, 0)
    assert after.times({"job": "y"}) == (0, NOW)
    assert after.put("/z", b"# TYPE a gauge\na 1\n") == 400
    assert after.post("/x/l/%22", b"b 3\n") == 200
    assert 'b{instance="",job="x",l="\\""} 3' in after.lines()


# All of it together.

NAMES = st.sampled_from(["a", "b", "h"])
VALUES = st.sampled_from(["1", "2", ""])
IN_BASE64 = {"1": "MQ", "2": "Mg", "": "="}


def pairs(*names: str) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Labels, no name twice."""
    pair = st.tuples(st.sampled_from(names), VALUES)
    return st.lists(pair, max_size=2, unique_by=lambda each: each[0])


PATHS = pairs("l", "m", "instance").map(
    lambda labels: "/x" + "".join(f"/{name}@base64/{IN_BASE64[value]}" for name, value in labels)
)


def sample(made: tuple[str, list[tuple[str, str]]]) -> str:
    name, labels = made
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in labels) + "}"


SAMPLES = st.tuples(NAMES, pairs("l", "m", "job", "instance")).map(sample)
BODIES = st.tuples(
    st.sampled_from([b"", b"# TYPE a gauge\n", b"# TYPE a counter\n"]),
    st.lists(SAMPLES, max_size=3).map(lambda s: "".join(f"{one} 1\n" for one in s).encode()),
).map(b"".join)
REQUESTS = st.lists(
    st.tuples(st.sampled_from(["PUT", "POST", "DELETE"]), PATHS, BODIES), max_size=8
)


def canonical(line: str) -> str:
    series, _, _ = line.rpartition(" ")
    name, _, rest = series.partition("{")
    labels = sorted(item for item in rest.rstrip("}").split(",") if not item.endswith('=""'))
    return name + ",".join(labels)


@settings(max_examples=300, deadline=None)
@given(REQUESTS, st.sampled_from([1, 2, index._FEW]))
def test_no_series_twice_whatever_is_pushed(
    requests: list[tuple[str, str, bytes]], few: int
) -> None:
    """And the index says what a new one would that is told of the same groups."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_FEW", few)
        push_and_look(requests)


def push_and_look(requests: list[tuple[str, str, bytes]]) -> None:
    pushing = Pushing()
    for method, path, body in requests:
        assert pushing.ask(method, path, body).status in {200, 202, 400}
        series = [canonical(line) for line in pushing.lines()]
        assert len(series) == len(set(series))
    for merged in pushing.catalog.index.families.values():
        types = {cell.type for cell in merged.cells.values() if cell.count}
        assert len(types) <= 1
    groups = pushing.store._index.groups
    for group in groups.values():
        held = {name for segment in group.segments for name in segment.shape.families}
        assert held == set(group.families)
    carried = {
        name: {
            group.app for group in (carriers if isinstance(carriers, tuple) else carriers.groups)
        }
        for name, carriers in pushing.store._index._carriers.items()
    }
    assert carried == {
        name: {group.app for group in groups.values() if name in group.families} for name in carried
    }
    assert all(carried.values())


def many(kind: str, count: int) -> bytes:
    if kind == "families":
        return b"".join(b"# TYPE f%d gauge\nf%d 1\n" % (n, n) for n in range(count))
    if kind == "histogram":
        lines = b"".join(b'h_bucket{le="%d"} 1\n' % n for n in range(count))
        return b"# TYPE h histogram\n" + lines + b"h_sum 1\nh_count 1\n"
    if kind == "names of labels":
        return b"".join(b'a{l%d="x"} 1\n' % n for n in range(count))
    return b"".join(b'a{l="%d"} 1\n' % n for n in range(count))


@pytest.mark.parametrize("render", [False, True], ids=["merged", "verbatim"])
@pytest.mark.parametrize("kind", ["samples", "histogram", "families", "names of labels"])
def test_no_step_of_a_push_is_long(kind: str, *, render: bool) -> None:
    """Whatever there is much of: read, judged, and written beside what was there."""
    pushing = Pushing(render=render)
    assert pushing.post("/x", b"# TYPE b gauge\nb 1\n# TYPE c gauge\n") == 200
    body = many(kind, 6_000 if kind == "families" else 12_000)

    for method in ("POST", "PUT"):
        steps = pushing.gateway.handle(method, "/metrics/job/x", {}, body, LOCAL)
        assert not isinstance(steps, tuple)
        answer, calls = calls_of_steps(steps)
        assert answer.status == 200
        assert max(calls) < (60_000 if render else 30_000)


def test_no_step_of_a_comparison_is_long() -> None:
    """With what a group has whose key the samples have as labels, one sample or very many."""
    pushing = Pushing()
    theirs = b"".join(b'a{l="%d"} 1\n' % n for n in range(5_000))
    assert pushing.put("/x/k/v", theirs) == 200
    ours = b"".join(b'a{k="v",l="%d"} 1\n' % n for n in range(10_000, 18_000))

    for last, status in ((b"", 200), (b'a{k="v",l="5"} 1\n', 400)):
        steps = pushing.gateway.handle("PUT", "/metrics/job/x", {}, ours + last, LOCAL)
        assert not isinstance(steps, tuple)
        answer, calls = calls_of_steps(steps)
        assert answer.status == status
        assert max(calls) < 30_000
        assert len(calls) > 50


def test_family_that_many_groups_have(pushing: Pushing) -> None:
    """Is of the type that it has in all of them, until it is left to one alone."""
    for number in range(20):
        assert pushing.put(f"/x/i/{number}", b"# TYPE a gauge\na 1\n") == 200
    assert pushing.put("/x/i/5", b"# TYPE a counter\na 1\n") == 400
    assert pushing.put("/x", b'a{i="7"} 1\n') == 400
    for number in range(19):
        assert pushing.ask("DELETE", f"/x/i/{number}").status == 202
    assert pushing.put("/x/i/20", b"# TYPE a counter\na 1\n") == 400
    assert pushing.put("/x/i/19", b"# TYPE a counter\na 1\n") == 200
    assert pushing.put("/x/i/20", b"# TYPE a gauge\na 1\n") == 400


def test_too_many_names_of_labels_to_know_them(pushing: Pushing) -> None:
    """Then any may be there: series are still compared."""
    names = b"".join(b'b{l%d="x"} 1\n' % n for n in range(20_000))
    assert pushing.put("/x/k/v", b"a 1\n") == 200

    assert pushing.put("/x", names + b'a{k="w"} 1\n') == 200
    assert pushing.put("/x", names + b'a{k="v"} 1\n') == 400


def test_group_that_has_nothing_but_a_refusal():
    """It is said, until something is taken."""
    pushing = Pushing()
    assert pushing.put("/x", b"bad{\n") == 400
    problem = pushing.table.problems[X]
    assert problem.is_refusal
    assert problem.text.startswith("update refused: text format parsing error in line 1: ")
    assert problem.text.endswith(" (none was taken yet)")
    assert pushing.times({"job": "x"}) == (0, NOW)
    assert pushing.put("/x", b"x 1\n") == 200
    assert not pushing.table.problems


@pytest.mark.parametrize("render", [False, True])
def test_refused_push_is_no_update(render: bool):  # noqa: FBT001
    """What the group holds stays, and how old it is; what was wrong is said."""
    pushing = Pushing(life=Life(60, "mark"), render=render)
    assert pushing.put("/x", b"x 1\n") == 200
    before = pushing.table.get(X)
    pushing.clock.now += 10
    assert pushing.put("/x", b"x{\n") == 400
    row = pushing.table.get(X)
    assert (row.updates, row.updated_at, row.expires_at) == (1, NOW, NOW + 60)
    assert row.updated_ns == before.updated_ns
    assert len(row.payload) == len(before.payload) > 1
    assert row.payload[1:] == before.payload[1:]
    assert pushing.times({"job": "x"}) == (NOW, NOW + 10)
    text = pushing.table.problems[X].text
    assert text.startswith("update refused: text format parsing error in line 1: ")
    assert "none was taken" not in text
    # One that is down stays down.
    pushing.clock.now += 50
    assert pushing.table.expire() == [X]
    assert pushing.put("/x", b"x{\n") == 400
    assert not pushing.table.is_up(X)
    assert pushing.put("/x", b"x 2\n") == 200
    assert pushing.table.is_up(X)


def test_refused_by_a_budget():
    """The state says so, as it does of any app."""
    pushing = Pushing(terms=Terms(budget=Budget(samples=Limit(5, "app[0].max_samples"))))
    assert pushing.put("/x", b"x 1\n") == 200
    assert pushing.put("/x", b"".join(b"x%d 1\n" % number for number in range(9))) == 400
    assert pushing.table.problems[X].text == (
        "update refused: more than 5 samples (app[0].max_samples)"
    )


def test_refused_push_of_an_app_of_another_source():
    """It keeps its metrics."""
    pushing = Pushing()
    pushing.table.update(X, (b"x 1\n",), source="127.0.0.1:6554")
    assert pushing.put("/x", b"x{\n") == 400
    row = pushing.table.get(X)
    assert (row.payload, row.source) == ((b"x 1\n",), "127.0.0.1:6554")


def test_refused_push_where_there_is_no_room():
    """The sender is told what is wrong with the push, and the table is as it was."""
    pushing = Pushing(max_apps=1)
    assert pushing.put("/b", b"x 1\n") == 200
    assert pushing.put("/x", b"x{\n") == 400
    assert [row.app for row in pushing.table] == ['{instance="",job="b"}']
    assert not pushing.table.problems

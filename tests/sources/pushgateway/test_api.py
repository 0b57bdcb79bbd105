"""What is below ``/api/v1``: many groups at once, deletion by matchers, wiping."""

import json

import pytest

from exporter_proxy.config import PushConfig
from exporter_proxy.errors import PayloadError
from exporter_proxy.sources.answers import Answer, ForbiddenError
from exporter_proxy.sources.pushgateway.go_numbers import go_float, go_time
from exporter_proxy.sources.pushgateway.selectors import parse_selector
from tests.sources.pushgateway.pushing import LOCAL, NOW, Pushing
from tests.step_sizes import calls_of_steps


@pytest.fixture
def pushing() -> Pushing:
    return Pushing(PushConfig(enable_admin_api=True))


def document(*groups: object) -> bytes:
    return json.dumps({"groups": groups}).encode()


def group(job: str, metrics: object, **more: object) -> dict[str, object]:
    return {"labels": {"job": job}, "metrics": metrics, **more}


def test_many_groups(pushing: Pushing) -> None:
    pushing.put("/x", b"a 1\nb 1\n")
    answer = pushing.ask_api(
        "POST",
        "/push",
        document(
            group("x", "a 2", replace=False),
            group("y", ["c 3", "d 4"], ttl="30s"),
            {"labels": {"job": "z", "a.b": "ü"}, "metrics": "e 5\n"},
        ),
    )

    assert json.loads(answer.body) == {"status": "success", "data": {"groups": 3}}
    assert pushing.lines() == [
        'a{instance="",job="x"} 2', 'b{instance="",job="x"} 1', 'c{instance="",job="y"} 3',
        'd{instance="",job="y"} 4', 'e{instance="",job="z",a_b="ü"} 5',
    ]  # fmt: skip
    pushing.clock.now += 31
    assert pushing.table.expire() == ['{instance="",job="y"}']


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            [group("x", "a 2"), group("y", "a x")],
            'the group \'{instance="",job="y"}\': text format parsing error in line 1',
        ),
        ([group("x", "a 2"), group("z", "# TYPE a gauge\na 1")], "but untyped in the group"),
        ([group("y", "b 2"), group("z", "# TYPE b gauge\nb 1")], "but untyped in the group"),
        ([group("y", "b 2"), group("y", "b 1")], "it is there twice"),
        ([group("y", "b 2", ttl="soon")], "the ttl of"),
        ([group("", "b 2")], "job name is required"),
        ([{"job": "x"}], "can't read the JSON"),
        ([group("x", 5)], "can't read the JSON"),
        ([], "the document has no groups"),
    ],
)  # fmt: skip
def test_all_or_nothing(pushing: Pushing, groups: list[object], message: str) -> None:
    pushing.put("/x", b"a 1\n")
    answer = pushing.ask_api("POST", "/push", document(*groups))

    assert answer.status == 400
    told = json.loads(answer.body)
    assert (told["status"], told["errorType"]) == ("error", "bad_data")
    assert message in told["error"]
    assert pushing.lines() == ['a{instance="",job="x"} 1']
    # Nothing of it is in anybody's way.
    assert pushing.put("/v", b"# TYPE b summary\nb_sum 1\n") == 200


def test_a_full_table_takes_none() -> None:
    pushing = Pushing(max_apps=2)
    pushing.put("/x", b"a 1\n")
    answer = pushing.ask_api("POST", "/push", document(*(group(job, "a 2") for job in "xyz")))

    assert answer.status == 503
    assert pushing.lines() == ['a{instance="",job="x"} 1']
    assert pushing.times({"job": "x"}) == (NOW, 0)
    assert pushing.put("/y", b"a 3\n") == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"groups": 5}', b"\xff", b"{}"])
def test_no_document(pushing: Pushing, body: bytes) -> None:
    assert pushing.ask_api("POST", "/push", body).status == 400


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PushConfig(max_groups=2), "the document has 3 groups, more than 2 (push.max_groups)"),
        (
            PushConfig(max_document_size=100),
            "the document is larger than 100 bytes (push.max_document_size)",
        ),
    ],
)
def test_too_much_for_one_document(config: PushConfig, message: str) -> None:
    pushing = Pushing(config)
    answer = pushing.ask_api("POST", "/push", document(*(group(name, "a 1") for name in "xyz")))

    assert answer.status == 413
    assert json.loads(answer.body)["error"] == f"{message}: send several"
    assert pushing.lines() == []


def test_forbidden_as_a_whole(pushing: Pushing) -> None:
    pushing.forbidden.add('{instance="",job="y"}')
    with pytest.raises(ForbiddenError):
        pushing.ask_api("POST", "/push", document(group("x", "a 1"), group("y", "a 1")))
    assert pushing.lines() == []


def test_delete_by_matchers(pushing: Pushing) -> None:
    for path in ("/x1", "/x2/instance/i", "/y"):
        pushing.put(path, b"a 1\n")
    query = "/groups?match[]={job=~%22x.*%22,instance=%22%22}&match[]={job=%22y%22}"
    dry = json.loads(pushing.ask_api("DELETE", query + "&dry_run=1").body)["data"]
    assert dry == {"dry_run": True, "groups": [{"job": "x1"}, {"job": "y"}]}
    assert len(pushing.lines()) == 3
    done = json.loads(pushing.ask_api("DELETE", query).body)["data"]

    assert done == {"dry_run": False, "groups": dry["groups"]}
    assert pushing.lines() == ['a{job="x2",instance="i"} 1']
    # Deleted on purpose, it isn't down.
    assert not pushing.table.ghosts


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "no match[] parameter"),
        ("?match[]={}", "must have a matcher that does not match the empty value"),
        ("?match[]={job=~%22.*%22}", "must have a matcher that does not match the empty value"),
        ("?match[]=x", "expected label matchers in braces"),
        ("?match[]={job}", "can't read"),
        ("?match[]={job=~%22(%22}", "no regular expression"),
        ("?match[]={job=%22x%22}&dryrun=1", "unknown parameter 'dryrun'"),
        ("?match[]={job=%22x%22}&dry_run=maybe", "dry_run is 1 or 0"),
    ],
)
def test_bad_matchers(pushing: Pushing, query: str, message: str) -> None:
    pushing.put("/x", b"a 1\n")
    answer = pushing.ask_api("DELETE", "/groups" + query)

    assert answer.status == 400
    assert message in json.loads(answer.body)["error"]
    assert len(pushing.lines()) == 1


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ('{job="x"}', True), ("{job='x'}", True), ("{job=`x`}", True), ('{ job = "x" , }', True),
        ('{job!="x",l="v"}', False), ('{job!="y",l!=""}', True), ('{job=~"[xy]"}', True),
        ('{job=~"x|"}', None), ('{job!~"y"}', None), ('{job!~"y",l=~".+"}', True),
        ('{"l.m"="a\\"b"}', True), ('{job="x",missing=""}', True), ('{job="X"}', False),
        ('{job=~"xx"}', False), ('{l=~"."}', True), ('{job="x"} ', True), ('{job="x"', None),
    ],
)  # fmt: skip
def test_selector(selector: str, selected: bool | None) -> None:  # noqa: FBT001
    labels = {"job": "x", "l": "v", "l.m": 'a"b'}
    if selected is None:
        with pytest.raises(PayloadError):
            parse_selector(selector)
    else:
        assert parse_selector(selector)(labels) is selected


def test_selector_takes_linear_time() -> None:
    assert not parse_selector('{job=~"(a+)+b"}')({"job": "a" * 100_000})


def test_wipe(pushing: Pushing) -> None:
    pushing.put("/x", b"a 1\n")
    pushing.table.update("other", (b"b 1\n",), source="tcp")

    assert pushing.ask_api("PUT", "/admin/wipe").status == 202
    assert pushing.lines() == ["b 1"]


def test_many_groups_are_deleted_in_steps(pushing: Pushing) -> None:
    """Others are served between them, and what they push anew meanwhile may stay or go."""
    for number in range(300):
        pushing.put(f"/x/l/{number}", b"a 1\n")

    for method, path in (("DELETE", '/groups?match[]={job="x",l=~"1.*"}'), ("PUT", "/admin/wipe")):
        steps = pushing.api.handle(method, "/api/v1" + path, {}, b"", LOCAL)
        assert len(list(steps)) >= 2
    assert pushing.lines() == []


def whole(answer: Answer) -> bytes:
    """Return a body that is sent in pieces."""
    return answer.body + b"".join(answer.rest)


@pytest.mark.parametrize("groups", [0, 1, 2, 500])
def test_listing_comes_in_pieces(pushing: Pushing, groups: int) -> None:
    """However many groups there are, none is long unless a group is."""
    for number in range(groups):
        pushing.put(f"/{number}", b"a 1\n" + b"b 2\n")
    answer = pushing.ask_api("GET", "/metrics")

    found = json.loads(whole(answer))
    assert found["status"] == "success"
    assert {each["labels"]["job"] for each in found["data"]} == {str(n) for n in range(groups)}
    assert max(map(len, answer.rest)) < 70_000
    assert (len(answer.rest) > 5) == (groups == 500)


def test_listing(pushing: Pushing) -> None:
    """Each group has its families, and each of these its metrics, as Pushgateway writes them."""
    pushing.put("/x/instance/i", b'# HELP a It\'s \\\\.\n# TYPE a counter\na 1\na{l="\\n"} 2e9\n')
    pushing.post(
        "/x/instance/i",
        b'# TYPE h histogram\nh_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n',
    )
    key = {"instance": "i", "job": "x"}
    shown = json.loads(whole(pushing.ask_api("GET", "/metrics")))

    (group,) = shown["data"]
    assert group["labels"] == key
    assert group["last_push_successful"] is True
    assert {**group["a"], "time_stamp": ""} == {
        "time_stamp": "", "type": "COUNTER", "help": "It's \\.",
        "metrics": [
            {"labels": key, "value": "1"}, {"labels": {**key, "l": "\n"}, "value": "2e+09"},
        ],
    }  # fmt: skip
    assert group["h"]["metrics"] == [
        {"labels": key, "buckets": {"1": "1", "+Inf": "2"}, "sum": "3", "count": "2"}
    ]


@pytest.mark.parametrize("samples", [512, 513, 20_000])
def test_listing_a_large_family(pushing: Pushing, samples: int) -> None:
    """It is read and written a bit at a time, so that a reader of it delays nobody."""
    pushing.put("/x", b"".join(b'a{l="%d"} %d\n' % (each, each) for each in range(samples)))
    steps = pushing.api.handle("GET", "/api/v1/metrics", {}, b"", LOCAL)
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            body = whole(end.value)
            break
        count += 1

    (group,) = json.loads(body)["data"]
    assert [each["labels"]["l"] for each in group["a"]["metrics"]] == [
        str(each) for each in range(samples)
    ]
    assert count >= samples // 512


@pytest.mark.parametrize("metrics", [1, 3000])
def test_listing_a_family_of_parts(pushing: Pushing, metrics: int) -> None:
    """A metric is one, wherever its samples stand."""
    head = b"# TYPE s summary\n"
    sums = b"".join(b's_sum{l="%d"} 1\n' % each for each in range(metrics))
    counts = b"".join(b's_count{l="%d"} 2\n' % each for each in range(metrics))
    pushing.put("/x", head + sums + counts)

    (group,) = json.loads(whole(pushing.ask_api("GET", "/metrics")))["data"]
    assert len(group["s"]["metrics"]) == metrics
    assert {(each["sum"], each["count"]) for each in group["s"]["metrics"]} == {("1", "2")}


def test_wipe_is_turned_off() -> None:
    pushing = Pushing()
    pushing.put("/x", b"a 1\n")

    assert pushing.ask_api("PUT", "/admin/wipe").status == 404
    assert len(pushing.lines()) == 1


def test_rights(pushing: Pushing) -> None:
    right = pushing.api.right
    assert right("GET", "/api/v1/metrics") == "scrape"
    assert right("DELETE", "/api/v1/groups?x") == "push"
    assert right("POST", "/api/v1/push") == "push"
    assert right("PUT", "/api/v1/admin/wipe") == "admin"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (-1.5, "-1.5"), (123456.0, "123456"),
        (1234567.0, "1.234567e+06"), (1e10, "1e+10"), (0.0001, "0.0001"), (0.00001, "1e-05"),
        (1e300, "1e+300"), (1.795339256398991e9, "1.795339256398991e+09"),
        (float("nan"), "NaN"), (float("inf"), "+Inf"), (float("-inf"), "-Inf"),
    ],
)  # fmt: skip
def test_numbers_as_go_prints_them(value: float, shown: str) -> None:
    assert go_float(value) == shown


def test_times_as_go_prints_them() -> None:
    assert go_time(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"


def test_many_groups_are_read_in_steps() -> None:
    """Whether they are new or not; only what all are checked and written by is one step."""
    pushing = Pushing(PushConfig(max_groups=2_000), max_apps=2_000)
    groups = [{"labels": {"job": f"j{number}"}, "metrics": "a 1\n"} for number in range(2_000)]
    body = json.dumps({"groups": groups}).encode()

    for _ in range(2):
        answer, calls = calls_of_steps(pushing.api.handle("POST", "/api/v1/push", {}, body, LOCAL))
        assert answer.status == 200
        assert len(calls) >= 2_000 // 32
        assert max(calls[:-1]) < 10_000
    assert len(pushing.table) == 2_000

"""One table of cases, asked of Debian's Pushgateway and of the proxy: the same answers.

Where they differ, the case says why; docs/pushgateway.md has the same list for people.
"""

import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from tests.e2e.gateways import Gateway, Push, proxy_gateway, pushgateway

HISTOGRAM = b"""\
# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
"""
SUMMARY = b'# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 3\ns_count 2\n'

Series = Mapping[str, float | str]


@dataclass(frozen=True)
class Case:
    """Requests, and what comes of them.

    Attributes:
        pushes: One after another; the first into an empty gateway.
        status: Of the last answer.
        series: What the page has then, without the times of groups.
        groups: ``{labels: (push time, failure time)}``.
        text: What the last answer says, too.
        differs: Why Pushgateway answers another thing; empty: it doesn't.
        their_status: What it answers; None: it can't be asked.
        their_series: What its page has.
        their_groups: The times of its groups.
    """

    pushes: tuple[Push, ...]
    status: int = 200
    series: Series = field(default_factory=dict)
    groups: Mapping[str, tuple[float | str, float | str]] = field(default_factory=dict)
    text: str = ""
    differs: str = ""
    their_status: int | None = 200
    their_series: Series = field(default_factory=dict)
    their_groups: Mapping[str, tuple[float | str, float | str]] = field(default_factory=dict)


def put(path: str, body: bytes = b"a 1\n", **headers: str) -> Push:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Push("PUT", "/metrics/job" + path, body, names)


def post(path: str, body: bytes) -> Push:
    return Push("POST", "/metrics/job" + path, body)


def delete(path: str) -> Push:
    return Push("DELETE", "/metrics/job" + path)


X, Y = "instance=,job=x", "instance=,job=y"
OK = ("now", 0)
FAILED = (0, "now")


def one(labels: str, value: float = 1, name: str = "a") -> dict[str, float | str]:
    return {f"{name}{{{labels}}}": value}


CASES = {
    # The path.
    "put": Case((put("/x"),), series=one(X), groups={X: OK}),
    "put with labels": Case(
        (put("/x/instance/i/z/1", b'a{job="own",instance="o",q="1"} 1\n'),),
        series=one("instance=i,job=x,q=1,z=1"),
        groups={"instance=i,job=x,z=1": OK},
    ),
    "an instance in the body stays": Case(
        (put("/x", b'a{instance="i"} 1\nb 2\n'),),
        series={**one("instance=i,job=x"), **one(X, 2, "b")},
        groups={X: OK},
    ),
    "a job in the body does not": Case(
        (put("/x", b'a{job="own"} 1\n'),), series=one(X), groups={X: OK}
    ),
    "query": Case((put("/x?foo=1"),), series=one(X), groups={X: OK}),
    "slash at the end": Case((put("/x/"),), series=one(X), groups={X: OK}),
    "UTF-8": Case(
        (put("/x/l/%C3%BC%20b", 'a{q="ü"} 1\n'.encode()),),
        series=one("instance=,job=x,l=ü b,q=ü"),
        groups={"instance=,job=x,l=ü b": OK},
    ),
    "escapes": Case(
        (put("/x/l/%0A%22%5C"),),
        series=one('instance=,job=x,l=\n"\\'),
        groups={'instance=,job=x,l=\n"\\': OK},
    ),
    "plus is no blank": Case(
        (put("/a+b/l/a%2Bb"),),
        series=one("instance=,job=a+b,l=a+b"),
        groups={"instance=,job=a+b,l=a+b": OK},
    ),
    "an escaped slash is a slash": Case(
        (put("/a%2Fb/l/v%2Fw"),),
        series=one("b=l,instance=,job=a,v=w"),
        groups={"b=l,instance=,job=a,v=w": OK},
    ),
    "base64": Case(
        (put("@base64/YS9i/l@base64/Yy9k"),),
        series=one("instance=,job=a/b,l=c/d"),
        groups={"instance=,job=a/b,l=c/d": OK},
    ),
    "base64 with padding": Case(
        (put("@base64/YQ==/l@base64/YQ="),),
        series=one("instance=,job=a,l=a"),
        groups={"instance=,job=a,l=a": OK},
    ),
    "base64 of nothing": Case(
        (put("/x/l@base64/=", b'a{l="z"} 1\n'),),
        series=one("instance=,job=x,l="),
        groups={"instance=,job=x,l=": OK},
    ),
    "an empty value at the end": Case(
        (put("/x/l/", b'a{l="z"} 1\n'),),
        series=one("instance=,job=x,l="),
        groups={"instance=,job=x,l=": OK},
    ),
    "the last label of a name counts": Case(
        (put("/x/l/1/l/2"),), series=one("instance=,job=x,l=2"), groups={"instance=,job=x,l=2": OK}
    ),
    "the job is not replaced": Case((put("/x/job/y"),), series=one(X), groups={X: OK}),
    "odd": Case((put("/x/l"),), 400, text="odd number of components", their_status=400),
    "odd and longer": Case((put("/x/l/v/m"),), 400, text="odd number of components"),
    "slash at the end of labels": Case((put("/x/l/v/"),), 400, text="odd number of components"),
    "half of an escaped slash": Case((put("/a%2Fb"),), 400, text="odd number of components"),
    "label name": Case((put("/x/1l/v"),), 400, text='improper label name "1l"'),
    "reserved label": Case((put("/x/__l/v"),), 400, text='improper label name "__l"'),
    "name as a label": Case((put("/x/__name__/v"),), 400, text="improper label name"),
    "dash in a label": Case((put("/x/a-b/v"),), 400, text='improper label name "a-b"'),
    "no label name": Case((put("/x/@base64/YQ"),), 400, text='improper label name ""'),
    "not base64": Case((put("/x/l@base64/!!!"),), 400, text="invalid base64 encoding for label l="),
    "the other alphabet": Case((put("/x/l@base64/Y+"),), 400, text="invalid base64 encoding"),
    "an empty job": Case(
        (put("@base64/="),),
        400,
        text="job name is required",
        differs=(
            "after a job that can't be read, Pushgateway 1.5.1 answers nothing more on that path"
        ),
        their_status=None,
    ),
    "job not base64": Case(
        (put("@base64/!!!"),),
        400,
        text="invalid base64 encoding in job name",
        differs="as above",
        their_status=None,
    ),
    "job not UTF-8": Case(
        (put("@base64/_w"),),
        400,
        text="not UTF-8",
        differs="Pushgateway takes note of the failure, and has no page any more: 500",
        their_status=None,
    ),
    "path not UTF-8": Case(
        (put("/x/l/%FF"),), 400, text="is not UTF-8", differs="as above", their_status=None
    ),
    "NUL in the path": Case(
        (put("/x/l/%00"),),
        400,
        text="NUL",
        differs="Prometheus stops reading at a NUL",
        their_status=200,
        their_series=one("instance=,job=x,l=\0"),
        their_groups={"instance=,job=x,l=\0": OK},
    ),
    "no job": Case(
        (put("/"),),
        400,
        text="job name is required",
        differs="Pushgateway redirects to a path that there isn't",
        their_status=307,
    ),
    "two slashes": Case(
        (put("/x/l//m/v"),),
        400,
        text='write it as "/l@base64/="',
        differs="Pushgateway redirects to another group, which most clients don't follow",
        their_status=301,
    ),
    "UTF-8 label name": Case(
        (put("/x/U__a_2e_b/v"),),
        series=one("a_b=v,instance=,job=x"),
        groups={"a_b=v,instance=,job=x": OK},
        differs="later than 1.5.1, and there only if it is turned on",
        their_series=one("U__a_2e_b=v,instance=,job=x"),
        their_groups={"U__a_2e_b=v,instance=,job=x": OK},
    ),
    "an empty instance is none": Case(
        (put("/x/instance@base64/=", b'a{instance="z"} 1\n'),),
        series=one("instance=z,job=x"),
        groups={X: OK},
        differs="to Pushgateway it is another group, whose times are in the other's way",
        their_series=one(X),
        their_groups={X: OK},
    ),
    "other path": Case((Push("PUT", "/metrics/foo/x", b"a 1\n"),), 404, their_status=404),
    "no group": Case((Push("PUT", "/metrics", b"a 1\n"),), 405, their_status=405),
    # Methods.
    "get": Case((Push("GET", "/metrics/job/x"),), 405, their_status=405),
    "patch": Case((Push("PATCH", "/metrics/job/x", b"a 1\n"),), 405, their_status=405),
    "options": Case((Push("OPTIONS", "/metrics/job/x"),)),
    "put replaces the group": Case(
        (put("/x", b"a 1\nb 2\n"), put("/x", b"c 3\n")), series=one(X, 3, "c"), groups={X: OK}
    ),
    "put of nothing": Case((put("/x"), put("/x", b"")), groups={X: OK}),
    "put of nothing at all": Case((put("/x", b""),), groups={X: OK}),
    "post of nothing": Case((put("/x"), post("/x", b"")), series=one(X), groups={X: OK}),
    "post replaces families": Case(
        (put("/x", b'a{l="1"} 1\na{l="2"} 2\nb 3\n'), post("/x", b'a{l="3"} 1\n')),
        series={**one("instance=,job=x,l=3"), **one(X, 3, "b")},
        groups={X: OK},
    ),
    "post replaces a histogram": Case(
        (put("/x", HISTOGRAM + b"b 1\n"), post("/x", HISTOGRAM.replace(b" 1\n", b" 0\n"))),
        series={
            **one(X, 1, "b"),
            **one("instance=,job=x,le=1", 0, "h_bucket"),
            **one("instance=,job=x,le=+Inf", 2, "h_bucket"),
            **one(X, 3, "h_sum"),
            **one(X, 2, "h_count"),
        },
        groups={X: OK},
    ),
    "post into nothing": Case((post("/x", b"a 1\n"),), series=one(X), groups={X: OK}),
    "post of another type": Case(
        (put("/x", b"# TYPE a counter\na 1\nb 3\n"), post("/x", b"# TYPE a gauge\na 1\n")),
        series={**one(X), **one(X, 3, "b")},
        groups={X: OK},
    ),
    "three posts": Case(
        (post("/x", b"a 1\n"), post("/x", b"b 2\n"), post("/x", b"c 3\na 4\n")),
        series={**one(X, 4), **one(X, 2, "b"), **one(X, 3, "c")},
        groups={X: OK},
    ),
    "groups are apart": Case(
        (put("/x"), put("/x/instance/i", b"a 2\n"), put("/y", b"a 3\n")),
        series={**one(X), **one("instance=i,job=x", 2), **one(Y, 3)},
        groups={X: OK, "instance=i,job=x": OK, Y: OK},
    ),
    "delete": Case(
        (put("/x/l/1"), put("/x"), delete("/x")),
        202,
        series=one("instance=,job=x,l=1"),
        groups={"instance=,job=x,l=1": OK},
        their_status=202,
    ),
    "delete in another order": Case(
        (put("/x/l/1/m/2"), delete("/x/m/2/l/1")), 202, their_status=202
    ),
    "delete by base64": Case((put("/x"), delete("@base64/eA")), 202, their_status=202),
    "delete nothing": Case((delete("/x"),), 202, their_status=202),
    "delete odd": Case((delete("/x/l"),), 400, text="odd number of components"),
    # The body.
    "types": Case(
        (
            put(
                "/x", b"# HELP a_total x\n# TYPE a_total counter\na_total 1\n" + HISTOGRAM + SUMMARY
            ),
        ),
        series={
            **one(X, 1, "a_total"),
            **one("instance=,job=x,le=1", 1, "h_bucket"),
            **one("instance=,job=x,le=+Inf", 2, "h_bucket"),
            **one(X, 3, "h_sum"),
            **one(X, 2, "h_count"),
            **one("instance=,job=x,quantile=0.5", 1, "s"),
            **one(X, 3, "s_sum"),
            **one(X, 2, "s_count"),
        },
        groups={X: OK},
    ),
    "blanks and comments": Case(
        (put("/x", b"\n\n  a   1\n# comment\n"),), series=one(X), groups={X: OK}
    ),
    "samples apart": Case(
        (put("/x", b'a{l="1"} 1\nb 1\na{l="2"} 1\n'),),
        series={**one("instance=,job=x,l=1"), **one("instance=,job=x,l=2"), **one(X, 1, "b")},
        groups={X: OK},
    ),
    "HELP and TYPE alone": Case(
        (put("/x"), put("/x", b"# HELP a x\n# TYPE a gauge\n")), groups={X: OK}
    ),
    "times of its own": Case(
        (put("/x", b"push_time_seconds 1\nb 1\n"),), series=one(X, 1, "b"), groups={X: OK}
    ),
    "times of another type": Case(
        (
            put(
                "/x",
                b"# TYPE push_failure_time_seconds counter\npush_failure_time_seconds 1\nb 1\n",
            ),
        ),
        series=one(X, 1, "b"),
        groups={X: OK},
    ),
    "gzip": Case(
        (put("/x", gzip.compress(b"a 1\n"), Content_Encoding="gzip"),),
        series=one(X),
        groups={X: OK},
    ),
    "not gzip": Case(
        (put("/x", b"a 1\n", Content_Encoding="gzip"),),
        400,
        groups={X: FAILED},
        text="not gzip",
        differs="what can't be read is a failure too",
        their_status=400,
    ),
    "gzip that was cut off": Case(
        (put("/x", gzip.compress(b"a 1\n")[:-5], Content_Encoding="gzip"),),
        400,
        groups={X: FAILED},
        text="cut off",
        differs="Pushgateway takes what there is",
        their_series=one(X),
        their_groups={X: OK},
    ),
    "unknown encoding": Case(
        (put("/x", b"a 1\n", Content_Encoding="br"),),
        415,
        groups={X: FAILED},
        text="takes gzip, deflate and snappy",
        differs="Pushgateway reads it as text",
        their_series=one(X),
        their_groups={X: OK},
    ),
    "no number": Case(
        (put("/x", b"a abc\n"),),
        400,
        groups={X: FAILED},
        text="text format parsing error in line 1",
        differs="a failure too",
        their_status=400,
    ),
    "garbage": Case(
        (put("/x"), put("/x", b"b 1\na{\n")),
        400,
        series=one(X),
        groups={X: ("now", "now")},
        text="text format parsing error in line 2",
        differs="a failure too",
        their_status=400,
        their_series=one(X),
        their_groups={X: OK},
    ),
    "not UTF-8": Case(
        (put("/x", b'a{l="\xff"} 1\n'),),
        400,
        groups={X: FAILED},
        text="text format parsing error in line 1",
        differs="a failure too",
        their_status=400,
    ),
    "a name in two types": Case(
        (put("/x", HISTOGRAM + b"h_count 1\n"),),
        400,
        groups={X: FAILED},
        text="inconsistent with existing metrics",
        differs="Pushgateway takes the last",
        their_groups={X: OK},
        their_series={
            **one("instance=,job=x,le=1", 1, "h_bucket"),
            **one("instance=,job=x,le=+Inf", 2, "h_bucket"),
            **one(X, 3, "h_sum"),
            **one(X, 1, "h_count"),
        },
    ),
    "NUL": Case(
        (put("/x", b'a{l="\0"} 1\n'),),
        400,
        groups={X: FAILED},
        text="NUL",
        differs="Prometheus stops reading at a NUL",
        their_series=one("instance=,job=x,l=\0"),
        their_groups={X: OK},
    ),
    "CRLF": Case(
        (put("/x", b"a 1\r\n"),),
        series=one(X),
        groups={X: OK},
        differs="forgiven",
        their_status=400,
    ),
    "no final newline": Case(
        (put("/x", b"a 1"),), series=one(X), groups={X: OK}, differs="forgiven", their_status=400
    ),
    "byte order mark": Case(
        (put("/x", b"\xef\xbb\xbfa 1\n"),),
        series=one(X),
        groups={X: OK},
        differs="forgiven",
        their_status=400,
    ),
    "repeated HELP": Case(
        (put("/x", b"# HELP a x\n# HELP a y\na 1\n"),),
        series=one(X),
        groups={X: OK},
        differs="forgiven",
        their_status=400,
    ),
    "repeated TYPE": Case(
        (put("/x", b"# TYPE a gauge\n# TYPE a gauge\na 1\n"),),
        series=one(X),
        groups={X: OK},
        differs="forgiven",
        their_status=400,
    ),
    "late TYPE": Case(
        (put("/x", b"a 1\n# TYPE a gauge\n"),),
        series=one(X),
        groups={X: OK},
        differs="forgiven",
        their_status=400,
    ),
    "OpenMetrics": Case(
        (put("/x", b'# TYPE a info\na_info{x="y"} 1\n# EOF\n'),),
        series=one("instance=,job=x,x=y", 1, "a_info"),
        groups={X: OK},
        differs="forgiven",
        their_status=400,
    ),
    "quoted name": Case(
        (put("/x", b'{"a.b",l="1"} 1\n'),),
        series=one("instance=,job=x,l=1", 1, "a_b"),
        groups={X: OK},
        differs="later than 1.5.1",
        their_status=400,
    ),
    "histogram without its last bucket": Case(
        (put("/x", b'# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n'),),
        series={
            **one("instance=,job=x,le=1", 1, "h_bucket"),
            **one(X, 1, "h_sum"),
            **one(X, 1, "h_count"),
        },
        groups={X: OK},
        differs="the proxy shows what was sent",
        their_series={
            **one("instance=,job=x,le=1", 1, "h_bucket"),
            **one("instance=,job=x,le=+Inf", 1, "h_bucket"),
            **one(X, 1, "h_sum"),
            **one(X, 1, "h_count"),
        },
        their_groups={X: OK},
    ),
    # What goes together.
    "timestamps": Case(
        (put("/x", b"a 1 1000\n"),),
        400,
        groups={X: FAILED},
        text="must not have timestamps",
        their_status=400,
    ),
    "twice in a body": Case(
        (put("/x", b"a 1\na 2\n"),), 400, groups={X: FAILED}, text="there twice", their_status=400
    ),
    "twice in another order": Case(
        (put("/x", b'a{l="1",m="2"} 1\na{m="2",l="1"} 2\n'),),
        400,
        groups={X: FAILED},
        text="there twice",
        their_status=400,
    ),
    "twice by the group's labels": Case(
        (put("/x/l/1", b'a{l="1"} 1\na{l="2"} 2\n'),),
        400,
        groups={"instance=,job=x,l=1": FAILED},
        text="there twice",
        their_status=400,
    ),
    "twice with an empty label": Case(
        (put("/x", b'a{l=""} 1\na 2\n'),),
        400,
        groups={X: FAILED},
        text="there twice",
        differs="to Prometheus they are one series",
        their_series={**one("instance=,job=x,l="), **one(X, 2)},
        their_groups={X: OK},
    ),
    "in another group": Case(
        (put("/x/l/1"), put("/x", b'b 1\na{l="1"} 2\n')),
        400,
        series=one("instance=,job=x,l=1"),
        groups={"instance=,job=x,l=1": OK, X: FAILED},
        text='{instance="",job="x",l="1"}',
        their_status=400,
    ),
    "in another group the other way round": Case(
        (put("/x", b'a{l="1"} 2\n'), put("/x/l/1")),
        400,
        series=one("instance=,job=x,l=1", 2),
        groups={"instance=,job=x,l=1": FAILED, X: OK},
        text='{instance="",job="x"}',
        their_status=400,
    ),
    "in another group by its instance": Case(
        (put("/x", b'a{instance="i"} 1\n'), put("/x/instance/i", b"a 2\n")),
        400,
        series=one("instance=i,job=x"),
        groups={X: OK, "instance=i,job=x": FAILED},
        text='{instance="",job="x"}',
        their_status=400,
    ),
    "nearly in another group": Case(
        (put("/x/l/1"), put("/x", b'a{l="2"} 2\n')),
        series={**one("instance=,job=x,l=1"), **one("instance=,job=x,l=2", 2)},
        groups={"instance=,job=x,l=1": OK, X: OK},
    ),
    "in a group that is gone": Case(
        (put("/x/l/1"), delete("/x/l/1"), put("/x", b'a{l="1"} 2\n')),
        series=one("instance=,job=x,l=1", 2),
        groups={X: OK},
    ),
    "another type": Case(
        (put("/x", b"# TYPE a gauge\na 1\n"), put("/y", b"# TYPE a counter\na 1\n")),
        400,
        series=one(X),
        groups={X: OK, Y: FAILED},
        text='{instance="",job="x"}',
        their_status=400,
    ),
    "a type and none": Case(
        (put("/x", b"a 1\n"), put("/y", b"# TYPE a gauge\na 1\n")),
        400,
        series=one(X),
        groups={X: OK, Y: FAILED},
        text='{instance="",job="x"}',
        their_status=400,
    ),
    "another type in a group that is gone": Case(
        (put("/x", b"# TYPE a counter\na 1\n"), delete("/x"), put("/y", b"# TYPE a gauge\na 1\n")),
        series=one(Y),
        groups={Y: OK},
    ),
    "another type instead of its own": Case(
        (put("/x", b"# TYPE a counter\na 1\n"), put("/x", b"# TYPE a gauge\na 2\n")),
        series=one(X, 2),
        groups={X: OK},
    ),
    "another HELP": Case(
        (put("/x", b"# HELP a x\na 1\n"), put("/y", b"# HELP a y\na 1\n")),
        series={**one(X), **one(Y)},
        groups={X: OK, Y: OK},
    ),
    "a name of a histogram's series": Case(
        (put("/x", HISTOGRAM), put("/y", b"h_count 1\n")),
        400,
        series={
            **one("instance=,job=x,le=1", 1, "h_bucket"),
            **one("instance=,job=x,le=+Inf", 2, "h_bucket"),
            **one(X, 3, "h_sum"),
            **one(X, 2, "h_count"),
        },
        groups={X: OK, Y: FAILED},
        text='{instance="",job="x"}',
        their_status=400,
    ),
    "a histogram whose series' name is taken": Case(
        (put("/x", b"h_count 1\n"), put("/y", HISTOGRAM)),
        400,
        series=one(X, 1, "h_count"),
        groups={X: OK, Y: FAILED},
        text='{instance="",job="x"}',
        their_status=400,
    ),
    "a refused push changes nothing": Case(
        (
            put("/y", b"# TYPE a gauge\na 1\n"),
            put("/x", b"b 1\n"),
            put("/x", b"# TYPE a counter\na 1\n"),
        ),
        400,
        series={**one(Y), **one(X, 1, "b")},
        groups={Y: OK, X: ("now", "now")},
        their_status=400,
    ),
    "a group's label on buckets": Case(
        (put("/x/le/v", HISTOGRAM),),
        400,
        groups={"instance=,job=x,le=v": FAILED},
        text="there twice",
        differs="Pushgateway writes the label twice, which no reader takes",
        their_status=None,
    ),
    # Administration.
    "wipe": Case((put("/x"), Push("PUT", "/api/v1/admin/wipe")), 202, their_status=202),
    "wipe by POST": Case((Push("POST", "/api/v1/admin/wipe"),), 405, their_status=405),
    "status": Case((Push("GET", "/api/v1/status"),)),
    "nothing there": Case((Push("GET", "/api/v1/nothing"),), 404, their_status=404),
    "ready": Case((Push("GET", "/-/ready"),)),
    "healthy": Case((Push("GET", "/-/healthy"),)),
}


def expected(series: Series, groups: Mapping[str, tuple[float | str, float | str]]) -> Series:
    times: dict[str, float | str] = {}
    for labels, (pushed, failed) in groups.items():
        times[f"push_time_seconds{{{labels}}}"] = pushed
        times[f"push_failure_time_seconds{{{labels}}}"] = failed
    return {**series, **times}


@pytest.fixture(scope="module")
def ours() -> Iterator[Gateway]:
    with proxy_gateway() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def theirs(tool: Callable[[str], str]) -> Iterator[Gateway]:
    with pushgateway(tool("prometheus-pushgateway")) as gateway:
        yield gateway


@pytest.mark.parametrize("name", CASES)
def test_proxy(ours: Gateway, name: str) -> None:
    case = CASES[name]
    ours.wipe()
    answers = [ours.push(push) for push in case.pushes]

    assert answers[-1].status == case.status, answers[-1]
    assert case.text in answers[-1].body.decode()
    assert ours.series() == expected(case.series, case.groups)


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.their_status is not None]
)
def test_pushgateway(theirs: Gateway, name: str) -> None:
    """The table says what it really answers; its differences are real ones."""
    case = CASES[name]
    theirs.wipe()
    answers = [theirs.push(push) for push in case.pushes]
    status, series, groups = case.status, case.series, case.groups
    if case.differs:
        status, series, groups = case.their_status, case.their_series, case.their_groups

    assert answers[-1].status == status, answers[-1]
    assert theirs.series() == expected(series, groups)
    if case.differs:
        assert (status, series, groups) != (case.status, case.series, case.groups)


def test_api_lists_the_same(ours: Gateway, theirs: Gateway) -> None:
    """Groups, families, labels and numbers are the same; only times and our HELP differ."""
    body = (
        b'# HELP a h\\\\h\n# TYPE a counter\na{q="1"} 1\n'
        + HISTOGRAM
        + SUMMARY
        + b'u{l="\\"x"} 1e10\nv NaN\nw -0.00001\n'
    )
    listed = []
    for gateway in (ours, theirs):
        gateway.wipe()
        gateway.push(put("/x/l/1", body))
        gateway.push(put("/y", b"z 1\n"))
        groups = gateway.api()
        for group in groups.values():
            for name in ("push_time_seconds", "push_failure_time_seconds"):
                assert group.pop(name)["type"] == "GAUGE"
            for family in group.values():
                if isinstance(family, dict) and "time_stamp" in family:
                    assert family.pop("time_stamp").startswith("20")
        listed.append(groups)

    assert listed[0] == listed[1]

"""Formats and metrics of the operator's own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import ConfigError
from exporter_proxy.log_metrics.compile import check_log
from exporter_proxy.log_metrics.counter import StateError
from exporter_proxy.log_metrics.grok import expand
from exporter_proxy.log_metrics.grok_patterns import PATTERNS
from exporter_proxy.log_metrics.line_format import compile_re2
from tests.log_metrics.counting import count, counter, samples, section

LINES = "GET /a 200 10 0.5\nPOST /b 503 7 1.25\nGET /c 404 - 0.25\nnonsense\n"
FORMAT = r"^(?P<method>[A-Z]+) (?P<path>\S+) (?P<status>\d+) (?P<size>\d+|-) (?P<seconds>[0-9.]+)$"
COUNT = {"name": "x_total", "type": "counter"}


def metric(**keys: Any) -> dict[str, Any]:
    return {**COUNT, **keys}


def one(text: str = LINES, line_format: str = FORMAT, **keys: Any) -> dict[str, float]:
    return count(text, format=line_format, metrics=[metric(**keys)])


@pytest.mark.parametrize(
    ("keys", "counted"),
    [
        pytest.param({}, {"x_total": 3}, id="every line"),
        pytest.param({"match": {"status": ">= 400"}}, {"x_total": 2}, id="at least"),
        pytest.param({"match": {"status": [">= 400", "< 500"]}}, {"x_total": 1}, id="both"),
        pytest.param({"match": {"status": 200}}, {"x_total": 1}, id="number"),
        pytest.param({"match": {"method": "GET"}}, {"x_total": 2}, id="equal"),
        pytest.param(
            {"match": {"method": "== GET", "path": "=~ ^/c"}}, {"x_total": 1}, id="search"
        ),
        pytest.param({"match": {"path": "!~ [ab]"}}, {"x_total": 1}, id="no search"),
        pytest.param({"match": {"size": "!= -"}}, {"x_total": 2}, id="not"),
        pytest.param({"match": r"/(?P<letter>[bc]) "}, {"x_total": 2}, id="regular expression"),
        pytest.param(
            {"match": r"/(?P<letter>[bc]) ", "labels": {"is": "{method}-{letter}"}},
            {'x_total{is="GET-c"}': 1, 'x_total{is="POST-b"}': 1},
            id="groups of both",
        ),
        pytest.param({"value": "size"}, {"x_total": 17}, id="value"),
        pytest.param({"value": "seconds", "scale": 1000}, {"x_total": 2000}, id="scale"),
        pytest.param(
            {"labels": {"class": "{status:.1}xx", "fixed": "{{}}"}},
            {
                'x_total{class="2xx",fixed="{}"}': 1,
                'x_total{class="4xx",fixed="{}"}': 1,
                'x_total{class="5xx",fixed="{}"}': 1,
            },
            id="labels",
        ),
        pytest.param(
            {"labels": {"m": "{method}"}, "value": "size"},
            {'x_total{m="GET"}': 10, 'x_total{m="POST"}': 7},
            id="value by label",
        ),
        pytest.param(
            {"type": "histogram", "value": "seconds", "buckets": [0.3, 1]},
            {"x_total_sum": 2, "x_total_count": 3},
            id="histogram",
        ),
        pytest.param({"type": "gauge", "value": "seconds"}, {"x_total": 0.25}, id="last"),
        pytest.param(
            {"type": "gauge", "value": "seconds", "action": "subtract"}, {"x_total": -2}, id="less"
        ),
        pytest.param({"type": "gauge", "action": "add"}, {"x_total": 3}, id="one more"),
    ],
)
def test_metrics(keys, counted):
    assert one(**keys) == counted


def test_buckets_are_in_the_metrics_unit():
    """300 ms are in the bucket of 0.3 s, though 0.3 / 0.001 is no whole number of floats."""
    counted = counter(
        format=r"(?P<ms>\d+)",
        metrics=[metric(type="histogram", value="ms", scale=0.001, buckets=[0.1, 0.3])],
    )
    counted.feed(b"100\n101\n300\n301\n")

    assert counted.exposition() == (
        b"# HELP x_total \n# TYPE x_total histogram\n"
        b'x_total_bucket{le="0.1"} 1\nx_total_bucket{le="0.3"} 3\nx_total_bucket{le="+Inf"} 4\n'
        b"x_total_sum 0.802\nx_total_count 4\n"
    )


def test_without_format_each_metric_searches_the_line():
    metrics = [
        metric(match=r"took (?P<ms>[0-9]+)ms", value="ms"),
        metric(name="y_total", match="(?i)ERROR"),
    ]
    counted = counter(metrics=metrics)
    counted.feed(b"it took 5ms\nan error took 7ms\nError\nnothing\n\n")

    assert samples(counted) == {"x_total": 12, "y_total": 2}
    assert (counted.lines, counted.matched, counted.unmatched) == (5, 3, 2)


def test_lines_that_nothing_matches_are_counted():
    counted = counter(format=FORMAT, metrics=[COUNT])
    counted.feed(LINES.encode())

    assert (counted.lines, counted.matched, counted.unmatched) == (4, 3, 1)


def test_numbers_that_are_none_are_counted():
    counted = counter(format=r"v=(?P<v>.*)", metrics=[metric(value="v")])
    counted.feed("v=1\nv=-\nv=\nv=x\nv=-5\nv=1e3\nv=nan\nv=1_000\nv=٣\nv=+2\nv=1e999\n".encode())

    assert samples(counted) == {"x_total": 1 + 1000 + 2}
    assert counted.unread_values == 6


def test_series_are_bounded():
    """Of each metric; the rest is in one series, long texts are cut."""
    counted = counter(
        format=r"(?P<who>.*)", max_series=2, metrics=[metric(labels={"who": "{who}", "f": "x"})]
    )
    counted.feed(b"".join(b"%d\n" % n for n in range(50)) + b"0\n")

    assert samples(counted) == {
        'x_total{who="0",f="x"}': 2,
        'x_total{who="1",f="x"}': 1,
        'x_total{who="__overflow__",f="__overflow__"}': 48,
    }
    assert counted.overflowed == 48


def test_label_values_are_cut_escaped_and_mended():
    found = count(
        b'a"\\b\xff\n' + b"y" * 5000 + b"\n",
        format=r"(?P<who>.*)",
        metrics=[metric(labels={"who": "{who}"})],
    )

    assert found == {'x_total{who="a\\"\\\\b�"}': 1, f'x_total{{who="{"y" * 1024}"}}': 1}


@pytest.mark.parametrize(
    ("line_format", "kind"),
    [
        (r"(?P<a>\w+) (?P<b>\d+)", "auto"),
        (r"%{WORD:a} %{INT:b}", "auto"),
        (r"%{WORD:[a]} %{NUMBER:b:int}", "grok"),
        (r"%{MINE:a} (?P<b>%{INT})", "auto"),
        ("$a $b", "auto"),
        ("${a} $b", "log_format"),
        ("log_format main escape=json '$a ' '$b';", "auto"),
    ],
)
def test_kinds_of_formats(line_format, kind):
    found = count(
        "word 7\n",
        format=line_format,
        format_type=kind,
        patterns={"MINE": "[a-z]+"},
        metrics=[metric(value="b", labels={"a": "{a}"})],
    )

    assert found == {'x_total{a="word"}': 7}


@pytest.mark.parametrize("name", PATTERNS)
def test_every_grok_pattern_is_taken_by_re2(name):
    compile_re2(expand(f"%{{{name}:x}}", {}))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("IP", "192.168.0.1"),
        ("IP", "2001:db8::1"),
        ("IP", "::1"),
        ("IPV6", "fe80::1%eth0"),
        ("HOSTNAME", "a-b.example.org"),
        ("HTTPDATE", "22/Nov/2026:10:00:00 +0000"),
        ("TIMESTAMP_ISO8601", "2026-11-22T10:00:00.123Z"),
        ("TIMESTAMP_ISO8601", "2026-11-22 10:00:00,123+01:00"),
        ("SYSLOGTIMESTAMP", "Nov  2 10:00:00"),
        ("QS", r'"a \" b"'),
        ("NUMBER", "-1.5"),
        ("UUID", "123e4567-e89b-12d3-a456-426614174000"),
        ("MAC", "00:11:22:33:44:55"),
        ("URI", "https://u:p@example.org:8080/a/b?c=d"),
        ("SYSLOGLINE", "Nov 22 10:00:00 host prog[7]: what happened"),
        (
            "COMBINEDAPACHELOG",
            '::1 - bob [22/Nov/2026:10:00:00 +0000] "GET /a?b HTTP/1.1" 200 5 "-" "a \\" b"',
        ),
        ("COMMONAPACHELOG", 'h - - [22/Nov/2026:10:00:00 +0000] "" 400 0'),
        ("COMMONAPACHELOG", 'h - - [22/Nov/2026:10:00:00 +0000] "GET /\\"a HTTP/1.1" 400 0'),
        ("COMMONAPACHELOG", 'h - - [22/Nov/2026:10:00:00 +0000] "-" 408 -'),
        ("COMMONAPACHELOG", 'h - - [22/Nov/2026:10:00:00 +0000] "\\x16\\x03" 400 226'),
    ],
)
def test_grok_patterns(pattern, text):
    found = count(
        f"<<{text}>>\n",
        format=rf"^<<(?P<it>%{{{pattern}}})>>$",
        format_type="grok",
        metrics=[COUNT],
    )

    assert found == {"x_total": 1}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"format": "("}, 'log[0].format: "(": RE2 does not take it: missing ): ('),
        (
            {"format": "(?=x)"},
            (
                'log[0].format: "(?=x)": RE2 does not take it: invalid perl operator: (?=: RE2 '
                "has no "
                "look-around"
            ),
        ),
        (
            {"format": "(a)\\1"},
            (
                'log[0].format: "(a)\\1": RE2 does not take it: invalid escape sequence: \\1: '
                "RE2 has "
                "no back-references"
            ),
        ),
        (
            {"format": "%{NUMBR:a}", "format_type": "grok"},
            'log[0].format: "%{NUMBR:a}": there is no pattern "NUMBR" (did you mean "NUMBER"?)',
        ),
        (
            {"format": "%{A}", "patterns": {"A": "%{A}"}},
            'log[0].format: "%{A}": the pattern "A" refers to itself',
        ),
        (
            {"format": "$a$b"},
            'log[0].format: "$a$b": nothing stands between "a" and "b"',
        ),
        (
            {"format": "%h %Z"},
            'log[0].format: "%h %Z": "%Z" is none of the formats of Apache\'s mod_log_config',
        ),
        (
            {"format": "a", "format_file": "b"},
            "log[0].format_file: can't be used together with format",
        ),
        (
            {"preset": "nginx"},
            "log[0].metrics: can't be used together with preset: write another [[log]]",
        ),
        (
            {"metrics": []},
            "log[0].metrics: missing: must be sections [[log.metrics]], or set preset",
        ),
        (
            {"preset": "sshd", "metrics": [], "format": "x"},
            "log[0].format: can't be used: the preset sshd needs no format",
        ),
        (
            {"preset": "rsyncd", "metrics": [], "format": "%y"},
            'log[0].format: "%y": "%y" is none of the escapes of rsyncd.conf(5)',
        ),
        (
            {
                "format": FORMAT,
                "metrics": [
                    metric(name="x_sum"),
                    metric(name="x", type="histogram", value="size", buckets=[1]),
                ],
            },
            'log[0].metrics[1].name: "x": is there twice',
        ),
        ({"metrics": [COUNT, COUNT]}, 'log[0].metrics[1].name: "x_total": is there twice'),
    ],
)
def test_mistakes_of_a_section(keys, problem):
    with pytest.raises(ConfigError) as caught:
        check_log(section(**{"metrics": [COUNT], **keys}), "log[0]")

    assert caught.value.problems == [problem]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            {"name": "a-b"},
            '.name: "a-b": must be a metric name: letters, digits, _ and :, no digit first',
        ),
        (
            {"name": "exporter_proxy_x"},
            (
                '.name: "exporter_proxy_x": must not begin with exporter_proxy_, as the proxy\'s '
                "own "
                "metrics do"
            ),
        ),
        (
            {"type": "histogram"},
            ".buckets: missing: must be a list of numbers, such as [0.1, 1, 10]",
        ),
        ({"type": "histogram", "buckets": [2, 1]}, ".buckets: must be ascending, each once"),
        (
            {"type": "histogram", "buckets": [1]},
            ".value: missing: a histogram needs the group that has its numbers",
        ),
        ({"buckets": [1]}, ".buckets: can't be used: only a histogram has buckets"),
        ({"action": "add"}, ".action: can't be used: only a gauge is set or moved"),
        ({"scale": 0}, ".scale: 0: must be greater than 0"),
        (
            {"value": "sice"},
            (
                '.value: there is no group "sice" in the format; there are: method, path, status, '
                "size, seconds"
            ),
        ),
        (
            {"match": {"x": "1"}},
            (
                '.match.x: there is no group "x" in the format; there are: method, path, status, '
                "size, "
                "seconds"
            ),
        ),
        ({"match": {"status": ">= x"}}, '.match.status: ">= x": >= needs a number, not "x"'),
        ({"match": "("}, '.match: "(": RE2 does not take it: missing ): ('),
        (
            {"labels": {"a": "{"}},
            (
                '.labels.a: "{": a brace stands alone: write a group such as {method} or '
                "{status:.1}, "
                "or the brace twice"
            ),
        ),
    ],
)
def test_mistakes_of_a_metric(keys, problem):
    with pytest.raises(ConfigError) as caught:
        check_log(section(format=FORMAT, metrics=[metric(**keys)]), "log[0]")

    assert caught.value.problems == [f"log[0].metrics[0]{problem}"]


def test_names_that_mislead_are_doubted():
    metrics = [metric(name="x"), metric(name="y_total", type="gauge")]

    assert check_log(section(format=FORMAT, metrics=metrics), "log[0]") == [
        'log[0].metrics[0].name: "x": the name of a counter should end in _total',
        'log[0].metrics[1].name: "y_total": the name of a gauge should not end in _total',
    ]


def test_counters_go_on_from_a_state_of_the_same_section():
    keys = {"format": FORMAT, "metrics": [metric(labels={"m": "{method}"}, value="size")]}
    first, second = counter(**keys), counter(**keys)
    first.feed(LINES.encode())
    second.restore(first.state())
    first.feed(LINES.encode())
    second.feed(LINES.encode())

    assert second.exposition() == first.exposition()
    assert (second.lines, second.matched) == (8, 6)


def test_numbers_beyond_64_bits_are_kept_over_a_state():
    keys = {"format": r"(?P<v>\d+)", "metrics": [metric(value="v")]}
    first, second = counter(**keys), counter(**keys)
    first.feed(b"999999999999999999\n" * 100)
    second.restore(first.state())

    assert second.exposition() == first.exposition()
    assert b"x_total 99999999999999999900\n" in first.exposition()


@pytest.mark.parametrize("state", [b"", b"\x00", b"\x98" + b"\xc0" * 8])
def test_a_damaged_state_is_refused(state):
    with pytest.raises(StateError):
        counter(preset="nginx").restore(state)


def test_a_state_of_another_section_is_refused():
    other = counter(format=FORMAT, metrics=[metric(value="size")])

    with pytest.raises(StateError, match="another configuration"):
        counter(format=FORMAT, metrics=[COUNT]).restore(other.state())


@given(st.binary(), st.sampled_from(["nginx", "apache", "sshd", "rsyncd"]))
def test_any_bytes_are_counted_by_any_preset(block, preset):
    counted = counter(preset=preset)
    counted.feed(block)

    text = block.decode(errors="replace")
    assert counted.lines == text.count("\n") + bool(text and not text.endswith("\n"))
    assert 0 <= counted.matched <= counted.lines
    samples(counted)


@given(
    st.lists(
        st.sampled_from(LINES.splitlines(keepends=True))
        | st.text(max_size=5).map(lambda t: t.replace("\n", "") + "\n")
    ),
    st.data(),
)
def test_blocks_change_nothing(lines, data):
    keys = {
        "format": FORMAT,
        "metrics": [
            metric(labels={"m": "{method}", "c": "{status:.1}"}),
            metric(name="y_total", value="size", match={"status": "< 500"}),
            metric(name="z", type="histogram", value="size", buckets=[8], labels={"p": "{path}"}),
            metric(name="g", type="gauge", value="status"),
        ],
    }
    whole, parts = counter(**keys), counter(**keys)
    encoded = [line.encode() for line in lines]
    whole.feed(b"".join(encoded))
    while encoded:
        cut = data.draw(st.integers(1, len(encoded)))
        parts.feed(b"".join(encoded[:cut]))
        encoded = encoded[cut:]

    assert parts.exposition() == whole.exposition()
    assert (parts.lines, parts.matched) == (whole.lines, whole.matched)

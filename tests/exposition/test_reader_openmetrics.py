"""OpenMetrics: told from text by what it has, and turned into families of the text format."""

import pytest

from exporter_proxy.exposition.reader import read, shapes
from tests.exposition.reading import everything, fields, findings, read_text, samples

EOF = b"# EOF\n"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"a 1\n# EOF\n", id="its end"),
        pytest.param(b"a 1\n# EOF", id="its end without newline"),
        pytest.param(b"a 1\r\n# EOF\r\n\r\n", id="its end with carriage returns"),
        pytest.param(b"# EOF\n", id="its end alone"),
        pytest.param(b"# UNIT a_seconds seconds\na_seconds 1\n", id="a unit"),
        pytest.param(b"# TYPE a info\na_info 1\n", id="info"),
        pytest.param(b'# TYPE a stateset\na{a="b"} 1\n', id="stateset"),
        pytest.param(b"# TYPE a gaugehistogram\na_gsum 1\n", id="gaugehistogram"),
        pytest.param(b'# TYPE a counter\na_total 1 # {b="c"} 1\n', id="an exemplar"),
    ],
)
def test_is_told_by_its_content(payload):
    assert read_text(payload).format == "openmetrics"
    assert read_text(payload, format="text").format == "text"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"a 1\n", id="samples"),
        pytest.param(b"# TYPE a unknown\na 1\n", id="a type that text calls untyped"),
        pytest.param(b'# HELP a # EOF\na{b="# UNIT"} 1\n', id="marks in a line"),
        pytest.param(b"# EOF\na 1\n", id="an end that is not the end"),
    ],
)
def test_is_not_told_by_less(payload):
    assert read_text(payload).format == "text"
    assert read_text(payload, format="openmetrics").format == "openmetrics"


FAMILIES = {
    "counter": (
        (
            b'# HELP a Help.\n# TYPE a counter\na_total{b="c"} 1\na_created{b="c"} 5.5\n'
            b'a_total{b="d"} 2\na_created{b="d"} 6.5\n'
        ),
        [
            (
                b"a_total",
                "counter",
                True,
                b"Help.",
                b"",
                b'a_total{b="c"} 1\na_total{b="d"} 2\n',
                2,
                None,
                False,
            ),
            (
                b"a_created",
                "gauge",
                True,
                b"Help.",
                b"",
                b'a_created{b="c"} 5.5\na_created{b="d"} 6.5\n',
                2,
                None,
                False,
            ),
        ],
    ),
    "counter without samples": (
        b"# TYPE a counter\n",
        [(b"a_total", "counter", True, None, b"", b"", 0, None, False)],
    ),
    "counter that is named as in text": (
        b"# TYPE a_total counter\na_total 1\n",
        [(b"a_total", "counter", True, None, b"", b"a_total 1\n", 1, None, False)],
    ),
    "exemplars and timestamps": (
        (
            b'# TYPE a counter\na_total{b="c"} 1 1.25 # {t="x"} 0.5 1700000000.1234\n'
            b'a_total{b="d"} 1 2 #  { t="y" ,}  0.5\n'
        ),
        [
            (
                b"a_total",
                "counter",
                True,
                None,
                b"",
                b'a_total{b="c"} 1 1250\na_total{b="d"} 1 2000\n',
                2,
                (
                    b'a_total{b="c"} 1 1.25 # {t="x"} 0.5 1700000000.1234\n'
                    b'a_total{b="d"} 1 2 # {t="y"} 0.5\n'
                ),
                False,
            ),
        ],
    ),
    "timestamps of a whole block": (
        b"# TYPE a gauge\na 1 1.2345\na 1 2\n",
        [
            (
                b"a",
                "gauge",
                True,
                None,
                b"",
                b"a 1 1234\na 1 2000\n",
                2,
                b"a 1 1.2345\na 1 2\n",
                False,
            )
        ],
    ),
    "histogram": (
        (
            b'# TYPE h histogram\n# UNIT h \nh_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 1\n'
            b"h_sum 1\nh_count 1\nh_created 2.5\n"
        ),
        [
            (
                b"h",
                "histogram",
                True,
                None,
                b"",
                b'h_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
                4,
                None,
                False,
            ),
            (b"h_created", "gauge", True, None, b"", b"h_created 2.5\n", 1, None, False),
        ],
    ),
    "summary": (
        b'# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 1\ns_count 1\ns_created 2.5\n',
        [
            (
                b"s",
                "summary",
                True,
                None,
                b"",
                b's{quantile="0.5"} 1\ns_sum 1\ns_count 1\n',
                3,
                None,
                False,
            ),
            (b"s_created", "gauge", True, None, b"", b"s_created 2.5\n", 1, None, False),
        ],
    ),
    "only times of creation": (
        b"# TYPE a counter\na_created 1\n",
        [(b"a_created", "gauge", True, None, b"", b"a_created 1\n", 1, None, False)],
    ),
    "gaugehistogram": (
        b'# TYPE g gaugehistogram\ng_bucket{le="1"} 1\ng_gsum 1\ng_gcount 1\n',
        [
            (
                b"g",
                "gaugehistogram",
                True,
                None,
                b"",
                b'g_bucket{le="1"} 1\ng_gsum 1\ng_gcount 1\n',
                3,
                None,
                False,
            ),
        ],
    ),
    "info": (
        b'# TYPE a info\na_info{b="c"} 1\n',
        [(b"a_info", "info", True, None, b"", b'a_info{b="c"} 1\n', 1, None, False)],
    ),
    "stateset": (
        b'# TYPE a stateset\na{a="b"} 1\n',
        [(b"a", "stateset", True, None, b"", b'a{a="b"} 1\n', 1, None, False)],
    ),
    "unknown": (
        b"# TYPE a unknown\na 1\n",
        [(b"a", "untyped", True, None, b"", b"a 1\n", 1, None, False)],
    ),
    "unit": (
        b"# HELP a_seconds Help.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n",
        [
            (
                b"a_seconds",
                "gauge",
                True,
                b"Help.",
                b"seconds",
                b"a_seconds 1\n",
                1,
                None,
                False,
            ),
        ],
    ),
    "help with escapes": (
        b'# HELP a \\"\\n\\\\\\d"\n# TYPE a gauge\na 1\n',
        [(b"a", "gauge", True, b'"\\n\\\\\\\\d"', b"", b"a 1\n", 1, None, False)],
    ),
    "quoted names": (
        b'# TYPE "a.b" counter\n{"a.b_total"} 1\n',
        [(b"a.b_total", "counter", True, None, b"", b'{"a.b_total"} 1\n', 1, None, True)],
    ),
}


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_reads_a_family(name, fast, monkeypatch):
    monkeypatch.setattr(shapes, "WORTH_COMPILING", 0)
    payload, families = FAMILIES[name]

    exposition = read((payload + EOF,), fast=fast)

    assert exposition.format == "openmetrics"
    assert [fields(family) for family in exposition.families] == families
    assert exposition.quarantined == []


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'# TYPE a gauge\na 1 # {b="c"} 1\n', id="on a gauge"),
        pytest.param(b'# TYPE a counter\na_total 1 # {b="c"}\n', id="without value"),
        pytest.param(b'# TYPE a counter\na_total 1 # {b="c"} x\n', id="with a bad value"),
        pytest.param(b'# TYPE a counter\na_total 1 # {b="c"} 1 x\n', id="with a bad time"),
        pytest.param(b'# TYPE a counter\na_total 1 # {b="c",b="d"} 1\n', id="a label twice"),
        pytest.param(b'# TYPE a counter\na_total 1 # {"b"} 1\n', id="with a name"),
        pytest.param(b'# TYPE a counter\na_total 1 # {b="%b"} 1\n' % (b"x" * 128), id="too long"),
    ],
)
def test_drops_an_exemplar_alone(payload):
    exposition = read_text(payload + EOF)

    assert findings(exposition) == {"bad_exemplar": (1, 2)}
    assert exposition.samples == 1
    assert exposition.families[0].openmetrics is None


def test_counts_characters_of_an_exemplar_and_not_bytes():
    payload = '# TYPE a counter\na_total 1 # {b="%s"} 1\n# EOF\n' % ("\u00e9" * 127)

    exposition = read_text(payload.encode())

    assert exposition.findings == ()


def test_keeps_an_exemplar_whose_time_is_in_milliseconds():
    exposition = read_text(b'# TYPE a counter\na_total 1 # {b="c"} 1 1700000000123\n' + EOF)

    assert exposition.families[0].openmetrics == b'a_total 1 # {b="c"} 1 1700000000.123\n'


def test_takes_out_the_times_of_creation_with_their_counter():
    exposition = read_text(b"# TYPE a counter\na_total x\na_created 1\nother 1\n" + EOF)

    assert samples(exposition) == {b"other": b"other 1\n"}
    assert [(bad.name, bad.reason) for bad in exposition.quarantined] == [(b"a", "bad_value")]


def test_holds_back_a_family_whose_name_in_text_is_taken(monkeypatch):
    """A counter ``a`` and a gauge ``a_total`` are two families here, and one name in text."""
    monkeypatch.setattr(shapes, "WORTH_COMPILING", 0)
    payload = b"# TYPE a counter\na_total 1\n# TYPE a_total gauge\na_total 2\nother 1\n" + EOF

    exposition = read_text(payload)

    assert samples(exposition) == {b"a_total": b"a_total 1\n", b"other": b"other 1\n"}
    (entry,) = exposition.quarantined
    assert (entry.line, entry.reason) == (3, "suffix_clash")
    assert entry.message == '"a_total" comes twice'
    assert everything(exposition) == everything(read((payload,), fast=False))


def test_counts_old_timestamps_of_a_block(monkeypatch):
    monkeypatch.setattr(shapes, "WORTH_COMPILING", 0)

    exposition = read_text(b"# TYPE a gauge\na 1 1700000000\na 1 5\na 1 6.5\n" + EOF)

    assert findings(exposition) == {"old_timestamp": (2, 3)}

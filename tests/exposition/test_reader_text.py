"""The text format: families as they are read, and which path reads them."""

import pytest

from exporter_proxy.exposition.reader import read, read_in_steps, shapes
from exporter_proxy.exposition.reader.fast_text import STEP
from tests.exposition.reading import everything, fields, findings, read_text, samples

HISTOGRAM = (
    b'h_bucket{a="b",le="0.5"} 1\nh_bucket{a="b",le="+Inf"} 2\n'
    b'h_sum{a="b"} 0.75\nh_count{a="b"} 2\n'
)
SUMMARY = b's{quantile="0.5"} 1\ns_sum 3.5\ns_count 2\n'


@pytest.fixture(params=["compiled", "not compiled"])
def _paths(request, monkeypatch):
    """Run a test with automata for each shape, and with none."""
    monkeypatch.setattr(shapes, "WORTH_COMPILING", 0 if request.param == "compiled" else 1_000_000)


FAMILIES = {
    "counter": (
        b"# HELP a_total Help.\n# TYPE a_total counter\na_total 1\n",
        (b"a_total", "counter", True, b"Help.", b"", b"a_total 1\n", 1, None, False),
    ),
    "gauge with labels": (
        b'# TYPE a gauge\na{b="c",d="e"} 1\na{b="\\"}\\n",d=""} -1.5e-9\n',
        (
            b"a",
            "gauge",
            True,
            None,
            b"",
            b'a{b="c",d="e"} 1\na{b="\\"}\\n",d=""} -1.5e-9\n',
            2,
            None,
            False,
        ),
    ),
    "type before help": (
        b"# TYPE a gauge\n# HELP a Help.\na 1\n",
        (b"a", "gauge", True, b"Help.", b"", b"a 1\n", 1, None, False),
    ),
    "help alone": (
        b"# HELP a Help.\na 1\n",
        (b"a", "untyped", False, b"Help.", b"", b"a 1\n", 1, None, False),
    ),
    "empty help": (
        b"# HELP a \n# TYPE a gauge\na 1\n",
        (b"a", "gauge", True, b"", b"", b"a 1\n", 1, None, False),
    ),
    "help with a mark and blanks": (
        b"# HELP a   #1 \t\n# TYPE a gauge\na 1\n",
        (b"a", "gauge", True, b"#1 \t", b"", b"a 1\n", 1, None, False),
    ),
    "no samples": (
        b"# HELP a Help.\n# TYPE a counter\n",
        (b"a", "counter", True, b"Help.", b"", b"", 0, None, False),
    ),
    "untyped": (
        b"# TYPE a untyped\na 1\n",
        (b"a", "untyped", True, None, b"", b"a 1\n", 1, None, False),
    ),
    "histogram": (
        b"# TYPE h histogram\n" + HISTOGRAM,
        (b"h", "histogram", True, None, b"", HISTOGRAM, 4, None, False),
    ),
    "histogram that begins with its sum": (
        b"# TYPE h histogram\nh_sum 1\nh_count 1\n" + b'h_bucket{le=".5"} 1\n',
        (
            b"h",
            "histogram",
            True,
            None,
            b"",
            b'h_sum 1\nh_count 1\nh_bucket{le=".5"} 1\n',
            3,
            None,
            False,
        ),
    ),
    "summary": (
        b"# TYPE s summary\n" + SUMMARY,
        (b"s", "summary", True, None, b"", SUMMARY, 3, None, False),
    ),
    "summary without quantiles": (
        b'# TYPE s summary\ns_count{a="b"} 1\ns_sum{a="b"} 1\n',
        (
            b"s",
            "summary",
            True,
            None,
            b"",
            b's_count{a="b"} 1\ns_sum{a="b"} 1\n',
            2,
            None,
            False,
        ),
    ),
    "timestamps": (
        b"# TYPE a gauge\na 1 1700000000000\na 2 1700000000123\n",
        (
            b"a",
            "gauge",
            True,
            None,
            b"",
            b"a 1 1700000000000\na 2 1700000000123\n",
            2,
            b"a 1 1700000000\na 2 1700000000.123\n",
            False,
        ),
    ),
    "trailing commas": (
        b'# TYPE a gauge\na{b="c",} 1\na{b="d",} 2\n',
        (b"a", "gauge", True, None, b"", b'a{b="c"} 1\na{b="d"} 2\n', 2, None, False),
    ),
    "trailing commas and one in a value": (
        b'# TYPE a gauge\na{b="\\",} ",} 1\n',
        (b"a", "gauge", True, None, b"", b'a{b="\\",} "} 1\n', 1, None, False),
    ),
    "marks in values": (
        b'# TYPE a gauge\na{b="# TYPE a counter"} 1\n# HELP c C.\n# TYPE c gauge\n',
        (b"a", "gauge", True, None, b"", b'a{b="# TYPE a counter"} 1\n', 1, None, False),
    ),
    "a carriage return in a value": (
        b'# TYPE a gauge\na{b="\r"} 1 5\n',
        (b"a", "gauge", True, None, b"", b'a{b="\r"} 1 5\n', 1, b'a{b="\r"} 1 0.005\n', False),
    ),
    "special values": (
        b"# TYPE a gauge\na NaN\na +Inf\na -Inf\na Inf\na .5\na 5.\na +5\na 1E5\n",
        (
            b"a",
            "gauge",
            True,
            None,
            b"",
            b"a NaN\na +Inf\na -Inf\na Inf\na .5\na 5.\na +5\na 1E5\n",
            8,
            None,
            False,
        ),
    ),
    "UTF-8 values": (
        '# TYPE a gauge\na{b="\u00e9"} 1\n'.encode(),
        (b"a", "gauge", True, None, b"", 'a{b="\u00e9"} 1\n'.encode(), 1, None, False),
    ),
    "quoted names": (
        (
            b'# HELP "a.b" Help.\n# TYPE "a.b" histogram\n'
            b'{"a.b_bucket", le="1"} 1\n{ le="+Inf","a.b_bucket"} 1\n{"a.b_sum","c.d"="\\n"} 1\n'
        ),
        (
            b"a.b",
            "histogram",
            True,
            b"Help.",
            b"",
            b'{"a.b_bucket",le="1"} 1\n{"a.b_bucket",le="+Inf"} 1\n{"a.b_sum","c.d"="\\n"} 1\n',
            3,
            None,
            True,
        ),
    ),
    "a quoted name with escapes": (
        b'{"a\\"\\\\\\nb"} 1\n',
        (b'a"\\\nb', "untyped", False, None, b"", b'{"a\\"\\\\\\nb"} 1\n', 1, None, True),
    ),
}


@pytest.mark.usefixtures("_paths")
@pytest.mark.parametrize("name", FAMILIES)
def test_reads_a_family(name):
    payload, family = FAMILIES[name]

    exposition = read_text(payload + b"# TYPE end gauge\nend 1\n")

    assert exposition.format == "text"
    assert fields(exposition.families[0]) == family
    assert exposition.families[-1].name == b"end"
    assert exposition.quarantined == []


def test_finds_nothing_odd_in_what_client_libraries_write():
    payload = (
        b"# HELP a_total Help.\n# TYPE a_total counter\n"
        + b'a_total{b="c"} 1.0\n' * 200
        + b"# HELP h Help.\n# TYPE h histogram\n"
        + HISTOGRAM
        + b"# HELP s Help.\n# TYPE s summary\n"
        + SUMMARY
        + b"# HELP g Help.\n# TYPE g gauge\ng 1.7e+09\n"
    )

    exposition = read_text(payload)

    assert exposition.findings == ()
    assert exposition.samples == 208


def test_keeps_families_in_the_order_of_their_first_lines():
    payload = b"# HELP c C.\nb 1\n# TYPE a gauge\na 1\nc 1\n# TYPE b gauge\nd 1\n"

    assert list(samples(read_text(payload))) == [b"c", b"b", b"a", b"d"]


def test_takes_lines_for_the_family_they_stand_below():
    """A payload may have both a histogram ``x`` and a family ``x_count``: the later one goes."""
    payload = (
        b'# TYPE x histogram\nx_count 1\nx_sum 1 \n# TYPE x_count gauge\nx_count{a="b"} 5 \n'
        b"other 1\n"
    )

    exposition = read_text(payload)

    assert samples(exposition) == {b"x": b"x_count 1\nx_sum 1\n", b"other": b"other 1\n"}
    (entry,) = exposition.quarantined
    assert (entry.name, entry.line, entry.reason) == (b"x_count", 4, "suffix_clash")
    assert entry.text == b'# TYPE x_count gauge\nx_count{a="b"} 5 \n'


def test_leaves_out_a_family_without_samples_that_clashes():
    payload = b"# TYPE x histogram\n# TYPE x_count gauge\nx_count 5\n"

    exposition = read_text(payload)

    assert samples(exposition) == {b"x_count": b"x_count 5\n"}
    assert exposition.quarantined == []


def test_drops_help_that_belongs_to_nothing():
    assert read_text(b"# HELP a Help.\n").families == []


def test_joins_a_family_that_is_cut_between_pieces():
    head = b"# TYPE a gauge\n"
    rest = b'a{b="c"} 1\n' * 200

    exposition = read((head + rest, rest, b"b 1\n" + rest))

    assert samples(exposition) == {b"a": rest * 3, b"b": b"b 1\n"}
    assert findings(exposition) == {
        "scattered_samples": (1, 403),
        "samples_without_type": (1, 402),
    }


@pytest.mark.parametrize("broken", [b"", b"a{ 1\n"])
def test_reads_a_family_longer_than_a_step(broken):
    line = b'a{b="' + b"c" * 1000 + b'"} 1\n'
    lines = line * (2 * STEP // len(line))
    payload = b"# HELP a Help.\n# TYPE a gauge\n" + lines + broken + lines + b"other 1\n"

    exposition = read_text(payload)

    assert samples(exposition) == ({} if broken else {b"a": lines * 2}) | {b"other": b"other 1\n"}
    assert findings(exposition).keys() == {"samples_without_type"}
    assert everything(exposition) == everything(read((payload,), fast=False))


def test_takes_a_long_line_that_is_not_too_long():
    line = b'a{b="' + b"c" * 1_000_000 + b'"} 1\n'

    assert samples(read_text(line + line)) == {b"a": line + line}


def test_serves_others_in_between():
    """No step takes in more than a bounded number of lines or bytes."""
    payload = b"".join(b'# TYPE a%d gauge\na%d{b="c"} 1\n' % (n, n) for n in range(20_000))
    payload += b"z 1\n" * 20_000

    steps = sum(1 for _ in read_in_steps((payload,)))

    assert steps > 100

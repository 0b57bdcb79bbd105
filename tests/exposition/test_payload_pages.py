"""From payloads with anything in them to pages that all readers take."""

import subprocess

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter_proxy.exposition.aliases import restored_lines
from exporter_proxy.exposition.escaping import SCHEMES, Scheme, escape_in_steps
from exporter_proxy.exposition.merged.duplicates import Duplicates
from exporter_proxy.exposition.merged.family import COMPOUND
from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.merged.openmetrics_writer import OpenMetricsWriter
from exporter_proxy.exposition.merged.quoting_writer import QuotingWriter
from exporter_proxy.exposition.merged.series import GROUPED
from exporter_proxy.exposition.merged.text_writer import TextWriter
from exporter_proxy.exposition.reader import read
from exporter_proxy.steps import all_at_once
from tests.exposition.families import page
from tests.exposition.payloads import anything

PLAIN = st.sampled_from([scheme for scheme in SCHEMES if scheme != "allow-utf-8"])
OF_OPENMETRICS = st.one_of(PLAIN, st.just("aliases"))
Series = set[tuple[str, tuple[tuple[str, str], ...]]]


@st.composite
def _payload(draw: st.DrawFn) -> tuple[bytes, ...]:
    """Draw a payload some of whose lines may be there again, anywhere."""
    lines = b"".join(draw(anything())).splitlines(keepends=True)
    for line in draw(st.lists(st.sampled_from(lines), max_size=4)) if lines else ():
        lines.insert(draw(st.integers(0, len(lines))), line)
    if draw(st.booleans()):
        lines = draw(st.permutations(lines))
    return (b"".join(lines),)


APPS = st.lists(_payload(), min_size=1, max_size=3)


def _index(payloads: list[tuple[bytes, ...]], scheme: Scheme) -> MergedIndex:
    index = MergedIndex()
    for app, payload in enumerate(payloads):
        note(repr(payload))
        index.set_app(
            app, list(all_at_once(escape_in_steps(read(payload).families, scheme)).families)
        )
    return index


def _openmetrics(index: MergedIndex, scheme: Scheme, duplicates: Duplicates) -> OpenMetricsWriter:
    writer = QuotingWriter if scheme == "aliases" else OpenMetricsWriter
    return writer(index, duplicates.held)


def _series(samples: bytes) -> Series:
    text = all_at_once(restored_lines(samples)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for metric in read_text(text)
        for sample in metric.samples
    }


@given(APPS, OF_OPENMETRICS)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_payloads_give_pages_that_are_read(
    payloads: list[tuple[bytes, ...]], scheme: Scheme
) -> None:
    """In OpenMetrics with every series but those of which a finding tells."""
    index = _index(payloads, scheme)
    duplicates = Duplicates(index)
    all_at_once(duplicates.search())
    all_at_once(duplicates.settle())
    text = TextWriter(index)
    writer = _openmetrics(index, scheme, duplicates)
    shown_text = page(index, text).decode()
    shown = page(index, writer).decode()
    note(shown)

    list(read_text(shown_text))
    found: Series = set()
    for metric in read_openmetrics(shown + "# EOF\n"):
        series = [
            (each.name, tuple(sorted(each.labels.items())), repr(each.timestamp))
            for each in metric.samples
        ]
        assert len(set(series)) == len(series)
        found |= {(name, labels) for name, labels, _ in series}
    for app, places in index.apps.items():
        for name in places:
            family = index.families[name]
            cell = family.cells[app]
            held = duplicates.held.get(name, {}).get(app, frozenset())
            if not (text.parts(family) and family.fits(cell)):
                continue
            if set(writer.findings(family, app)) - {"openmetrics_invalid"}:
                continue
            if held and family.type in COMPOUND | GROUPED:
                continue
            left_out = _series(b"".join(each + b" 0\n" for each in held))
            assert _series(cell.samples) - left_out <= found


def test_promtool_takes_the_text_page(tool) -> None:
    """Whatever is there twice, and from how many apps."""
    promtool = tool("promtool")
    pages: set[bytes] = set()

    @given(APPS)
    @settings(
        max_examples=80,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def generate(payloads: list[tuple[bytes, ...]]) -> None:
        index = _index(payloads, "underscores")
        pages.add(page(index, TextWriter(index)))

    generate()
    pages |= {
        b'# TYPE y gauge\ny{a="a"} 1\ny{a="b"} 1\ny{a="a"} 1\n',
        b'x{a="1",b="2"} 1\nx{b="2",a="1"} 2\n',
        b'# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\nh_bucket{le="+Inf"} 2\n',
        b'# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 1\ns_count 2\ns_sum 1\n',
    }
    for text in pages:
        done = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, check=False
        )
        # 3: mere lint, such as missing HELP
        assert done.returncode in {0, 3}, (text, done.stderr[-2000:])
    assert len(pages) > 20

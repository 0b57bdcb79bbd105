"""Delimited protobuf as Go's client pushes it becomes text that says the same."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.metric_families import (
    LONGEST_TEXT,
    MOST_FAMILIES,
    MOST_LABELS,
    Converted,
    convert_in_steps,
)
from exporter_proxy.payload.metric_family_schema import message_class
from exporter_proxy.steps import all_at_once
from tests.step_sizes import calls_of_steps

LIMIT = 1 << 20


def convert(body: bytes, limit: int = LIMIT) -> Converted:
    return all_at_once(convert_in_steps(body, limit))


def varint(number: int) -> bytes:
    coded = b""
    while number > 0x7F:
        coded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return coded + bytes([number])


def delimited(*families: object) -> bytes:
    return b"".join(
        varint(len(data)) + data
        for data in (each.SerializeToString() for each in families)  # type: ignore[attr-defined]
    )


def family(name: str, kind: int, *metrics: dict[str, object], **fields: object) -> object:
    return message_class()(name=name, type=kind, metric=metrics, **fields)


LABEL = {"name": "l", "value": 'v"\n\\ü'}


def test_all_types() -> None:
    body = delimited(
        family("c", 0, {"counter": {"value": 1.5}, "label": [LABEL]}, help="A\n\\c"),
        family(
            "g",
            1,
            {"gauge": {"value": math.nan}},
            {"gauge": {"value": -math.inf}, "label": [LABEL]},
        ),
        family("s", 2, {"summary": {
            "sample_count": 3, "sample_sum": 4, "quantile": [{"quantile": 0.5, "value": math.nan}],
        }}),
        family("u", 3, {"untyped": {"value": 1e300}, "timestamp_ms": 1700000000000}),
        family("h", 4, {"histogram": {
            "sample_count": 3, "sample_sum": 4.25,
            "bucket": [{"cumulative_count": 1, "upper_bound": 0.1}],
        }}),
        family("f", 5, {"histogram": {
            "sample_count_float": 2.5, "sample_sum": 4,
            "bucket": [{"cumulative_count_float": 2.5, "upper_bound": math.inf}],
        }}),
    )  # fmt: skip

    converted = convert(body)

    assert converted.text.decode() == (
        '# HELP c A\\n\\\\c\n# TYPE c counter\nc{l="v\\"\\n\\\\ü"} 1.5\n'
        '# TYPE g gauge\ng NaN\ng{l="v\\"\\n\\\\ü"} -Inf\n'
        '# TYPE s summary\ns{quantile="0.5"} NaN\ns_sum 4.0\ns_count 3\n'
        "# TYPE u untyped\nu 1e+300 1700000000000\n"
        '# TYPE h histogram\nh_bucket{le="0.1"} 1\nh_bucket{le="+Inf"} 3\nh_sum 4.25\nh_count 3\n'
        '# TYPE f histogram\nf_bucket{le="+Inf"} 2.5\nf_sum 4.0\nf_count 2.5\n'
    )
    assert not +converted.dropped


def test_native_histogram_keeps_its_classic_buckets() -> None:
    body = delimited(
        family("h", 4, {"histogram": {
            "sample_count": 3, "sample_sum": 4, "schema": 3, "zero_threshold": 1e-128,
            "positive_span": [{"offset": 1, "length": 2}],
            "bucket": [{"cumulative_count": 1, "upper_bound": 1, "exemplar": {"value": 1}}],
        }}),
        family("n", 4, {"histogram": {
            "sample_count": 2, "sample_sum": 1, "negative_span": [{"offset": 0, "length": 1}],
        }}),
    )  # fmt: skip

    converted = convert(body)

    assert b'h_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 3\n' in converted.text
    assert b'n_bucket{le="+Inf"} 2\nn_sum 1.0\nn_count 2\n' in converted.text
    assert converted.dropped == {"native_histogram": 2, "exemplar_in_text": 1}


def test_names_that_need_quotes() -> None:
    metric = {
        "gauge": {"value": 1},
        "label": [{"name": "l.x", "value": "v"}, {"name": "a:b", "value": ""}],
    }

    converted = convert(delimited(family("my.metric", 1, metric)))

    assert converted.text == (b'# TYPE "my.metric" gauge\n{"my.metric","l.x"="v","a:b"=""} 1.0\n')


def test_the_last_family_of_a_name_counts() -> None:
    body = delimited(
        family("a", 1, {"gauge": {"value": 1}}),
        family("b", 1, {"gauge": {"value": 2}}),
        family("a", 1, {"gauge": {"value": 3}}),
    )

    assert convert(body).text == b"# TYPE b gauge\nb 2.0\n# TYPE a gauge\na 3.0\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x05ab", "cut off"),
        (b"\x80", "cut off"),
        (b"\xff" * 9, "a length is too large"),
        (b"\x02\xff\xff", "message 1 is no MetricFamily"),
        (b"\x00", "message 1 has no name"),
        (delimited(family("a", 9)), "the type of a metric family is 9"),
        (b"\x04\x0a\x02a\xff", "a name or value is not UTF-8"),
        (b"\x06\x0a\x01a\x12\x01\xff", "a name or value is not UTF-8"),
    ],
)
def test_what_is_none(body: bytes, message: str) -> None:
    with pytest.raises(PayloadError, match=message) as caught:
        convert(body)
    assert caught.value.reason == "malformed_protobuf"


GAUGE = {"gauge": {"value": 1}}
BUCKETS = [{"cumulative_count": count, "upper_bound": count} for count in range(10_000)]
QUANTILES = [{"quantile": count, "value": count} for count in range(10_000)]


@pytest.mark.parametrize(
    ("families", "lines"),
    [
        ([family("a", 1, *[GAUGE] * 20_000)], 20_001),
        ([family("a", 4, {"histogram": {"sample_count": 1, "bucket": BUCKETS}})], 10_004),
        ([family("a", 2, {"summary": {"sample_count": 1, "quantile": QUANTILES}})], 10_003),
        ([family(f"a{number}", 1, GAUGE) for number in range(10_000)], 20_000),
        ([family("a", 1, *[{"label": [LABEL] * 4_000}] * 10)], 11),
    ],
    ids=["samples", "buckets", "quantiles", "families", "labels"],
)
def test_no_step_converts_much(families: list[object], lines: int) -> None:
    """However many there are of anything, in one message or in many."""
    body = delimited(*families)

    converted, calls = calls_of_steps(convert_in_steps(body, 64 << 20))

    assert converted.text.count(b"\n") == lines
    assert max(calls) < 80_000
    assert len(calls) > 5


def test_text_is_bounded() -> None:
    """Each bucket has all the labels: a small body may be a text that fills the memory."""
    metric = {
        "label": [{"name": "l", "value": "v" * 1_000}],
        "histogram": {"bucket": BUCKETS},
    }
    body = delimited(family("h", 4, metric))

    with pytest.raises(PayloadError, match=r"larger than 1048576 bytes") as caught:
        convert(body)
    assert caught.value.reason == "message_too_large"
    # What comes later takes the place of what was before, and counts alone.
    again = delimited(*[family("a", 1, help="x" * (LIMIT - 100))] * 3)
    assert convert(again).text.count(b"x") == LIMIT - 100


@pytest.mark.parametrize(
    ("families", "message"),
    [
        ([family("a", 1, GAUGE, help="x" * (LONGEST_TEXT + 1))], "a line of more than 1048576"),
        ([family("a", 1, GAUGE, help="\\" * (LONGEST_TEXT // 2 + 1))], "a line of more than"),
        ([family("a" * (LONGEST_TEXT + 1), 1, GAUGE)], "a line of more than 1048576 bytes"),
        ([family("a", 1, {"label": [{"value": "x" * 600_000}] * 2})], "a line of more than"),
        ([family("a", 1, {"label": [LABEL] * (MOST_LABELS + 1)})], "more than 5000 labels"),
        (
            [family(f"a{number}", 1) for number in range(MOST_FAMILIES + 1)],
            "more than 50000 metric",
        ),
    ],
    ids=["help", "escapes", "name", "labels together", "labels", "families"],
)
def test_more_than_is_read(families: list[object], message: str) -> None:
    with pytest.raises(PayloadError, match=message) as caught:
        convert(delimited(*families), 64 << 20)
    assert caught.value.reason == "invalid_metrics"


@given(st.binary(max_size=100))
def test_any_bytes(body: bytes) -> None:
    reason = None
    try:
        convert(body)
    except PayloadError as error:
        reason = error.reason

    assert reason in {None, "malformed_protobuf"}

"""Accept and Accept-Encoding mean what RFC 9110 says."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.exposition.model import Format as ExpositionFormat
from exporter_proxy.exposition.page import Encoding
from exporter_proxy.views.negotiation import (
    FORMATS,
    choose_encoding,
    choose_exposition,
    choose_format,
    has_tag,
)

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        pytest.param("", False, id="nothing"),
        pytest.param("gzip", True, id="gzip"),
        pytest.param("GZIP", True, id="capitals"),
        pytest.param("x-gzip", True, id="the old name"),
        pytest.param("deflate, gzip, br", True, id="among others"),
        pytest.param("gzip;q=0", False, id="refused"),
        pytest.param("gzip ; q=0.000", False, id="refused, blanks"),
        pytest.param("gzip;q=0.5", True, id="liked less than the best"),
        pytest.param("identity, gzip;q=0.5", False, id="liked less than none"),
        pytest.param("identity;q=0.5, gzip;q=0.5", True, id="liked as none"),
        pytest.param("*", True, id="anything"),
        pytest.param("*;q=0", False, id="nothing but none"),
        pytest.param("gzip;q=0, *", False, id="anything else"),
        pytest.param("gzip;q=x", False, id="no number"),
        pytest.param("gzip;q=nan", False, id="not a number"),
        pytest.param("gzip;q=2", False, id="beyond 1"),
        pytest.param("gzipped, notgzip", False, id="other names"),
        pytest.param("br," * 100 + "gzip", True, id="long"),
    ],
)
def test_gzip_where_it_is_accepted(header: str, *, accepted: bool) -> None:
    assert choose_encoding(header) == ("gzip" if accepted else "identity")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        pytest.param("zstd", "zstd", id="zstd"),
        pytest.param("gzip, deflate, br, zstd", "zstd", id="liked as much as gzip"),
        pytest.param("gzip, zstd;q=0.9", "gzip", id="liked less than gzip"),
        pytest.param("gzip;q=0.5, zstd;q=0.9", "zstd", id="liked more than gzip"),
        pytest.param("identity, zstd;q=0.5", "identity", id="liked less than none"),
        pytest.param("zstd;q=0", "identity", id="refused"),
        pytest.param("zstd;q=0, *", "gzip", id="anything else"),
        pytest.param("br, deflate", "identity", id="others"),
    ],
)
def test_chooses_an_encoding(header: str, chosen: str) -> None:
    assert choose_encoding(header) == chosen


OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)


@pytest.mark.parametrize(
    ("header", "format", "named"),
    [
        pytest.param("", "text", False, id="nothing"),
        pytest.param("*/*", "text", False, id="curl"),
        pytest.param("*/*;q=0.8, */*", "text", False, id="anything, twice"),
        pytest.param("text/plain", "text", True, id="text"),
        pytest.param("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text", True, id="asks for text"),
        pytest.param(BROWSER, "text", True, id="browser"),
        pytest.param("application/json", "text", True, id="none of ours"),
        pytest.param(OPENMETRICS, "openmetrics", True, id="openmetrics"),
        pytest.param("Application/OpenMetrics-Text", "openmetrics", True, id="any version"),
        pytest.param(
            'application/openmetrics-text; version="1.0.0"; charset=utf-8',
            "openmetrics",
            True,
            id="quoted",
        ),
        pytest.param(
            f"{OPENMETRICS},application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "openmetrics",
            True,
            id="Prometheus 2.42",
        ),
        pytest.param(
            f"{PROTOBUF},{OPENMETRICS};q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "openmetrics",
            True,
            id="Prometheus 2.42, native histograms",
        ),
        pytest.param(
            f"{PROTOBUF};escaping=allow-utf-8;q=0.6,{OPENMETRICS};escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
            "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "openmetrics",
            True,
            id="Prometheus 3",
        ),
        pytest.param(f"{PROTOBUF},text/plain;q=0.1", "text", True, id="protobuf or text"),
        pytest.param(f"{OPENMETRICS};q=0.5,text/plain", "text", True, id="text is preferred"),
        pytest.param(f"{OPENMETRICS};q=0.5,text/plain;q=0.5", "openmetrics", True, id="equal"),
        pytest.param(f"{OPENMETRICS};q=0", "text", True, id="refused"),
        pytest.param(f"{OPENMETRICS};q=0.1,*/*", "text", True, id="anything is preferred"),
        pytest.param(f"{OPENMETRICS};q=0.3,text/plain;q=0.2,*/*", "openmetrics", True, id="exact"),
        pytest.param(
            "application/openmetrics-text;version=0.0.1,*/*;q=0.1", "text", True, id="0.0.1 or any"
        ),
        pytest.param(
            "application/openmetrics-text;version=0.0.1", "openmetrics", True, id="0.0.1 alone"
        ),
        pytest.param("text/plain;version=1.0.0,*/*;q=0.1", "text", True, id="other text"),
        pytest.param("application/*", "text", True, id="any application"),
        pytest.param("text/html," * 60 + OPENMETRICS, "openmetrics", True, id="long"),
    ],
)
def test_chooses_an_exposition(header: str, format: str, *, named: bool) -> None:  # noqa: A002
    wanted = choose_exposition(header)
    assert (wanted.format, wanted.named) == (format, named)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        pytest.param('"a"', True, id="it"),
        pytest.param('W/"a"', True, id="weak"),
        pytest.param('"b", "a"', True, id="among others"),
        pytest.param("*", True, id="any"),
        pytest.param('"b"', False, id="another"),
        pytest.param("a", False, id="no quotes"),
        pytest.param('"aa"', False, id="longer"),
    ],
)
def test_finds_entity_tags(header: str, *, found: bool) -> None:
    assert has_tag(header, '"a"') is found


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        pytest.param("", "text", id="nothing"),
        pytest.param("*/*", "text", id="curl"),
        pytest.param(BROWSER, "html", id="browser"),
        pytest.param("application/json", "json", id="json"),
        pytest.param("Application/JSON; charset=utf-8", "json", id="capitals, parameter"),
        pytest.param("application/json, text/plain, */*", "json", id="json first"),
        pytest.param("text/plain, application/json", "text", id="text first"),
        pytest.param("application/json, */*", "json", id="json or anything"),
        pytest.param("application/json;q=0.1, text/html;q=0.2", "html", id="weights"),
        pytest.param("text/*", "text", id="any text"),
        pytest.param("text/*, text/plain;q=0", "html", id="any text but plain"),
        pytest.param("application/*", "json", id="any application"),
        pytest.param("image/png", "text", id="none of them"),
        pytest.param("application/json;q=0", "text", id="not json"),
    ],
)
def test_chooses_a_format(header: str, chosen: str) -> None:
    assert choose_format(header) == chosen


@given(st.text())
def test_any_header_is_answered(header: str) -> None:
    assert choose_format(header) in FORMATS
    assert choose_encoding(header) in get_args(Encoding)
    assert choose_exposition(header).format in get_args(ExpositionFormat)
    assert not has_tag(header, '"no such tag"') or header.strip() == "*"


@pytest.mark.parametrize(
    ("header", "format", "escaping"),
    [
        pytest.param("text/plain", "text", None, id="says_nothing"),
        pytest.param("text/plain;version=0.0.4;escaping=values", "text", "values", id="text"),
        pytest.param(
            "text/plain;version=1.0.0;escaping=allow-utf-8", "text", "allow-utf-8", id="1.0"
        ),
        pytest.param("text/plain;escaping=rot13", "text", None, id="unknown"),
        pytest.param(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2",
            "openmetrics",
            "allow-utf-8",
            id="prometheus_3",
        ),
        pytest.param(
            "application/openmetrics-text;version=1.0.0;escaping=values;q=0.1,"
            "text/plain;escaping=underscores;q=0.9",
            "text",
            "underscores",
            id="that_of_the_format_that_is_chosen",
        ),
    ],
)
def test_chooses_an_escaping(header: str, format: str, escaping: str | None) -> None:  # noqa: A002
    """What a reader wants done to UTF-8 names comes with the format."""
    wanted = choose_exposition(header)
    assert (wanted.format, wanted.escaping) == (format, escaping)

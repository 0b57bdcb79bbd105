"""Accept and Accept-Encoding mean what RFC 9110 says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.views.negotiation import FORMATS, accepts_gzip, choose_format

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
def test_accepts_gzip(header: str, *, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


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
    assert accepts_gzip(header) in (True, False)

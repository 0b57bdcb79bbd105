"""Durations and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.config.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("5ms", 0.005),
        ("1m5ms", 60.005),
        ("1.5s", 1.5),
        ("0s", 0.0),
        ("1y2w3d", 365 * 86400.0 + 17 * 86400.0),
    ],
)
def test_reads_duration(text, seconds):
    """Every unit counts, together and with a decimal point."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "5", "m", "5 m", "30m1h", "5m5m", "-5m", "1e3s", "5M", "\u0665m", "5m\n", "9" * 16 + "s"],
)
def test_refuses_what_is_no_duration(text):
    """A unit is needed, larger ones come first, and nothing else stands around."""
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 * 2**20),
        ("64 MiB", 64 * 2**20),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("0.5GiB", 2**29),
        ("7B", 7),
        ("1TB", 10**12),
    ],
)
def test_reads_size(text, size):
    """Decimal and binary units differ."""
    assert size == parse_size(text)


@pytest.mark.parametrize("text", ["", "64", "64M", "64mib", "MiB", "-1MiB", "64  MiB", "1MiB\n"])
def test_refuses_what_is_no_size(text):
    """A unit is needed, spelled as in the reference."""
    assert parse_size(text) is None


@given(st.text(alphabet="0123456789.ywdhmsBKMGTikb "))
def test_any_text_has_an_outcome(text):
    """No text makes a unit raise, nor a number that is no number."""
    seconds, size = parse_duration(text), parse_size(text)

    assert seconds is None or 0 <= seconds < float("inf")
    assert size is None or size >= 0

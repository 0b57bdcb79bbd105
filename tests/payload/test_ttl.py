"""Times to live as senders write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.ttl import MAX_SECONDS, parse_ttl


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", None),
        ("0s", None),
        (0, None),
        (0.0, None),
        (-0.0, None),
        (5, 5.0),
        (0.25, 0.25),
        (MAX_SECONDS, float(MAX_SECONDS)),
        ("5", 5.0),
        ("2.5", 2.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1d", 86400.0),
        ("2w", 1209600.0),
        ("1y", 31536000.0),
        ("1500ms", 1.5),
        ("1m500ms", 60.5),
        ("1y2w3d4h5m6s7ms", 31536000 + 1209600 + 259200 + 14400 + 300 + 6 + 0.007),
        ("never", math.inf),
        (math.inf, math.inf),
    ],
)
def test_accepts(value: str | float | None, seconds: float | None):
    assert parse_ttl("a", value) == seconds


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("soon", "soon"),
        ("Never", "Never"),
        ("-5", "-5"),
        ("-5s", "-5s"),
        (" 5s", " 5s"),
        ("5s ", "5s "),
        ("5 s", "5 s"),
        ("1.5h", "1.5h"),
        ("30m1h", "30m1h"),
        ("1h1h", "1h1h"),
        ("s", "s"),
        ("5x", "5x"),
        ("1e3", "1e3"),
        ("\u0665s", "\u0665s"),
        ("9" * 13, "9" * 13),
        ("200y", "200y"),
        ("9" * 100, "9" * 60 + "…"),
        (-1, "-1"),
        (-0.5, "-0.5"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (MAX_SECONDS + 1, "4294967295"),
        (1e300, "1e+300"),
    ],
)
def test_refuses(value: str | float, shown: str):
    with pytest.raises(PayloadError) as caught:
        parse_ttl("a", value)
    assert caught.value.reason == "bad_ttl"
    if isinstance(value, str):
        shown = f'"{shown}"'
    expected = (
        f'the ttl of "a" is {shown}, expected seconds or a duration such as "30s", or "never"'
    )
    assert str(caught.value) == expected


@given(st.text(max_size=20) | st.floats() | st.integers())
def test_any_value(value: str | float):
    """Anything is seconds within bounds or refused."""
    try:
        seconds = parse_ttl("a", value)
    except PayloadError:
        return
    assert seconds is None or 0 < seconds <= MAX_SECONDS or seconds == math.inf

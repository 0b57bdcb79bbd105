"""Numbers read many at once are those that are read one by one, or none are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.log_metrics.numbers import read_decimals, read_integers

PIECES = st.text(st.sampled_from("0123456789.,-+eE_ \n٣²"), max_size=22)
NUMBERS = st.integers(0, 10**19).map(str) | st.decimals(0, 10**19, places=3).map(str)


@given(st.lists(NUMBERS | PIECES, max_size=20))
def test_whole_numbers_are_read_if_all_are_plain(texts: list[str]):
    read = read_integers(texts)

    if read is None:
        assert not all(re.fullmatch("0|[1-9][0-9]{0,15}", text) for text in texts)
    else:
        assert all(re.fullmatch("[0-9]{1,18}", text) for text in texts)
        assert read == [int(text) for text in texts]


@given(st.lists(NUMBERS | PIECES, max_size=20))
def test_decimal_numbers_are_read_if_all_are_plain(texts: list[str]):
    read = read_decimals(texts)

    if read is None:
        plain = re.compile(r"(?:0|[1-9][0-9]{0,15})(?:\.[0-9]+)?")
        assert not all(plain.fullmatch(text) for text in texts)
    else:
        assert all(re.fullmatch(r"[0-9]{1,18}(?:\.[0-9]+)?", text) for text in texts)
        assert read == [float(text) if "." in text else int(text) for text in texts]


@pytest.mark.parametrize(
    "texts",
    [["1,2"], ["1", ""], ["-1"], ["1e5"], ["1_0"], [" 1"], ["9" * 5000], ["9" * 400 + ".1"]],
)
def test_what_is_no_plain_number_is_left_to_a_closer_look(texts: list[str]):
    assert read_integers(texts) is None
    assert read_decimals(texts) is None

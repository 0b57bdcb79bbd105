"""What stands in quotes in messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import quote

QUOTES = "\"'`"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("shop", '"shop"'),
        ("", '""'),
        ('{instance="",job="x"}', '\'{instance="",job="x"}\''),
        ('it\'s {job="x"}', '`it\'s {job="x"}`'),
        ("\"'`", '""\'`"'),
        ("größe 大", '"größe 大"'),
        ("a\\d+", '"a\\d+"'),
        ("a\nb", '"a\\nb"'),
        ("\\n is not \n", '"\\\\n is not \\n"'),
        ("\x1b[31mred", '"\\x1b[31mred"'),
        ("a\u202eb\u2028c", '"a\\u202eb\\u2028c"'),
        ("\ud800 größe", '"\\ud800 größe"'),
        (7, '"7"'),
        (["a"], "\"['a']\""),
        ("a" * 60, '"' + "a" * 60 + '"'),
        ("a" * 61, '"' + "a" * 60 + '…"'),
        ("\n" * 31, '"' + "\\n" * 30 + '…"'),
        ("a" * 60 + '"', '"' + "a" * 60 + '…"'),
    ],
)
def test_is_shown_as_it_is_if_it_can(value: object, expected: str):
    assert quote(value) == expected


@given(st.text(), st.integers(1, 80))
def test_is_one_line_of_bounded_length(text: str, limit: int):
    """Nothing in it reaches a terminal, and its end can be seen if that is possible at all."""
    shown = quote(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit + 3
    assert shown[0] == shown[-1]
    if not all(mark in text for mark in QUOTES):
        assert shown[0] not in shown[1:-1]


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_escapes_can_be_undone(text: str):
    """Where there is one, every backslash is an escape's."""
    shown = quote(text, 10_000)[1:-1]
    if text.isprintable():
        assert shown == text
    else:
        assert shown.encode("ascii").decode("unicode_escape") == text

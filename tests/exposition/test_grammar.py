"""Escapes, undone and mended, and what stands in quotes in a message."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.exposition.grammar import mend_escapes, shown, unescape

ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
TEXTS = st.lists(st.sampled_from([b"\\", b"n", b'"', b"q", b"\n", b"\0", b"x"])).map(b"".join)


@given(TEXTS)
def test_unescape_goes_from_left_to_right(text: bytes):
    known = {b"n": b"\n", b"\\": b"\\", b'"': b'"'}

    assert unescape(text) == ESCAPED.sub(lambda match: known.get(match[1], match[0]), text)


@given(TEXTS, st.sampled_from([(b"n",), (b"n", b'"')]))
def test_mending_goes_from_left_to_right(text: bytes, known: tuple[bytes, ...]):
    kept = {b"\\", *known}

    assert mend_escapes(text, known) == ESCAPED.sub(
        lambda match: match[0] if match[1] in kept else b"\\" + match[0], text
    )


@pytest.mark.parametrize("text", [b"\\q" * 5_000, b"\\\\" * 5_000, b"\\n" * 5_000])
def test_nothing_is_done_for_each_escape(monkeypatch: pytest.MonkeyPatch, text: bytes):
    """Which a line may have half a million of."""
    monkeypatch.delattr("exporter_proxy.exposition.grammar._ESCAPED")

    assert unescape(mend_escapes(text, (b"n", b'"'))).count(b"q") == text.count(b"q")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a b", '"a b"'),
        (b'a{b="c"}', "'a{b=\"c\"}'"),
        (b'it\'s "c"', '`it\'s "c"`'),
        (b"'\"`", '"\'"`"'),
        (b'\x1b"\xff', "'\\x1b\"\\\\xff'"),
        (b'"' + b"a" * 60, "'\"" + "a" * 59 + "…'"),
        (b"a" * 60 + b'"', '"' + "a" * 60 + '…"'),
    ],
)
def test_quotes_are_of_a_kind_that_the_text_has_none_of(text: bytes, expected: str) -> None:
    assert shown(text) == expected

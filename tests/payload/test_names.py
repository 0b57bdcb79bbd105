"""What an application may be called."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.names import check_name


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "...",
        "a/..",
        "a" * 256,
        "😀" * 256,
        "with blanks in it",
        "external_poll: 127.0.0.1:1027",
        "no\u00a0break",
        "ideographic\u3000space",
        "soft\u00adhyphen",
        "\u200bzero width",
        "private \ue000",
        '"quotes" and \\',
        "<b>",
    ],
)
def test_accepts(name: str):
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("", "an app's name must not be empty"),
        (" ", "an app's name must not be empty"),
        ("\u3000\n", "an app's name must not be empty"),
        (
            "é" * 257,
            "the app's name \"" + "é" * 30 + '…" has 257 characters, expected at most 256',
        ),
        (".", 'an app can\'t be named ".": in a path that is no name'),
        ("..", 'an app can\'t be named "..": in a path that is no name'),
        ("a\0", 'the app\'s name "a\\x00" has a control character in it: U+0000'),
        ("a\nb", 'the app\'s name "a\\nb" has a control character in it: U+000A'),
        ("a\x7fb", 'the app\'s name "a\\x7fb" has a control character in it: U+007F'),
        ("a\x85b", 'the app\'s name "a\\x85b" has a control character in it: U+0085'),
        ("a\u2028b", 'the app\'s name "a\\u2028b" has a control character in it: U+2028'),
        ("a\u2029b", 'the app\'s name "a\\u2029b" has a control character in it: U+2029'),
        ("a\ud800b", 'the app\'s name "a\\ud800b" has a control character in it: U+D800'),
    ],
)
def test_refuses(name: str, line: str):
    with pytest.raises(PayloadError) as caught:
        check_name(name)
    assert (caught.value.reason, str(caught.value)) == ("bad_name", line)


@given(st.text(max_size=300))
def test_any_name(name: str):
    """A name that is accepted is one line of UTF-8; others are refused with one line."""
    line = ""
    try:
        check_name(name)
    except PayloadError as error:
        line = str(error)
    if line:
        assert line.isprintable()
    else:
        assert name.encode().decode() == name
        assert len(name.splitlines()) == 1
        assert not any(unicodedata.category(character) == "Cc" for character in name)

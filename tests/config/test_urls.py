"""The parts of an endpoint's URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.config.urls import EndpointUrl, hide_user_info, split_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "http://127.0.0.1:1025/1025.html",
            EndpointUrl(
                "http://127.0.0.1:1025/1025.html", "127.0.0.1:1025", "/1025.html", None, None
            ),
            id="plain",
        ),
        pytest.param(
            "HTTPS://Host?a=b#part",
            EndpointUrl("https://Host?a=b", "host:443", "/?a=b", None, None),
            id="default-port-and-fragment",
        ),
        pytest.param(
            "http://me:p%40ss@[::1]/",
            EndpointUrl("http://[::1]/", "[::1]:80", "/", "me", "p@ss"),
            id="user-info-and-ipv6",
        ),
        pytest.param(
            "http://me@h:1/a@b",
            EndpointUrl("http://h:1/a@b", "h:1", "/a@b", "me", None),
            id="user-alone",
        ),
    ],
)
def test_takes_apart(text, expected):
    """User info and fragment are out of the URL, the port is always given."""
    assert expected == split_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:1025",
        "ftp://h/",
        "http://",
        "http:///path",
        "http://h:port/",
        "http://h:99999/",
        "http://h:0/",
        "http://[::1/",
        "http://h/a b",
        "http://h/a\nb",
        " http://h/",
        "http://me:p/w@h/",
    ],
)
def test_refuses_what_is_no_url(text):
    """A scheme, a host and a port that can be are needed, and no blanks."""
    assert split_url(text) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@h/", "http://h/"),
        ("http://me:p/w@h/", "http://h/"),
        ("http://me:p@w@h/", "http://h/"),
        ("me:secret://x@h", "h"),
        ("someone@example", "someone@example"),
        ("http://h/", "http://h/"),
    ],
)
def test_hides_user_info(text, shown):
    """Also of an URL that can't be read, where the password's end is not known."""
    assert shown == hide_user_info(text)


@given(st.text())
def test_any_text_has_an_outcome(text):
    """No text makes it raise; what is an URL stays the same URL without its user info."""
    for url in (text, f"http://{text}", f"http://me:pw@{text}"):
        parts = split_url(url)
        if parts is not None:
            again = split_url(parts.url)
            assert again is not None
            assert (parts.url, parts.address, parts.target) == again[:3]
            assert again.username is None

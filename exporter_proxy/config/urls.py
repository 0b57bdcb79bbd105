"""The parts of an endpoint's URL, and what of it may be shown."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_PORTS = {"http": 80, "https": 443}
# urlsplit drops some of these without a word
_BLANK = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


class EndpointUrl(NamedTuple):
    """An URL taken apart.

    Attributes:
        url: Without user info and fragment.
        address: ``host:port``, the port always given.
        target: Path and query, as they are sent.
        username: From the user info; None if there is none.
        password: From the user info; None if there is none.
    """

    url: str
    address: str
    target: str
    username: str | None
    password: str | None


def split_url(text: str) -> EndpointUrl | None:
    """Take apart an HTTP or HTTPS URL; return None if it is none."""
    if _BLANK.search(text):
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or port == 0:
        return None
    shown_host = f"[{host}]" if ":" in host else host
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    username, password = parts.username, parts.password
    return EndpointUrl(
        url=parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl(),
        address=f"{shown_host}:{port or _PORTS[parts.scheme]}",
        target=target,
        username=None if username is None else unquote(username),
        password=None if password is None else unquote(password),
    )


def hide_user_info(text: str) -> str:
    """Return ``text`` without what may be the user info of an URL.

    Everything up to the last ``@`` goes, but a scheme: in an URL that can't be read, it is not
    known where the password ends.
    """
    head, at, tail = text.rpartition("@")
    if not at or "://" not in head:
        return text
    scheme = head.partition("://")[0]
    return f"{scheme}://{tail}" if _SCHEME.fullmatch(scheme) else tail

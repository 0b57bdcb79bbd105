"""Which of those who answer on the scrape port a connection is for, by its first bytes."""

import re
from typing import Literal

from exporter_proxy.errors import quote
from exporter_proxy.payload.detect import Wire, detect

Kind = Literal["http", "tls", "other"]
"""``other`` is what a receiver takes, or says best what is wrong with."""

_BLANKS = b" \t\r\n"
# Of more blanks a receiver has to make what it can: HTTP's servers ignore a line or two
# (RFC 9112, section 2.2).
_MOST_BLANKS = 64
# Methods that nobody knows are HTTP too (RFC 9110, section 9.1). No wire begins so.
_REQUEST = re.compile(rb"[A-Z][A-Z-]{2,19} (?:[/*]|https?:)")
_MAYBE_REQUEST = re.compile(rb"[A-Z][A-Z-]{0,19}(?: h?t?t?p?s?)?")
_HEAD_END = re.compile(rb"\n\r?\n")
_NAMES: dict[Wire, str] = {
    "capnp": "Cap'n Proto",
    "gzip": "gzip",
    "json": "JSON",
    "utf16": "UTF-16",
    "zstd": "zstd",
}


def tell(head: bytes, *, final: bool = False) -> Kind | None:
    """Return what a connection is that begins with ``head``; None if that can't be told yet.

    Args:
        head: The first bytes.
        final: The connection ended here.
    """
    text = head.lstrip(_BLANKS) if head[0] in _BLANKS else head
    if not text:
        return "other" if final or len(head) > _MOST_BLANKS else None
    wire = detect(head, final=final)
    if wire == "text":
        if _REQUEST.match(text):
            return "http"
        if not final and _MAYBE_REQUEST.fullmatch(text):
            return None
    if wire is None or wire == "http" or wire == "tls":  # noqa: PLR1714 - mypy follows this alone
        return wire
    return "other"


def head_end(head: bytes, searched: int = 0) -> int:
    """Return where the head of a request ends; -1: not within these bytes.

    Args:
        head: What came, from the request's beginning.
        searched: How many of its bytes were looked at before.
    """
    # A line that is empty before a request's first one is none of its head.
    start = max(len(head) - len(head.lstrip(_BLANKS)), searched - 2)
    found = _HEAD_END.search(head, start)
    return -1 if found is None else found.end()


def not_http(head: bytes) -> str:
    """Return what a peer is told that spoke something else where only HTTP is taken."""
    name = _NAMES.get(detect(head, final=True) or "text")
    if name in {"JSON", "Cap'n Proto"}:
        return (
            f"this port takes HTTP, but {name} came; "
            "with receiver.receive_on_scrape_port it would be taken here"
        )
    found = name or quote(head[:20].decode(errors="backslashreplace"), 40)
    return f"this port takes HTTP, but something else came: {found}"

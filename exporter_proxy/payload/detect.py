"""Tell a connection's wire by its first bytes."""

import re
from typing import Literal

from exporter_proxy.errors import PayloadError

Wire = Literal["json", "capnp", "http", "tls", "other"]

_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_METHOD = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PRI) ")
_LONGEST_METHOD = 8


def detect(head: bytes, *, final: bool = False) -> Wire | None:
    """Return the wire of a connection that begins with ``head``; None if that can't be told yet.

    JSON and HTTP never hold a NUL; a Cap'n Proto header of at most 512 segments always has one
    within its first four bytes. A TLS hello begins with 0x16 0x03, which as a Cap'n Proto header
    would announce more than 768 segments.

    Args:
        head: The first bytes; more than 8 are not looked at, but for blanks in front.
        final: The connection ended here.
    """
    if head[:1] == b"{" and len(head) > 1 and head[1] > 1:
        return "json"
    if head[:2] == b"\x16\x03":
        return "tls"
    if 0 in head[:4]:
        return "capnp"
    if len(head) < 4 and not final:
        return None
    text = head.removeprefix(_BOM).lstrip(_BLANKS)
    if text[:1] == b"{":
        return "json"
    if not text and not final:
        # Blanks alone; JSON's reader takes them.
        return "json"
    if _METHOD.match(text):
        return "http"
    if len(text) < _LONGEST_METHOD and not final and text.isalpha() and text.isupper():
        return None
    return "other"


def wrong_wire(wire: Wire, expected: str) -> PayloadError:
    """Return the error for a connection that speaks ``wire`` where ``expected`` is taken."""
    if wire == "tls":
        return PayloadError("a TLS hello came, but this port does not speak TLS", reason="tls")
    if wire == "http":
        return PayloadError(
            f"an HTTP request came, but this port takes {expected}; "
            "/metrics and /apps are on exporter.scrape_expose_endpoint",
            reason="http",
        )
    names = {"json": "JSON", "capnp": "Cap'n Proto"}
    found = names.get(wire, "something else")
    return PayloadError(f"this receiver takes {expected}, but {found} came", reason="wrong_format")

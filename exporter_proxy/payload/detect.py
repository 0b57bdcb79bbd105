"""Tell a connection's wire by its first bytes."""

import re
from typing import Literal

from exporter_proxy.errors import PayloadError, quote

Wire = Literal["json", "capnp", "http", "tls", "gzip", "zstd", "utf16", "text", "binary"]
"""What a connection may speak. Taken are the first two; ``text`` is neither of them nor HTTP,
``binary`` has no name."""

_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"
_METHOD = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PRI) ")
_LONGEST_METHOD = 8
_HEADER_BYTES = 4
# As Cap'n Proto headers they would announce more than 30,000 segments.
_SIGNATURES: dict[bytes, Wire] = {
    b"\x16\x03": "tls",
    b"\x1f\x8b": "gzip",
    b"\xff\xfe": "utf16",
    b"\xfe\xff": "utf16",
}
_ZSTD = b"\x28\xb5\x2f\xfd"
# Two characters of UTF-16 that are ASCII; as a header, more than 65,000 segments.
_UTF16 = re.compile(rb"[^\0]\0[^\0]\0|\0[^\0]\0[^\0]", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def detect(head: bytes, *, final: bool = False) -> Wire | None:
    """Return the wire of a connection that begins with ``head``; None if that can't be told yet.

    JSON and HTTP never hold a NUL; a Cap'n Proto header of at most 512 segments always has one
    within its first four bytes. What else begins with bytes that are no text is taken for such a
    header where the size that would follow, of the first segment, has a NUL in it.

    Args:
        head: The first bytes; more than 8 are not looked at, but for blanks in front.
        final: The connection ended here.
    """
    if head[:1] == b"{" and len(head) > 1 and head[1] > 1:
        return "json"
    signature = _SIGNATURES.get(head[:2])
    if signature is not None:
        return signature
    if len(head) < _HEADER_BYTES and not final:
        return None
    if head[:_HEADER_BYTES] == _ZSTD:
        return "zstd"
    if 0 in head[:_HEADER_BYTES]:
        return "utf16" if _UTF16.match(head) else "capnp"
    if not _is_text(head[:_HEADER_BYTES]):
        if len(head) < 2 * _HEADER_BYTES and not final:
            return None
        return "capnp" if 0 in head[_HEADER_BYTES : 2 * _HEADER_BYTES] else "binary"
    return _text_wire(head, final=final)


def _text_wire(head: bytes, *, final: bool) -> Wire | None:
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
    return "text"


def _is_text(head: bytes) -> bool:
    """Tell whether ``head`` is UTF-8 without control characters; its last character may be cut."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return False
    return not _CONTROL.search(head)


_NAMES: dict[Wire, str] = {"json": "JSON", "capnp": "Cap'n Proto"}
_REMEDIES: dict[Wire, tuple[str, str]] = {
    "gzip": ("gzip", "send it uncompressed"),
    "zstd": ("zstd", "send it uncompressed"),
    "utf16": ("UTF-16", "send it as UTF-8"),
}


def wrong_wire(wire: Wire, expected: str, head: bytes) -> PayloadError:
    """Return the error for a connection that speaks ``wire`` where ``expected`` is taken.

    Args:
        wire: What :func:`detect` made of it.
        expected: What is taken, for a person.
        head: Its first bytes.
    """
    if wire == "tls":
        return PayloadError("a TLS hello came, but this port does not speak TLS", reason="tls")
    if wire == "http":
        return PayloadError(
            f"an HTTP request came, but this port takes {expected}; "
            "/metrics and /apps are on exporter.scrape_expose_endpoint",
            reason="http",
        )
    if wire in _REMEDIES:
        name, remedy = _REMEDIES[wire]
        line = f"looks like {name}, but this receiver takes {expected}: {remedy}"
    elif wire in _NAMES:
        line = f"this receiver takes {expected}, but {_NAMES[wire]} came"
    else:
        found = quote(head[:20].decode(errors="backslashreplace"), 40)
        line = f"this receiver takes {expected}, but something else came: {found}"
    return PayloadError(line, reason="wrong_format")

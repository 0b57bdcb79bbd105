"""Heads of requests that have one meaning, whoever reads them; all others are for the HTTP server.

What is read here is a strict part of RFC 9112: a plain PUT or POST of HTTP/1.1 with one Host and
one Content-Length. No header stands there twice, none is folded, no bytes but visible ASCII. Where
two readers could see two requests (Transfer-Encoding beside Content-Length, two lengths, bare line
feeds), nothing is read, so there is nothing to smuggle.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

END = b"\r\n\r\n"
LARGEST_BODY = 131_072
"""Bytes of a body that is taken here: one that is read in a millisecond or two."""

LARGEST_HEAD = 8192

_LINE = re.compile(rb"(PUT|POST) (/[!\x22$-~]*+) HTTP/1\.1\r\n")
# RFC 9110, sections 5.1 and 5.5; of values, visible ASCII with blanks and tabs within.
_HEADER = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[ \t]*+([!-~]++(?:[ \t]++[!-~]++)*+)?[ \t]*+\r\n"
)
_LENGTH = re.compile(r"[0-9]{1,6}")
# What makes a request more than its head and its body, or of someone who has to be looked at.
_OTHERS = frozenset(
    {
        "authorization",
        "content-encoding",
        "expect",
        "origin",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_MOST_KEPT = 256


class Block(NamedTuple):
    """What stands below the first line.

    Attributes:
        headers: By names in lower case.
        length: Bytes of the body.
    """

    headers: Mapping[str, str]
    length: int


class Head(NamedTuple):
    """A head that was read.

    Attributes:
        method: ``PUT`` or ``POST``.
        target: Path and query, as they came.
        headers: By names in lower case.
        length: Bytes of the body.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    length: int


class Heads:
    """Reads heads. Senders repeat their headers: those that were read lately are known again."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[bytes, Block] = {}

    def read(self, head: bytes) -> Head | None:
        """Return a head as it is read; None: the server has to look at it.

        Args:
            head: From its first byte to its empty line, that included.
        """
        line = _LINE.match(head)
        if line is None:
            return None
        written = head[line.end() : -2]
        block = self._kept.get(written)
        if block is None:
            block = _block(written)
            if block is None:
                return None
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[written] = block
        method, target = line.groups()
        return Head(method.decode(), target.decode(), block.headers, block.length)


def _block(written: bytes) -> Block | None:
    headers: dict[str, str] = {}
    place = 0
    for found in _HEADER.finditer(written):
        if found.start() != place:
            return None
        place = found.end()
        name = found[1].decode().lower()
        if name in headers:
            return None
        headers[name] = (found[2] or b"").decode()
    if place != len(written) or "host" not in headers or headers.keys() & _OTHERS:
        return None
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    length = headers.get("content-length", "")
    if not _LENGTH.fullmatch(length) or int(length) > LARGEST_BODY:
        return None
    return Block(headers, int(length))

"""Heads of requests that have one meaning, whoever reads them; all others are for the HTTP server.

What is read here is a strict part of RFC 9112: a plain PUT or POST of HTTP/1.1 with one Host, and
either one Content-Length or a body in chunks. No header stands there twice, none is folded, no
bytes but visible ASCII. Where two readers could see two requests (Transfer-Encoding beside
Content-Length, two lengths, bare line feeds), nothing is read, so there is nothing to smuggle.
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
_OTHERS = frozenset({"authorization", "expect", "origin", "te", "trailer", "upgrade"})
# A header that must not be remembered.
_CREDENTIALS = re.compile(rb"(?i)(?:\A|(?<=\r\n))authorization:[ \t]*+([!-~]++(?: [!-~]++)*+)\r\n")
_MOST_KEPT = 256


class Block(NamedTuple):
    """What stands below the first line, but for credentials.

    Attributes:
        headers: By names in lower case, without those that say how the body comes.
        length: Bytes of the body as it comes; None: it comes in chunks.
        packed: Whether it is gzip.
        closes: Whether the connection is to be closed after the answer.
    """

    headers: Mapping[str, str]
    length: int | None
    packed: bool
    closes: bool


class Head(NamedTuple):
    """A head that was read.

    Attributes:
        method: ``PUT`` or ``POST``.
        target: Path and query, as they came.
        authorization: The header with credentials; None: there is none.
        block: What else stands below the first line.
    """

    method: str
    target: str
    authorization: str | None
    block: Block


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
        block, authorization = self._kept.get(written), None
        if block is None:
            credentials = _CREDENTIALS.search(written)
            if credentials is not None:
                authorization = credentials[1].decode()
                written = written[: credentials.start()] + written[credentials.end() :]
            block = self._block(written)
            if block is None:
                return None
        method, target = line.groups()
        return Head(method.decode(), target.decode(), authorization, block)

    def _block(self, written: bytes) -> Block | None:
        block = self._kept.get(written)
        if block is None:
            block = _block(written)
            if block is not None:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[written] = block
        return block


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
    connection = headers.get("connection", "keep-alive").lower()
    coding = headers.pop("content-encoding", "identity").lower()
    if connection not in {"close", "keep-alive"} or coding not in {"gzip", "identity"}:
        return None
    length = headers.pop("content-length", None)
    transfer = headers.pop("transfer-encoding", None)
    if length is None:
        if transfer is None or transfer.lower() != "chunked":
            return None
    elif transfer is not None or not _LENGTH.fullmatch(length) or int(length) > LARGEST_BODY:
        return None
    return Block(
        headers,
        None if length is None else int(length),
        packed=coding == "gzip",
        closes=connection == "close",
    )

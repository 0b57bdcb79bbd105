"""What a request that writes is answered with, whatever carries it."""

from collections.abc import Generator
from http import HTTPStatus
from typing import NamedTuple

from exporter_proxy.access import Refusal

TEXT = "text/plain; charset=utf-8"
_TEXT_HEADERS = (("Content-Type", TEXT), ("X-Content-Type-Options", "nosniff"))


class Answer(NamedTuple):
    """A response: its status, headers without ``Content-Length``, and body.

    Of a long body ``rest`` has what follows the first bytes, in pieces.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    rest: tuple[bytes, ...] = ()


Steps = Generator[None, None, Answer]
"""Steps to an answer, of some milliseconds each."""

TAKEN = Answer(HTTPStatus.OK)


class ForbiddenError(Exception):
    """A request is refused because of who sends it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def line(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer of one line."""
    body = text.encode(errors="backslashreplace") + b"\n"
    return Answer(status, (*_TEXT_HEADERS, *headers), body)

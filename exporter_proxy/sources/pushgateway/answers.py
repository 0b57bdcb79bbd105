"""What a request is answered with, whatever carries it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from exporter_proxy.access import Refusal
from exporter_proxy.errors import PayloadError, RejectReason

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


class Answer(NamedTuple):
    """A response: its status, headers without ``Content-Length``, and body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class ForbiddenError(Exception):
    """A request is refused because of who sends it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


_STATUS: Mapping[RejectReason, int] = {
    "message_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported_encoding": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "too_many_apps": HTTPStatus.SERVICE_UNAVAILABLE,
}
_TEXT_HEADERS = (("Content-Type", TEXT), ("X-Content-Type-Options", "nosniff"))
_JSON_HEADERS = (
    ("Content-Type", JSON),
    ("Cache-Control", "no-cache, no-store, must-revalidate"),
)

TAKEN = Answer(HTTPStatus.OK)
ACCEPTED = Answer(HTTPStatus.ACCEPTED)


def refused(error: PayloadError) -> Answer:
    """Return the answer to what is refused."""
    return line(_STATUS.get(error.reason, HTTPStatus.BAD_REQUEST), str(error))


def line(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer of one line."""
    body = text.encode(errors="backslashreplace") + b"\n"
    return Answer(status, (*_TEXT_HEADERS, *headers), body)


def wrong_method(method: str, allowed: str) -> Answer:
    """Return the answer to a method that a path doesn't take; OPTIONS asks for those it does."""
    allow = ("Allow", allowed)
    if method == "OPTIONS":
        return Answer(HTTPStatus.OK, (allow,))
    return line(HTTPStatus.METHOD_NOT_ALLOWED, "error: Method Not Allowed", allow)


def success(data: object) -> Answer:
    """Return an answer as Pushgateway's API gives it."""
    body = msgspec.json.encode({"status": "success", "data": data})
    return Answer(HTTPStatus.OK, _JSON_HEADERS, body)


def failure(error: PayloadError) -> Answer:
    """Return the answer to what is refused, as Pushgateway's API gives it."""
    status = _STATUS.get(error.reason, HTTPStatus.BAD_REQUEST)
    document = {"status": "error", "errorType": "bad_data", "error": str(error)}
    return Answer(status, _JSON_HEADERS, msgspec.json.encode(document))

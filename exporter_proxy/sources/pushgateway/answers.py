"""What Pushgateway answers requests with."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

from exporter_proxy.errors import PayloadError, RejectReason
from exporter_proxy.sources.answers import Answer, line

JSON = "application/json"

_STATUS: Mapping[RejectReason, int] = {
    "message_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported_encoding": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "too_many_apps": HTTPStatus.SERVICE_UNAVAILABLE,
}
_JSON_HEADERS = (
    ("Content-Type", JSON),
    ("Cache-Control", "no-cache, no-store, must-revalidate"),
)

ACCEPTED = Answer(HTTPStatus.ACCEPTED)


def refused(error: PayloadError) -> Answer:
    """Return the answer to what is refused."""
    return line(_STATUS.get(error.reason, HTTPStatus.BAD_REQUEST), str(error))


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


def success_in_pieces(items: Sequence[bytes]) -> Answer:
    """Return an answer as Pushgateway's API gives it, with an array.

    Args:
        items: Of the array, each several of its elements as JSON, with commas between them.
    """
    pieces = (piece for place, item in enumerate(items) for piece in (b"," * (place > 0), item))
    rest = (*filter(None, pieces), b"]}")
    return Answer(HTTPStatus.OK, _JSON_HEADERS, b'{"status":"success","data":[', rest)


def failure(error: PayloadError) -> Answer:
    """Return the answer to what is refused, as Pushgateway's API gives it."""
    status = _STATUS.get(error.reason, HTTPStatus.BAD_REQUEST)
    document = {"status": "error", "errorType": "bad_data", "error": str(error)}
    return Answer(status, _JSON_HEADERS, msgspec.json.encode(document))

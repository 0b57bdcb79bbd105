"""``/push/<app>`` as a source: an app's metrics as the body of a request.

It knows no transport: :meth:`AppPush.handle` takes a request and returns its answer.
"""

import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from http import HTTPStatus
from urllib.parse import parse_qs, unquote_to_bytes

from exporter_proxy.access import Peer
from exporter_proxy.config import PushConfig
from exporter_proxy.errors import PayloadError, RejectReason, quote
from exporter_proxy.payload.compression import unpack_in_steps
from exporter_proxy.payload.json_reader import JsonReader
from exporter_proxy.payload.message import Message, Progress, Push, truncated
from exporter_proxy.payload.names import check_name
from exporter_proxy.payload.text import PIECE_BYTES, TextBuilder, nul_byte
from exporter_proxy.payload.ttl import parse_ttl
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.answers import TAKEN, Answer, Steps, line
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.refusals import RefusalLog
from exporter_proxy.steps import all_at_once
from exporter_proxy.table import FOR_EVER, Life

PATH = "/push"
SOURCE = "push"
"""Who writes the rows of apps that are pushed there."""

_STATUS: Mapping[RejectReason, int] = {
    "app_over_bytes": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "app_over_rate": HTTPStatus.TOO_MANY_REQUESTS,
    "app_over_samples": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "message_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too_many_apps": HTTPStatus.SERVICE_UNAVAILABLE,
    "unsupported_encoding": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "wrong_format": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
_METHODS = "POST, PUT"
_JSON = "application/json"
# Of these some are sent with anything: curl -d says that it is a form.
_ANY_TYPES = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})
# A sample whose name is in quotes begins as an object does; but no colon follows.
_OBJECT = re.compile(
    rb'(?:\xef\xbb\xbf)?+[ \t\r\n]*+\{[ \t\r\n]*+"(?:[^"\\]++|\\.)*+"[ \t\r\n]*+:', re.DOTALL
)
# What is sure to be no text of metrics, and what its sender should do.
_NO_TEXT = {
    "multipart/form-data": "a form, expected the metrics themselves: curl --data-binary @FILE",
    "application/vnd.google.protobuf": "protobuf, expected text: /metrics/job/<job> takes both",
}
# A body that is read in one go: a millisecond or two.
_SMALL_BYTES = 131_072

Permit = Callable[[Peer, str], None]
"""Raises ForbiddenError if a peer may not write an app."""


class AppPush:
    """Takes pushes to apps by HTTP; a :class:`~exporter_proxy.sources.base.Source`.

    Args:
        admission: Lets updates into the table.
        permit: Asked before anything is written.

    Attributes:
        is_on: Whether anything is answered.
    """

    def __init__(self, admission: Admission, permit: Permit) -> None:
        self.name = SOURCE
        self.stats = SourceStats(kind="push")
        self._admission = admission
        self._permit = permit
        self.is_on = False
        self._max_bytes = 0
        self._life = FOR_EVER
        self._refusals: RefusalLog | None = None

    def configure(self, config: PushConfig, life: Life) -> None:
        """Go by this from now on.

        Args:
            config: The ``[push]`` section.
            life: Of apps of which nothing else is said.
        """
        self.is_on = config.app_api
        self._max_bytes = config.max_body_size
        self._life = life

    async def start(self) -> None:
        """Get ready."""
        self._refusals = RefusalLog(self.name)
        self.stats.listening = True

    def pause(self) -> None:
        """Do nothing: requests end with the scrape port."""

    async def stop(self, grace_seconds: float) -> None:  # noqa: ARG002 - nothing is under way here
        """Log what has not been logged. Idempotent."""
        self.stats.listening = False
        if self._refusals is not None:
            self._refusals.close()

    def handle(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer
    ) -> Answer | Steps:
        """Answer a request to ``/push/<app>``, or with JSON to ``/push``.

        Args:
            method: As it came.
            target: Path and query, percent-encoded.
            headers: By names in lower case.
            body: All of it, as it came.
            peer: Who sends it.

        Returns:
            The answer; for a large body steps to it. What is pushed is there when it is returned.

        Raises:
            ForbiddenError: The sender may not; as the steps may.
        """
        if not self.is_on:
            text = "error: turned off by the configuration (push.app_api)"
            return line(HTTPStatus.NOT_FOUND, text)
        steps = self._steps(method, target, headers, body, peer)
        if len(body) > _SMALL_BYTES or "content-encoding" in headers:
            return steps
        return all_at_once(steps)

    def refused(self, error: PayloadError) -> Answer:
        """Return the answer to what is refused."""
        return line(_STATUS.get(error.reason, HTTPStatus.BAD_REQUEST), f"error: {error}")

    def note(self, error: PayloadError, peer: Peer) -> None:
        """Count and log a refused request."""
        self.stats.rejected[error.reason] += 1
        self.stats.fail(str(error))
        if self._refusals is not None:
            self._refusals.note(error, peer.address or "unix")

    def _steps(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer
    ) -> Steps:
        if method not in {"POST", "PUT"}:
            text = f"error: {PATH}/<app> takes POST and PUT, not {quote(method)}"
            return line(HTTPStatus.METHOD_NOT_ALLOWED, text, ("Allow", _METHODS))
        path, _, query = target.partition("?")
        try:
            app = _app_of(path)
            if app is not None:
                self._permit(peer, app)
            encoding = headers.get("content-encoding", "")
            if encoding:
                body = yield from unpack_in_steps(body, encoding, self._max_bytes)
            asked = _asked_ttl(headers, query)
            if _is_json(headers, body):
                messages = yield from self._read_json(app, body)
                messages = [_with_ttl(message, asked) for message in messages]
            elif app is None:
                raise _bad(f"{PATH} takes JSON (Content-Type: {_JSON}); text goes to {PATH}/<app>")
            else:
                payload = yield from _text(app, body)
                messages = [[Push(app, payload, parse_ttl(app, asked))]]
            message = _one(messages)
            for push in message:
                if push.app != app:
                    self._permit(peer, push.app)
            if self._admission.looks:
                yield from self._admission.look_into(message, source=self.name)
            yield from self._write(message)
        except PayloadError as error:
            self.note(error, peer)
            return self.refused(error)
        return TAKEN

    def _write(self, message: Message) -> Generator[None, None, None]:
        pushes = len(message)
        steps: Iterator[int] | None
        steps = self._admission.apply(message, source=self.name, life=self._life)
        if steps is not None:
            for _ in steps:
                yield
        self.stats.updates += pushes
        self.stats.last_success_ns = time.time_ns()

    def _read_json(self, app: str | None, body: bytes) -> Generator[None, None, list[Message]]:
        """Return the documents of a body.

        Raises:
            PayloadError: One of them can't be read, or is about another app than the path.
        """
        reader = JsonReader(self._max_bytes, max_apps=self._admission.max_apps)
        messages: list[Message] = []
        # An empty body is not one that goes on.
        if body:
            reader.feed(body)
        while (message := reader.next_message()) is not None:
            if isinstance(message, Progress):
                yield
                continue
            messages.append(message)
            for push in message:
                if app is not None and push.app != app:
                    raise _bad(
                        f"the document has the app {quote(push.app)}, but the path names "
                        f"{quote(app)}: send documents of any apps to {PATH}"
                    )
        if reader.buffered:
            raise truncated(reader.buffered)
        if not messages:
            raise PayloadError(
                'the body is empty, expected {"<app>": "<metrics>"}', reason="empty_message"
            )
        return messages


def _is_json(headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether a body is JSON: by its type, or if that says nothing by how it begins.

    Raises:
        PayloadError: ``wrong_format``.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _NO_TEXT:
        raise PayloadError(f"the body is {_NO_TEXT[kind]}", reason="wrong_format")
    return kind == _JSON or (kind in _ANY_TYPES and _OBJECT.match(body) is not None)


def _app_of(path: str) -> str | None:
    """Return the app that a path names; None: it names none.

    Raises:
        PayloadError: It names none that can be.
    """
    rest = path.removeprefix(PATH)
    if rest in {"", "/"}:
        return None
    name = rest.removeprefix("/")
    if "/" in name:
        raise _bad("a slash in an app's name is written %2F in the path")
    try:
        return check_name(unquote_to_bytes(name).decode())
    except UnicodeDecodeError:
        raise PayloadError("the app's name is not UTF-8", reason="invalid_utf8") from None


def _asked_ttl(headers: Mapping[str, str], query: str) -> str | None:
    """Return the time to live that a request asks for.

    Raises:
        PayloadError: ``bad_request``: it asks for something else.
    """
    asked = headers.get("x-ttl")
    if query:
        parameters = parse_qs(query, keep_blank_values=True)
        unknown = next((name for name in parameters if name != "ttl"), None)
        if unknown is not None:
            raise _bad(f"unknown parameter {quote(unknown)}: there is but ttl")
        if asked is None:
            asked = parameters.get("ttl", [None])[-1]
    return asked


def _with_ttl(message: Message, asked: str | None) -> Message:
    """Return a message whose apps have what the request asks for, where they say nothing."""
    if asked is None:
        return message
    return [
        push if push.ttl is not None else push._replace(ttl=parse_ttl(push.app, asked))
        for push in message
    ]


def _one(messages: list[Message]) -> Message:
    """Return documents as one: a request counts as a whole, and of an app the last one does."""
    if len(messages) == 1:
        return messages[0]
    return list({push.app: push for message in messages for push in message}.values())


def _text(app: str, body: bytes) -> Generator[None, None, tuple[bytes, ...]]:
    """Return a text as a payload.

    Raises:
        PayloadError: ``nul_byte`` or ``invalid_utf8``.
    """
    builder = TextBuilder()
    start = 0
    while start < len(body):
        # Cut at line ends, so that no character is.
        end = body.find(b"\n", start + PIECE_BYTES) + 1 or len(body)
        piece = body[start:end]
        try:
            piece.decode()
        except UnicodeDecodeError:
            raise PayloadError(
                f"the metrics of {quote(app)} are not UTF-8", reason="invalid_utf8"
            ) from None
        builder.add(piece)
        start = end
        yield
    if builder.has_nul:
        raise nul_byte(app)
    return builder.finish()


def _bad(message: str) -> PayloadError:
    return PayloadError(message, reason="bad_request")

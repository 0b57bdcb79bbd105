"""The JSON wire: documents one after another, with or without blanks between them."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.json_stream import JsonStream
from exporter_proxy.payload.message import WORKING, Message, Progress, Push
from exporter_proxy.payload.names import check_name
from exporter_proxy.payload.text import whole_text
from exporter_proxy.payload.ttl import parse_ttl

_BLANKS = b" \t\r\n"
# Bytes at a packet's end in which the end of a document is looked for.
_TAIL = 16
# Members of a document that are taken out in one go: a millisecond.
_MEMBERS_A_STEP = 500


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    metrics: str | list[str]
    ttl: str | float | None = None


_Document = dict[str, str | list[str] | _Options]
_decode_documents = msgspec.json.Decoder(_Document).decode_lines


class JsonReader:
    """Reads JSON documents: those that come whole at native speed, others piece by piece.

    Nearly every packet holds whole documents and nothing else, or lines of which the last is cut.
    So what a packet holds up to the last possible end is decoded in one call. If that succeeds
    these were whole documents, for an object says itself where it ends. If not, nothing is
    concluded: the packet goes through :class:`~exporter_proxy.payload.json_stream.JsonStream`,
    which knows where it is. A byte goes at most once through each.

    Args:
        max_message_size: Bytes that a document may have.
        max_apps: Apps that the table takes: a document of more is refused as soon as that shows.
    """

    __slots__ = (
        "_documents",
        "_fresh",
        "_large",
        "_max_apps",
        "_max_message_size",
        "_stream",
        "_untried",
    )

    def __init__(self, max_message_size: int, *, max_apps: int = 100_000) -> None:
        self._max_message_size = max_message_size
        self._max_apps = max_apps
        # A document of many members that is under way.
        self._large: Iterator[Message | Progress] | None = None
        # Decoded, the next one last.
        self._documents: list[_Document] = []
        # Made when it is needed, which for most connections is never.
        self._stream: JsonStream | None = None
        # Nothing was received yet: a byte order mark may come.
        self._fresh = True
        # The packet's bytes have not been through the fast way yet.
        self._untried = False

    @property
    def buffered(self) -> int:
        """Bytes received of a document that is not complete."""
        return 0 if self._stream is None else self._stream.buffered

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        if self._stream is not None and self._stream.buffered:
            self._stream.feed(data)
            self._untried = True
            return
        rest = self._decode(data)
        if rest:
            if self._stream is None:
                # Behind a document there is no byte order mark.
                begins = self._fresh and len(rest) == len(data)
                self._stream = JsonStream(
                    self._max_message_size, max_apps=self._max_apps, begins=begins
                )
            self._stream.feed(rest)
        self._fresh = False
        self._untried = False

    def next_message(self) -> Message | Progress | None:
        """Return the next complete document's pushes; None if more bytes are needed.

        Raises:
            PayloadError: The document is refused.
        """
        if self._large is not None:
            return self._go_on(self._large)
        if self._documents:
            document = self._documents.pop()
            if len(document) > _MEMBERS_A_STEP:
                return self._go_on(_large_message(document))
            return _message(document)
        if self._stream is None:
            return None
        message = self._stream.next_message()
        if message is None or isinstance(message, Progress):
            return message
        if self._untried:
            # The document that the packet before had cut is complete. What follows it is as good as
            # a packet of its own.
            self._untried = False
            rest = self._stream.take_rest()
            if rest:
                self._stream.feed(self._decode(rest))
        return message

    def _go_on(self, steps: Iterator[Message | Progress]) -> Message | Progress:
        step = next(steps)
        self._large = steps if step is WORKING else None
        return step

    def _decode(self, data: bytes) -> bytes:
        """Decode the documents that are whole; return what is left."""
        if len(data) > self._max_message_size:
            return data
        end = len(data)
        # Only the tail is stripped, for that copies; more blanks go the slow way.
        if data[-1:] != b"}" and data[-_TAIL:].rstrip(_BLANKS)[-1:] != b"}":
            # The last line is cut: what is before it may be whole.
            end = data.rfind(b"}\n") + 2
            if end == 1:
                return data
        try:
            documents = _decode_documents(data if end == len(data) else data[:end])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return data
        documents.reverse()
        self._documents = documents
        return data[end:]


def _message(document: _Document) -> Message:
    if not document:
        raise PayloadError(
            'the object is empty, expected {"<app>": "<metrics>"}', reason="empty_message"
        )
    # First all names, as when a document is read piece by piece.
    for app in document:
        check_name(app)
    return [_push(app, metrics) for app, metrics in document.items()]


def _large_message(document: _Document) -> Iterator[Message | Progress]:
    """Do as :func:`_message` does, in steps."""
    for count, app in enumerate(document, 1):
        check_name(app)
        if count % _MEMBERS_A_STEP == 0:
            yield WORKING
    members = iter(document.items())
    message: Message = []
    while some := [_push(app, metrics) for app, metrics in islice(members, _MEMBERS_A_STEP)]:
        message += some
        yield WORKING
    yield message


def _push(app: str, metrics: str | list[str] | _Options) -> Push:
    if isinstance(metrics, str):
        return Push(app, whole_text(app, metrics.encode()), None)
    ttl = None
    if isinstance(metrics, _Options):
        ttl = parse_ttl(app, metrics.ttl)
        metrics = metrics.metrics
    if isinstance(metrics, list):
        metrics = "\n".join(metrics)
        if metrics and metrics[-1] != "\n":
            metrics += "\n"
    return Push(app, whole_text(app, metrics.encode()), ttl)

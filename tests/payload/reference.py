"""The JSON wire once more, slowly: what any way of reading it has to come to.

Built on the json module, which our readers don't use, and on the rules of docs/wire.md.
"""

import json
import math
from typing import Any

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.names import check_name
from exporter_proxy.payload.ttl import parse_ttl
from tests.payload.reading import Given

_BLANKS = " \t\r\n"


class _Object(list[tuple[str, Any]]):
    """The members of an object, also those whose name comes twice."""


class _Refused(Exception):  # noqa: N818 - a verdict
    """Not a document of the wire."""


def _no_constant(text: str) -> Any:
    raise _Refused(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_Object, parse_constant=_no_constant, parse_int=float)


def read_all(data: bytes) -> tuple[list[list[Given]], bool]:
    """Return the messages at the front of ``data``, and whether nothing but blanks is behind them.

    Where something is, it is either a document that isn't complete or one that is refused.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    # What isn't UTF-8 becomes lone surrogates, which are refused in strings and nothing elsewhere.
    text = data.decode(errors="surrogateescape")
    messages = []
    at = 0
    while True:
        while at < len(text) and text[at] in _BLANKS:
            at += 1
        if at == len(text):
            return messages, True
        try:
            document, at = _DECODER.raw_decode(text, at)
            messages.append(_message(document))
        except (ValueError, RecursionError, _Refused, PayloadError):
            return messages, False


def _message(document: Any) -> list[Given]:
    if not isinstance(document, _Object) or not document:
        raise _Refused(document)
    # of a name given twice the last counts, where the first was
    members = {_text(app): _metrics(metrics) for app, metrics in document}
    # Of a name given twice the last counts, and only the last.
    if any(0 in text for text, _ in members.values()):
        raise _Refused(members)
    return [
        Given(check_name(app), text, parse_ttl(app, ttl)) for app, (text, ttl) in members.items()
    ]


def _metrics(value: Any) -> tuple[bytes, str | float | None]:
    if not isinstance(value, _Object):
        return _lines(value), None
    options: dict[str, Any] = {}
    ttl: str | float | None = None
    for name, option in value:
        if _text(name) == "metrics":
            options["metrics"] = _lines(option)
        elif _text(name) == "ttl":
            ttl = _ttl(option)
        else:
            raise _Refused(name)
    if "metrics" not in options:
        raise _Refused(value)
    return options["metrics"], ttl


def _ttl(value: Any) -> str | float | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _text(value)
    if not isinstance(value, float) or math.isinf(value):
        raise _Refused(value)
    return value


def _lines(value: Any) -> bytes:
    if isinstance(value, _Object) or not isinstance(value, str | list):
        raise _Refused(value)
    if isinstance(value, str):
        return _text(value).encode()
    text = "\n".join(map(_text, value)).encode()
    return text if not text or text.endswith(b"\n") else text + b"\n"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Refused(value)
    # raises a ValueError where there is a lone surrogate
    return value.encode().decode()

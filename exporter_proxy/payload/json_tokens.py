"""What JSON documents are made of, read as far as it has come.

RFC 8259: blanks, marks, strings and numbers. Strings are matched by an automaton, and no byte is
looked at again when more of them come.
"""

import re

import msgspec
import re2

from exporter_proxy.errors import PayloadError, RejectReason, quote
from exporter_proxy.payload.names import MAX_NAME_CHARACTERS
from exporter_proxy.payload.text import TextBuilder

# Key and option strings are read whole. A character takes at most 12 bytes (an escaped pair).
_MAX_KEY_BYTES = MAX_NAME_CHARACTERS * 12 + 2

_BLANKS = re.compile(rb"[ \t\r\n]*+")
_KEY = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+"')
# What a number or null is made of; whether it is one is msgspec's to say.
_NUMBER_PART = re.compile(rb"[0-9.eE+nul-]*+")
_NUMBER_END = b",} \t\r\n"

_HEX = rb"[0-9a-fA-F]"
_PAIR = rb"\\u[dD][89abAB]" + _HEX * 2 + rb"\\u[dD][c-fC-F]" + _HEX * 2
_UNIT = rb"\\u(?:[0-9a-ce-fA-CE-F]" + _HEX * 3 + rb"|[dD][0-7]" + _HEX * 2 + rb")"
_BODY = rb'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|' + _UNIT + rb"|" + _PAIR + rb")*"
_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
# As much of a string as is complete: stops at the closing quote, before an escape that the input
# cuts, and before anything that a string can't hold.
_TEXT = re2.compile(_BODY, _OPTIONS)
# Strings of an array that are complete and followed by a comma.
_LINES = re2.compile(rb'(?:"' + _BODY + rb'"[ \t\r\n]*,[ \t\r\n]*)*', _OPTIONS)
# An escape that may go on in the next packet.
_CUT_ESCAPE = re.compile(
    rb"\\(?:u(?:" + _HEX + rb"{0,3}|[dD][89abAB]" + _HEX + rb"{2}(?:\\(?:u(?:[dD]"
    rb"(?:[c-fC-F]" + _HEX + rb"?)?)?)?)?))?"
)
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]" + _HEX + rb"{2}")

_CONTROL = re.compile(rb"[\x00-\x1f]")

_decode_strings = msgspec.json.Decoder(list[str]).decode


class JsonTokens:
    """The bytes that have come of a connection, from where they are read on.

    What is read moves on. Errors are :class:`~exporter_proxy.errors.PayloadError`.
    """

    def __init__(self) -> None:
        self._input = b""
        self._at = 0
        # Of a number that is cut.
        self._digits = bytearray()

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._input = self._input[self._at :] + data
        self._at = 0

    def take_rest(self) -> bytes:
        """Return the input after the last complete document, and forget it."""
        rest = self._input[self._at :]
        self._input, self._at = b"", 0
        return rest

    def _next_character(self) -> bool:
        """Skip blanks; tell whether something is behind them."""
        match = _BLANKS.match(self._input, self._at)
        assert match is not None
        self._at = match.end()
        return self._at < len(self._input)

    def _expect(self, character: bytes, what: str) -> None:
        if self._input[self._at] != character[0]:
            raise self._malformed(what)
        self._at += 1

    def _string(self, what: str, reason: RejectReason) -> str | None:
        """Read a short string as a whole; None if it isn't complete."""
        if not self._next_character():
            return None
        if self._input[self._at] != 0x22:
            raise self._malformed(what)
        match = _KEY.match(self._input, self._at)
        size = (match.end() if match else len(self._input)) - self._at
        if size > _MAX_KEY_BYTES:
            raise PayloadError(
                f"{what} of more than {_MAX_KEY_BYTES} bytes, expected at most "
                f"{MAX_NAME_CHARACTERS} characters",
                reason=reason,
            )
        if match is None:
            control = _CONTROL.search(self._input, self._at)
            if control is not None:
                self._at = control.start()
                raise self._malformed("no control character")
            return None
        end = _TEXT.match(self._input, self._at + 1).end()
        if end < match.end() - 1:
            raise self._bad_character(end, what)
        self._at = match.end()
        return _one(self._decode(b"[" + match.group() + b"]"))

    def _number(self) -> bytes | None:
        """Read a number or null as a whole; None if more of it may come."""
        match = _NUMBER_PART.match(self._input, self._at)
        assert match is not None
        self._digits += match.group()
        self._at = match.end()
        if self._at == len(self._input):
            return None
        if self._input[self._at] not in _NUMBER_END:
            raise self._malformed("a time to live")
        number = bytes(self._digits)
        self._digits.clear()
        return number

    def _lines(self) -> list[str]:
        """Read the strings of an array that are here as a whole, each with the comma behind it."""
        end = _LINES.match(self._input, self._at).end()
        if end == self._at:
            return []
        run = self._input[self._at : end].rstrip()[:-1]
        self._at = end
        return self._decode(b"[" + run + b"]")

    def _string_part(self, text: TextBuilder, app: str) -> bool:
        """Read as much of a string as is here into ``text``; tell whether its end is."""
        end = _TEXT.match(self._input, self._at).end()
        complete = end < len(self._input)
        if not complete:
            end = _without_cut_character(self._input, self._at, end)
        if end > self._at:
            part = self._input[self._at : end]
            text.add(_one(self._decode(b'["' + part + b'"]')).encode())
            self._at = end
        if not complete:
            return False
        if self._input[end] == 0x22:
            self._at += 1
            return True
        if _CUT_ESCAPE.fullmatch(self._input, end):
            return False
        raise self._bad_character(end, f"the metrics of {quote(app)}")

    def _decode(self, strings: bytes) -> list[str]:
        try:
            return _decode_strings(strings)
        except UnicodeDecodeError as error:
            raise PayloadError(
                f"the message is not UTF-8: {error.reason}", reason="invalid_utf8"
            ) from error
        except msgspec.DecodeError as error:
            raise self._malformed("a string") from error

    def _bad_character(self, at: int, where: str) -> PayloadError:
        self._at = at
        if _LONE_SURROGATE.match(self._input, at):
            return PayloadError(
                f"{where}: a lone surrogate, {quote(self._input[at : at + 6].decode('latin-1'))}",
                reason="invalid_utf8",
            )
        if self._input[at] == 0:
            return PayloadError("the message holds a NUL byte", reason="nul_byte")
        return self._malformed("no control character and no unknown escape in a string")

    def _malformed(self, what: str, found_bytes: bytes | None = None) -> PayloadError:
        if found_bytes is None:
            found_bytes = self._input[self._at : self._at + 21]
        found = quote(found_bytes[:21].decode(errors="backslashreplace"), 20)
        return PayloadError(
            f"malformed JSON: expected {what}, found {found}", reason="malformed_json"
        )


def _one(strings: list[str]) -> str:
    return strings[0]


def _without_cut_character(data: bytes, start: int, end: int) -> int:
    """Return ``end``, less the bytes of a UTF-8 sequence that ``data[start:end]`` ends within."""
    for back in range(1, min(3, end - start) + 1):
        byte = data[end - back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return end - back if length > back else end
        if byte < 0x80:
            break
    return end

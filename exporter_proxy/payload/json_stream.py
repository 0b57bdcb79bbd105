"""JSON documents decoded piece by piece, for those that don't come whole in one packet.

RFC 8259, narrowed to the documents that the wire has::

    {"<app>": TEXT, "<app>": {"metrics": TEXT, "ttl": "30s"}, …}

with TEXT a string or an array of strings. Each byte is looked at once: strings are matched by an
automaton and decoded as far as they have come, so that neither a large document nor one that comes
byte by byte costs more than its length.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice

import msgspec
import re2

from exporter_proxy.errors import PayloadError, RejectReason, quote, table_full
from exporter_proxy.payload.message import READING, WORKING, Message, Progress, Push, too_large
from exporter_proxy.payload.names import MAX_NAME_CHARACTERS, check_name
from exporter_proxy.payload.text import TextBuilder, nul_byte
from exporter_proxy.payload.ttl import bad_ttl, parse_ttl

# Key and option strings are read whole. A character takes at most 12 bytes (an escaped pair).
_MAX_KEY_BYTES = MAX_NAME_CHARACTERS * 12 + 2

# Steps between two points at which others may be served: some milliseconds. A step reads no more
# than a packet has.
_STEPS_A_TURN = 500
# Pushes made in one step.
_PUSHES_A_STEP = 8

_BOM = b"\xef\xbb\xbf"
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

_TEXT_START = re.compile(rb"[A-Za-z_:#]")
_CONTROL = re.compile(rb"[\x00-\x1f]")
_KINDS = {
    "[": "an array",
    "{": "an object",
    "t": "true",
    "f": "false",
    "n": "null",
    "-": "a number",
}
_KINDS |= dict.fromkeys("0123456789", "a number")
# By their first character, for a number may hold some of the others.
_NO_TTL = {ord(first): _KINDS[first] for first in "[{tf"}

_decode_strings = msgspec.json.Decoder(list[str]).decode
_decode_number = msgspec.json.Decoder(float | None).decode


# A payload, whether it has a NUL, and its time to live as it came.
_Member = tuple[tuple[bytes, ...], bool, str | float | None]


class JsonStream:
    """Decodes one document after another, each as far as its bytes have come.

    Args:
        max_message_size: Bytes that a document may have.
        max_apps: Members that a document may have.
        begins: Nothing of the connection was read before: a byte order mark may come.
    """

    def __init__(
        self, max_message_size: int, *, max_apps: int = 100_000, begins: bool = True
    ) -> None:
        self._max_message_size = max_message_size
        self._max_apps = max_apps
        self._input = b""
        self._at = 0
        # Bytes of the present document that are no longer in the input.
        self._consumed = 0
        # Each step reads one thing. It returns False if the input ends before it.
        self._step: Callable[[], bool] = self._mark if begins else self._document
        self._message: Message | None = None
        self._reset()

    def _reset(self) -> None:
        # Times to live and NULs are judged at the end: of a name or an option given twice the last
        # counts, and only the last.
        self._members: dict[str, _Member] = {}
        self._unfinished: Iterator[tuple[str, _Member]] = iter(())
        self._pushes: Message = []
        self._app = ""
        self._in_options = False
        self._has_metrics = False
        self._ttl: str | float | None = None
        self._digits = bytearray()
        self._option = ""
        self._text: TextBuilder | None = None
        # The line of an array that is being read, from 1; 0: not within an array.
        self._line_number = 0
        self._metrics = TextBuilder()

    @property
    def buffered(self) -> int:
        """Bytes received of the document that is not complete."""
        if self._step in (self._document, self._mark):
            return len(self._input) - self._at
        return self._consumed + len(self._input) - self._at

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._input = self._input[self._at :] + data
        self._at = 0

    def take_rest(self) -> bytes:
        """Return the input after the last complete document, and forget it."""
        rest = self._input[self._at :]
        self._input, self._at = b"", 0
        return rest

    def next_message(self) -> Message | Progress | None:
        """Return the next complete document's pushes; None if more bytes are needed.

        Raises:
            PayloadError: The document is refused.
        """
        for _ in range(_STEPS_A_TURN):
            before = self._at
            more = self._step()
            self._consumed += self._at - before
            if self._consumed > self._max_message_size:
                raise too_large(self._max_message_size)
            if self._message is not None:
                message, self._message = self._message, None
                self._consumed = 0
                return message
            if not more:
                # What a step leaves in the input is at most a key or a cut escape.
                return None
        return WORKING if self._step == self._finish else READING

    # The steps, in the order of a document.

    def _mark(self) -> bool:
        """Skip the byte order mark that may begin a connection."""
        if self._input.startswith(_BOM):
            self._at = len(_BOM)
            self._consumed = -self._at
        elif _BOM.startswith(self._input):
            return False
        self._step = self._document
        return True

    def _document(self) -> bool:
        start = self._at
        found = self._next_character()
        # Blanks between documents belong to none of them.
        self._consumed -= self._at - start
        if not found:
            return False
        if self._input[self._at] != 0x7B:
            raise self._no_object()
        self._at += 1
        self._step = self._first_member
        return True

    def _first_member(self) -> bool:
        if not self._next_character():
            return False
        if self._input[self._at] == 0x7D:
            raise PayloadError(
                'the object is empty, expected {"<app>": "<metrics>"}', reason="empty_message"
            )
        return self._member()

    def _member(self) -> bool:
        key = self._string("an app's name", "bad_name")
        if key is None:
            self._step = self._member
            return False
        self._app = check_name(key)
        self._in_options = False
        self._step = self._colon
        return True

    def _colon(self) -> bool:
        if not self._next_character():
            return False
        self._expect(b":", '":"')
        self._step = self._value
        return True

    def _value(self) -> bool:
        if not self._next_character():
            return False
        character = self._input[self._at]
        if self._in_options and self._option == "ttl":
            self._step = self._ttl_value
        elif character == 0x22:
            self._at += 1
            self._text = TextBuilder()
            self._step = self._characters
        elif character == 0x5B:
            self._at += 1
            self._text = TextBuilder()
            self._line_number = 1
            self._step = self._first_line
        elif character == 0x7B and not self._in_options:
            self._at += 1
            self._in_options = True
            self._has_metrics = False
            self._ttl = None
            self._step = self._first_option
        else:
            raise self._not_text(character)
        return True

    def _characters(self) -> bool:
        """Read a text that is one string."""
        if not self._string_part():
            return False
        self._end_text()
        return True

    def _first_line(self) -> bool:
        if not self._next_character():
            return False
        if self._input[self._at] == 0x5D:
            self._at += 1
            self._end_text()
            return True
        return self._line()

    def _line(self) -> bool:
        """Read the lines that are here as a whole, then begin the one that isn't."""
        assert self._text is not None
        self._step = self._line
        if not self._next_character():
            return False
        end = _LINES.match(self._input, self._at).end()
        if end > self._at:
            run = self._input[self._at : end].rstrip()[:-1]
            lines = self._decode(b"[" + run + b"]")
            self._text.add("\n".join(lines).encode() + b"\n")
            self._line_number += len(lines)
            self._at = end
        if not self._next_character():
            return False
        character = self._input[self._at]
        if character != 0x22:
            raise self._not_text(character)
        self._at += 1
        self._step = self._line_characters
        return True

    def _line_characters(self) -> bool:
        if not self._string_part():
            return False
        self._step = self._line_end
        return True

    def _line_end(self) -> bool:
        assert self._text is not None
        if not self._next_character():
            return False
        if self._input[self._at] == 0x2C:
            self._at += 1
            self._text.add(b"\n")
            self._line_number += 1
            self._step = self._line
        else:
            self._expect(b"]", '"," or "]"')
            self._text.end_line()
            self._end_text()
        return True

    def _first_option(self) -> bool:
        if not self._next_character():
            return False
        if self._input[self._at] == 0x7D:
            return self._options_end()
        return self._option_name()

    def _option_name(self) -> bool:
        name = self._string("an option's name", "not_text")
        if name is None:
            self._step = self._option_name
            return False
        if name not in {"metrics", "ttl"}:
            raise PayloadError(
                f"the metrics of {quote(self._app)}: unknown option {quote(name)}, expected text, "
                'an array of lines, or {"metrics": …, "ttl": …}',
                reason="not_text",
            )
        self._option = name
        self._step = self._colon
        return True

    def _ttl_value(self) -> bool:
        # Once a number has begun, what another packet brings is part of it or ends it.
        begun = bool(self._digits)
        if not begun and self._input[self._at] == 0x22:
            text = self._string("a time to live", "bad_ttl")
            if text is None:
                return False
            self._ttl = text
        else:
            kind = None if begun else _NO_TTL.get(self._input[self._at])
            if kind is not None:
                raise bad_ttl(self._app, kind)
            number = self._number()
            if number is None:
                return False
            try:
                self._ttl = _decode_number(number)
            except msgspec.DecodeError as error:
                raise self._malformed("a time to live", number) from error
        self._step = self._option_end
        return True

    def _option_end(self) -> bool:
        if not self._next_character():
            return False
        if self._input[self._at] == 0x2C:
            self._at += 1
            self._step = self._option_name
            return True
        return self._options_end()

    def _options_end(self) -> bool:
        self._expect(b"}", '"," or "}"')
        if not self._has_metrics:
            raise PayloadError(
                f'the metrics of {quote(self._app)}: the option "metrics" is missing',
                reason="not_text",
            )
        self._end_member()
        return True

    def _member_end(self) -> bool:
        if not self._next_character():
            return False
        if self._input[self._at] == 0x2C:
            self._at += 1
            self._step = self._member
            return True
        self._expect(b"}", '"," or "}"')
        self._unfinished = iter(self._members.items())
        self._step = self._finish
        return True

    def _finish(self) -> bool:
        """Make some of the pushes of a document that is complete."""
        some = [_push(app, *member) for app, member in islice(self._unfinished, _PUSHES_A_STEP)]
        self._pushes += some
        if len(some) < _PUSHES_A_STEP:
            self._message = self._pushes
            self._reset()
            self._step = self._document
        return True

    # What the steps share.

    def _end_text(self) -> None:
        assert self._text is not None
        self._metrics, self._text = self._text, None
        self._line_number = 0
        if self._in_options:
            self._has_metrics = True
            self._step = self._option_end
        else:
            self._ttl = None
            self._end_member()

    def _end_member(self) -> None:
        # Of a name given twice the last counts, as with every JSON reader that makes a mapping.
        text = self._metrics
        self._members[self._app] = (text.finish(), text.has_nul, self._ttl)
        if len(self._members) > self._max_apps:
            raise table_full(self._max_apps)
        self._step = self._member_end

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

    def _string_part(self) -> bool:
        """Read as much of a string as is here; tell whether its end is."""
        assert self._text is not None
        end = _TEXT.match(self._input, self._at).end()
        complete = end < len(self._input)
        if not complete:
            end = _without_cut_character(self._input, self._at, end)
        if end > self._at:
            part = self._input[self._at : end]
            self._text.add(_one(self._decode(b'["' + part + b'"]')).encode())
            self._at = end
        if not complete:
            return False
        if self._input[end] == 0x22:
            self._at += 1
            return True
        if _CUT_ESCAPE.fullmatch(self._input, end):
            return False
        raise self._bad_character(end, f"the metrics of {quote(self._app)}")

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
        found = quote(found_bytes[:21].decode("latin-1"), 20)
        return PayloadError(
            f"malformed JSON: expected {what}, found {found}", reason="malformed_json"
        )

    def _no_object(self) -> PayloadError:
        error = self._malformed("a JSON object")
        if _TEXT_START.match(self._input, self._at):
            # Exposition text begins like that, and so do the words that are tried first.
            wrapped = '{"<app>": "<exposition text>"}'
            return PayloadError(
                f"{error}; exposition text has to be wrapped: {wrapped}", reason=error.reason
            )
        return error

    def _not_text(self, character: int) -> PayloadError:
        kind = _KINDS.get(chr(character))
        if kind is None:
            return self._malformed("text or an array of lines")
        if kind in {"an array", "an object"}:
            return PayloadError(
                f"the metrics of {quote(self._app)} are nested too deep, expected text or an array "
                "of lines",
                reason="nested_too_deep",
            )
        if self._line_number:
            return PayloadError(
                f"the metrics of {quote(self._app)}: line {self._line_number} is {kind}, "
                "expected text",
                reason="not_text",
            )
        return PayloadError(
            f"the metrics of {quote(self._app)} are {kind}, expected text or an array of lines",
            reason="not_text",
        )


def _push(app: str, payload: tuple[bytes, ...], has_nul: bool, ttl: str | float | None) -> Push:  # noqa: FBT001
    seconds = parse_ttl(app, ttl)
    if has_nul:
        raise nul_byte(app)
    return Push(app, payload, seconds)


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

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

from exporter_proxy.errors import PayloadError, quote, table_full
from exporter_proxy.payload.json_tokens import JsonTokens
from exporter_proxy.payload.message import READING, WORKING, Message, Progress, Push, too_large
from exporter_proxy.payload.names import check_name
from exporter_proxy.payload.text import TextBuilder, nul_byte
from exporter_proxy.payload.ttl import bad_ttl, parse_ttl

# Steps between two points at which others may be served: some milliseconds. A step reads no more
# than a packet has.
_STEPS_A_TURN = 500
# Pushes made in one step.
_PUSHES_A_STEP = 8

_BOM = b"\xef\xbb\xbf"
_TEXT_START = re.compile(rb"[A-Za-z_:#]")
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

_decode_number = msgspec.json.Decoder(float | None).decode


# A payload, whether it has a NUL, and its time to live as it came.
_Member = tuple[tuple[bytes, ...], bool, str | float | None]


class JsonStream(JsonTokens):
    """Decodes one document after another, each as far as its bytes have come.

    Args:
        max_message_size: Bytes that a document may have.
        max_apps: Members that a document may have.
        begins: Nothing of the connection was read before: a byte order mark may come.
    """

    def __init__(
        self, max_message_size: int, *, max_apps: int = 100_000, begins: bool = True
    ) -> None:
        super().__init__()
        self._max_message_size = max_message_size
        self._max_apps = max_apps
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
        assert self._text is not None
        if not self._string_part(self._text, self._app):
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
        lines = self._lines()
        if lines:
            self._text.add("\n".join(lines).encode() + b"\n")
            self._line_number += len(lines)
        if not self._next_character():
            return False
        character = self._input[self._at]
        if character != 0x22:
            raise self._not_text(character)
        self._at += 1
        self._step = self._line_characters
        return True

    def _line_characters(self) -> bool:
        assert self._text is not None
        if not self._string_part(self._text, self._app):
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

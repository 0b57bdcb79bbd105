"""HELP, TYPE and UNIT lines, and comments, read forgivingly."""

import re

from exporter_proxy.exposition.grammar import (
    LONGEST_LINE,
    NAME_ALONE,
    OPENMETRICS_TYPES,
    QUOTED,
    TYPES,
    escape_help,
    mend_escapes,
    shown,
    unescape,
)
from exporter_proxy.exposition.reader.drafts import Book, Draft
from exporter_proxy.exposition.reader.line_reader import LONGEST_GUESS

_METADATA = re.compile(
    rb"[ \t]*+#[ \t]*+(HELP|TYPE|UNIT)(?![^ \t\r])[ \t]*+(?:" + QUOTED + rb"(?![^ \t\r])"
    rb"|([^ \t\r]*+))[ \t]*+",
    re.DOTALL,
)
_EOF = re.compile(rb"[ \t]*+#[ \t]*+EOF[ \t\r]*+")


class OpenMetricsSignError(Exception):
    """What was taken for text is OpenMetrics."""


class MetadataReader:
    """Enters what lines with ``#`` say into a book."""

    def __init__(self, book: Book, *, sniff: bool) -> None:
        self._book = book
        self._tally = book.tally
        self._openmetrics = book.dialect.seconds
        self._sniff = sniff

    def read(self, line: bytes, number: int) -> bytes | None:
        """Read a line without its newline.

        Returns:
            The name of the family that it names, or None if it is a comment.

        Raises:
            OpenMetricsSignError: The line shows that the payload is no text, and it was not said
                that it is.
        """
        match = _METADATA.match(line)
        if match is None:
            self._comment(line, number)
            return None
        keyword = match[1]
        if keyword == b"UNIT" and self._sniff:
            raise OpenMetricsSignError
        name, valid = _name(match)
        if not valid:
            return self._unnamed(keyword, name, line, number)
        problem = _undecodable(line)
        draft = self._book.draft(name)
        draft.note(number, line + b"\n")
        if problem:
            draft.fail(number, problem, "a line of metadata can't be read", line)
            return name
        if not line.startswith((b"# ", b"#\t")) or (keyword == b"TYPE" and line[-1:] in b" \t\r"):
            self._tally.add("metadata_spacing", number)
        if not NAME_ALONE.fullmatch(name):
            draft.quoted = True
            self._tally.add("quoted_names", number)
        rest = line[match.end() :]
        if keyword == b"HELP":
            self._help(draft, rest, number)
        elif keyword == b"TYPE":
            self._type(draft, rest, number, line)
        else:
            self._unit(draft, rest, number)
        return name

    def _comment(self, line: bytes, number: int) -> None:
        if not _EOF.fullmatch(line):
            self._tally.add("comments", number)
        elif self._openmetrics:
            self._tally.add("early_eof", number)
        else:
            self._tally.add("comments", number)

    def _unnamed(self, keyword: bytes, name: bytes, line: bytes, number: int) -> bytes | None:
        if keyword == b"HELP":
            self._tally.add("bad_help", number)
        elif keyword == b"UNIT":
            self._tally.add("bad_unit", number)
        else:
            guess = _guess(name)
            draft = self._book.draft(guess)
            draft.note(number, line + b"\n")
            draft.fail(number, "bad_name", f"{shown(name)} is not a metric name", line)
            return guess
        return None

    def _help(self, draft: Draft, text: bytes, number: int) -> None:
        if draft.help_line:
            self._tally.add("repeated_help", number)
            return
        draft.help_line = number
        draft.help = self.help_text(text.rstrip(b"\r"), number)

    def help_text(self, text: bytes, number: int) -> bytes:
        """Return a HELP text with the escapes of the text format alone."""
        if b"\\" not in text:
            return text
        if self._openmetrics:
            return escape_help(unescape(text))
        # a backslash at the end escapes nothing
        mended = mend_escapes(text + b"\n", (b"n",)).removesuffix(b"\n")
        if mended != text:
            self._tally.add("unknown_escape", number)
        return mended

    def _type(self, draft: Draft, text: bytes, number: int, line: bytes) -> None:
        word = text.strip(b" \t\r")
        if not word:
            self._tally.add("type_missing", number)
            return
        lower = word.lower()
        kind = TYPES.get(lower)
        if kind is None:
            draft.fail(number, "bad_type", f"{shown(word)} is not a type", line)
            return
        if lower in OPENMETRICS_TYPES and not self._openmetrics:
            if self._sniff:
                raise OpenMetricsSignError
            self._tally.add("openmetrics_in_text", number)
        foreign = b"untyped" if self._openmetrics else b"unknown"
        if word != lower or lower == foreign:
            self._tally.add("type_spelling", number)
        if draft.type_line:
            self._tally.add("repeated_type", number)
            return
        draft.type_line = number
        draft.type = kind

    def _unit(self, draft: Draft, text: bytes, number: int) -> None:
        if not self._openmetrics:
            self._tally.add("openmetrics_in_text", number)
        if draft.unit_line:
            self._tally.add("repeated_unit", number)
            return
        draft.unit_line = number
        unit = text.strip(b" \t\r")
        if unit:
            draft.unit = unit


def metadata_name(line: bytes) -> bytes | None:
    """Return what :meth:`MetadataReader.read` returns for a line, without entering it."""
    match = _METADATA.match(line)
    if match is None:
        return None
    name, valid = _name(match)
    if valid:
        return name
    return _guess(name) if match[1] == b"TYPE" else None


def _name(match: re.Match[bytes]) -> tuple[bytes, bool]:
    """Return the metric name of a line, and whether it is one."""
    quoted, plain = match[2], match[3]
    if quoted is None:
        return plain, NAME_ALONE.fullmatch(plain) is not None
    name = unescape(quoted)
    return name, bool(name)


def _guess(name: bytes) -> bytes:
    return name if len(name) <= LONGEST_GUESS and not _undecodable(name) else b""


def _undecodable(line: bytes) -> str | None:
    """Return the reason for which a line can't be shown, if it is not clean text."""
    if b"\0" in line:
        return "nul_byte"
    if len(line) > LONGEST_LINE:
        return "line_too_long"
    if not line.isascii():
        try:
            line.decode()
        except UnicodeDecodeError:
            return "invalid_utf8"
    return None

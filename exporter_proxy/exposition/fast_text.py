"""The fast path: families as client libraries write them, a block at a time.

A block is what follows a TYPE line up to the next line with ``#``. If all its lines are samples of
that family and need no change, its bytes are the family's samples. Whatever is not like that is
left to :mod:`slow_text`.
"""

import re
from collections.abc import Generator

from exporter_proxy.exposition.drafts import Book, Chunk, Run
from exporter_proxy.exposition.grammar import (
    LONGEST_LINE,
    NAME,
    NAME_ALONE,
    OPENMETRICS_TYPES,
    TYPES,
)
from exporter_proxy.exposition.metadata import MetadataReader
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.exposition.shapes import count_block

STEP = 262_144
"""Bytes read between two points at which others may be served: about a millisecond."""

_WORDS = b"|".join(TYPES)
# HELP and TYPE, or TYPE and HELP, or TYPE alone, or with UNIT, laid out as everyone does.
_HEAD = re.compile(
    rb"# (?:HELP ("
    + NAME
    + rb") (?![ \t])([^\n\\]*+)\n# )?+TYPE ("
    + NAME
    + rb") ("
    + _WORDS
    + rb")\n(?:# HELP ("
    + NAME
    + rb") (?![ \t])([^\n\\]*+)\n)?+"
)
_COUNTED = {"histogram", "summary"}
_HASH, _NEWLINE = 0x23, 0x0A


class FastReader:
    """Cuts text into blocks and takes those into a book that are as they ought to be."""

    def __init__(self, book: Book, metadata: MetadataReader, *, fast: bool = True) -> None:
        self._book = book
        self._metadata = metadata
        self._fast = fast
        self.line = 1
        """Number of the next line to be read."""
        # the family that HELP or TYPE named last
        self._context = b""
        self._clean = False

    def read(self, text: bytes) -> Generator[None, None, None]:
        """Read the next piece; it begins and ends where a line does.

        Yields:
            Nothing, now and then, so that others may be served.
        """
        self._clean = b"\0" not in text and (text.isascii() or _is_utf8(text))
        position, size, pause = 0, len(text), STEP
        while position < size:
            if position >= pause:
                pause = position + STEP
                yield
            if text[position] == _HASH:
                position = self._head(text, position, size)
            else:
                end = _next_head(text, position, size)
                yield from self._blocks(text, position, end)
                position = end

    def _head(self, text: bytes, start: int, size: int) -> int:
        """Read HELP, TYPE or a comment; and the samples of the family, if they are as usual."""
        match = _HEAD.match(text, start) if self._fast else None
        if match is not None:
            help_name, help_text, name, word, late_name, late_text = match.groups()
            book = self._book
            if (
                (help_name is None or help_name == name)
                and name not in book.fast
                and name not in book.drafts
            ):
                body = match.end()
                lines = 1 if help_name is None else 2
                if late_name is not None:
                    if late_name == name and help_name is None:
                        help_text = late_text
                        lines = 2
                    else:
                        body = match.start(5) - 7  # "# HELP "
                end = self._family(text, start, body, size, lines, name, word, help_text)
                if end:
                    return end
        end = text.find(b"\n", start)
        name = self._metadata.read(text[start:end], self.line)
        if name is not None:
            self._context = name
        self.line += 1
        return end + 1

    def _family(
        self,
        text: bytes,
        start: int,
        body: int,
        size: int,
        lines: int,
        name: bytes,
        word: bytes,
        help_text: bytes | None,
    ) -> int:
        """Take in a family with all its samples; return where it ends, or 0 if that can't be."""
        book = self._book
        dialect = book.dialect
        kind = TYPES[word]
        if not self._clean or (word == b"unknown") != (dialect.seconds and kind == "untyped"):
            return 0
        if (word in OPENMETRICS_TYPES and not dialect.seconds) or body - start > LONGEST_LINE:
            return 0
        end = text.find(b"#", body)
        while end > 0 and text[end - 1] != _NEWLINE:
            end = text.find(b"\n#", end) + 1
        if end <= 0:
            end = size
        if end - body > STEP:
            return 0
        line = self.line
        if end == body:
            empty = Family(dialect.empty_name(name, kind), kind, b"", 0, help=help_text)
            book.fast[name] = ((empty,), line, 0, -1, text, start, body, end)
            self.line = line + lines
        else:
            last = end
            while text[last - 2] == _NEWLINE and last > body + 1:
                last -= 1
            families_count = self._samples(text, body, last, name, kind, help_text)
            if families_count is None:
                return 0
            families, samples = families_count
            entry = (families, line, line + lines, book.next_ordinal(), text, start, body, last)
            book.fast[name] = entry
            self.line = line = line + lines + samples
            if last != end:
                book.tally.add("blank_lines", line, end - last)
                self.line += end - last
        self._context = name
        if kind in _COUNTED:
            book.may_clash = True
        return end

    def _samples(
        self,
        text: bytes,
        start: int,
        end: int,
        name: bytes,
        kind: FamilyType,
        help_text: bytes | None,
    ) -> tuple[tuple[Family, ...], int] | None:
        """Return the families that a block of samples makes, and its lines; None: not usual."""
        parts = self._checked(text, start, end, name, kind)
        if parts is None:
            return None
        families = tuple(
            Family(
                part_name,
                "gauge" if place else kind,
                samples,
                count,
                help=help_text,
            )
            for place, (part_name, samples, count) in enumerate(parts)
        )
        return families, sum(part[2] for part in parts)

    def _checked(
        self, text: bytes, start: int, end: int, name: bytes, kind: FamilyType
    ) -> list[tuple[bytes, bytes, int]] | None:
        """Return name, samples and count of what a block holds, if it is as it ought to be."""
        dialect = self._book.dialect
        counted = count_block(text, start, end, name, kind, dialect.fast_suffixes(kind))
        if counted is None:
            return None
        samples, created, comma = counted
        body = text[start:end]
        if comma:
            return None
        text_name = dialect.usual_name(name, kind)
        if not created:
            return [(text_name, body, samples)]
        prefix = name + b"_created"
        lines = body.splitlines(keepends=True)
        births = [line for line in lines if line.startswith(prefix)]
        others = [line for line in lines if not line.startswith(prefix)]
        if not others:
            return None
        return [
            (text_name, b"".join(others), samples - created),
            (prefix, b"".join(births), created),
        ]

    def _blocks(self, text: bytes, start: int, end: int) -> Generator[None, None, None]:
        """Read samples that do not stand right below their TYPE, or are very many."""
        while start < end:
            stop = end
            if end - start > STEP:
                stop = text.rfind(b"\n", start, start + STEP) + 1
                if stop <= start:
                    stop = text.find(b"\n", start) + 1
            self._block(text, start, stop)
            start = stop
            yield

    def _block(self, text: bytes, start: int, end: int) -> None:
        book = self._book
        name = self._context
        parts = None
        kind = book.kind(name) if self._fast and self._clean else None
        if kind is not None and NAME_ALONE.fullmatch(name) and end - start <= LONGEST_LINE:
            parts = self._checked(text, start, end, name, kind)
        if parts is None:
            body = text[start:end]
            book.defer(self.line, body, name)
            self._odd_metadata(body)
            self.line += body.count(b"\n")
            return
        draft = book.draft(name)
        raw = text[start:end]
        draft.raw.append((self.line, raw))
        for part_name, samples, count in parts:
            draft.chunks.append(Chunk(self.line, part_name, samples, None, count))
        draft.runs.append(Run(book.next_ordinal(), 0, self.line))
        self.line += sum(count for _, _, count in parts)

    def _odd_metadata(self, body: bytes) -> None:
        """Read the HELP and TYPE lines that begin with blanks: types must be known in time."""
        if b"#" not in body:
            return
        body = b"\n" + body
        number, seen = self.line - 1, 0
        for match in _ODD.finditer(body):
            number += body.count(b"\n", seen, match.start(1))
            seen = match.start(1)
            name = self._metadata.read(match[1], number)
            if name is not None:
                self._context = name


_ODD = re.compile(rb"\n([ \t]++#[^\n]*+)")


def _next_head(text: bytes, start: int, size: int) -> int:
    """Return where the next line that begins with ``#`` is, or the end."""
    found = text.find(b"\n#", start) + 1
    return found or size


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True

"""The fast path: families as client libraries write them, a block at a time.

A block is what follows a TYPE line up to the next line that begins with ``#``. If all its lines
are samples of that family and need no change, its bytes are the family's samples. Whatever is not
like that is left to :mod:`slow_text`.
"""

import re
from collections.abc import Generator

from exporter_proxy.exposition.blocks import SHAPES, Block, Part, read_block
from exporter_proxy.exposition.drafts import Book, Chunk, Run
from exporter_proxy.exposition.grammar import (
    LONGEST_LINE,
    NAME,
    NAME_ALONE,
    OPENMETRICS_TYPES,
    SPECIAL,
    TYPES,
)
from exporter_proxy.exposition.metadata import MetadataReader
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.exposition.shapes import ANCHORED

STEP = 131_072
"""Bytes, and families, read between two points at which others may be served: a millisecond or
two."""
_FAMILIES = 512

_WORDS = b"|".join(sorted(TYPES))
_HELP = rb"# HELP (" + NAME + rb") (?![ \t])([^\n\\]*+)\n"
_TYPE = rb"# TYPE (" + NAME + rb") (" + _WORDS + rb")\n"
# HELP and TYPE, or TYPE alone, laid out as everyone does; and TYPE and HELP.
_HEAD = re.compile(rb"(?:" + _HELP + rb")?+" + _TYPE)
_LATE_HELP = re.compile(_HELP)
_HASH, _NEWLINE = 0x23, 0x0A


class FastReader:
    """Cuts text into blocks and takes those into a book that are as they ought to be.

    Attributes:
        line: Number of the next line.
    """

    def __init__(
        self, book: Book, metadata: MetadataReader, *, oldest: int | None, fast: bool = True
    ) -> None:
        self.line = 1
        self._book = book
        self._metadata = metadata
        self._oldest = oldest
        self._fast = fast
        # the family that HELP or TYPE named last
        self._context = b""
        # whether the piece is UTF-8 without NUL
        self._clean = False
        # Types whose samples have one name, the same in both formats or with a suffix; the suffix.
        dialect = book.dialect
        self._plain: dict[bytes, tuple[FamilyType, bytes]] = {
            word: (kind, dialect.usual_suffix(kind))
            for word, kind in TYPES.items()
            if kind not in SPECIAL and self._is_native(word)
        }

    def _is_native(self, word: bytes) -> bool:
        """Tell whether a type's name is of the format that is read."""
        if self._book.dialect.seconds:
            return word != b"untyped"
        return word != b"unknown" and word not in OPENMETRICS_TYPES

    def read(self, text: bytes) -> Generator[None, None, None]:
        """Read the next piece; it begins and ends where a line does.

        Yields:
            Nothing, now and then, so that others may be served.
        """
        self._clean = b"\0" not in text and (text.isascii() or _is_utf8(text))
        position, size = 0, len(text)
        while position < size:
            yield
            if self._fast and self._clean:
                position = self._usual(text, position, min(position + STEP, size))
                if position >= size:
                    break
            if text[position] == _HASH:
                position = self._head(text, position, size)
            else:
                end = text.find(b"\n#", position) + 1 or size
                yield from self._blocks(text, position, end)
                position = end

    def _usual(self, text: bytes, position: int, limit: int) -> int:
        """Read families as long as they are as usual, of types without special labels.

        All that is done for a family is done here: each call of a function would cost as much as
        one of the native checks.

        Returns:
            Where the first line is that was not read.
        """
        fast, drafts, plain = self._book.fast, self._book.drafts, self._plain
        places = self._book.places
        head, find, count = _HEAD.match, text.find, text.count
        line, ordinal = self.line, self._book.ordinal
        last = ordinal + _FAMILIES
        while position < limit and ordinal < last:
            match = head(text, position)
            if match is None:
                break
            help_name, help_text, name, word = match.groups()
            if word not in plain or name in fast or name in drafts:
                break
            body = match.end()
            end = find(b"#", body)
            # The end is nearly always there, and a mark within a line is nearly never.
            if end <= body or text[end - 1] != _NEWLINE or end - position > STEP:
                break
            kind, suffix = plain[word]
            pieces = text[body : find(b"\n", body)].split(b'"')
            if len(pieces) > 1:
                labels = pieces[0][len(name) + len(suffix) :] + b"".join(pieces[2:-1:2])
                mark = b"\n" + name + suffix + b"{"
            else:
                labels = b""
                mark = b"\n" + name + suffix + b" "
            matcher = SHAPES.plain.get(labels)
            samples = count(mark, body - 1, end)
            if (
                matcher is None
                or samples != count(b"\n", body, end)
                or matcher(ANCHORED, text, body, end)[0][0] < 0
                or (help_name is not None and help_name != name)
            ):
                break
            family = Family(name + suffix, kind, text[body:end], samples, help=help_text)
            first = line + 1 if help_name is None else line + 2
            fast[name] = family
            places.append((name, line, first, ordinal, text, position, body, end))
            ordinal += 1
            line = first + samples
            position = end
            self._context = name
        self.line, self._book.ordinal = line, ordinal
        return position

    def _head(self, text: bytes, start: int, size: int) -> int:
        """Read HELP, TYPE or a comment; and the samples of the family, if they are as usual.

        Returns:
            Where the next line is.
        """
        match = _HEAD.match(text, start) if self._fast and self._clean else None
        if match is not None:
            end = self._family(text, match, size)
            if end:
                return end
        end = text.find(b"\n", start)
        name = self._metadata.read(text[start:end], self.line)
        if name is not None:
            self._context = name
        self.line += 1
        return end + 1

    def _family(self, text: bytes, match: re.Match[bytes], size: int) -> int:
        """Take in a family with all its samples; return where it ends, or 0 if that can't be."""
        help_name, help_text, name, word = match.groups()
        book = self._book
        if book.knows(name) or not self._is_native(word) or help_name not in {None, name}:
            return 0
        start, body = match.span()
        lines = 1 if help_name is None else 2
        if lines == 1 and (late := _LATE_HELP.match(text, body)) and late[1] == name:
            help_text = late[2]
            lines = 2
            body = late.end()
        end = _next_head(text, body, size)
        if end - start > STEP:
            return 0
        kind = TYPES[word]
        first = self.line + lines
        last = _without_blank_lines(text, body, end)
        if last == body:
            usual = book.dialect.empty_name(name, kind)
            book.fast[name] = Family(usual, kind, b"", 0, help=help_text)
            ordinal = -1
            self.line = first
        else:
            block = read_block(text, body, last, name, kind, book.dialect)
            if block is None:
                return 0
            book.fast[name] = _family(block.parts[0], kind, help_text)
            if len(block.parts) > 1:
                book.births[name] = _family(block.parts[1], "gauge", help_text)
            ordinal = book.next_ordinal()
            self._count(block, first)
            self.line = first + block.samples
        if last != end:
            book.tally.add("blank_lines", self.line, end - last)
            self.line += end - last
        if kind in SPECIAL:
            book.special.append(name)
        book.places.append((name, first - lines, first, ordinal, text, start, body, last))
        self._context = name
        return end

    def _count(self, block: Block, first: int) -> None:
        """Count what is to be said of a block, whose first line has the number ``first``."""
        tally = self._book.tally
        if block.comma:
            tally.add("trailing_comma", first, block.samples)
        if self._oldest is not None and block.stamps and min(block.stamps) < self._oldest:
            old = [place for place, stamp in enumerate(block.stamps) if stamp < self._oldest]
            tally.add("old_timestamp", first + old[0], len(old))

    def _blocks(self, text: bytes, start: int, end: int) -> Generator[None, None, None]:
        """Read samples that do not stand right below their TYPE, or are very many."""
        while start < end:
            stop = end
            if end - start > STEP:
                stop = text.rfind(b"\n", start, start + STEP) + 1
                if stop <= start:
                    stop = text.find(b"\n", start) + 1
            yield from self._block(text, start, stop)
            start = stop
            yield

    def _block(self, text: bytes, start: int, end: int) -> Generator[None, None, None]:
        book, name = self._book, self._context
        block = None
        kind = book.kind(name) if self._fast and self._clean and start else None
        if kind is not None and NAME_ALONE.fullmatch(name) and end - start <= LONGEST_LINE:
            block = read_block(text, start, end, name, kind, book.dialect)
        body = text[start:end]
        if block is None:
            book.defer(self.line, body, name)
            yield from self._odd_metadata(body)
            self.line += body.count(b"\n")
            return
        draft = book.draft(name)
        draft.raw.append((self.line, body))
        for part in block.parts:
            draft.chunks.append(Chunk(self.line, *part))
        draft.runs.append(Run(book.next_ordinal(), self.line))
        self._count(block, self.line)
        self.line += block.samples

    def _odd_metadata(self, body: bytes) -> Generator[None, None, None]:
        """Read the HELP and TYPE lines that begin with blanks: types must be known in time."""
        if b"#" not in body:
            return
        body = b"\n" + body
        number, seen = self.line - 1, 0
        for place, match in enumerate(_ODD.finditer(body)):
            if place % _FAMILIES == _FAMILIES - 1:
                yield
            number += body.count(b"\n", seen, match.start(1))
            seen = match.start(1)
            name = self._metadata.read(match[1], number)
            if name is not None:
                self._context = name


_ODD = re.compile(rb"\n([ \t]++#[^\n]*+)")


def _family(part: Part, kind: FamilyType, help_text: bytes | None) -> Family:
    return Family(
        part.name, kind, part.text, part.samples, help=help_text, openmetrics=part.openmetrics
    )


def _next_head(text: bytes, start: int, size: int) -> int:
    """Return where the next line that begins with ``#`` is, or the end."""
    if text.startswith(b"#", start):
        return start
    # A single byte is looked for many times as fast as two.
    found = text.find(b"#", start)
    if found > 0 and text[found - 1] != _NEWLINE:
        found = text.find(b"\n#", found) + 1
    return found if found > 0 else size


def _without_blank_lines(text: bytes, start: int, end: int) -> int:
    """Return where the last line ends that is not blank, or ``start``; a newline is before it."""
    while end > start and text[end - 2] == _NEWLINE:
        end -= 1
    return end


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True

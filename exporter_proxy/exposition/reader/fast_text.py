"""The fast path: families as client libraries write them, a block at a time.

A block is what follows a TYPE line up to the next line that begins with ``#``. If all its lines
are samples of that family and need no change, its bytes are the family's samples. Whatever is not
like that is left to :mod:`slow_text`.
"""

import codecs
import re
from collections.abc import Generator

from exporter_proxy.exposition.grammar import LONGEST_LINE, NAME_ALONE, SPECIAL, TYPES
from exporter_proxy.exposition.model import Family, FamilyType, Format
from exporter_proxy.exposition.reader.blocks import SHAPES, Block, Part, read_block
from exporter_proxy.exposition.reader.drafts import Book, Chunk, Run
from exporter_proxy.exposition.reader.metadata import MetadataReader
from exporter_proxy.exposition.reader.plans import HEAD, HELP, Plan, Plans, is_native, make_plan
from exporter_proxy.exposition.reader.shapes import AT_START

STEP = 131_072
"""Bytes, and families, read between two points at which others may be served: a millisecond or
two."""
_FAMILIES = 512
# Bytes that are decoded in one go.
_DECODED = 1 << 20
_new_decoder = codecs.getincrementaldecoder("utf-8")

_LATE_HELP = re.compile(HELP)
# shared by all readers
_PLANS: dict[Format, Plans] = {"text": Plans(), "openmetrics": Plans()}
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
        # how far the piece is known to be of a shape, by the shape's key
        self._known: dict[bytes, int] = {}
        self._plans = _PLANS[book.dialect.format]

    def read(self, text: bytes) -> Generator[None, None, None]:
        """Read the next piece; it begins and ends where a line does.

        Yields:
            Nothing, now and then, so that others may be served.
        """
        self._clean = b"\0" not in text and (text.isascii() or (yield from _is_utf8(text)))
        self._known.clear()
        position, size = 0, len(text)
        while position < size:
            yield
            if self._fast and self._clean:
                position = self._usual(text, position, min(position + STEP // 4, size))
                if position >= size:
                    break
            if text[position] == _HASH:
                position = self._head(text, position, size)
            else:
                end = _next_head(text, position, size)
                # A piece may be one line that is endless: whatever is done to that takes a step.
                yield
                yield from self._blocks(text, position, end)
                position = end

    def _usual(self, text: bytes, position: int, limit: int) -> int:
        """Read families as long as they are as usual.

        All that is done for a family is done here: each call of a function would cost as much as
        one of the native checks.

        Returns:
            Where the first line is that was not read.
        """
        book, known = self._book, self._known
        fast, drafts, places, special = book.fast, book.drafts, book.places, book.special
        find, count, starts = text.find, text.count, text.startswith
        size, after, head = len(text), self._plans.after, b""
        line, ordinal, context = self.line, book.ordinal, self._context
        last = ordinal + _FAMILIES
        while position < limit and ordinal < last:
            before = head
            plan = after.get(before)
            if plan is None or not starts(plan[0], position):
                plan = self._plan(text, position, before)
                if plan is None:
                    break
            head, name, usual, kind, help_text, lines, shape, mark, other = plan
            body = position + len(head)
            # The end is nearly always there, and a mark within a line is nearly never.
            end = find(b"#", body)
            if end <= body or text[end - 1] != _NEWLINE:
                end = _next_head(text, body, size)
            if end == body or end - position > STEP or name in fast or name in drafts:
                break
            lines_text = text[body:end]
            # a good deal faster than to count them
            samples = end - body - len(lines_text.replace(b"\n", b""))
            named = count(mark, body - 1, end)
            if named != samples and other:
                named += count(other, body - 1, end)
            if named != samples or (
                known.get(shape, 0) < end and self._reach(text, body, shape) < end
            ):
                if not self._plan_anew(text, body, before, plan):
                    break
                head = before
                continue
            fast[name] = Family(usual, kind, lines_text, samples, help_text)
            first = line + lines
            places.append((name, line, first, ordinal, text, position, body, end))
            if kind in SPECIAL:
                special.append(name)
            ordinal += 1
            line = first + samples
            position = end
            context = name
        self.line, book.ordinal, self._context = line, ordinal, context
        return position

    def _reach(self, text: bytes, body: int, shape: bytes) -> int:
        """Return up to where the lines are of a shape, those of further families included."""
        matcher = SHAPES.usual.get(shape)
        if matcher is None:
            return 0
        reached = matcher(AT_START, text, body, min(body + STEP, len(text)))[0][1]
        self._known[shape] = reached
        return reached

    def _plan(self, text: bytes, position: int, before: bytes) -> Plan | None:
        """Return a plan for the family at ``position``; None: there is none that is as usual."""
        if text[position] != _HASH:
            return None
        body = text.find(b"\n", position) + 1
        if text.startswith(b"#", body):
            body = text.find(b"\n", body) + 1
        if body - position > LONGEST_LINE:
            return None
        head = text[position:body]
        plan = self._plans.get(head)
        if plan is None:
            plan = self._make_plan(text, head, body)
            if plan is None:
                return None
        self._plans.keep(plan, before)
        return plan

    def _plan_anew(self, text: bytes, body: int, before: bytes, old: Plan) -> bool:
        """Make another plan for a family that is not like the one there was; tell if there is."""
        plan = self._make_plan(text, old.head, body)
        if plan is None or plan == old:
            return False
        self._plans.keep(plan, before)
        return True

    def _make_plan(self, text: bytes, head: bytes, body: int) -> Plan | None:
        return make_plan(head, text[body : text.find(b"\n", body)], self._book.dialect)

    def _head(self, text: bytes, start: int, size: int) -> int:
        """Read HELP, TYPE or a comment; and the samples of the family, if they are as usual.

        Returns:
            Where the next line is.
        """
        line_end = text.find(b"\n", start)
        is_short = line_end - start <= LONGEST_LINE
        match = HEAD.match(text, start) if self._fast and self._clean and is_short else None
        if match is not None:
            end = self._family(text, match, size)
            if end:
                return end
        end = line_end
        name = self._metadata.read(text[start:end], self.line)
        if name is not None:
            self._context = name
        self.line += 1
        return end + 1

    def _family(self, text: bytes, match: re.Match[bytes], size: int) -> int:
        """Take in a family with all its samples; return where it ends, or 0 if that can't be."""
        help_name, help_text, name, word = match.groups()
        book = self._book
        if book.knows(name) or not is_native(word, book.dialect) or help_name not in {None, name}:
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
            yield
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


def _is_utf8(text: bytes) -> Generator[None, None, bool]:
    """Tell, in steps, whether a text is UTF-8."""
    decoder = _new_decoder()
    try:
        for start in range(0, len(text), _DECODED):
            if start:
                yield
            end = start + _DECODED
            decoder.decode(text[start:end], end >= len(text))
    except UnicodeDecodeError:
        return False
    return True

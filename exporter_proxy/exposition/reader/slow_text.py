"""The slow path: lines read one by one, for blocks that are not as they usually are."""

import re
from collections.abc import Generator
from typing import NamedTuple

from exporter_proxy.exposition.grammar import (
    LABEL_PAIRS,
    LABEL_SET,
    LONGEST_LINE,
    NAME,
    SAFE_VALUE,
    SPECIAL,
    LineError,
    is_go_float,
    shown,
)
from exporter_proxy.exposition.reader.blocks import WINDOW, skip_alike
from exporter_proxy.exposition.reader.drafts import Book, Chunk, Deferred, Draft, Run
from exporter_proxy.exposition.reader.line_reader import (
    LONGEST_SET,
    Sample,
    check_number,
    guess_name,
    read_sample,
)
from exporter_proxy.exposition.reader.metadata import OpenMetricsSignError, metadata_name

# Lines of a block, and bytes of short blocks, read between points at which others may be served.
_STEP = 200
_STEP_BYTES = 4_096

# A sample that needs no change (1: name, 2: labels), or any other line (3).
_LINE = re.compile(
    rb"(" + NAME + rb")(?:\{(" + LABEL_SET + rb")\})?+ " + SAFE_VALUE + rb"\n|([^\n]*+)\n"
)
_MOST_LABEL_SETS = 4096
# Families of a block that are brought to an end between two such points.
_FAMILIES = 500
# Of a line that is too long, what is looked at.
_HEAD_BYTES = 4_096


class Owner(NamedTuple):
    """What samples of a name belong to.

    Attributes:
        draft: The family.
        name: Of the family in the text format.
        special: The label whose value must be a number, if there is one.
        needed: Whether ``special`` ought to be there.
        odd: Whether samples of this name don't belong into a family of this type.
        exemplars: Whether exemplars may stand here.
    """

    draft: Draft
    name: bytes
    special: bytes
    needed: bool
    odd: bool
    exemplars: bool


class _SameName(NamedTuple):
    """Lines with one name that need no change, from ``start`` on."""

    name: bytes
    owner: Owner
    start: int
    line: int


class _Mended:
    """Samples of one family on successive lines, each written anew."""

    __slots__ = ("line", "openmetrics", "owner", "raw", "text")

    def __init__(self, owner: Owner, line: int) -> None:
        self.owner = owner
        self.line = line
        self.raw: list[bytes] = []
        self.text: list[bytes] = []
        self.openmetrics: list[bytes] = []

    def goes_on(self, owner: Owner, line: int) -> bool:
        """Tell whether the sample on this line is one more."""
        mine = self.owner
        return (
            mine.draft is owner.draft
            and mine.name == owner.name
            and line == self.line + len(self.text)
        )

    def enter(self) -> None:
        """Add the samples to their family."""
        text, openmetrics = b"".join(self.text), b"".join(self.openmetrics)
        other = None if openmetrics == text else openmetrics
        chunk = Chunk(self.line, self.owner.name, text, other, len(self.text))
        self.owner.draft.add(chunk, b"".join(self.raw))


class SlowReader:
    """Reads the blocks that were set aside in a book."""

    def __init__(self, book: Book, *, oldest: int | None, sniff: bool, fast: bool = True) -> None:
        self._book = book
        self._tally = book.tally
        self._oldest = oldest
        self._sniff = sniff
        self._fast = fast
        self._owners: dict[bytes, Owner] = {}
        self._label_sets: dict[tuple[bytes, ...], LineError | None] = {}
        self._context = b""
        self._clean = False
        # the owner of the last sample in the block, and how many runs the block has so far
        self._last: Draft | None = None
        self._runs = 0
        self._ordinal = 0
        self._mended: _Mended | None = None
        # the families that have samples in the block, with the sizes of their lists before it
        self._touched: dict[Draft, tuple[int, int]] = {}
        # read since others were served
        self._bytes = 0

    def read(self) -> Generator[None, None, None]:
        """Read all blocks.

        Yields:
            Nothing, now and then, so that others may be served.

        Raises:
            OpenMetricsSignError: The payload is no text.
        """
        for deferred in self._book.deferred:
            self._bytes += len(deferred.text)
            if self._bytes >= _STEP_BYTES:
                self._bytes = 0
                yield
            yield from self._block(deferred)
            self._book.set_runs(self._ordinal, self._runs)

    def _block(self, block: Deferred) -> Generator[None, None, None]:
        text = block.text
        self._context = block.context
        self._ordinal, self._runs, self._last = block.ordinal, 0, None
        if len(text) > LONGEST_LINE:
            # blocks are short unless they have a single line that is long
            self._long_line(text, block.line)
            return
        self._clean = _is_clean(text)
        number = block.line - 1
        run: _SameName | None = None
        position, tried, pause = 0, 0, number + _STEP
        while position < len(text):
            match = _LINE.match(text, position)
            assert match is not None  # it takes any line
            start, position = match.span()
            number += 1
            if number >= pause:
                pause = number + _STEP
                yield
            problem = None
            if match.lastindex != 3 and self._clean:
                if run is None or match[1] != run.name:
                    self._take(run, text, start, number)
                    run = _SameName(match[1], self._owner(match[1], number), start, number)
                problem = self._check(match[2], run.owner, number)
                if problem is None:
                    if self._fast and position >= tried and not run.owner.special:
                        lines, position = skip_alike(text, position, run.name)
                        number += lines
                        tried = position if lines else position + WINDOW
                    continue
            self._take(run, text, start, number)
            run = None
            if problem is None:
                self._line(match[0], number)
            else:
                self._fail(match[0], number, problem, match[1])
        self._take(run, text, len(text), number + 1)
        self._flush()
        yield from self._compact()

    def _compact(self) -> Generator[None, None, None]:
        """Join what was read of each family of the block."""
        for count, (draft, sizes) in enumerate(self._touched.items(), 1):
            if count % _FAMILIES == 0:
                yield
            if len(draft.raw) > sizes[1] + 1:
                draft.compact(*sizes)
        self._touched.clear()

    def _take(self, run: _SameName | None, text: bytes, end: int, number: int) -> None:
        """Add samples that need no change; ``number`` is that of the line at ``end``."""
        if run is None or run.start == end:
            return
        draft = run.owner.draft
        self._enter(draft, run.line)
        chunk = Chunk(run.line, run.owner.name, text[run.start : end], None, number - run.line)
        draft.add(chunk)

    def _enter(self, draft: Draft, number: int) -> None:
        if draft is not self._last:
            runs = draft.runs
            if draft not in self._touched:
                self._touched[draft] = (len(draft.chunks), len(draft.raw))
                runs.append(Run(self._ordinal, number, self._runs, self._runs))
            else:
                self._tally.add("scattered_samples", number)
                runs[-1] = Run(self._ordinal, runs[-1].line, runs[-1].first, self._runs)
            self._runs += 1
            self._last = draft

    def _check(self, labels: bytes | None, owner: Owner, number: int) -> LineError | None:
        """Return what is wrong with the labels of a line that is well formed."""
        if labels is None:
            if owner.needed or owner.odd:
                self._tally.add("misplaced_sample", number)
            return None
        if len(labels) > LONGEST_SET:
            try:
                check_number(labels)
            except LineError as error:
                return error
        pairs = LABEL_PAIRS.findall(labels)
        names = tuple([name for name, _ in pairs])
        if names not in self._label_sets:
            if len(self._label_sets) >= _MOST_LABEL_SETS:
                self._label_sets.clear()
            self._label_sets[names] = _label_problem(names)
        problem = self._label_sets[names]
        if problem is None and owner.special:
            return self._check_special(dict(pairs), owner, number)
        return problem

    def _check_special(
        self, labels: dict[bytes, bytes], owner: Owner, number: int
    ) -> LineError | None:
        value = labels.get(owner.special)
        if value is not None and not is_go_float(value):
            reason = "bad_bucket" if owner.special == b"le" else "bad_quantile"
            label = owner.special.decode()
            return LineError(reason, f"{label} {shown(value)} is not a number")
        if owner.odd or (owner.needed and value is None):
            self._tally.add("misplaced_sample", number)
        return None

    def _line(self, line: bytes, number: int) -> None:
        """Read a line that needs a closer look."""
        stripped = line.strip(b" \t\r\n")
        if not stripped:
            self._tally.add("blank_lines", number)
        elif stripped.startswith(b"#"):
            # what it says was read before
            self._context = metadata_name(line[:-1]) or self._context
        else:
            try:
                self._sample(line, number)
            except LineError as error:
                self._fail(line, number, error, guess_name(line[:-1]))

    def _long_line(self, line: bytes, number: int) -> None:
        """Set a line aside that is too long, without a look at more than its beginning."""
        head = line[:_HEAD_BYTES]
        start = head.lstrip(b" \t\r\n")
        if start.startswith(b"#") or (not start and line.isspace()):
            self._line(line, number)
        else:
            error = LineError("line_too_long", f"a line has {len(line)} bytes")
            self._fail(line, number, error, guess_name(head))

    def _sample(self, line: bytes, number: int) -> None:
        if not self._clean:
            _check_clean(line)
        dialect = self._book.dialect
        sample = read_sample(line[:-1], dialect)
        owner = self._owner(sample.name, number)
        if owner.special:
            problem = self._check_special(sample.labels, owner, number)
            if problem is not None:
                raise problem
        openmetrics = self._openmetrics(sample, owner, number)
        for note in sample.notes:
            self._tally.add(note, number)
        self._check_age(sample.timestamp, number)
        if sample.quoted:
            owner.draft.quoted = True
        self._enter(owner.draft, number)
        mended = self._mended
        if mended is None or not mended.goes_on(owner, number):
            self._flush()
            mended = self._mended = _Mended(owner, number)
        mended.raw.append(line)
        mended.text.append(sample.text)
        mended.openmetrics.append(openmetrics)

    def _flush(self) -> None:
        if self._mended is not None:
            self._mended.enter()
            self._mended = None

    def _check_age(self, timestamp: int | None, number: int) -> None:
        if timestamp is not None and self._oldest is not None and timestamp < self._oldest:
            self._tally.add("old_timestamp", number)

    def _openmetrics(self, sample: Sample, owner: Owner, number: int) -> bytes:
        exemplar = sample.exemplar
        if exemplar is None:
            return sample.openmetrics + b"\n"
        if not self._book.dialect.seconds:
            if self._sniff:
                raise OpenMetricsSignError
            self._tally.add("exemplar_in_text", number)
            return sample.openmetrics + b"\n"
        if not owner.exemplars:
            self._tally.add("bad_exemplar", number)
            return sample.openmetrics + b"\n"
        return sample.openmetrics + b" " + exemplar + b"\n"

    def _fail(self, line: bytes, number: int, error: LineError, name: bytes) -> None:
        family, _ = self._book.owner(name, self._context)
        draft = self._book.draft(family)
        self._enter(draft, number)
        draft.raw.append((number, line))
        draft.fail(number, error.reason, error.message, line[:_HEAD_BYTES].removesuffix(b"\n"))

    def _owner(self, name: bytes, number: int) -> Owner:
        owner = self._owners.get(name)
        if owner is not None:
            return owner
        family, ambiguous = self._book.owner(name, self._context)
        draft = self._book.draft(family)
        owner = self._make_owner(draft, name)
        if not ambiguous:
            self._owners[name] = owner
        if self._book.dialect.seconds and name == family and draft.type in {"counter", "info"}:
            self._tally.add("counter_without_total", number)
        return owner

    def _make_owner(self, draft: Draft, sample: bytes) -> Owner:
        kind = draft.type or "untyped"
        suffix = sample[len(draft.name) :]
        special = SPECIAL.get(kind, b"")
        needed = (special == b"le" and suffix == b"_bucket") or (
            special == b"quantile" and not suffix
        )
        odd = special == b"le" and not suffix
        exemplars = suffix == b"_bucket" or (kind == "counter" and suffix == b"_total")
        name = self._book.dialect.text_name(draft.name, kind, sample)
        return Owner(draft, name, special, needed, odd, exemplars)


def _label_problem(names: tuple[bytes, ...]) -> LineError | None:
    seen = set()
    for name in names:
        if name.startswith(b"__"):
            return LineError("reserved_label", f"label name {shown(name)} is reserved")
        if name in seen:
            return LineError("duplicate_label", f"label {shown(name)} is given twice")
        seen.add(name)
    return None


def _is_clean(text: bytes) -> bool:
    """Tell whether all of ``text`` is UTF-8 without NUL."""
    try:
        _check_clean(text)
    except LineError:
        return False
    return True


def _check_clean(text: bytes) -> None:
    if b"\0" in text:
        raise LineError("nul_byte", "a line has a NUL byte")
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            raise LineError("invalid_utf8", "a line is not UTF-8") from None

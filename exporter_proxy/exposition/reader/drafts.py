"""Families while they are read: what a payload has said of each so far."""

from bisect import bisect_left
from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import NamedTuple

from exporter_proxy.exposition.findings import Tally
from exporter_proxy.exposition.grammar import shown
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.exposition.reader.dialect import SUFFIXES, Dialect
from exporter_proxy.steps import joined

_STEP = 2_000
# Bytes that are let go of, as the system takes its time to take memory back.
_FREED_A_STEP = 8 << 20
# Lines of metadata kept apart, of which a family may have any number.
_MOST_NOTES = 2_048


class Place(NamedTuple):
    """Where a family was read that is complete as it stands.

    Attributes:
        name: As HELP and TYPE have it.
        line: Of HELP or TYPE, whichever is first.
        samples_line: Of the first sample.
        ordinal: Of its block among all blocks of the payload; -1: it has no samples.
        text: Where it was read, with the positions of its first line, first sample, and end.
    """

    name: bytes
    line: int
    samples_line: int
    ordinal: int
    text: bytes
    start: int
    body: int
    end: int

    def raw(self) -> list[tuple[int, bytes]]:
        """Return the family's lines as they came, with the numbers of the first ones."""
        raw = [(self.line, self.text[self.start : self.body])]
        if self.end > self.body:
            raw.append((self.samples_line, self.text[self.body : self.end]))
        return raw


PlaceTuple = tuple[bytes, int, int, int, bytes, int, int, int]
"""The same as a plain tuple, which is made in a fraction of the time."""


class Chunk(NamedTuple):
    """Some samples of a family, next to one another in the payload.

    Attributes:
        line: Number of the first.
        name: Of the family in the text format.
        text: In the text format.
        openmetrics: In OpenMetrics; None: the same.
        samples: How many.
    """

    line: int
    name: bytes
    text: bytes
    openmetrics: bytes | None
    samples: int


class Run(NamedTuple):
    """Where samples of a family are in a block, from the first of them to the last.

    Attributes:
        ordinal: Of the block.
        line: Number of the first sample.
        first: How many runs of samples of one family come before it in the block.
        last: How many come before the last run of this family.
    """

    ordinal: int
    line: int
    first: int = 0
    last: int = 0


class Failure(NamedTuple):
    """Why a family can't be shown."""

    line: int
    reason: str
    message: str


class Draft:
    """A family of which more was said than one block in the usual order."""

    __slots__ = (
        "chunks",
        "failure",
        "help",
        "help_line",
        "name",
        "quoted",
        "raw",
        "runs",
        "type",
        "type_line",
        "unit",
        "unit_line",
    )

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.type: FamilyType | None = None
        self.type_line = 0
        self.help: bytes | None = None
        self.help_line = 0
        self.unit = b""
        self.unit_line = 0
        self.quoted = False
        self.failure: Failure | None = None
        self.chunks: list[Chunk] = []
        # all its lines as they came, with their numbers
        self.raw: list[tuple[int, bytes]] = []
        self.runs: list[Run] = []

    @property
    def line(self) -> int:
        """The number of its first line."""
        return min(line for line, _ in self.raw)

    def fail(self, line: int, reason: str, message: str, text: bytes) -> None:
        """Take the family out; of several reasons that of the first line is kept."""
        if self.failure is None or line < self.failure.line:
            self.failure = Failure(line, reason, f"{message}: {shown(text, 100)}")

    def add(self, chunk: Chunk, raw: bytes | None = None) -> None:
        """Add samples, and the lines they were read from, if those differ."""
        self.chunks.append(chunk)
        self.raw.append((chunk.line, chunk.text if raw is None else raw))

    def note(self, line: int, raw: bytes) -> None:
        """Keep a line of metadata as it came; not while samples are read line by line."""
        lines = self.raw
        lines.append((line, raw))
        if len(lines) >= _MOST_NOTES:
            half = len(lines) // 2
            lines[half:] = [(lines[half][0], b"".join([text for _, text in lines[half:]]))]

    def join_chunks(self) -> Generator[None, None, None]:
        """Join all samples of a name, in steps."""
        by_name: dict[bytes, list[Chunk]] = {}
        for chunk in sorted(self.chunks, key=_line, reverse=True):
            by_name.setdefault(chunk.name, []).append(chunk)
        self.chunks = []
        for name, chunks in by_name.items():
            line, samples = chunks[-1].line, sum([chunk.samples for chunk in chunks])
            openmetrics = None
            if any(chunk.openmetrics is not None for chunk in chunks):
                openmetrics = yield from joined(
                    chunk.text if chunk.openmetrics is None else chunk.openmetrics
                    for chunk in reversed(chunks)
                )
            text = yield from joined(_texts(chunks))
            self.chunks.append(Chunk(line, name, text, openmetrics, samples))

    def join_raw(self) -> Generator[None, None, None]:
        """Join all lines as they came, in steps."""
        lines = sorted(self.raw, key=_line)
        if lines:
            first = lines[0][0]
            self.raw = [(first, (yield from joined(text for _, text in lines)))]

    def compact(self, chunks: int, raw: int) -> None:
        """Join what was added since there were that many chunks and entries of raw lines.

        All of it must be from one block: no other lines of the family are in between.
        """
        by_name: dict[bytes, list[Chunk]] = {}
        for chunk in sorted(self.chunks[chunks:], key=_line):
            by_name.setdefault(chunk.name, []).append(chunk)
        self.chunks[chunks:] = [join_chunks(parts) for parts in by_name.values()]
        lines = sorted(self.raw[raw:], key=_line)
        self.raw[raw:] = [(lines[0][0], b"".join([text for _, text in lines]))]


def join_chunks(chunks: list[Chunk]) -> Chunk:
    """Return successive samples as one chunk; they have one name."""
    openmetrics = None
    if any(chunk.openmetrics is not None for chunk in chunks):
        openmetrics = b"".join(
            [chunk.text if chunk.openmetrics is None else chunk.openmetrics for chunk in chunks]
        )
    return Chunk(
        chunks[0].line,
        chunks[0].name,
        b"".join([chunk.text for chunk in chunks]),
        openmetrics,
        sum([chunk.samples for chunk in chunks]),
    )


def _entries_to_free(raw: list[tuple[int, bytes]]) -> int:
    """Return how many entries at the end are let go of in one step."""
    freed = 0
    for count, (_, text) in enumerate(reversed(raw), 1):
        freed += len(text)
        if freed >= _FREED_A_STEP or count >= _STEP:
            return count
    return len(raw)


def _texts(chunks: list[Chunk]) -> Iterator[bytes]:
    """Yield the samples of chunks, the last one's first, and let go of these."""
    while chunks:
        yield chunks.pop().text


def _line(entry: Chunk | tuple[int, bytes]) -> int:
    return entry[0]


class Deferred(NamedTuple):
    """Lines to be read one by one, once all types are known.

    Attributes:
        line: Number of the first.
        text: The lines.
        ordinal: Of the block among all blocks of the payload.
        context: The family that HELP or TYPE named last before.
    """

    line: int
    text: bytes
    ordinal: int
    context: bytes


class Book:
    """All families of a payload."""

    def __init__(self, dialect: Dialect, tally: Tally) -> None:
        self.dialect = dialect
        self.tally = tally
        # Families that are complete as they stand, for OpenMetrics those of their `_created`, and
        # where they were read, also for those that turned out not to be complete. One object a
        # family is seen by the garbage collector; it would be busy with three.
        self.fast: dict[bytes, Family] = {}
        self.births: dict[bytes, Family] = {}
        self.places: list[PlaceTuple] = []
        self._by_name: dict[bytes, int] = {}
        self.drafts: dict[bytes, Draft] = {}
        self.deferred: list[Deferred] = []
        # names of families whose samples have suffixes, with which others may clash
        self.special: list[bytes] = []
        # number of the next block of samples
        self.ordinal = 0
        # for blocks that were read line by line: how many runs they have
        self._runs: dict[int, int] = {}
        self._empty: list[int] = []

    def next_ordinal(self) -> int:
        """Return a number for the next block of samples."""
        self.ordinal += 1
        return self.ordinal - 1

    def set_runs(self, ordinal: int, runs: int) -> None:
        """Say how many runs a block has that was read line by line, in the order of blocks."""
        self._runs[ordinal] = runs
        if not runs:
            self._empty.append(ordinal)

    def knows(self, name: bytes) -> bool:
        """Tell whether a family was named by HELP, TYPE, UNIT or a sample."""
        return name in self.fast or name in self.drafts

    def kind(self, name: bytes) -> FamilyType | None:
        """Return the type that a family was given, or None."""
        fast = self.fast.get(name)
        if fast is not None:
            return fast.type
        draft = self.drafts.get(name)
        return None if draft is None else draft.type

    def draft(self, name: bytes) -> Draft:
        """Return what is known of a family, to add to it."""
        draft = self.drafts.get(name)
        if draft is None:
            draft = self.drafts[name] = Draft(name)
            fast = self.fast.pop(name, None)
            if fast is not None:
                _reopen(draft, self.place(name), fast, self.births.pop(name, None))
        return draft

    def place(self, name: bytes) -> Place:
        """Return where a family was read that is or was complete."""
        for number in range(len(self._by_name), len(self.places)):
            self._by_name[self.places[number][0]] = number
        return Place._make(self.places[self._by_name[name]])

    def defer(self, line: int, text: bytes, context: bytes) -> None:
        """Set lines aside."""
        self.deferred.append(Deferred(line, text, self.next_ordinal(), context))

    def owner(self, sample: bytes, context: bytes) -> tuple[bytes, bool]:
        """Return the name of the family that a sample belongs to.

        Args:
            sample: The sample's name.
            context: The family that HELP or TYPE named last before it.

        Returns:
            The family's name, and whether that depends on ``context``: a payload can have both a
            family ``x_count`` and a histogram ``x``.
        """
        base = self._base(sample)
        if base is None:
            return sample, False
        if self.kind(sample) is None:
            return base, False
        return (base if context == base else sample), True

    def _base(self, sample: bytes) -> bytes | None:
        if not sample.endswith(SUFFIXES):
            return None
        for suffix in SUFFIXES:
            if sample.endswith(suffix):
                base = sample[: -len(suffix)]
                kind = self.kind(base)
                if kind is not None and suffix in self.dialect.suffixes.get(kind, ()):
                    return base
        return None

    def clear(self) -> Generator[None, None, None]:
        """Let go of what was only needed for reading, in steps: tens of thousands of objects."""
        while self.drafts:
            for _ in range(min(len(self.drafts), _STEP // 8)):
                _, draft = self.drafts.popitem()
                while (step := _entries_to_free(draft.raw)) < len(draft.raw):
                    del draft.raw[-step:]
                    del draft.chunks[-step:]
                    del draft.runs[-step:]
                    yield
            if self.drafts:
                yield
        for entries in (self.deferred, self.places):
            while len(entries) > _STEP:
                del entries[-_STEP:]
                yield

    def count_findings(self, draft: Draft) -> Generator[None, None, None]:
        """Count what is odd about where a family's lines stand."""
        if not draft.runs:
            return
        runs = sorted(draft.runs)
        first = runs[0].line
        for line in (draft.help_line, draft.type_line, draft.unit_line):
            if line > first:
                self.tally.add("late_metadata", line)
        for number, (before, after) in enumerate(pairwise(runs)):
            if number % _STEP == _STEP - 1:
                yield
            if not self._adjacent(before, after):
                self.tally.add("scattered_samples", after.line)
        if draft.type is None and draft.failure is None:
            self.tally.add("samples_without_type", first)

    def _adjacent(self, before: Run, after: Run) -> bool:
        """Tell whether no sample of another family is between two runs."""
        if after.first != 0 or before.last != self._runs.get(before.ordinal, 1) - 1:
            return False
        between = after.ordinal - before.ordinal - 1
        empty = bisect_left(self._empty, after.ordinal) - bisect_left(self._empty, before.ordinal)
        return between == empty


def _reopen(draft: Draft, place: Place, family: Family, births: Family | None) -> None:
    draft.type = family.type
    draft.type_line = place.line
    draft.help = family.help
    draft.help_line = place.line if family.help is not None else 0
    draft.raw = place.raw()
    if place.ordinal >= 0:
        draft.runs = [Run(place.ordinal, place.samples_line)]
        draft.chunks = [
            Chunk(place.samples_line, part.name, part.samples, part.openmetrics, part.count)
            for part in (family, births)
            if part is not None
        ]

"""Payloads made to take long: what a step of reading may take is bounded, whatever they hold."""

from itertools import pairwise

import pytest

from exporter_proxy.exposition.findings import Tally
from exporter_proxy.exposition.grammar import MOST_LABELS
from exporter_proxy.exposition.reader import fast_text, slow_text
from exporter_proxy.exposition.reader.closing import close
from exporter_proxy.exposition.reader.dialect import TEXT
from exporter_proxy.exposition.reader.drafts import Book, Chunk, Draft, join_chunks
from exporter_proxy.exposition.reader.line_reader import guess_name
from exporter_proxy.steps import JOINED_BYTES
from tests.exposition.reading import read_text, samples
from tests.step_sizes import calls_of_steps


def test_looks_at_the_beginning_alone_of_a_line_that_is_too_long(monkeypatch):
    """However long it is; the family has all of it."""
    looked_at = []

    def guess(line: bytes) -> bytes:
        looked_at.append(len(line))
        return guess_name(line)

    monkeypatch.setattr(slow_text, "guess_name", guess)
    monkeypatch.setattr(slow_text, "read_sample", lambda *_: pytest.fail("it was read"))
    line = b'a{b="' + b"c" * 3_000_000 + b'"} 1\n'

    exposition = read_text(b"# TYPE a gauge\n" + line + b"# TYPE z gauge\nz 1\n")

    assert max(looked_at) <= 4_096
    (entry,) = exposition.quarantined
    assert (entry.name, entry.line, entry.reason) == (b"a", 2, "line_too_long")
    assert entry.message.startswith(f"a line has {len(line)} bytes: 'a{{b=\"")
    assert entry.text == b"# TYPE a gauge\n" + line
    assert samples(exposition) == {b"z": b"z 1\n"}


@pytest.mark.parametrize("line", [b" " * 1_100_000, b"  # " + b"c" * 1_100_000], ids=["blank", "#"])
def test_takes_a_long_line_that_is_no_sample_for_what_it_is(line):
    exposition = read_text(b"z 1\n" + line + b"\nz 2\n")

    assert samples(exposition) == {b"z": b"z 1\nz 2\n"}
    assert not exposition.quarantined


@pytest.mark.parametrize("value", [b"", b"="], ids=["empty", "equals"])
@pytest.mark.parametrize("separator", [b",", b", "], ids=["as_usual", "spaced"])
def test_takes_a_sample_with_many_labels(value, separator):
    """So many and no more, whatever their values end with."""
    pairs = [b'l%d="%b"' % (number, value) for number in range(MOST_LABELS + 1)]
    most = b"a{" + separator.join(pairs[:-1]) + b"} 1\n"
    more = b"b{" + separator.join(pairs) + b"} 1\n"
    many = b"c{" + separator.join(pairs + [b"m" + pair for pair in pairs]) + b"} 1\n"

    exposition = read_text(most + more + many)

    assert samples(exposition) == {b"a": most.replace(b", ", b",")}
    assert [(entry.name, entry.reason) for entry in exposition.quarantined] == [
        (b"b", "bad_labels"),
        (b"c", "bad_labels"),
    ]
    assert "a sample has more than 5000 labels" in exposition.quarantined[0].message


def test_lines_of_metadata_without_end_are_kept_in_few_pieces():
    """A family may have any number of them, and has them all when it is held back."""
    help_text = b"# HELP a of a\n" * 20_000
    tally = Tally()
    book = Book(TEXT, tally)
    for number, line in enumerate(help_text.splitlines(keepends=True), 1):
        book.draft(b"a").note(number, line)
    assert len(book.draft(b"a").raw) < 3_000

    (entry,) = read_text(help_text + b"a {\n").quarantined

    assert entry.text == help_text + b"a {\n"


def test_lets_go_in_steps_of_what_reading_needed():
    """In proportion to how much that is, and until nothing is left."""
    book = Book(TEXT, Tally())
    for number in range(10_000):
        book.draft(b"a%d" % number).add(Chunk(number, b"a", b"a 1\n", None, 1))
        book.draft(b"many").add(Chunk(number, b"a", b"a 1\n", None, 1))
        book.defer(number, b"a 1\n", b"")

    assert sum(1 for _ in book.clear()) >= 30
    assert not book.drafts
    assert len(book.deferred) <= 2_000


def test_joins_in_steps_what_many_families_have_in_one_block():
    """And brings each of them to an end."""
    families = [b"a%d" % number for number in range(4_000)]
    book = Book(TEXT, Tally())
    lines = b"".join(b'%b 1\n%b{b=""} 1\n' % (name, name) for name in families[::-1])
    book.defer(1, b"".join(b"%b 1\n" % name for name in families) + lines, b"")
    reader = slow_text.SlowReader(book, oldest=None, sniff=False)
    steps = reader.read()
    taken = [len(reader._touched) for _ in steps]

    assert taken.count(4_000) > 8
    assert all(len(draft.chunks) == 1 for draft in book.drafts.values())
    assert len(book.drafts) == 4_000


def test_ends_large_families_in_steps():
    """Few of them, whose samples came in several pieces."""
    book = Book(TEXT, Tally())
    text = b"a 1\n" * 25_000
    for number in range(20):
        draft = book.draft(b"a%d" % number)
        for part in range(2):
            draft.add(Chunk(part + 1, b"a%d" % number, text, None, 25_000))
    steps = sum(1 for _ in close(book))

    assert steps >= 20 * 200_000 // 2 // 262_144
    assert steps < 20


@pytest.mark.parametrize("with_openmetrics", [False, True])
def test_long_family_is_put_together_in_steps(*, with_openmetrics: bool) -> None:
    """And comes to what it is at once: each name by itself, in the order of lines."""
    text = b"a 1\n" * (JOINED_BYTES // 4)
    chunks = [
        Chunk(
            10 * number + 1,
            name,
            text + b"%d\n" % number,
            b"o %d\n" % number if with_openmetrics and number % 2 else None,
            5,
        )
        for number, name in [(3, b"a"), (0, b"a"), (1, b"b"), (2, b"a")]
    ]
    draft = Draft(b"a")
    draft.chunks = list(chunks)

    steps = sum(1 for _ in draft.join_chunks())

    expected = [
        join_chunks(sorted(each for each in chunks if each.name == name)) for name in (b"a", b"b")
    ]
    assert sorted(draft.chunks, key=lambda chunk: chunk.name) == expected
    assert steps >= 3


def test_lines_that_cannot_be_read_are_put_together_in_steps() -> None:
    draft = Draft(b"a")
    draft.raw = [(number, b"%d" % number * JOINED_BYTES) for number in (3, 1, 2)]

    steps = sum(1 for _ in draft.join_raw())

    assert draft.line == 1
    assert draft.raw == [(1, b"".join(b"%d" % number * JOINED_BYTES for number in (1, 2, 3)))]
    assert steps >= 3


def test_what_was_read_is_let_go_of_in_steps() -> None:
    """A few MiB at a time, wherever the long entries stand, or some thousand entries."""
    book = Book(TEXT, Tally())
    long = [(number, b"x" * JOINED_BYTES) for number in range(20)]
    short = [(number, b"x") for number in range(5_000)]
    draft = book.draft(b"a")
    draft.raw = [*short, *long, (0, b"x")]
    left = [len(draft.raw)]

    left.extend(len(draft.raw) for _ in book.clear())

    assert max(before - now for before, now in pairwise(left)) <= 2_000
    assert sum(1 for each in left if 5_000 <= each < 5_021) >= 2


@pytest.mark.parametrize("cut", [0, 1])
@pytest.mark.parametrize("size", [10, 5 << 20])
def test_text_is_decoded_in_steps(size: int, cut: int) -> None:
    """Characters that stand across steps are whole, and one that the end cuts is none."""
    text = (b"x" + "ü".encode() * (size // 2))[: size + 1 - cut]

    valid, calls = calls_of_steps(fast_text._is_utf8(text))

    assert valid is not bool(cut)
    assert len(calls) == -(-len(text) // fast_text._DECODED)

"""What is known of copies: of files of which nothing was read, with headers, of cut lines."""

import gzip
import itertools
from pathlib import Path

import pytest

from tests.sources.log.rotating import watch


@pytest.mark.parametrize("late", [0, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_of_which_nothing_was_read_is_found_in_its_copy(log, reader, packed, late):
    """Also in one that lacks what came between the copy and the truncation."""
    log.append(3)
    reader.look()
    kept = log.written.copy()
    log.copy()
    log.append(late)
    reader.look()
    log.truncate()
    if packed:
        log.pack(1)
    log.append(20)
    reader.read()
    reader.poll()

    assert reader.lines == kept + log.written[3 + late :]


def test_rotations_of_a_file_of_which_nothing_was_read(log, reader):
    """Several, by the time that it is read for the first time."""
    log.append(3)
    reader.look()
    for _ in range(3):
        log.copy()
        log.truncate()
        log.append(3)
    reader.poll()

    assert reader.lines == log.written


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("counts", [*itertools.product([0, 1, 30], [1, 30], [1, 5])])
def test_files_with_the_same_header_are_told_from_each_other(log, reader, packed, counts):
    """It is longer than what copies are told by that lack the end of what was read."""
    header = b"# " + b"x" * 2000
    unread, second, third = counts

    def begin(lines):
        log.path.write_bytes(header + b"\n")
        log.append(lines)

    begin(5)
    reader.poll()
    log.append(unread)
    for count in (second, third):
        log.copy()
        log.truncate()
        if packed:
            log.pack(1)
        begin(count)
    reader.poll()

    assert [line for line in reader.lines if line != header] == log.written


def test_a_packed_copy_of_a_file_that_is_still_there_is_unpacked_once(log, reader, monkeypatch):
    """It lacks the end of what was read."""
    log.append(3)
    packed = gzip.compress(log.path.read_bytes())
    log.append(3)
    reader.poll()
    Path(f"{log.first}.gz").write_bytes(packed)
    reader.poll()
    calls = []
    watch(monkeypatch, calls.append)
    reader.poll()

    assert reader.lines == log.written
    assert "unpack" not in calls


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("seen", [*itertools.product(["", "look", "poll"], repeat=3)])
def test_a_line_that_is_cut_in_three_is_put_together(log, reader, packed, seen):
    """Whenever it is looked at or read."""

    def rotate():
        log.copy()
        log.truncate()
        if packed:
            log.pack(1)

    def middle():
        with log.path.open("ab") as file:
            file.write(b" middle")
        log._open += b" middle"

    log.append(1)
    reader.poll()
    log.begin()
    rotate()
    for what, then in zip(seen, (middle, rotate, log.finish), strict=True):
        if what:
            getattr(reader, what)()
        then()
    log.append(2)
    reader.poll()

    assert reader.lines == log.written

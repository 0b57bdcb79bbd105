"""Rotation in the middle of a look or a read, and kills in the middle of a rotation."""

import gzip
from pathlib import Path

import pytest
from msgspec import structs

from tests.sources.log.rotating import watch


def rotate_at(monkeypatch, call, rotate):
    """Have a rotation take place right before the reader calls the system the next time."""
    calls = [rotate]

    def tell(name):
        if calls and name == call:
            calls.pop()()

    watch(monkeypatch, tell)
    return calls


@pytest.mark.parametrize("call", ["scandir", "lstat", "fstat", "pread"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_truncated_in_the_middle_of_a_look(log, reader, monkeypatch, call, packed):
    """Its copy comes after the directory was listed, or under another name than it was listed."""
    log.append(3)
    reader.poll()
    log.append(3)
    if call == "lstat":
        log.copy()
        log.truncate()
        log.append(3)

    def rotate():
        log.copy()
        log.truncate()
        if packed:
            log.pack(1)
        log.append(1)

    left = rotate_at(monkeypatch, call, rotate)
    reader.poll()
    reader.poll()

    assert not left
    assert sorted(reader.lines) == sorted(log.written)
    assert reader.follower.losses == []


@pytest.mark.parametrize("number", range(1, 9))
def test_a_file_is_truncated_while_it_is_compared_with_its_copy(log, reader, monkeypatch, number):
    """The copy lacks the end of what was read."""
    log.append(1)
    reader.poll()
    log.append(40)
    log.copy()
    log.append(2)
    reader.poll()
    log.append(1)
    calls = []

    def tell(name):
        calls.append(name)
        if name == "pread" and calls.count(name) == number:
            log.truncate()

    watch(monkeypatch, tell)
    reader.poll()
    reader.poll()

    assert len(set(reader.lines)) == len(reader.lines)
    assert set(log.written[:-1]) <= set(reader.lines) <= set(log.written)
    assert reader.follower.losses == []


def test_a_writer_that_stays_with_the_rotated_file_holds_nothing_up(log, reader, monkeypatch):
    log.append(3)
    reader.poll()
    log.rename()
    log.append(2)

    def tell(name):
        if name == "lstat":
            log.append(1, path=log.first)

    watch(monkeypatch, tell)
    reader.poll()

    assert set(reader.lines) >= set(log.written[:5])


def test_what_is_read_at_once_is_of_one_file(log, reader, monkeypatch):
    """A short read is its end, whatever is there by then."""
    log.append(3)
    reader.look()
    seen = []

    def tell(name):
        seen.append(name)
        if seen.count("pread") == 2:
            log.copy()
            log.truncate()
            log.append(20)
            seen.append("pread")

    watch(monkeypatch, tell)
    reader.read()
    reader.poll()

    assert sorted(reader.lines) == sorted(log.written)


def test_a_copy_that_is_still_packed_after_a_kill_is_waited_for(log, reader):
    log.append(3)
    reader.poll()
    reader.save()
    log.append(3)
    log.rename()
    packed, content = Path(f"{log.first}.gz"), gzip.compress(log.first.read_bytes())
    log.first.unlink()
    packed.touch()
    log.append(1)
    reader.kill()
    reader.poll()
    packed.write_bytes(content)
    reader.poll()

    assert reader.lines == log.written


def test_a_truncation_that_was_only_noticed_is_noticed_again_after_a_kill(log, reader):
    log.append(3)
    reader.poll()
    log.append(3)
    log.copy()
    packed, content = Path(f"{log.first}.gz"), gzip.compress(log.first.read_bytes())
    log.first.unlink()
    packed.touch()
    log.truncate()
    reader.look()
    reader.save()
    reader.kill()
    packed.write_bytes(content)
    reader.poll()

    assert reader.lines == log.written


def test_what_was_packed_while_it_was_at_hand_is_found_after_a_kill(log, reader):
    log.append(3)
    reader.poll()
    log.append(3)
    log.rename()
    log.pack(1)
    reader.look()
    reader.save()
    reader.kill()
    reader.poll()

    assert reader.lines == log.written


def test_a_number_given_to_another_file_is_told_after_a_kill(log, reader):
    """Also if nothing was read of the first one."""
    log.append(3)
    reader.look()
    reader.save()
    log.rename()
    log.pack(1)
    log.append(30)
    records, looked_ns, lines = reader._saved
    status = log.path.stat()
    [live] = records[0].streams
    live = structs.replace(live, key=(status.st_dev, status.st_ino))
    reader._saved = ([structs.replace(records[0], streams=[live])], looked_ns, lines)
    reader.kill()
    reader.poll()

    assert reader.lines == log.written

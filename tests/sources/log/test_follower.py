"""What becomes of files, one case each; test_model.py has them in any order."""

import gzip
import os
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from exporter_proxy.sources.log import follower as following_module
from exporter_proxy.sources.log.follower import Following
from tests.sources.log.writing import Log, Reader


def test_reads_from_the_end_what_is_there_and_from_the_beginning_what_comes(log):
    log.append(5)
    reader = Reader(Following(str(log.path.parent / "*.log")))
    reader.poll()
    assert reader.lines == []

    other = Log(log.path.with_name("y.log"))
    other.append(2)
    log.append()
    reader.poll()

    assert reader.lines == [log.written[-1], *other.written]


def test_at_the_end_the_rest_of_an_unfinished_line_is_left_out(log):
    log.append(2)
    log.begin()
    reader = Reader(Following(str(log.path)))
    reader.poll()
    log.append(2)
    reader.poll()

    assert reader.lines == log.written[-2:]


def test_waits_for_a_file_and_survives_one_that_vanishes(log, reader):
    reader.poll()
    assert reader.follower.problems == [f"{log.path}: there is no such file"]

    log.append(2)
    reader.poll()
    assert reader.follower.problems == []

    log.path.unlink()
    reader.poll()
    assert reader.follower.problems == [f"{log.path}: there is no such file"]

    log.append(2)
    reader.poll()
    assert reader.lines == log.written


def test_a_late_writer_is_heard(log, reader):
    """Before its successor has lines, after, and after it was given up."""
    log.append(2)
    reader.poll()
    log.rename()
    log.append(2, path=log.first)
    reader.poll()
    log.append(1)
    log.append(2, path=log.first)
    reader.poll()
    reader.clock.now += 61
    reader.poll()
    assert [stream.file is None for stream in reader.follower._streams()] == [True, False]

    log.append(3, path=log.first)
    reader.poll()

    assert sorted(reader.lines) == sorted(log.written)


def test_an_unfinished_line_counts_when_its_file_is_over(log, reader):
    log.append(1)
    log.begin()
    reader.poll()
    assert reader.lines == log.written
    begun, log._open = log._open, b""
    log.rename()
    log.append(1)
    reader.poll()
    reader.clock.now += 61
    reader.poll()

    assert reader.lines == [*log.written, begun]


def test_the_rest_is_taken_from_the_copy(log, reader):
    log.append(3)
    reader.poll()
    log.append(3)
    log.copy()
    log.truncate()
    log.append(1)
    reader.poll()

    assert reader.lines == log.written
    assert (reader.follower.renamed, reader.follower.truncated) == (0, 1)


def test_a_file_that_has_grown_again_is_not_taken_for_the_old_one(log, reader):
    log.append(3)
    reader.poll()
    log.append(3)
    log.copy()
    log.truncate()
    log.append(50)
    reader.poll()

    assert reader.lines == log.written


def test_a_line_that_is_cut_in_two_is_put_together(log, reader):
    log.append(1)
    log.begin()
    reader.poll()
    log.copy()
    log.truncate()
    log.finish()
    log.append(1)
    reader.poll()

    assert reader.lines == log.written


@pytest.mark.parametrize("packed", [False, True])
def test_a_copy_that_has_less_than_was_read_is_not_read_again(log, reader, packed):
    """Lines between the copy and the truncation, which were read in time, are in no file."""
    log.append(3)
    log.copy()
    log.append(3)
    reader.poll()
    log.truncate()
    if packed:
        log.pack(1)
    log.append(2)
    reader.poll()
    log.append(2)
    reader.poll()

    assert reader.lines == log.written
    assert reader.follower.truncated == 1


def test_a_packed_file_that_lacks_what_came_late_is_not_read_again(log, reader):
    """As without delaycompress, when the writer goes over after its file was packed."""
    log.append(3)
    reader.poll()
    log.rename()
    packed = Path(f"{log.first}.gz")
    packed.write_bytes(gzip.compress(log.first.read_bytes()))
    log.append(2, path=log.first)
    reader.poll()
    log.first.unlink()
    log.append(2)
    reader.poll()

    assert reader.lines == log.written


def test_truncation_without_a_copy_is_told(log, reader):
    log.append(3)
    reader.poll()
    log.truncate()
    log.append(1)
    reader.poll()

    assert reader.lines == log.written
    assert reader.follower.losses == [
        f"{log.path} was truncated, and there is no copy of what was not read of it"
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("by_copy", [False, True])
def test_rotations_while_nobody_looked(log, reader, packed, by_copy):
    """Four of them, over a kill."""
    log.append(3)
    reader.poll()
    reader.save()
    for _ in range(4):
        log.append(3)
        if by_copy:
            log.copy()
            log.truncate()
        else:
            log.rename()
        if packed:
            log.pack(1)
    log.append(2)
    reader.kill()
    reader.poll()

    assert reader.lines == log.written


def test_what_was_known_and_not_read_is_found_packed(log, reader):
    """Older files came first when it was killed; its last line is older than the checkpoint."""
    log.append(3)
    reader.look()
    time.sleep(0.05)  # files have times of their own
    reader.look()
    reader.save()
    log.rename()
    log.pack(1)
    log.append(2)
    reader.kill()
    reader.poll()

    assert reader.lines == log.written


def test_what_was_rotated_before_is_left_alone(log, reader):
    """Also when it is packed or moved on later, with new numbers and times."""
    log.append(3)
    log.rename()
    log.append(3)
    log.rename()
    log.append(2)
    reader.poll()
    log.rename()
    log.pack(2)
    log.pack(3)
    log.append(1)
    reader.poll()

    assert reader.lines == log.written[-3:]


def test_a_file_that_lost_its_end_in_a_crash_goes_on(log, reader):
    log.append(40)
    reader.poll()
    reader.save()
    os.truncate(log.path, log.path.stat().st_size - 30)
    reader.kill()
    reader.poll()
    assert reader.lines == log.written

    with log.path.open("ab") as file:
        file.write(b" rest\nnew\n")
    reader.poll()
    assert reader.lines == [*log.written, b"new"]


def test_nuls_before_the_first_line_are_left_out(log, reader):
    """The writer doesn't append: it goes on where it was, in a file that is empty now."""
    with log.path.open("wb", buffering=0) as file:
        file.write(b"one\n")
        reader.poll()
        log.copy()
        log.truncate()
        file.write(b"two\n")
    reader.poll()

    assert reader.lines == [b"one", b"two"]


def test_long_lines_are_cut_and_counted(log):
    reader = Reader(Following(str(log.path), from_end=False, max_line=1000))
    log.path.write_bytes(b"a\n" + b"x" * 3_000_000 + b"\nb\n")
    reader.poll()

    assert [len(line) for line in reader.lines] == [1, 1000, 1]
    assert reader.follower.cut == 1


def test_two_names_of_one_file_count_once(log, tmp_path):
    log.append(2)
    (tmp_path / "link.log").symlink_to(log.path)
    os.link(log.path, tmp_path / "hard.log")
    reader = Reader(Following(str(tmp_path / "*.log"), from_end=False))
    reader.poll()
    log.append(2)
    reader.poll()

    assert reader.lines == log.written


def test_a_link_that_leads_to_another_file_is_followed(log, tmp_path):
    """As Kubernetes and some loggers do it."""
    link = tmp_path / "current"
    first, second = Log(tmp_path / "a-1"), Log(tmp_path / "a-2")
    first.append(2)
    link.symlink_to(first.path)
    reader = Reader(Following(str(link), from_end=False))
    reader.poll()
    first.append(1)
    second.append(2)
    link.unlink()
    link.symlink_to(second.path)
    reader.poll()

    assert reader.lines == [*first.written, *second.written]


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(tmp_path / "socket"))
        for name in ("fifo", "folder", "socket"):
            reader = Reader(Following(str(tmp_path / name), from_end=False))
            reader.poll()
            assert reader.follower.problems == [f"{tmp_path / name}: is no regular file"]
    reader = Reader(Following("/dev/zero", from_end=False))
    reader.poll()
    assert reader.follower.problems == ["/dev/zero: is no regular file"]


def test_of_too_many_files_the_others_are_named(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.log").write_bytes(b"x\n")
    reader = Reader(Following(str(tmp_path / "*.log"), from_end=False, max_files=3))
    reader.poll()

    assert reader.lines == [b"x"] * 3
    assert reader.follower.problems == ["2 files are not followed: more than 3 match (max_files)"]


def test_descriptors_are_bounded(tmp_path, monkeypatch):
    """Quiet files are closed, and read on when they grow; rotated meanwhile, they are found."""
    monkeypatch.setattr(following_module, "MAX_OPEN", 2)
    logs = [Log(tmp_path / f"{name}.log") for name in "abcdef"]
    for log in logs:
        log.append(2)
    reader = Reader(Following(str(tmp_path / "*.log"), from_end=False))
    for _ in range(3):
        reader.poll()
    assert sum(stream.file is not None for stream in reader.follower._streams()) == 2

    for log in logs:
        log.append(1)
        log.rename()
        log.append(1)
    reader.poll()
    assert sorted(reader.lines) == sorted(line for log in logs for line in log.written)


def test_a_file_of_a_similar_name_is_its_own(tmp_path):
    """worker-1.log could be worker.log, rotated; it isn't."""
    plain, numbered = Log(tmp_path / "worker.log"), Log(tmp_path / "worker-1.log")
    reader = Reader(Following(str(tmp_path / "*.log"), from_end=False))
    for log in (plain, numbered):
        log.append(2)
    reader.poll()
    for log in (plain, numbered):
        log.append(2)
        log.copy()
        log.truncate()
        log.append(1)
    reader.poll()

    assert sorted(reader.lines) == sorted([*plain.written, *numbered.written])


def test_a_file_put_back_goes_on(log, reader):
    log.append(2)
    reader.poll()
    log.path.rename(log.first)
    reader.poll()
    log.first.rename(log.path)
    log.append(2)
    reader.poll()

    assert reader.lines == log.written


def test_a_file_that_is_being_packed_is_not_read_again(log, reader):
    """Its packed form is empty first, then in part there, then the plain one goes."""
    log.append(3)
    reader.poll()
    log.rename()
    log.append(2)
    reader.poll()
    reader.clock.now += 100
    log.rename()
    second = log.path.with_name("x.log.2")
    packed, content = Path(f"{second}.gz"), gzip.compress(second.read_bytes())
    for count in (0, 15, len(content)):
        packed.write_bytes(content[:count])
        log.append(1)
        reader.poll()
    second.unlink()
    reader.poll()

    assert reader.lines == log.written


def test_damaged_packed_files_hold_nothing_up(log, reader):
    log.append(3)
    reader.poll()
    reader.save()
    log.append(500)
    log.rename()
    log.pack(1)
    packed = Path(f"{log.first}.gz")
    os.truncate(packed, packed.stat().st_size - 20)
    log.append(2)
    reader.kill()
    for _ in range(3):
        reader.poll()
        reader.clock.now += 61

    assert set(reader.lines) >= {*log.written[:3], *log.written[-2:]}


def test_lag(log, reader):
    log.append(3)
    reader.look()
    assert reader.follower.lag() == {str(log.path): log.path.stat().st_size}

    reader.read()
    assert reader.follower.lag() == {str(log.path): 0}

import os
from pathlib import Path

import pytest

from exporter_proxy.errors import PollError
from exporter_proxy.sources.poll.files import WatchedFile, header_text


def watch(path: Path) -> WatchedFile[str]:
    return WatchedFile(str(path), "bearer_token_file", header_text, max_size=100)


def test_reads_the_text_without_white_space_around(tmp_path: Path):
    path = tmp_path / "token"
    path.write_text(" tök en\r\n")

    assert watch(path).value() == "tök en"


def test_reads_again_only_after_a_change(tmp_path: Path):
    """An unchanged file is not read again; a changed one is, also where its size is the same."""
    path = tmp_path / "token"
    path.write_text("old")
    built: list[bytes] = []

    def build(content: bytes) -> bytes:
        built.append(content)
        return content

    file = WatchedFile(str(path), "bearer_token_file", build)
    file.value()
    file.value()
    path.write_text("new")
    os.utime(path, ns=(1, 1))

    assert file.value() == b"new"
    assert built == [b"old", b"new"]


def test_reads_what_a_turned_link_shows(tmp_path: Path):
    """Kubernetes updates a secret by turning a symbolic link."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(1, 1))
    link = tmp_path / "token"
    link.symlink_to("one")
    file = watch(link)
    assert file.value() == "one"
    link.unlink()
    link.symlink_to("two")

    assert file.value() == "two"


def test_a_file_that_comes_back_is_read(tmp_path: Path):
    path = tmp_path / "token"
    file = watch(path)
    with pytest.raises(PollError):
        file.value()
    path.write_text("here")

    assert file.value() == "here"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b" \n", "empty", id="blank"),
        pytest.param(b"s3cret\xff", "not UTF-8", id="binary"),
        pytest.param(b"s3cret\nX: y", "more than one line, or control characters", id="lines"),
        pytest.param(b"s3cret" * 20, "longer than 100 bytes", id="long"),
    ],
)
def test_refuses_what_is_no_secret(tmp_path: Path, content: bytes, why: str):
    """The message names the key, the file and the reason, and nothing of the content."""
    path = tmp_path / "token"
    path.write_bytes(content)

    with pytest.raises(PollError) as caught:
        watch(path).value()

    assert str(caught.value) == f'bearer_token_file "{path}": {why}'
    assert caught.value.reason == "unreadable_secret"


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(PollError, match="no such file or directory") as caught:
        watch(tmp_path / "absent").value()

    assert caught.value.reason == "unreadable_secret"


def test_a_fifo_is_refused_without_waiting_for_its_writer(tmp_path: Path):
    path = tmp_path / "fifo"
    os.mkfifo(path)

    with pytest.raises(PollError, match="not a regular file"):
        watch(path).value()

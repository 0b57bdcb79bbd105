"""Directories of files that others leave."""

import os

import pytest

from exporter_proxy.errors import ModuleError
from exporter_proxy.modules import Ask
from exporter_proxy.sources.module.directory import Directory, DirectoryModule
from tests.sources.module.modules import module, write


def test_files(tmp_path):
    """Those that match, by name; others, hidden ones and those being written are not looked at."""
    for name in ("b.prom", "a.prom", ".hidden.prom", "c.prom.123", "d.txt"):
        write(tmp_path / name, f"{name[0]} 1\n")
    directory = Directory(str(tmp_path), "*.prom", 10, 100)
    found = directory.read()
    assert {name: each.payload for name, each in found.items()} == {
        "a.prom": (b"a 1\n",),
        "b.prom": (b"b 1\n",),
    }
    assert list(found) == ["a.prom", "b.prom"]
    assert not any(each.changed for each in directory.read().values())
    assert list(Directory(str(tmp_path), ".*.prom", 10, 100).read()) == [".hidden.prom"]
    assert list(Directory(str(tmp_path), "[!d].txt", 10, 100).read()) == []


def test_bad_files_cost_no_other(tmp_path):
    write(tmp_path / "good.prom", "x 1\n")
    (tmp_path / "large.prom").write_bytes(b"x" * 101)
    (tmp_path / "dir.prom").mkdir()
    (tmp_path / "gone.prom").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo.prom")
    found = Directory(str(tmp_path), "*.prom", 10, 100).read()

    assert {
        name: each.reason if isinstance(each, ModuleError) else each.payload
        for name, each in found.items()
    } == {
        "dir.prom": "unreadable_file",
        "fifo.prom": "unreadable_file",
        "gone.prom": "unreadable_file",
        "good.prom": (b"x 1\n",),
        "large.prom": "body_too_large",
    }


def test_taken_away_in_that_moment(tmp_path, monkeypatch):
    """That is no failure."""
    write(tmp_path / "a.prom", "x 1\n")
    directory = Directory(str(tmp_path), "*.prom", 10, 100)
    monkeypatch.setattr(os, "listdir", lambda _: ["a.prom", "b.prom"])

    assert list(directory.read()) == ["a.prom"]


def test_the_directory_itself(tmp_path):
    with pytest.raises(ModuleError, match="No such file") as caught:
        Directory(str(tmp_path / "none"), "*", 1, 100).read()
    assert caught.value.reason == "unreadable_file"
    for name in "ab":
        write(tmp_path / name, "")
    with pytest.raises(ModuleError) as caught:
        Directory(str(tmp_path), "*", 1, 100).read()
    assert (caught.value.reason, str(caught.value)) == (
        "too_many_files",
        f'"{tmp_path}": 2 files (max_files 1)',
    )


async def test_an_app_a_file(tmp_path):
    """Also of files that are too old, or whose names can't be shown."""
    write(tmp_path / "new.prom", "x 1\n")
    write(tmp_path / "old.prom", "x 1\n", age=100)
    write(tmp_path / "two\nlines.prom", "x 1\n")
    (tmp_path / os.fsdecode(b"\xff.prom")).write_text("x 1\n")
    files: dict[str, float] = {}
    config = module(kind="directory", path=str(tmp_path), max_age=60, app="textfile")
    outcomes = await DirectoryModule(config, files).poll()

    assert {
        app: each.error.reason if each.error else each.payload for app, each in outcomes.items()
    } == {
        "textfile: new.prom": (b"x 1\n",),
        "textfile: old.prom": "too_old",
        r'textfile: "two\nlines.prom"': "unreadable_file",
        r'textfile: "\udcff.prom"': "unreadable_file",
    }
    assert len(files) == 4


async def test_one_page(tmp_path):
    """Families of one name stand together; what can't be read is left out, and said."""
    write(tmp_path / "a.prom", '# TYPE x gauge\nx{f="a"} 1\ny 1\n')
    write(tmp_path / "b.prom", '# HELP x X.\n# TYPE x gauge\nx{f="b"} 1\nz{ 1\n# EOF\n')
    (tmp_path / "c.prom").write_bytes(b"\xff")
    write(tmp_path / "d.prom", '{"u.v"} 1\n')
    for name in "abcd":
        os.utime(tmp_path / f"{name}.prom", (1000, 1000))
    kind = DirectoryModule(module(kind="directory", path=str(tmp_path)), {})
    answer = await kind.fetch(Ask(), 10)

    ages = "".join(
        f'exporter_proxy_module_file_mtime_seconds{{module="m",file="{name}.prom"}} 1000.0\n'
        for name in "abcd"
    )
    page = b"".join(answer.payload).decode()
    assert page.startswith(
        '# HELP x X.\n# TYPE x gauge\nx{f="a"} 1\nx{f="b"} 1\n# TYPE y untyped\ny 1\n'
    )
    assert "u_v 1\n" in page
    assert page.endswith(ages)
    assert [each.reason for each in answer.errors] == ["invalid_utf8", "invalid_metrics"]
    assert [each.part for each in answer.errors] == ["c.prom", "b.prom"]
    assert str(answer.errors[1]).startswith("line 4: ")
    with pytest.raises(ModuleError, match="not among its parameters: none"):
        await kind.fetch(Ask((("a", "b"),)), 10)

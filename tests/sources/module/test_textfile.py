"""Files that others leave."""

import os
import threading
from typing import Any

import pytest

from exporter_proxy.errors import ModuleError
from exporter_proxy.modules import Ask
from exporter_proxy.sources.module.kind import Outcome
from exporter_proxy.sources.module.textfile import FileModule, Textfile, check_age
from tests.sources.module.modules import module, write


def test_read_when_changed(tmp_path):
    """By rename, in place, or only its time: otherwise the same object comes back."""
    path = tmp_path / "a.prom"
    write(path, "x 1\n", age=100)
    file = Textfile(str(path), 1000)
    first = file.read()
    assert (first.payload, first.changed, first.modified) == ((b"x 1\n",), True, file.modified)
    again = file.read()
    assert again.payload is first.payload
    assert not again.changed
    write(path, "x 2\n", age=100)
    assert (file.read().payload, file.read().changed) == ((b"x 2\n",), False)
    path.write_text("x 3\n")
    assert file.read().payload == (b"x 3\n",)
    os.utime(path, (5, 5))
    touched = file.read()
    assert (touched.changed, touched.modified) == (True, 5)


@pytest.mark.parametrize(
    ("content", "reason", "told"),
    [
        (b"x 1\0", "nul_byte", 'NUL at byte 3 of "{}"'),
        (b"\xff", "invalid_utf8", 'not UTF-8 at byte 0 of "{}"'),
        (b"x" * 11, "body_too_large", '"{}" is larger than 10 bytes (max_body_size)'),
    ],
)
def test_unfit(tmp_path, content, reason, told):
    """It is looked at again each time, and its age is known all the same; errors name it."""
    path = tmp_path / "a"
    path.write_bytes(content)
    file = Textfile(str(path), 10)
    for _ in range(2):
        with pytest.raises(ModuleError) as caught:
            file.read()
        assert (caught.value.reason, str(caught.value)) == (reason, told.format(path))
    assert file.modified == path.stat().st_mtime
    path.write_bytes(b"x 1\n")
    assert file.read().changed


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "dangling"])
def test_no_file(tmp_path, kind):
    """A FIFO, whose writer never comes, hangs nothing."""
    path = tmp_path / "a"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to("nowhere")
    with pytest.raises(ModuleError) as caught:
        Textfile(str(path), 10).read()

    assert caught.value.reason == "unreadable_file"
    assert str(caught.value).startswith(f'"{path}": ')


def test_changing_file_is_refused(tmp_path, monkeypatch):
    """One that is never the same twice has a writer that doesn't rename."""
    path = tmp_path / "a"
    path.write_text("x 1\n")
    fstat = os.fstat

    def growing(descriptor):
        with path.open("a") as file:
            file.write("x 2\n")
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", growing)
    with pytest.raises(ModuleError, match="changes while it is read: write another file"):
        Textfile(str(path), 1000).read()


def test_age():
    check_age(100.0, 50.0, 150.0)
    check_age(100.0, float("inf"), 1e9)
    check_age(200.0, 50.0, 150.0)
    with pytest.raises(ModuleError) as caught:
        check_age(100.0, 3600.0, 100.0 + 7500)
    assert (caught.value.reason, str(caught.value)) == (
        "too_old",
        "not written since 1970-01-01 00:01:40 UTC (max_age 1h0m)",
    )
    with pytest.raises(ModuleError, match=r"since -1000000000000000 s of Unix time \("):
        check_age(-1e15, 3600.0, 0.0)


async def test_page_tells_its_age(tmp_path):
    """Also of a file that has no final newline, or one too many things at its end."""
    path = tmp_path / "a.prom"
    files: dict[str, float] = {}
    kind = FileModule(module(kind="file", path=str(path)), files)
    write(path, "x 1\n# EOF")
    os.utime(path, (1_700_000_000.5, 1_700_000_000.5))
    answer = await kind.fetch(Ask(), 10)

    assert b"".join(answer.payload).decode() == (
        "x 1\n"
        "# HELP exporter_proxy_module_file_mtime_seconds When the file of the module was last "
        "changed, in Unix time.\n"
        "# TYPE exporter_proxy_module_file_mtime_seconds gauge\n"
        f'exporter_proxy_module_file_mtime_seconds{{module="m",file="{path}"}} 1700000000.5\n'
    )
    assert (answer.modified, files) == (1_700_000_000.5, {str(path): 1_700_000_000.5})
    path.write_text("")
    assert b"".join((await kind.fetch(Ask(), 10)).payload).startswith(b"# HELP exporter_proxy_")
    with pytest.raises(ModuleError, match="not among its parameters: none"):
        await kind.fetch(Ask((("a", "b"),)), 10)
    path.unlink()
    with pytest.raises(ModuleError, match="No such file"):
        await kind.fetch(Ask(), 10)
    assert not files


async def test_polled(tmp_path):
    """What did not change is said to be so; what is too old has failed, and its age is told."""
    path, now, files = tmp_path / "a.prom", 0.0, {}
    write(path, "x 1\n")
    kind = FileModule(
        module(kind="file", path=str(path), max_age=60, app="an app"), files, lambda: now
    )
    now = path.stat().st_mtime + 60
    assert (await kind.poll())["an app"] == Outcome((b"x 1\n",))
    assert (await kind.poll())["an app"] == Outcome((b"x 1\n",), changed=False)
    now += 0.1
    with pytest.raises(ModuleError, match=r"not written since 20.* UTC \(max_age 1m0s\)"):
        await kind.poll()
    assert files == {str(path): path.stat().st_mtime}


async def test_file_system_that_hangs(tmp_path, monkeypatch):
    """Costs whoever waits its time, and one thread, not one for each who asks."""
    path = tmp_path / "a.prom"
    write(path, "x 1\n")
    kind = FileModule(module(kind="file", path=str(path), timeout=0.05), {})
    released, stat, calls = threading.Event(), os.stat, []

    def hanging(*args: Any, **keys: Any):
        if args[0] == str(path):
            calls.append(threading.current_thread().name)
            released.wait(20)
        return stat(*args, **keys)

    monkeypatch.setattr(os, "stat", hanging)
    for _ in range(3):
        with pytest.raises(ModuleError) as caught:
            await kind.poll()
        assert (caught.value.reason, str(caught.value)) == (
            "timeout",
            "no answer of the file system within 0.05 s",
        )
    assert calls == ["module"]
    released.set()
    assert (await kind.fetch(Ask(), 20)).payload[0] == b"x 1\n"

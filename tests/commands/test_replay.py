"""``exporter-proxy replay``: what arrives, and the summary."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from exporter_proxy import cli
from exporter_proxy.commands.destination import parse
from exporter_proxy.commands.replay_files import FilesError, read_directory
from exporter_proxy.commands.replay_load import Load, Results
from exporter_proxy.commands.replay_summary import lines
from exporter_proxy.commands.sending import Route
from tests.commands.listening import listening
from tests.conftest import StartProxy
from tests.proxy_process import ROOT, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "payloads"
    path.mkdir()
    (path / "1.prom").write_text('a{l="x"} 1')
    (path / "2.json").write_text(
        json.dumps({"p": "b 2\n", "q": ["c 3", "c2 4"], "r": {"metrics": "d 5", "ttl": "1h"}})
    )
    (path / "3.py").write_text('print("hello")\n')
    (path / ".hidden").write_text("e 6")
    (path / "folder").mkdir()
    return path


def test_files(folder: Path) -> None:
    """In the order of their names; what has no metrics is passed over."""
    assert read_directory(str(folder)) == ['a{l="x"} 1', "b 2\n", "c 3\nc2 4", "d 5"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.prom", b"a \xff", "x.prom: not UTF-8 at byte 2"),
        ("x.json", b"[1]", "x.json: no JSON message: "),
        ("x.py", b"print()", ": no file of metrics in it"),
    ],
)
def test_files_that_are_none(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(FilesError, match=re.escape(said)):
        read_directory(str(tmp_path))


def test_no_directory() -> None:
    with pytest.raises(FilesError, match="none/at/all: No such file or directory"):
        read_directory("none/at/all")


@pytest.mark.parametrize("wire", ["json", "capnp"])
def test_pushes_arrive(
    wire: str, proxy: StartProxy, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every app has its file, and every push was another."""
    process = proxy()
    to = f"127.0.0.1:{process.tcp_port}"
    argv = ["replay", str(folder), "--to", to, "--wire", wire, "--apps", "5", "--rate", "200"]

    assert cli.main([*argv, "--duration", "0.1", "--change"]) == 0

    page = process.metrics()
    for number, sample in enumerate(['a{l="x"} 1', "b 2", "c2 4", "d 5"], 1):
        assert f"\n{sample}\n" in page
        assert f'replay_pushes_total{{replay_app="replay-{number}"}} 4\n' in page
    assert {app["updates"] for app in process.apps_json()["apps"]} == {4}
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"20 pushes taken by {to} in ")
    assert out[1].startswith("a push took p50 ")


def test_over_http(folder: Path) -> None:
    with listening() as server:
        argv = ["replay", str(folder), "--to", server.url, "--apps", "2", "--rate", "100"]

        assert cli.main([*argv, "--duration", "0.1", "--prefix", "a/"]) == 0

    assert Counter(asked.path for asked in server.asked) == {"/push/a%2F1": 5, "/push/a%2F2": 5}


def test_refusals_are_counted(
    proxy: StartProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By reason, with the first of each in full."""
    process = proxy(exporter={"max_apps": 3})
    (tmp_path / "x.prom").write_text("a 1\n")
    to = str(process.unix_socket)

    argv = ["replay", str(tmp_path), "--to", to, "--apps", "5", "--rate", "100"]
    assert cli.main([*argv, "--duration", "0.1", "--connections", "1"]) == 1

    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"6 pushes taken by {to} in ")
    assert out[1:3] == [
        "4 failed",
        "    4 times refused: the table is full: 3 apps (exporter.max_apps)",
    ]


def test_an_end_before_its_time(proxy: StartProxy, folder: Path) -> None:
    """Ctrl-C: the summary is of what was done."""
    process = proxy()
    command = [sys.executable, "-m", "exporter_proxy", "replay", str(folder), "--rate", "100"]
    command += ["--to", str(process.unix_socket), "--duration", "10m"]
    load = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        until(lambda: process.apps_json()["apps"], "the first app")
    finally:
        load.send_signal(signal.SIGINT)
        out, err = load.communicate(timeout=20)
    assert (load.returncode, err) == (0, b"")
    assert out.splitlines()[-1] == b"ended before its time"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--apps", "0"], "--apps: expected a number from 1 to 1000000"),
        (["--connections", "1001"], "--connections: expected a number from 1 to 1000"),
        (["--prefix", "\n"], "the app's name"),
        (["--to", "x"], '"x": expected HOST:PORT'),
    ],
)
def test_what_can_not_be_done(
    argv: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["replay", str(folder), *argv]) == 2

    assert capsys.readouterr().err.startswith(f"exporter-proxy replay: {said}")


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "many", "100001"])
def test_a_rate_that_is_none(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["replay", ".", "--rate", rate])

    assert ended.value.code == 2
    assert "expected a number above 0, up to 100000" in capsys.readouterr().err


def test_the_summary_says_when_it_was_too_slow() -> None:
    load = Load(
        payloads=["a 1\n"],
        apps=["a"],
        rate=100,
        duration=1,
        connections=1,
        change=False,
        route=Route(to=parse("127.0.0.1:1"), timeout=1),
    )
    slow = Results(taken=90, bytes=9_000_000, seconds=1.0, times=[n / 1000 for n in range(100)])

    said = lines(slow, load)

    assert said[0] == "90 pushes taken by 127.0.0.1:1 in 1.0 s: 90.0 a second, 9.00 MB/s"
    assert said[1] == "a push took p50 50.0 ms, p90 90.0 ms, p99 99.0 ms, at most 99.0 ms"
    assert said[2].startswith("slower than the 100 a second")
    none = lines(Results(failed=Counter(x=100), examples={"x": "y"}, seconds=1.0), load)
    assert none[0] == "0 pushes taken by 127.0.0.1:1 in 1.0 s: 0.0 a second, 0.00 MB/s"
    assert none[1] == "100 failed"
    assert not any("slower than" in line for line in none)
    assert len(lines(Results(taken=100, seconds=1.0), load)) == 1

"""``exporter-proxy logs`` and ``rsyncd``: what is served, what is printed, and the exit code."""

import gzip
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from exporter_proxy import cli
from exporter_proxy.commands.logs_table import show
from tests.ports import free_port
from tests.proxy_process import ROOT, http_get, until
from tests.terminal import Terminal

RSYNCD = b"""\
2022/05/22 10:00:00 [1] connect from a (10.0.0.1)
2022/05/22 10:00:00 [1] rsync on ftp/x from a (10.0.0.1)
2022/05/22 10:00:00 [1] building file list
2022/05/22 10:00:01 [1] sent 3000000 bytes  received 20 bytes  total size 5000000
"""
MORE = b"2022/05/22 10:00:02 [2] connect from b (10.0.0.2)\n"
NGINX = b"""\
10.0.0.1 - - [22/May/2022:10:00:00 +0000] "GET /a HTTP/1.1" 200 512 "-" "curl/8" 0.250
10.0.0.1 - - [22/May/2022:10:00:00 +0000] "GET /b HTTP/1.1" 404 10 "-" "curl/8" 0.750
what is this?
"""
EXECUTIONS = b'rsync_executions_total{module="ftp",direction="send"} 1\n'


def run(*arguments: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the program to its end."""
    return subprocess.run(
        [sys.executable, "-m", "exporter_proxy", *arguments],
        input=data,
        capture_output=True,
        timeout=30,
        cwd=ROOT,
        check=False,
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of an rsync daemon."""
    path = tmp_path / "rsyncd.log"
    path.write_bytes(RSYNCD)
    return path


@pytest.fixture
def serving() -> Iterator[Callable[..., int]]:
    """Run the program; gives the port that is served, and ends it in order."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str | Path) -> int:
        port = free_port()
        command = [*map(str, arguments), "-x", f"127.0.0.1:{port}"]
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "exporter_proxy", *command],
                cwd=ROOT,
                stderr=subprocess.PIPE,
            )
        )
        until(lambda: http_get(port, "/-/ready").status == 200, "the exporter")
        return port

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0, said
        assert b"WARNING" not in said


def page(port: int) -> bytes:
    return http_get(port, "/metrics").body


def test_follows_from_the_end(serving, log: Path):
    """What is there already doesn't count; what is written does."""
    port = serving("rsyncd", "-p", log)
    until(lambda: b"rsync_connections_total 0\n" in page(port), "the first look")
    with log.open("ab") as file:
        file.write(MORE)
    until(lambda: b"rsync_connections_total 1\n" in page(port), "the line")
    assert b'app="rsyncd"' not in page(port)


def test_follows_with_all_options(serving, log: Path, tmp_path: Path):
    """From the beginning, by another name, and a restart goes on with the counts."""
    (tmp_path / "format").write_text("%o %f\n")
    options = (
        *("-f", tmp_path / "format", "-s", "0.1", "--app", "rsync at home"),
        *("--start", "beginning", "--checkpoint", tmp_path / "kept"),
    )
    port = serving("rsyncd", "-p", log, *options)
    until(lambda: EXECUTIONS in page(port), "the log")
    assert b'exporter_proxy_app_up{app="rsync at home"} 1' in page(port)


def test_follows_by_any_preset(serving, tmp_path: Path):
    log = tmp_path / "access.log"
    log.write_bytes(NGINX)
    port = serving("logs", "-p", log, "--preset", "nginx", "--start", "beginning")
    wanted = b'nginx_requests_total{method="GET",status_class="4xx"} 1\n'
    until(lambda: wanted in page(port), "the log")


def test_takes_nothing_else(serving, log: Path):
    """No receiver listens, and nothing can be pushed to the port."""
    port = serving("rsyncd", "-p", log)

    assert http_get(port, "/metrics/job/x", method="PUT").status in {404, 405}
    assert http_get(port, "/push/x", method="POST").status in {404, 405}


def test_reads_once_and_prints_exposition(log: Path):
    done = run("rsyncd", "-p", log, "--once")

    assert (done.returncode, EXECUTIONS in done.stdout) == (0, True)
    assert done.stderr.startswith(b"4 lines (0.2 kB) in ")
    assert done.stderr.endswith(b" s, 4 known, 0 not\n")


def test_reads_standard_input_and_files_of_all_kinds(log: Path, tmp_path: Path):
    """A rotated log as a whole, packed parts too, the oldest first."""
    older = tmp_path / "rsyncd.log.1.gz"
    older.write_bytes(gzip.compress(MORE))
    os.utime(older, (1, 1))
    pattern = run("rsyncd", "--once", "--quiet", "-p", f"{log}*")
    both = run("rsyncd", "--once", "--quiet", "-p", log, older, log)
    piped = run("rsyncd", "--once", "--quiet", "-p", "-", data=MORE + RSYNCD)

    assert pattern.stdout == both.stdout == piped.stdout
    assert b"rsync_connections_total 2\n" in piped.stdout
    assert pattern.stderr == b""


def test_counts_lines_by_groups_of_a_format(tmp_path: Path):
    """Without a preset a format is enough, and labels make it a table."""
    log = tmp_path / "app.log"
    log.write_bytes(b"INFO a\nINFO b\nERROR c\n\n")
    done = run("logs", "-p", log, "--format", "^(?P<level>[A-Z]+) ", "--label", "level", "--once")

    assert done.stdout == (
        b"# HELP log_lines_total Lines of the log that the format knows.\n"
        b"# TYPE log_lines_total counter\n"
        b'log_lines_total{level="ERROR"} 1\nlog_lines_total{level="INFO"} 2\n'
    )
    assert b"3 known, 1 not" in done.stderr


def test_last_line_without_a_newline_counts(log: Path):
    log.write_bytes(RSYNCD + MORE.rstrip())

    assert b"rsync_connections_total 2\n" in run("rsyncd", "-p", log, "--once").stdout


def test_shows_a_table_on_a_terminal(log: Path):
    """With a progress bar meanwhile, which is gone at the end; --output has it otherwise."""
    terminal = Terminal()
    command = [sys.executable, "-m", "exporter_proxy", "rsyncd", "--once", "-p", str(log)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    for more in ([], ["--output", "exposition", "--quiet"]):
        subprocess.run(
            [*command, *more],
            stdout=terminal.line,
            stderr=terminal.line,
            env=environment,
            timeout=30,
            check=True,
            cwd=ROOT,
        )
    terminal.hang_up()
    shown = terminal.shown()

    assert "reading" in shown
    assert "module=ftp, direction=send" in shown
    assert "4 lines (0.2 kB)" in shown
    assert shown.count(EXECUTIONS.decode()) == 1


def test_table():
    """A row a series; what is large is said as people say it."""
    written = io.StringIO()
    show(
        "# TYPE a_total counter\na_total 3\n# TYPE none counter\n"
        '# TYPE b_bytes_total counter\nb_bytes_total{m="x"} 3.5e+06\nb_bytes_total{m="[red]"} 12\n'
        '# TYPE c_seconds histogram\nc_seconds_bucket{le="1"} 2\nc_seconds_bucket{le="+Inf"} 4\n'
        "c_seconds_sum 10\nc_seconds_count 4\n# TYPE g gauge\ng 2.5\n",
        Console(file=written, width=80),
    )
    lines = [line.split("  ") for line in written.getvalue().splitlines()]

    assert [[cell.strip() for cell in line if cell.strip()] for line in lines[2:]] == [
        ["a_total", "3"],
        ["none_total", "none"],
        ["b_bytes_total"],
        ["m=x", "3,500,000", "3.5 MB"],
        ["m=[red]", "12"],
        ["c_seconds", "4", "mean 2.5 s"],
        ["g", "2.500"],
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("rsyncd --once -p /nowhere", 1, "/nowhere: can't be read: No such "),
        ("rsyncd --once -p /tmp", 1, "/tmp: can't be read: is no regular "),
        ("rsyncd -p -", 2, "--path: standard input is read with --once"),
        ("rsyncd -p a b", 2, "--path: several files are followed as one pattern, in quotes: "),
        ("rsyncd -p a --quiet", 2, "--quiet: says nothing without --once"),
        ("rsyncd -p a --once -s 3", 2, "--seconds: says nothing with --once"),
        ("rsyncd -p a -s 0", 2, "--seconds: 0: must be a duration of at least"),
        ("rsyncd -p a --once -x 8080", 2, "--port: says nothing with --once"),
        ("rsyncd -p a -x here", 2, '--port: "here": must be a port, or an address and a port'),
        ("rsyncd -p a -x 99999", 2, '--port: "0.0.0.0:99999": ports go from 0 to 65535'),
        ("rsyncd -p a -f /nowhere", 2, '--format-file: "/nowhere": can\'t be read: '),
        ("rsyncd -p a -f /nowhere --once", 2, '--format-file: "/nowhere": can\'t be read: '),
        ("logs -p a", 2, "--preset or --format: one of them is needed"),
        ("logs -p a --preset nginx --label x", 2, "--label: a preset has labels of its own"),
        ("logs -p a --format (?P<x", 2, '--format: "(?P<x": RE2 does not take it: '),
        ("logs -p a --format (?P<x>a) --label y", 2, '--label: there is no group "y" in the '),
    ],
)
def test_says_what_cannot_be_used(
    capfd: pytest.CaptureFixture[str], arguments: str, code: int, said: str
):
    """In one line, in words of the command line, and with nothing printed."""
    assert cli.main(arguments.split()) == code
    out, err = capfd.readouterr()
    assert err.startswith(f"exporter-proxy {arguments.partition(' ')[0]}: {said}")
    assert (out, err.count("\n")) == ("", 1)


def test_says_that_the_port_is_taken(log: Path, serving):
    port = serving("rsyncd", "-p", log)
    done = run("--log-format", "text", "rsyncd", "-p", log, "-x", f"127.0.0.1:{port}")

    assert done.returncode == 1
    said = f"exporter-proxy: --port: can't listen on 127.0.0.1:{port}: address already in use\n"
    assert done.stderr.decode() == said


def test_stands_a_reader_that_has_enough(log: Path):
    """``| head -1`` leaves nothing on the terminal but what it shows."""
    command = f"{sys.executable} -m exporter_proxy rsyncd --quiet --once -p {log} | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, timeout=30, check=False, cwd=ROOT
    )

    assert done.stdout.startswith(b"# HELP rsync_connections_total")
    assert done.stderr == b""

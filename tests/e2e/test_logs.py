"""Logs that a real logrotate rotates, and a real proxy that is killed, while lines are written."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.proxy_process import until

# Writes numbered lines, opens the log again when it was renamed (as daemons do at a signal), and
# tells at the end how many there were. When its input ends, it writes so many more, and ends.
WRITER = r"""
import os, select, sys, time
path, lines, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
def opened():
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
file = opened()
number, last = 0, None
while number != last:
    os.write(file, b"line %07d of the log, written by a writer\n" % number)
    number += 1
    if number % 50 == 0:
        if last is None and select.select([0], [], [], 0)[0]:
            last = number + lines
        time.sleep(pause)
        try:
            is_same = os.stat(path).st_ino == os.fstat(file).st_ino
        except FileNotFoundError:
            # As at a signal, when rotation is over: logrotate puts aside what it finds in place of
            # the file that it creates.
            is_same = True
        if not is_same:
            os.close(file)
            file = opened()
print(number)
"""


@pytest.fixture
def start_writer() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start writers; none is left when the test ends."""
    with ExitStack() as stack:

        def start(log: Path, lines: int, pause: float) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", WRITER, str(log), str(lines), str(pause)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            writer = stack.enter_context(subprocess.Popen(command, **pipes))
            stack.callback(writer.kill)
            return writer

        yield start


def section(log: Path, **more: object) -> dict[str, object]:
    return {
        "path": str(log),
        "app": "lines",
        "start": "beginning",
        "update_interval": 0.1,
        "poll_interval": 0.2,
        "metrics": [{"name": "lines_total", "type": "counter", "match": "^line [0-9]+ of the log"}],
        **more,
    }


def counted(proxy) -> float:
    """Return what the proxy shows; -1: nothing yet."""
    for line in proxy.get("/metrics").body.decode().splitlines():
        if line.startswith("lines_total"):
            return float(line.split()[-1])
    return -1


def finish(writer: subprocess.Popen[bytes]) -> int:
    """Have a writer end; return how many lines it wrote."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.close()
    return int(writer.stdout.read())


def in_files(log: Path) -> int:
    """Return what the log and all that was rotated away hold."""
    packed = [str(path) for path in log.parent.glob("x.log*.gz")]
    plain = [str(path) for path in log.parent.glob("x.log*") if path.suffix != ".gz"]
    texts = (
        [subprocess.run(["zcat", *packed], check=True, capture_output=True).stdout]
        if packed
        else []
    )
    texts += [Path(path).read_bytes() for path in plain]
    return sum(text.count(b"\n") for text in texts)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param("create\nnocompress", id="rename"),
        pytest.param("create\ncompress\ndelaycompress", id="rename-packed-later"),
        pytest.param("copytruncate\nnocompress", id="copytruncate"),
        pytest.param("copytruncate\ncompress", id="copytruncate-packed"),
    ],
)
def test_logrotate_loses_and_repeats_nothing(proxy, tool, start_writer, tmp_path, options):
    """What is shown in the end is what the files hold.

    Between a copy and the truncation lines may be read that no file has afterwards.
    """
    logrotate = tool("logrotate")
    log = tmp_path / "logs" / "x.log"
    log.parent.mkdir(mode=0o755)
    log.touch()
    rules = tmp_path / "rules"
    rules.write_text(f"{log} {{\nrotate 100\nmissingok\n{options}\n}}\n")
    rules.chmod(0o644)
    process = proxy(log=[section(log)])
    # What is rotated away before the first look is none of the proxy's.
    until(lambda: counted(process) == 0, "the first look")
    writer = start_writer(log, 10_000, 0.005)
    for _ in range(10):
        until(lambda: log.exists() and log.stat().st_size > 20_000, "lines to be rotated")
        subprocess.run([logrotate, "-f", "-s", str(tmp_path / "state"), str(rules)], check=True)
    written = finish(writer)

    total = in_files(log)
    assert total > 10_000
    most = written if "copytruncate" in options else total
    until(lambda: counted(process) >= total, f"{total} lines")
    assert counted(process) <= most


@pytest.mark.parametrize("copies", [False, True])
def test_kills_lose_and_repeat_nothing(proxy, tool, start_writer, tmp_path, copies):
    """Killed in the middle of it, with rotations while it is down; counters never go back."""
    logrotate = tool("logrotate")
    log = tmp_path / "logs" / "x.log"
    log.parent.mkdir(mode=0o755)
    log.touch()
    rules = tmp_path / "rules"
    how = "copytruncate" if copies else "create\ndelaycompress"
    rules.write_text(f"{log} {{\nrotate 100\n{how}\ncompress\n}}\n")
    rules.chmod(0o644)
    rotate = [logrotate, "-f", "-s", str(tmp_path / "state"), str(rules)]
    process = proxy(
        log=[section(log, checkpoint=str(tmp_path / "checkpoint"), checkpoint_interval=0.3)]
    )
    writer = start_writer(log, 10_000, 0.004)
    shown = 0.0
    for round_ in range(4):
        before = shown
        until(lambda before=before: counted(process) > before, "lines")
        shown = counted(process)
        process.process.kill()
        process.process.wait()
        if round_ % 2:
            subprocess.run(rotate, check=True)
        held = in_files(log)
        process.start()
        process.wait_ready()
        now = until(lambda: (found := counted(process)) >= 0 and found, "counts")
        # By a copy that lacks them, lines are lost that were shown.
        assert now >= (min(shown, held) if copies else shown)
        subprocess.run(rotate, check=True)
    written = finish(writer)
    total = in_files(log)
    until(lambda: counted(process) >= total, f"{total} lines")
    assert counted(process) <= (written if copies else total)

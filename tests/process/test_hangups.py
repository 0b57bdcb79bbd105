"""Signals that come while the proxy starts, or when it has ended."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import StartProxy
from tests.proxy_process import ProxyProcess, until
from tests.terminal import Terminal

HUP = 1 << (signal.SIGHUP - 1)


def catches_hangups(running: ProxyProcess) -> bool:
    """Tell whether a process has a handler of its own for SIGHUP; see proc_pid_status(5)."""
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii")
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) & HUP)


def messages(running: ProxyProcess) -> list[str]:
    return [record["message"] for record in running.log_records()]


@contextmanager
def hanging_up(running: ProxyProcess) -> Iterator[None]:
    """Send a process one SIGHUP after another."""
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.0005):
            running.process.send_signal(signal.SIGHUP)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


def is_reloaded(running: ProxyProcess) -> bool:
    return any(line.startswith("configuration reloaded: ") for line in messages(running))


def test_hangups_from_the_first_line_on(proxy: StartProxy):
    """They end nothing; the proxy reloads as soon as it runs."""
    running = proxy(wait=False)
    while not catches_hangups(running):
        assert running.running
    with hanging_up(running):
        running.wait_ready()
    until(lambda: is_reloaded(running), "a reload")


def test_one_hangup_before_anything_is_read(proxy: StartProxy):
    """One is enough."""
    running = proxy(wait=False)
    while not catches_hangups(running):
        assert running.running
    running.process.send_signal(signal.SIGHUP)
    running.wait_ready()
    until(lambda: is_reloaded(running), "a reload")


def test_hangups_from_the_very_beginning(proxy: StartProxy):
    """Where the parent has them ignored, as nohup(1) does, before the interpreter begins."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = proxy(wait=False)
    finally:
        signal.signal(signal.SIGHUP, before)
    with hanging_up(running):
        running.wait_ready()
        until(lambda: is_reloaded(running), "a reload")


def test_little_is_imported_before():
    """The interpreter's own beginning, in which SIGHUP ends it, is hardly made longer."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "exporter_proxy", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
    first = names.index("exporter_proxy.process.hangups")
    before = names[names.index("runpy") : first]

    assert "argparse" in names[first:]
    assert {name.partition(".")[0] for name in before} - {"signal"} <= {
        "exporter_proxy",
        "runpy",
        # What finds the package, and what signal itself imports.
        *("__future__", "_weakrefset", "contextlib", "enum", "importlib", "types", "weakref"),
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_end_at_any_moment_of_the_start(proxy: StartProxy, number: signal.Signals):
    """Either the signal ends the process, or the proxy ends in order; never with a traceback."""
    for _ in range(5):
        running = proxy(wait=False)
        while not catches_hangups(running):
            assert running.running
        moment = random.uniform(0, 0.4)  # any will do
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(moment)
        running.process.send_signal(number)
        assert running.wait() in {0, -number}, (moment, running.log_text())
        assert "Traceback" not in running.log_text()


def test_signals_at_the_end(proxy: StartProxy):
    """What comes when all is done spoils nothing: it ended in order."""
    running = proxy()
    running.process.terminate()
    until(lambda: "stopping" in messages(running), "the stop")
    while running.running:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            running.process.send_signal(number)
    assert running.wait() == 0
    assert "Traceback" not in running.log_text()


def test_commands_end_at_a_hangup(proxy: StartProxy):
    """Who closes the terminal closes what runs on it."""
    running = proxy()
    url = f"http://127.0.0.1:{running.http_port}"
    terminal = Terminal()
    command = [sys.executable, "-m", "exporter_proxy", "apps", url, "--watch"]
    try:
        with subprocess.Popen(command, stdout=terminal.line, stdin=subprocess.DEVNULL) as watching:
            until(terminal.shown, "the table")
            watching.send_signal(signal.SIGHUP)
            assert watching.wait(20) == -signal.SIGHUP
    finally:
        terminal.hang_up()


def test_hangup_before_a_command_is_known():
    """It ends the command, as it would have."""
    code = """if True:
        import signal, sys
        from exporter_proxy.process.hangups import early_hangups
        early_hangups.hold()
        signal.raise_signal(signal.SIGHUP)
        print("lives", flush=True)
        from exporter_proxy.cli import main
        main(["health", "http://127.0.0.1:1"])
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stdout == "lives\n"
    assert done.returncode == -signal.SIGHUP

"""The units, by systemd's own tools, and by what the proxy really asks of the kernel."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY
from tests.proxy_process import until

SYSTEMD = DEPLOY / "systemd"
SERVICE = "exporter-proxy.service"
SOCKET = "exporter-proxy.socket"
PROGRAM = "/opt/exporter-proxy/bin/exporter-proxy"
# systemd's own scale is from 0 to 10; what is below 2 it calls OK.
MOST_EXPOSURE = 1.5


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a program that is there."""
    for name in (SERVICE, SOCKET):
        text = (SYSTEMD / name).read_text(encoding="utf-8")
        installed = text.replace(PROGRAM, str(Path(sys.executable).parent / "exporter-proxy"))
        assert (installed != text) == (name == SERVICE)
        (tmp_path / name).write_text(installed, encoding="utf-8")
    return tmp_path


def test_units_are_sound(tool, units: Path):
    """Systemd understands every line of both."""
    done = run(tool("systemd-analyze"), "verify", units / SERVICE, units / SOCKET)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_verification_can_fail(tool, units: Path):
    with (units / SERVICE).open("a", encoding="utf-8") as unit:
        unit.write("[Service]\nWatchdogSecs=30\n")
    done = run(tool("systemd-analyze"), "verify", units / SERVICE)

    assert "'WatchdogSecs'" in done.stderr


def test_exposure_is_low(tool):
    limit = f"--threshold={round(MOST_EXPOSURE * 10)}"
    done = run(tool("systemd-analyze"), "security", "--offline=true", limit, SYSTEMD / SERVICE)
    assert done.returncode == 0, done.stdout
    found = re.search(r"Overall exposure level for exporter-proxy.service: ([\d.]+)", done.stdout)

    assert found
    assert float(found[1]) <= MOST_EXPOSURE


def test_what_was_decided_stays():
    """Settings that the proxy relies on, or that would break something."""
    lines = (SYSTEMD / SERVICE).read_text(encoding="utf-8").splitlines()
    settings = {line for line in lines if line and not line.startswith(("#", "["))}

    assert {
        "Type=notify",
        "Restart=always",
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "StateDirectory=exporter-proxy",
        "RuntimeDirectory=exporter-proxy",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
    } <= settings
    assert any(line.startswith("WatchdogSec=") for line in settings)
    # Peers of the Unix socket would all be nobody.
    assert "PrivateUsers=yes" not in settings
    # Hides when the machine booted, which the process's start is counted from.
    assert "ProcSubset=pid" not in settings


def syscall_filter(tool) -> set[str]:
    """Return the system calls that the unit allows, its groups expanded."""
    done = run(tool("systemd-analyze"), "syscall-filter", "--no-pager")
    groups: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        # Names may come in colour.
        word = re.sub(r"\x1b\[[0-9;]*m", "", line)
        if word.startswith("@"):
            groups[word.split()[0]] = members = []
        elif word.startswith("    ") and not word.strip().startswith("#"):
            members.append(word.strip())

    def expand(name: str) -> Iterator[str]:
        for member in groups.get(name, [name]):
            yield from expand(member) if member in groups else [member]

    allowed: set[str] = set()
    for value in re.findall(
        r"^SystemCallFilter=(.*)$", (SYSTEMD / SERVICE).read_text(encoding="utf-8"), re.MULTILINE
    ):
        names = {call for group in value.lstrip("~").split() for call in expand(group)}
        allowed = allowed - names if value.startswith("~") else allowed | names
    # Without these no process can begin: systemd allows them with any list.
    return allowed | set(expand("@default"))


def test_system_calls_are_allowed(tool, proxy, http_server, tmp_path: Path):
    """All that it calls from its start to its end: push, poll, scrape, compress, save, stop."""
    (tmp_path / "metrics").write_text("polled 1\n")
    port = http_server(tmp_path)
    trace = tmp_path / "trace"
    strace = [tool("strace"), "-f", "-qq", "-o", str(trace), "-e", "signal=none"]
    running = proxy(
        command=[*strace, sys.executable, "-m", "exporter_proxy"],
        exporter={"state_file": str(tmp_path / "state.db"), "enable_lifecycle": True},
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [f"http://localhost:{port}/metrics"],
            "poll_interval": 1,
        },
    )
    assert running.push_tcp(b'{"a": "pushed 1"}') == ""
    assert running.push_unix(b'{"b": "pushed_too 1"}') == ""
    until(lambda: "polled 1\n" in running.metrics(), "the poll")
    running.get("/metrics", {"Accept-Encoding": "zstd"})
    running.get("/apps")
    assert running.get("/-/reload", method="POST").status == 200
    # The tracer passes no signal on.
    (child,) = re.findall(
        r"\d+",
        Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text(),
    )
    subprocess.run(["kill", child], check=True, timeout=10)
    assert running.wait() == 0
    calls = trace.read_text(encoding="utf-8", errors="replace")
    names = set(re.findall(r"^\d+ +(\w+)\(", calls, re.MULTILINE))

    assert {"execve", "socket", "accept4", "epoll_wait"} & names
    assert names - syscall_filter(tool) == set()
    # MemoryDenyWriteExecute
    assert not re.search(r"PROT_[A-Z|_]*WRITE\|PROT_EXEC", calls)

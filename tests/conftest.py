"""What tests of the whole share: the proxy as a process, and the tools it is tried with."""

import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import hypothesis
import pytest

from tests.ports import free_port
from tests.proxy_process import ROOT, ProxyProcess, Section, http_get, until

# How long an example takes is up to the machine, which may be busy. The suite tries the same
# examples every time: what a run finds, the next one finds, too. For others there is
# --hypothesis-profile=chance, and `make fuzz`.
ANY_MACHINE = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("suite", derandomize=True, **ANY_MACHINE)
hypothesis.settings.register_profile("chance", **ANY_MACHINE)
hypothesis.settings.load_profile("suite")


class StartProxy(Protocol):
    """The fixture ``proxy``: keyword arguments are sections of the configuration."""

    def __call__(
        self,
        *,
        command: Sequence[str] = (),
        wait: bool = True,
        **sections: Section | Sequence[Section],
    ) -> ProxyProcess:
        """Start a proxy and, unless told otherwise, wait until it is ready."""


@pytest.fixture(autouse=True)
def restore_root() -> Iterator[None]:
    """Leave the root logger as it was: commands that are run within the test set it up."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def proxy() -> Iterator[StartProxy]:
    """Start proxies; each is stopped when the test ends, and has to stop as it should."""
    started: list[ProxyProcess] = []
    # Not pytest's directory: the path of a Unix socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="proxy-") as directory:

        def start(
            *,
            command: Sequence[str] = (),
            wait: bool = True,
            **sections: Section | Sequence[Section],
        ) -> ProxyProcess:
            own = Path(directory) / str(len(started))
            own.mkdir()
            process = ProxyProcess(own, sections, command)
            started.append(process)
            process.start()
            if wait:
                process.wait_ready()
            return process

        try:
            yield start
        finally:
            # all of them, before the first complaint
            ends = [(process, process.running, process.stop()) for process in started]
            for process, _, _ in ends:
                print(process.log_text())  # noqa: T201 - pytest shows it where a test failed
        for process, was_running, code in ends:
            assert "Traceback" not in process.log_text()
            assert not was_running or code == 0, "SIGTERM did not end the proxy in order"


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Find a program that a test needs; a test whose program is missing fails and says so."""
    packages = dict(
        line.split()
        for line in (ROOT / "scripts" / "test-tools.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.fail(f"this test needs {name}: install the package {packages[name]}")
        return path

    return find


@pytest.fixture
def http_server() -> Iterator[Callable[[Path], int]]:
    """Serve directories with ``python -m http.server``, as the README does; gives the port."""
    started: list[subprocess.Popen[bytes]] = []

    def serve(directory: Path) -> int:
        port = free_port()
        command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
        started.append(
            subprocess.Popen(
                command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        until(lambda: http_get(port, "/").status == 200, "python -m http.server")
        return port

    yield serve
    for process in started:
        process.kill()
        process.wait()

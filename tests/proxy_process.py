"""A proxy of its own for a test: a real process with free ports and a temporary Unix socket."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

DEADLINE_SECONDS = 20.0
"""How long a test waits for what should take a fraction of a second; the machine may be busy."""

_T = TypeVar("_T")

Section = Mapping[str, object]
Sections = Mapping[str, Section | Sequence[Section]]


class Response(NamedTuple):
    """What an HTTP server answered; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def until(ask: Callable[[], _T], what: str, seconds: float = DEADLINE_SECONDS) -> _T:
    """Ask until the answer is true and return it; fail after ``seconds``, saying what was awaited.

    A refused or broken connection counts as "not yet".
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            answer = ask()
            if answer:
                return answer
            last = answer
        except (OSError, http.client.HTTPException) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}; last: {last!r:.2000}")
        time.sleep(0.02)


def wait_for_disk(file: Path) -> None:
    """Write to a file as to a database: return when the disk has it."""
    with file.open("wb", buffering=0) as written:
        written.write(b"x")
        os.fsync(written.fileno())


def http_get(
    port: int, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> Response:
    """Ask an HTTP server on 127.0.0.1, once, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Response(answer.status, names, answer.read())
    finally:
        connection.close()


def replace(file: Path, text: str) -> None:
    """Write a file that somebody may be reading: they see the old text or the new."""
    new = file.with_name(f".{file.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def toml(sections: Sections) -> str:
    """Write a configuration file: tables of plain values, lists and inline tables.

    A list of sections is written as ``[[name]]``, each of them.
    """
    lines = []
    for name, section in sections.items():
        single = isinstance(section, Mapping)
        for values in [section] if single else section:
            lines.append(f"[{name}]" if single else f"[[{name}]]")
            lines += [f"{key} = {_toml_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{key} = {_toml_value(item)}" for key, item in value.items()) + " }"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    # TOML's strings, numbers and booleans are written as JSON's.
    return json.dumps(value)


class ProxyProcess:
    """``python -m exporter_proxy`` on a configuration written for one test.

    Attributes:
        directory: Where its files are; short, as the path of a Unix socket has to be.
        tcp_port: Of the TCP receiver.
        http_port: Of ``/metrics`` and ``/apps``.
        unix_socket: Of the Unix receiver.
    """

    def __init__(self, directory: Path, sections: Sections, command: Sequence[str] = ()) -> None:
        self.directory = directory
        self.tcp_port = free_port()
        self.http_port = free_port()
        self.unix_socket = directory / "receiver.sock"
        self.config_file = directory / "config.toml"
        self._log_file = directory / "log"
        self._command = command or (sys.executable, "-m", "exporter_proxy")
        self._process: subprocess.Popen[bytes] | None = None
        self.write_config(**sections)

    def write_config(self, **sections: Mapping[str, object]) -> None:
        """Write the configuration, with the addresses as they are now."""
        own: dict[str, Any] = {
            "exporter": {"scrape_expose_endpoint": f"127.0.0.1:{self.http_port}"},
            "receiver": {
                "format": "auto",
                "receiver_unix_socket": str(self.unix_socket),
                "receiver_tcp_socket": f"127.0.0.1:{self.tcp_port}",
            },
        }
        for name, values in sections.items():
            own[name] = own.get(name, {}) | values if isinstance(values, Mapping) else values
        replace(self.config_file, toml(own))

    def start(
        self, *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it, without waiting for anything."""
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "-c", str(self.config_file), "--log-format", "json"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd or ROOT,
                env=dict(environment) if environment is not None else None,
            )

    def wait_ready(self) -> None:
        """Wait until it says that it is ready; fail at once if it ends before that."""

        def ready() -> bool:
            code = self.process.poll()
            if code is not None:
                raise AssertionError(f"the proxy ended with {code}:\n{self.log_text()}")
            return self.get("/-/ready").status == 200

        until(ready, "the proxy to be ready")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process; it has been started."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Ask it to end (SIGTERM), wait, and return its exit code; harmless if it has ended."""
        self.process.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Wait for its end and return the exit code; kill it if that takes too long, and fail."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response:
        """Ask its HTTP port."""
        return http_get(self.http_port, path, headers, method)

    def metrics(self) -> str:
        """Return what a scrape of ``/metrics`` brings."""
        answer = self.get("/metrics")
        assert answer.status == 200, answer
        return answer.body.decode()

    def app_metrics(self) -> str:
        """Return what a scrape brings of the apps: what comes before the proxy's own metrics."""
        return self.metrics().partition("# HELP exporter_proxy_")[0]

    def wait_metrics(self, part: str, seconds: float = DEADLINE_SECONDS) -> str:
        """Scrape until ``part`` is in the page, and return the page."""
        return until(
            lambda: page if part in (page := self.metrics()) else "",
            f"{part!r} in /metrics",
            seconds,
        )

    def apps_json(self) -> Any:
        """Return what ``/apps?format=json`` says."""
        return json.loads(self.get("/apps?format=json").body)

    def push_tcp(self, data: bytes) -> str:
        """Send ``data`` over TCP and close our side; return the answer, "" where all is well."""
        with socket.create_connection(("127.0.0.1", self.tcp_port), DEADLINE_SECONDS) as connection:
            return _exchange(connection, data)

    def push_unix(self, data: bytes) -> str:
        """Send ``data`` over the Unix socket, as :meth:`push_tcp` does over TCP."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE_SECONDS)
            connection.connect(str(self.unix_socket))
            return _exchange(connection, data)

    def log_text(self) -> str:
        """Return all that it has written to its standard output and error."""
        return self._log_file.read_text(encoding="utf-8", errors="replace")

    def log_records(self) -> list[dict[str, Any]]:
        """Return its log, a dict a line; a line that is no JSON fails the test."""
        return [json.loads(line) for line in self.log_text().splitlines()]

    def memory_bytes(self) -> int:
        """Return its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found, status
        return int(found[1]) * 1024

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        user, system = fields.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _exchange(connection: socket.socket, data: bytes) -> str:
    # A proxy that refuses early may close before it has read everything: its answer counts.
    with suppress(ConnectionError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    received = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    return received.decode()

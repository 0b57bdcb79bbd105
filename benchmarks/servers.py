"""Start servers on free loopback ports, and end them by process id whatever happens."""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from cpu import cpu_ns, rss_bytes

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
START_SECONDS = 20.0
Section = Mapping[str, object]
Sections = Mapping[str, Section | Sequence[Section]]
# sendfile and tcp_nopush are on in the file that Debian ships. A connection is kept for all rounds.
_NGINX = """\
daemon off;
master_process off;
pid {home}/pid;
events {{ }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  keepalive_timeout 1h;
  types {{ }}
  default_type "text/plain; version=0.0.4; charset=utf-8";
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {home};
    gzip_static on;
  }}
}}
"""


class MissingError(Exception):
    """A peer is not installed; the text names it."""


class Server:
    """A process of ours to measure."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, unix: str) -> None:
        self.process = process
        self.port = port
        self.unix = unix

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def cpu_ns(self) -> int:
        """Return the CPU time that it has used."""
        return cpu_ns(self.pid)

    def rss(self) -> int:
        """Return its resident memory in bytes."""
        return rss_bytes(self.pid)

    def stop(self) -> None:
        """End it before its time."""
        _end(self.process)


class Bench:
    """A temporary directory, and the processes that must end with it. A context manager."""

    def __init__(self) -> None:
        self._exits = contextlib.ExitStack()
        self.directory = Path()

    def __enter__(self) -> Self:
        """Begin."""
        # Short: the path of a Unix socket may have 107 bytes.
        self.directory = Path(
            self._exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes, then remove the directory."""
        self._exits.close()

    def start(self, command: Sequence[str], *, port: int = 0, unix: str = "") -> Server:
        """Start a process that ends with this object."""
        log = self.directory / f"log-{random.getrandbits(40):x}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                # Ctrl-C is ours: we end them.
                start_new_session=True,
            )
        self._exits.callback(_end, process)
        if port:
            _wait(process, port, log)
        return Server(process, port, unix)

    def floor(self, script: str, *arguments: str) -> Server:
        """Start one of the bare servers beside this file; it takes a port and a socket path."""
        port = free_port()
        unix = str(self.directory / f"{random.getrandbits(40):x}.sock")
        command = [sys.executable, str(HERE / script), str(port), unix, *arguments]
        return self.start(command, port=port, unix=unix)

    def script(self, script: str, *arguments: str) -> Server:
        """Start a script beside this file that listens nowhere: a load."""
        return self.start([sys.executable, str(HERE / script), *arguments])

    def proxy(self, **sections: Section | Sequence[Section]) -> "Proxy":
        """Start the proxy on its defaults and free ports; arguments are sections of the file."""
        proxy = Proxy(self.directory, sections)
        server = self.start(proxy.command, port=proxy.http_port, unix=proxy.unix)
        proxy.attach(server)
        return proxy

    def pushgateway(self, *, checked: bool = True) -> Server:
        """Start Debian's Pushgateway, which keeps nothing on disk."""
        port = free_port()
        command = [
            tool("prometheus-pushgateway"),
            "--persistence.file=",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        if not checked:
            command.append("--push.disable-consistency-check")
        return self.start(command, port=port)

    def nginx(self, plain: bytes, packed: bytes) -> Server:
        """Start Debian's nginx, one process, with a page as two files: ``/metrics``."""
        port = free_port()
        home = self.directory / f"nginx-{random.getrandbits(40):x}"
        home.mkdir()
        (home / "metrics").write_bytes(plain)
        (home / "metrics.gz").write_bytes(packed)
        config = home / "nginx.conf"
        config.write_text(_NGINX.format(home=home, port=port), encoding="utf-8")
        command = [tool("nginx"), "-p", str(home), "-c", str(config), "-e", str(home / "log")]
        return self.start(command, port=port)


class Proxy(Server):
    """The proxy: where it listens, and the file that says so."""

    def __init__(self, directory: Path, sections: Sections) -> None:
        self.tcp_port = free_port()
        self.http_port = free_port()
        self.unix = str(directory / f"{random.getrandbits(40):x}.sock")
        own: dict[str, Any] = {
            "exporter": {"scrape_expose_endpoint": f"127.0.0.1:{self.http_port}"},
            "receiver": {
                "format": "auto",
                "receiver_unix_socket": self.unix,
                "receiver_tcp_socket": f"127.0.0.1:{self.tcp_port}",
            },
        }
        for name, values in sections.items():
            own[name] = own.get(name, {}) | values if isinstance(values, Mapping) else values
        self.config = directory / f"{random.getrandbits(40):x}.toml"
        self.config.write_text(_toml(own), encoding="utf-8")
        self.command = [sys.executable, "-m", "exporter_proxy", "-c", str(self.config)]

    def attach(self, server: Server) -> None:
        """Take the process that was started."""
        super().__init__(server.process, self.tcp_port, self.unix)


def tool(name: str) -> str:
    """Return the path of a program.

    Raises:
        MissingError: It isn't installed.
    """
    path = shutil.which(name)
    if path is None:
        raise MissingError(f"{name} is not installed")
    return path


def free_port() -> int:
    """Return a port that nobody uses, below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randint(20_000, 31_999)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one, and return it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Make SIGTERM an exception, as SIGINT is one, so that processes are ended then too."""

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    text = log.read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"{process.args!r} does not answer:\n{text}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _toml(sections: Sections) -> str:
    lines = []
    for name, section in sections.items():
        single = isinstance(section, Mapping)
        for values in [section] if single else section:
            lines.append(f"[{name}]" if single else f"[[{name}]]")
            # TOML's strings, numbers, booleans and lists are written as JSON's.
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"

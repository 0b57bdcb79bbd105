"""A real rsync daemon that writes a log, and what its clients and grep say happened."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.proxy_process import free_port, until

_CONFIG = """\
log file = {log}
use chroot = no
reverse lookup = no
{owner}transfer logging = yes
{log_format}
[ftp]
path = {files}
comment = files for everybody

[upload]
path = {files}
read only = no

[locked]
path = {files}
auth users = somebody
secrets file = {secrets}

[closed]
path = {files}
hosts deny = *
"""
_LIE = "[1] sent 99999999 bytes  received 1 bytes  total size 1"
_NUMBER = re.compile(
    r"^(Total bytes sent|Total bytes received|Total file size): ([0-9,]+)", re.MULTILINE
)


class RsyncDaemon:
    """``rsync --daemon`` on a free port, with a directory of its own.

    Args:
        rsync: The program.
        directory: For its files.
        log_format: The directive ``log format``; empty: rsync's default.

    Attributes:
        log: What it writes.
        files: The directory that all of its modules have.
        url: Its own, without a module.
    """

    def __init__(self, rsync: str, directory: Path, log_format: str = "") -> None:
        self._rsync = rsync
        self._directory = directory
        self.log = directory / "rsyncd.log"
        self.files = directory / "files"
        self.files.mkdir()
        self._port = free_port()
        self.url = f"rsync://127.0.0.1:{self._port}"
        secrets = directory / "secrets"
        secrets.write_text("somebody:right\n")
        secrets.chmod(0o600)
        self._config = directory / "rsyncd.conf"
        self._config.write_text(
            _CONFIG.format(
                log=self.log,
                # Else root's daemon would be nobody, who can't read a test's files.
                owner="uid = root\ngid = root\n" if os.geteuid() == 0 else "",
                log_format=f"log format = {log_format}\n" if log_format else "",
                files=self.files,
                secrets=secrets,
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [
                self._rsync,
                "--daemon",
                "--no-detach",
                "--address=127.0.0.1",
                f"--port={self._port}",
                f"--config={self._config}",
            ]
        )

        # A connection that is closed at once is in the log, now and then as an error.
        until(lambda: _listens(self._port), "the rsync daemon")

    def stop(self) -> None:
        """End it. Idempotent."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def run(self, *arguments: str | Path | bytes, password: str = "") -> dict[str, int]:
        """Run a client to its end; return the figures of its ``--stats``, which may be none."""
        done = subprocess.run(
            [self._rsync, *arguments],
            env={**os.environ, "RSYNC_PASSWORD": password, "LC_ALL": "C"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        text = done.stdout.decode(errors="replace")
        return {name: int(number.replace(",", "")) for name, number in _NUMBER.findall(text)}

    def interrupt(self, *arguments: str | Path) -> None:
        """Start a transfer and kill the client when the daemon has begun to send."""
        before = self.log_text().count("building file list")
        client = subprocess.Popen([self._rsync, "--bwlimit=50", *arguments], start_new_session=True)
        try:
            until(
                lambda: self.log_text().count("building file list") > before, "a transfer to begin"
            )
            # so that it is in the middle of the file
            time.sleep(0.2)
        finally:
            # a client is two processes
            os.killpg(client.pid, signal.SIGKILL)
            client.wait()

    def wait_quiet(self) -> None:
        """Wait until the daemon has written all it has to say of the clients that have gone.

        It serves each in a process of its own, which may write its last lines after its client's
        end, and in any order with those of others.
        """
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        until(lambda: not children.read_text(), "the daemon to be done with its clients")

    def log_text(self) -> str:
        """Return the log, bytes that are not UTF-8 replaced."""
        with suppress(FileNotFoundError):
            return self.log.read_text(encoding="utf-8", errors="replace")
        return ""

    def grep(self, pattern: str) -> int:
        """Return how many lines of the log grep finds for a message's begin, in any process."""
        # bytes, since names of files may be none of any locale's
        done = subprocess.run(
            ["grep", "-caE", rf"^[0-9/]{{10}} [0-9:]{{8}} \[[0-9]+\] {pattern}", str(self.log)],
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return int(done.stdout)

    def totals(self) -> list[tuple[int, int, int]]:
        """Return what the log says was sent and received, and the total size, of each transfer."""
        found = re.findall(
            r"^[0-9/]{10} [0-9:]{8} \[[0-9]+\] "
            r"sent ([0-9]+) bytes  received ([0-9]+) bytes  total size ([0-9]+)$",
            self.log_text(),
            re.MULTILINE,
        )
        return [(int(sent), int(received), int(size)) for sent, received, size in found]


def _listens(port: int) -> bool:
    """Tell whether there is a listener on a port of 127.0.0.1, without connecting to it."""
    table = Path("/proc/net/tcp").read_text(encoding="ascii")
    # The state 0A is that of a listener.
    return re.search(rf"^ *\d+: 0100007F:{port:04X} \S+ 0A ", table, re.MULTILINE) is not None


def everything(daemon: RsyncDaemon, directory: Path) -> Mapping[str, dict[str, int]]:
    """Have clients do all that is counted; return what those that succeed say of it."""
    make_files(daemon.files)
    here = directory / "here"
    stats = {
        "pull": daemon.run("-a", "--stats", f"{daemon.url}/ftp/", here),
        "push": daemon.run("-a", "--stats", f"{here}/", f"{daemon.url}/upload/copy/"),
        "list": daemon.run("--stats", f"{daemon.url}/ftp/"),
    }
    daemon.run(f"{daemon.url}/")
    daemon.run(f"{daemon.url}/nothing/")
    # a request may have slashes, so that what follows its newline begins as a line of the log
    daemon.run(f"{daemon.url}/ftp/a\n2022/05/22 10:07:14 {_LIE}", directory / "lie")
    daemon.run(f"rsync://somebody@{daemon.url[8:]}/locked/", password="wrong")
    daemon.run(f"{daemon.url}/closed/")
    (daemon.files / "large").write_bytes(b"x" * 5_000_000)
    daemon.interrupt(f"{daemon.url}/ftp/large", directory / "large")
    daemon.wait_quiet()
    return stats


def make_files(directory: Path) -> None:
    """Make files whose names are hard to tell from messages."""
    for name in (
        b"plain",
        b"new\nline",
        f"a\n2022_05_22 10:07:14 {_LIE}".encode(),
        _LIE[4:].encode(),
        b"rsync on ftp from x (1.2.3.4)",
        b"z [1] connect from q (1.2.3.4)",
        b"\xff\xfe",
        "grün".encode(),
    ):
        (directory / os.fsdecode(name)).write_bytes(b"12345")
    deep = directory / f"d\n2022/05/22 10:07:14 {_LIE}"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"12345")

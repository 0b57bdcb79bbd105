"""Other people's exporters, started for a test on free ports of the loopback address."""

import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.e2e.reading import OPENMETRICS, TEXT, Reading, read
from tests.ports import free_port
from tests.proxy_process import DEADLINE_SECONDS, http_get, until

ACCEPT = {"text": TEXT, "openmetrics": OPENMETRICS}

TEXTFILE = """\
# HELP backup_last_success_timestamp_seconds As a script left it for node_exporter.
# TYPE backup_last_success_timestamp_seconds gauge
backup_last_success_timestamp_seconds{path="C:\\\\data",host="a \\"b\\""} 1.7e+09
"""

NO_MOUNTS = "^/(dev|proc|run|sys|mnt|media|tmp|var/lib)($|/)"

# What is pushed to Pushgateway: groups that share families, and one whose name is no path.
GROUPS = {
    "/metrics/job/backup/instance/db1": """\
# HELP job_duration_seconds How long it took.
# TYPE job_duration_seconds summary
job_duration_seconds{quantile="0.5"} NaN
job_duration_seconds{quantile="0.99"} 3.25
job_duration_seconds_sum 41.5
job_duration_seconds_count 17
# HELP job_files_total Files saved.
# TYPE job_files_total counter
job_files_total{kind="größe"} 1.7e+08
""",
    "/metrics/job/backup/instance/db2": """\
# TYPE job_files_total counter
job_files_total{kind="new\\nline"} 3
# TYPE job_size_bytes histogram
job_size_bytes_bucket{le="1"} 1
job_size_bytes_bucket{le="1000"} 4
job_size_bytes_bucket{le="+Inf"} 5
job_size_bytes_sum 12345
job_size_bytes_count 5
""",
    "/metrics/job@base64/L3Zhci90bXA": "untyped_metric -0.5\n",
}


class Exporter(NamedTuple):
    """One that runs."""

    name: str
    port: int

    @property
    def url(self) -> str:
        """What a poller asks."""
        return f"http://127.0.0.1:{self.port}/metrics"

    def scrape(self, form: str) -> "Capture":
        """Ask it for its metrics in a format; it may answer in another."""
        answer = http_get(self.port, "/metrics", {"Accept": ACCEPT[form]})
        assert answer.status == 200, answer
        return Capture(self.name, answer.body.decode(), answer.headers["content-type"])


class Capture(NamedTuple):
    """What an exporter answered."""

    name: str
    text: str
    content_type: str

    @property
    def form(self) -> str:
        """The format in which it answered."""
        return "openmetrics" if "openmetrics" in self.content_type else "text"

    def read(self) -> Reading:
        """Return what a parser finds in it."""
        return read(self.text, self.content_type)


@contextmanager
def exporters(tool: Callable[[str], str], directory: Path) -> Iterator[list[Exporter]]:
    """Start all of them, each with a directory of its own, and stop them in the end."""
    textfiles = directory / "textfiles"
    textfiles.mkdir()
    (textfiles / "backup.prom").write_text(TEXTFILE)
    config = directory / "prometheus.yml"
    config.write_text("scrape_configs: []\n")
    application = str(Path(__file__).with_name("instrumented_app.py"))
    listen = "--web.listen-address=127.0.0.1:{port}"
    commands = {
        "node": [
            tool("prometheus-node-exporter"),
            listen,
            f"--collector.textfile.directory={textfiles}",
            # What other tests mount comes and goes within two scrapes.
            f"--collector.filesystem.mount-points-exclude={NO_MOUNTS}",
        ],
        "prometheus": [
            tool("prometheus"),
            listen,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
        ],
        "pushgateway": [tool("prometheus-pushgateway"), listen, "--persistence.file="],
        "client": [sys.executable, application, "{port}"],
    }
    with ExitStack() as stack:
        started = [
            stack.enter_context(_exporter(name, command, directory / f"{name}.log"))
            for name, command in commands.items()
        ]
        for path, body in GROUPS.items():
            _put(started[2], path, body)
        yield started


@contextmanager
def _exporter(name: str, command: Sequence[str], log: Path) -> Iterator[Exporter]:
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [part.format(port=port) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def answers() -> bool:
        assert process.poll() is None, f"{name} has ended: {log.read_text()}"
        return http_get(port, "/metrics").status == 200

    try:
        until(answers, name)
        yield Exporter(name, port)
        assert answers()
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def _put(exporter: Exporter, path: str, body: str) -> None:
    url = f"http://127.0.0.1:{exporter.port}{path}"
    request = urllib.request.Request(url, body.encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
        assert answer.status == 200

"""The log of a real rsync daemon: what is counted is what grep and the clients say."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.rsync_daemon import RsyncDaemon, everything
from tests.proxy_process import ProxyProcess, until

# What a daemon sends and receives after the statistics that it gives its client.
_GOODBYE_BYTES = 100
_DIRECTIVE = "%t|%p|%o|%m|%b|%c|%l|%f|%h|%a|%u|%P|%i"

Metrics = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def daemon(tool, tmp_path: Path) -> Iterator[Callable[..., RsyncDaemon]]:
    """Start rsync daemons; each ends with the test."""
    started: list[RsyncDaemon] = []

    def start(log_format: str = "") -> RsyncDaemon:
        directory = tmp_path / f"rsync{len(started)}"
        directory.mkdir()
        started.append(RsyncDaemon(tool("rsync"), directory, log_format))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()
        print(each.log_text())  # noqa: T201 - pytest shows it where a test failed


def follow(proxy, daemon: RsyncDaemon, **section: object) -> ProxyProcess:
    """Start a proxy that follows the daemon's log from its beginning."""
    log = {
        "path": str(daemon.log),
        "app": "rsyncd",
        "preset": "rsyncd",
        "start": "beginning",
        **section,
    }
    running: ProxyProcess = proxy(log=[log])
    return running


def read(page: str) -> Metrics:
    """Return the values of a page by name and the values of the labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def counted(metrics: Metrics, name: str) -> int:
    """Return the sum of a family's series."""
    return int(sum(value for (found, _), value in metrics.items() if found == name))


@pytest.mark.parametrize("log_format", ["", _DIRECTIVE], ids=["default", "directive"])
def test_counts_what_grep_and_the_clients_count(daemon, proxy, tmp_path: Path, log_format: str):
    """Lists, pulls, pushes, refusals and a broken transfer, with names of files that lie."""
    server = daemon(log_format)
    section = {}
    if log_format:
        (tmp_path / "format").write_text(f"{log_format}\n")
        section["format_file"] = str(tmp_path / "format")
    running = follow(proxy, server, **section)
    stats = everything(server, tmp_path)
    totals = server.totals()
    metrics = until(
        lambda: (
            found
            if counted(found := read(running.app_metrics()), "rsync_errors_total") > 1
            and counted(found, "rsync_execution_exchanged_bytes_count") == len(totals)
            else None
        ),
        "the end of the log",
    )

    grep = server.grep
    assert metrics["rsync_connections_total", ()] == grep("connect from ")
    assert metrics["rsync_module_lists_total", ()] == grep("module-list request") == 1
    assert metrics["rsync_unknown_modules_total", ()] == grep("unknown module ") == 1
    assert metrics["rsync_auth_failures_total", ("locked",)] == grep("auth failed on module ") == 1
    assert metrics["rsync_denied_total", ("closed", "host")] == grep("rsync denied on module ") == 1
    assert metrics["rsync_executions_total", ("ftp", "send")] == grep("rsync on ftp/") == 4
    assert metrics["rsync_executions_total", ("upload", "receive")] == grep("rsync to upload/") == 1
    assert counted(metrics, "rsync_executions_total") == 5
    # of a file that isn't there the log has the cause alone
    assert metrics["rsync_errors_total", ("23",)] == grep(r"rsync: \[sender\] change_dir ") == 1
    assert counted(metrics, "rsync_errors_total") - 1 == grep("rsync error: ") == 1
    for name, numbers in zip(
        ("sent", "received", "file_size"), zip(*totals, strict=True), strict=True
    ):
        assert counted(metrics, f"rsync_{name}_bytes_total") == sum(numbers)
    exchanged = counted(metrics, "rsync_exchanged_bytes_total")
    assert exchanged == sum(sent + received for sent, received, _ in totals)
    assert "__unknown__" not in running.app_metrics()

    pushed = stats["push"]
    assert metrics["rsync_file_size_bytes_total", ("upload",)] == pushed["Total file size"]
    for name, other in (("received", "sent"), ("sent", "received")):
        ours, theirs = (
            metrics[f"rsync_{name}_bytes_total", ("upload",)],
            pushed[f"Total bytes {other}"],
        )
        assert 0 <= ours - theirs < _GOODBYE_BYTES


def test_rate_of_executions_in_prometheus(daemon, proxy, prometheus, tmp_path: Path):
    """A Prometheus that scrapes the proxy sees executions go on."""
    server = daemon()
    (server.files / "file").write_text("content")
    running = follow(proxy, server)
    server.run("-a", f"{server.url}/ftp/", tmp_path / "here")
    running.wait_metrics('rsync_executions_total{module="ftp",direction="send"} 1')
    query = prometheus(running.http_port)
    until(lambda: query("rsync_executions_total"), "the first scrape")

    def rate() -> float:
        server.run("-a", f"{server.url}/ftp/", tmp_path / "here")
        found = query("sum(rate(rsync_executions_total[1m]))")
        return float(found[0]["value"][1]) if found else 0.0

    assert until(rate, "a rate") > 0

"""What tests with other people's programs share."""

import json
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.proxy_process import http_get

Query = Callable[[str], list[dict[str, Any]]]

CONFIG = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: exporter-proxy
    static_configs:
      - targets: {targets}
"""


@pytest.fixture
def prometheus(tool, tmp_path: Path) -> Iterator[Callable[..., Query]]:
    """Start Prometheus on the ports of proxies, or a configuration; gives what asks it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*target_ports: int, config: str = "") -> Query:
        port = free_port()
        targets = json.dumps([f"127.0.0.1:{target}" for target in target_ports])
        file = tmp_path / "prometheus.yml"
        file.write_text(config or CONFIG.format(targets=targets))
        with (tmp_path / "prometheus.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [
                        tool("prometheus"),
                        f"--config.file={file}",
                        f"--storage.tsdb.path={tmp_path / 'data'}",
                        f"--web.listen-address=127.0.0.1:{port}",
                    ],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )

        def query(expression: str) -> list[dict[str, Any]]:
            answer = http_get(
                port, "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            )
            document = json.loads(answer.body) if answer.status == 200 else {}
            result: list[dict[str, Any]] = document.get("data", {}).get("result", [])
            return result

        return query

    yield start
    for process in started:
        process.terminate()
        process.wait(20)
    print((tmp_path / "prometheus.log").read_text())  # noqa: T201 - shown where a test failed


@pytest.fixture
def promtool(tool) -> Callable[[str], int]:
    """Return what ``promtool check metrics`` ends with for a page: 3 is a remark on style."""

    def check(page: str) -> int:
        done = subprocess.run(
            [tool("promtool"), "check", "metrics"],
            input=page,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        print(done.stderr)  # noqa: T201 - shown where a test failed
        return done.returncode

    return check

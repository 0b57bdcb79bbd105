"""Debian's own Prometheus scrapes the proxy."""

import json
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import CLIENTS, JSON_ARRAY, JSON_STRING
from tests.proxy_process import free_port, http_get, until

Query = Callable[[str], list[dict[str, Any]]]

CONFIG = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: exporter-proxy
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


@pytest.fixture
def prometheus(tool, tmp_path: Path) -> Iterator[Callable[[int], Query]]:
    """Start Prometheus on a proxy's port; gives a function that asks it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(target_port: int) -> Query:
        port = free_port()
        config = tmp_path / "prometheus.yml"
        config.write_text(CONFIG.format(port=target_port))
        with (tmp_path / "prometheus.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [
                        tool("prometheus"),
                        f"--config.file={config}",
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


def test_pushed_and_polled_values_can_be_queried(proxy, prometheus, http_server):
    """What was pushed and polled comes back from a query, and a new value after it."""
    port = http_server(CLIENTS)
    running = proxy(
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [f"http://127.0.0.1:{port}/1027.html"],
        }
    )
    assert running.push_tcp(JSON_STRING.read_bytes()) == ""
    assert running.push_unix(JSON_ARRAY.read_bytes()) == ""
    running.wait_metrics("router_uptime_seconds")
    query = prometheus(running.http_port)

    def value(expression: str) -> str:
        result = until(lambda: query(expression), f"a result of {expression}")
        assert len(result) == 1
        return str(result[0]["value"][1])

    assert value("foo_queue_length") == "4"
    assert value('foo_requests_total{code="200",method="get"}') == "1027"
    assert value('bar_temperature_celsius{sensor="window"}') == "17.25"
    assert value("router_uptime_seconds") == "1209320"
    assert value("exporter_proxy_build_info") == "1"
    assert value('up{job="exporter-proxy"}') == "1"

    running.push_tcp(b'{"foo_bar_app1_metrics": "foo_queue_length 5\\n"}')
    until(lambda: query("foo_queue_length == 5"), "the new value")
    # Replaced, not merged: what the second push did not bring goes stale at the next scrape.
    until(lambda: not query("foo_requests_total"), "the old series to end")


def test_page_passes_promtool(proxy, tool):
    """All the clients' payloads and the proxy's own metrics together are a page without a fault."""
    running = proxy()
    running.push_tcp(JSON_STRING.read_bytes())
    running.push_tcp(JSON_ARRAY.read_bytes())
    done = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=running.metrics(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")

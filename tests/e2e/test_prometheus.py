"""Debian's own Prometheus scrapes the proxy."""

import subprocess

from tests.e2e.clients import CLIENTS, JSON_ARRAY, JSON_STRING
from tests.proxy_process import until


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
    until(lambda: value('up{job="exporter-proxy"}') == "1", "a scrape in time")

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

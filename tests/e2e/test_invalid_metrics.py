"""``invalid_metrics = "reject"``: an update that can't be read leaves the last good one."""

from pathlib import Path

from tests.proxy_process import ProxyProcess, replace, until

REJECT = {"exposition": "merged", "invalid_metrics": "reject", "self_metrics_interval": 0.01}


def own_metric(running: ProxyProcess, line: str) -> bool:
    return line in running.get("/metrics/self").body.decode()


def test_push_is_refused(proxy):
    """The sender reads which line it is; the page keeps what it had."""
    running = proxy(exporter=REJECT)
    assert running.push_tcp(b'{"a":["x 1"],"b":["y 1"]}') == ""
    answer = running.push_tcp(b'{"a":["x 2"],"b":["y 2","# HELP z Some.","z one"]}')

    assert answer.startswith('error: the metrics of "b": line 3: ')
    page = running.metrics()
    assert "\nx 1\n" in page
    assert "\ny 1\n" in page
    name = "exporter_proxy_rejected_messages_total"
    count = f'{name}{{reason="invalid_metrics",source="127.0.0.1:{running.tcp_port}"}} 1.0'
    until(lambda: own_metric(running, count), "the count")
    assert any(
        record["level"] == "WARNING" and record["message"].startswith("message refused: ")
        for record in running.log_records()
    )


def test_poll_fails(proxy, http_server, tmp_path: Path):
    """The last good page of a target stays, and its poll is down for that reason."""
    target = tmp_path / "metrics"
    target.write_text("polled 1\n")
    port = http_server(tmp_path)
    running = proxy(
        exporter=REJECT,
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [f"http://127.0.0.1:{port}/metrics"],
            "poll_interval": 0.1,
            "client_timeout": 20,
        },
    )
    running.wait_metrics("\npolled 1\n")
    replace(target, "polled 2\npolled three\n")
    down = f'exporter_proxy_poll_up{{target="external_poll: 127.0.0.1:{port}"}} 0'
    until(lambda: own_metric(running, down), "the poll to fail")

    assert "\npolled 1\n" in running.metrics()
    assert own_metric(running, 'reason="invalid_metrics"} ')
    [failing] = [r for r in running.log_records() if r["message"].startswith("poll failing")]
    assert "reason=invalid_metrics: line 2: " in failing["message"]


def test_without_it_they_are_held_back(proxy):
    """By default the update is taken, and what can't be read is not shown to scrapers."""
    running = proxy(exporter={"exposition": "merged"})

    assert running.push_tcp(b'{"a":["x 1","y one"]}') == ""
    assert "\nx 1\n" in running.metrics()

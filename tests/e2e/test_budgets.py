"""Budgets and ages of the running proxy."""

import json
from pathlib import Path

from tests.conftest import StartProxy
from tests.proxy_process import ProxyProcess, replace, until


def details(running: ProxyProcess, app: str) -> dict[str, object]:
    answer = running.get(f"/apps/{app}")
    assert answer.status == 200
    found: dict[str, object] = json.loads(answer.body)
    return found


def metric(running: ProxyProcess, line: str) -> bool:
    return line in running.get("/metrics/self").body.decode().splitlines()


def samples(running: ProxyProcess) -> list[str]:
    return [line for line in running.app_metrics().splitlines() if not line.startswith("#")]


def test_update_over_budget_is_refused(proxy: StartProxy):
    """Its sender is told, the last good one stays, and its state says so until the next."""
    running = proxy(
        exporter={"app_max_samples": 2, "self_metrics_interval": 0},
        receiver={"receive_on_unix_socket": False},
    )
    assert running.push_tcp(b'{"a":["x 1","y 1"]}') == ""
    assert running.push_tcp(b'{"a":["x 2","y 2","z 2"]}') == (
        'error: the metrics of "a": more than 2 samples (exporter.app_max_samples)\n'
    )
    assert samples(running) == ["x 1", "y 1"]
    found = details(running, "a")
    assert found["state"] == "update refused: more than 2 samples (exporter.app_max_samples)"
    assert found["up"] is True
    labels = f'reason="app_over_samples",source="127.0.0.1:{running.tcp_port}"'
    assert metric(running, f"exporter_proxy_rejected_messages_total{{{labels}}} 1.0")
    assert running.push_tcp(b'{"a":["x 3"]}') == ""
    assert details(running, "a")["state"] == "ok"
    assert samples(running) == ["x 3"]


def test_polled_page_over_budget_is_a_failed_poll(proxy: StartProxy, http_server, tmp_path: Path):
    target = tmp_path / "metrics"
    target.write_text("polled 1\n")
    port = http_server(tmp_path)
    running = proxy(
        exporter={"self_metrics_interval": 0},
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [f"http://127.0.0.1:{port}/metrics"],
            "poll_interval": 0.1,
            "client_timeout": 20,
            "max_samples": 2,
        },
    )
    running.wait_metrics("\npolled 1\n")
    replace(target, "polled 2\n" * 3)
    until(
        lambda: 'reason="app_over_samples"}' in running.get("/metrics/self").body.decode(),
        "the poll to fail",
    )
    assert "\npolled 1\n" in running.metrics()
    [app] = running.apps_json()["apps"]
    assert app["state"] == "poll failing: more than 2 samples (max_samples)"


def test_section_says_how_long_an_app_lives(proxy: StartProxy):
    """And that its metrics stay; nobody scrapes for it to be noticed."""
    running = proxy(
        app=[{"match": "a.*", "expire_after": "300ms", "on_expire": "mark"}],
        receiver={"receive_on_unix_socket": False, "expire_after": 3600},
    )
    assert running.push_tcp(b'{"a1":["x 1"],"b":["y 1"]}') == ""
    until(
        lambda: (
            "app expired, its metrics stay: app=a1"
            in [record["message"] for record in running.log_records()]
        ),
        "the app to expire",
    )
    assert samples(running) == ["x 1", "y 1"]
    page = running.metrics().splitlines()
    assert 'exporter_proxy_app_up{app="a1"} 0' in page
    assert 'exporter_proxy_app_up{app="b"} 1' in page
    assert str(details(running, "a1")["state"]).startswith("expired since 2")
    assert running.push_tcp(b'{"a1":{"metrics":["x 2"],"ttl":"never"}}') == ""
    assert 'exporter_proxy_app_up{app="a1"} 1' in running.metrics().splitlines()

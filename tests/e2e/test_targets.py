"""Debian's own Prometheus finds every app as a target of its own, and its `up` means that app."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.e2e.conftest import Query
from tests.proxy_process import ProxyProcess, until
from tests.sources.polling import make_certificate

CONFIG = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: apps
    honor_labels: true
    http_sd_configs:
      - url: http://127.0.0.1:{port}/sd
        refresh_interval: 1s
"""
ODD = [
    "plain",
    "with blanks in it",
    "batch/nightly/run",
    'say "hi"',
    "back\\slash",
    "ünïcødé 漢字 😀",
    "100% %2F ?a=b&c#d +",
    "<b>&amp;{x}",
    "/metrics",
    "漢" * 256,
]


@contextmanager
def exporter(page: bytes) -> Iterator[ThreadingHTTPServer]:
    """Serve a page until it is shut down."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        close(server)
        thread.join()


def close(server: ThreadingHTTPServer) -> None:
    """Let a server answer no more: its port refuses. Idempotent."""
    server.shutdown()
    server.server_close()


@pytest.fixture
def discover(prometheus: Callable[..., Query]) -> Callable[[ProxyProcess], Query]:
    """Have Prometheus find its targets at a proxy."""
    return lambda proxy: prometheus(config=CONFIG.format(port=proxy.http_port))


def ups(query: Query) -> dict[str, str]:
    """Return what Prometheus holds of each app."""
    return {each["metric"]["app"]: each["value"][1] for each in query("up")}


def test_every_app_is_a_target_and_up_means_it(proxy, discover):
    """The one whose exporter dies is down, and no other."""
    with exporter(b"router_uptime_seconds 5\n") as dying, exporter(b"disk_free_bytes 7\n") as other:
        endpoints = [
            {"name": name, "url": f"http://127.0.0.1:{server.server_port}/metrics"}
            for name, server in (("router 1/2", dying), ("disk", other))
        ]
        running = proxy(
            poll_external={
                "poll_other_scrape_endpoints": True,
                "other_scrape_endpoints": endpoints,
                # Not before the test is over: what comes was asked for by a scrape.
                "poll_interval": 600,
            }
        )
        pushed = {app: f"number {number}\n" for number, app in enumerate(ODD)}
        assert running.push_tcp(json.dumps(pushed).encode()) == ""
        query = discover(running)
        apps = {*ODD, "router 1/2", "disk"}
        until(lambda: ups(query) == dict.fromkeys(apps, "1"), "all apps to be up")

        address = f"127.0.0.1:{running.http_port}"
        found = {each["metric"]["app"]: each for each in query("number")}
        assert {app: float(each["value"][1]) for app, each in found.items()} == {
            app: float(number) for number, app in enumerate(ODD)
        }
        for app, each in found.items():
            assert (each["metric"]["job"], each["metric"]["instance"]) == (app, address)
        (uptime,) = query("router_uptime_seconds")
        assert uptime["metric"]["job"] == uptime["metric"]["app"] == "router 1/2"

        close(dying)
        down = dict.fromkeys(apps, "1") | {"router 1/2": "0"}
        until(lambda: ups(query) == down, "the dead exporter's app, and no other, to be down")


def test_apps_that_are_gone_are_down_until_they_are_forgotten(proxy, discover):
    """A deleted one is no target any more, and a dropped one when it is forgotten."""
    running = proxy(exporter={"forget_after": 8})
    apps = ("stays", "deleted", "expires")
    assert running.push_tcp(json.dumps(dict.fromkeys(apps, "a 1\n")).encode()) == ""
    query = discover(running)
    until(lambda: ups(query) == dict.fromkeys(apps, "1"), "all apps to be up")
    assert running.get("/apps/deleted", method="DELETE").status == 200
    assert running.push_tcp(b'{"expires": {"metrics": "c 1\\n", "ttl": "1s"}}') == ""

    until(lambda: ups(query).get("expires") == "0", "the expired one to be down")
    # Prometheus takes over another list of targets every 5 s.
    until(lambda: ups(query) == {"stays": "1"}, "both to be gone", seconds=60)


def test_a_polled_app_that_is_deleted_comes_back(proxy):
    with exporter(b"disk_free_bytes 7\n") as server:
        running = proxy(
            poll_external={
                "poll_other_scrape_endpoints": True,
                "other_scrape_endpoints": [
                    {"name": "disk", "url": f"http://127.0.0.1:{server.server_port}/metrics"}
                ],
                "poll_interval": 0.2,
            }
        )
        running.wait_metrics("disk_free_bytes 7")
        answer = running.get("/apps/disk", method="DELETE")
        assert answer.body == b'"disk" is deleted, and comes back with its next poll.\n'
        running.wait_metrics("disk_free_bytes 7")


def test_a_deleted_app_is_not_there_after_a_restart(proxy, tmp_path: Path):
    """Neither its metrics, nor the memory of them."""
    state = {"state_file": str(tmp_path / "state.db")}
    running = proxy(exporter=state)
    assert running.push_tcp(b'{"a/b": "a 1\\n", "other": "b 1\\n"}') == ""
    assert running.get("/apps/" + quote("a/b", safe=""), method="DELETE").status == 200
    assert running.stop() == 0
    again = proxy(exporter=state)

    again.wait_metrics("b 1")
    assert [each["app"] for each in again.apps_json()["apps"]] == ["other"]
    assert again.get("/apps/" + quote("a/b", safe="")).status == 404


def test_a_group_that_is_deleted_is_gone_for_its_source_too(proxy):
    """What it had does not come back with the next push."""
    running = proxy()
    path, app = "/metrics/job/x", '{instance="",job="x"}'

    def push(body: bytes) -> int:
        url = f"http://127.0.0.1:{running.http_port}{path}"
        with urlopen(Request(url, body, method="POST"), timeout=20) as answer:
            return answer.status

    def groups() -> list[Any]:
        found: list[Any] = json.loads(running.get("/api/v1/metrics").body)["data"]
        return found

    assert push(b"a 1\n") == 200
    (target,) = json.loads(running.get("/sd").body)
    assert (target["labels"]["app"], target["labels"]["job"]) == (app, "x")
    assert len(groups()) == 1
    assert running.get("/apps/" + quote(app, safe=""), method="DELETE").status == 200
    assert groups() == []
    assert push(b"b 1\n") == 200

    page = running.get(f"/metrics?app={quote(app)}").body
    assert b"\nb{" in page
    assert b"\na{" not in page


def test_targets_behind_tls_say_so(proxy, tmp_path: Path):
    """And the shown address is that by which the port was reached."""
    certificate, key = make_certificate(tmp_path)
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n")
    running = proxy(exporter={"web_config_file": str(web)}, wait=False)
    url = f"https://localhost:{running.http_port}"

    def curl(path: str) -> str:
        command = ["curl", "-sSfk", url + path]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    until(lambda: "is ready" in curl("/-/ready"), "the proxy to be ready")
    running.push_tcp(b'{"a": "a 1\\n"}')
    (target,) = json.loads(curl("/sd"))

    assert target["targets"] == [f"localhost:{running.http_port}"]
    assert target["labels"]["__scheme__"] == "https"


def test_who_may_delete_is_who_may_push_that_app(proxy):
    """Others are refused, and nothing is deleted."""
    tokens = {"owner": ["push"], "reader": ["scrape"], "operator": ["push", "admin"]}
    running = proxy(
        access=[
            {"bearer_token": name, "rights": rights}
            | ({"apps": "mine-.*"} if name == "owner" else {})
            for name, rights in tokens.items()
        ]
    )
    assert running.push_unix(b'{"mine-1": "a 1\\n", "other": "b 1\\n"}') == ""

    def delete(app: str, token: str | None) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return running.get(f"/apps/{app}", headers, method="DELETE").status

    assert [delete("mine-1", None), delete("mine-1", "reader")] == [401, 403]
    assert [delete("other", "owner"), delete("nobody", "owner")] == [403, 403]
    assert [delete("mine-1", "owner"), delete("mine-1", "owner")] == [200, 404]
    assert delete("other", "operator") == 200

"""Pushgateway's API on a real scrape port: bodies, rights, reloads and restarts."""

import gzip
import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import StartProxy
from tests.e2e.gateways import Gateway
from tests.proxy_process import DEADLINE_SECONDS, ProxyProcess, until

TOKEN = "tok-123"


def gateway(running: ProxyProcess) -> Gateway:
    return Gateway(running.http_port, "proxy")


def put(
    running: ProxyProcess, body: bytes = b"a 1\n", headers: Mapping[str, str] = {}, job: str = "x"
) -> int:
    return gateway(running).ask("PUT", f"/metrics/job/{job}", body, headers).status


def rejected(running: ProxyProcess) -> dict[str, int]:
    sources = json.loads(running.get("/health").body)["sources"]
    found: dict[str, int] = next(
        source["rejected_messages"] for source in sources if source["kind"] == "push"
    )
    return found


def raw(running: ProxyProcess, *parts: bytes) -> bytes:
    """Send parts on one connection, and return what is answered until it is closed."""
    address = ("127.0.0.1", running.http_port)
    with socket.create_connection(address, DEADLINE_SECONDS) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionError:
            pass
    return received


def test_chunked_body_on_a_kept_connection(proxy: StartProxy) -> None:
    running = proxy()
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=20)
    for value in range(3):
        parts = [b"# TYPE a gau", b"ge\na ", b"%d\n" % value]
        connection.request("PUT", "/metrics/job/x", iter(parts), encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    connection.close()

    assert 'a{instance="",job="x"} 2\n' in running.metrics()


def test_large_body(proxy: StartProxy) -> None:
    """It is cut into pieces, read in steps, and is there when it is answered."""
    running = proxy()
    body = b"".join(b'a{number="%d"} %d\n' % (n, n) for n in range(150_000))
    assert put(running, gzip.compress(body), {"Content-Encoding": "gzip"}) == 200

    page = running.metrics()
    assert page.count('a{instance="",job="x",number=') == 150_000


@pytest.mark.parametrize("way", ["announced", "chunked", "gzip"])
def test_body_beyond_the_limit(proxy: StartProxy, way: str) -> None:
    running = proxy(push={"max_body_size": "100KiB"})
    body = b"# " + b"x" * 110_000 + b"\n"
    if way == "gzip":
        assert put(running, gzip.compress(body), {"Content-Encoding": "gzip"}) == 413
    elif way == "announced":
        assert put(running, body) == 413
    else:
        head = b"PUT /metrics/job/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        address = ("127.0.0.1", running.http_port)
        with socket.create_connection(address, DEADLINE_SECONDS) as connection:
            connection.sendall(head + b"%x\r\n%b\r\n" % (len(body), body))
            # It is open for a while then, for what is still sent.
            assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")

    assert rejected(running) == {"message_too_large": 1}
    assert put(running) == 200


def test_long_listing(proxy: StartProxy) -> None:
    """It is sent in pieces, whole, with its length, on a connection that is kept."""
    running = proxy()
    body = b"".join(b'a{number="%d"} %d\n' % (n, n) for n in range(5_000))
    for job in ("x", "y"):
        assert put(running, body, job=job) == 200
    connection = http.client.HTTPConnection(
        "127.0.0.1", running.http_port, timeout=DEADLINE_SECONDS
    )
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, "/api/v1/metrics")
        answer = connection.getresponse()
        received = answer.read()
        length = int(answer.headers["Content-Length"])
        assert length > 400_000
        assert len(received) == (0 if method == "HEAD" else length)
    connection.close()
    groups = json.loads(received)["data"]
    assert [len(each["a"]["metrics"]) for each in groups] == [5_000] * 2


def test_two_lengths(proxy: StartProxy) -> None:
    """Nothing of it is taken, nor is what follows a request."""
    running = proxy()
    both = b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    smuggled = b"PUT /push/smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\na 1\n"
    answer = raw(running, b"PUT /metrics/job/x HTTP/1.1\r\nHost: x\r\n" + both + smuggled)

    assert answer.startswith(b"HTTP/1.0 400 ")
    assert answer.count(b"HTTP/1.") == 1
    assert running.apps_json()["apps"] == []


def test_ways_to_write_a_path(proxy: StartProxy) -> None:
    """With scheme and host before it, as to a proxy; with letters percent-encoded."""
    running = proxy(push={"enable_admin_api": True})

    def ask(line: bytes) -> bytes:
        head = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
        return raw(running, line + head + b"a 1\n").partition(b"\r\n")[0].split(b" ")[1]

    assert ask(b"PUT http://x/metrics/job/x") == b"200"
    assert ask(b"PUT http://x/push/y%2Fz") == b"200"
    assert [app["app"] for app in running.apps_json()["apps"]] == ['{instance="",job="x"}', "y/z"]
    assert ask(b"GET http://x/api/v1/metrics") == b"200"
    assert ask(b"GET /api/v1/%73tatus") == b"200"
    assert ask(b"PUT /api/v1/%61dmin/wipe") == b"202"
    assert [app["app"] for app in running.apps_json()["apps"]] == ["y/z"]


def test_body_that_ends_early_is_nothing(proxy: StartProxy) -> None:
    running = proxy()
    address = ("127.0.0.1", running.http_port)
    with socket.create_connection(address, DEADLINE_SECONDS) as connection:
        connection.sendall(
            b"PUT /metrics/job/x HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\na 1\n"
        )

    assert put(running, job="y") == 200
    assert [app["app"] for app in running.apps_json()["apps"]] == ['{instance="",job="y"}']


def test_pages_of_other_sites_may_not_push(proxy: StartProxy) -> None:
    """Whoever looks at one would push for it, from a machine that may."""
    running = proxy()
    own = f"127.0.0.1:{running.http_port}"

    assert put(running, headers={"Origin": "http://evil.example"}) == 403
    assert put(running, headers={"Origin": "null"}) == 403
    assert put(running, headers={"Origin": f"http://{own}", "Host": own}) == 200
    # A name that leads to this machine, for a page that came from elsewhere under it.
    assert put(running, headers={"Origin": "http://a.example", "Host": "a.example"}) == 403


def test_rights(proxy: StartProxy) -> None:
    """A token may be for some apps alone; deletions and many groups at once ask for each."""
    running = proxy(push={"enable_admin_api": True})
    text = running.config_file.read_text()
    access = (
        f'[[access]]\nbearer_token = "{TOKEN}"\nrights = ["push"]\n'
        "apps = '\\{.*job=\"mine.*\"\\}'\n[exporter]"
    )
    running.stop()
    running.config_file.write_text(text.replace("[exporter]", access, 1))
    running.start()
    running.wait_ready()
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    ask = gateway(running).ask

    assert put(running, job="mine") == 401
    assert put(running, headers={"Authorization": "Bearer no"}, job="mine") == 401
    assert put(running, headers=bearer, job="mine") == 200
    assert put(running, headers=bearer, job="mine") == 200
    assert put(running, headers=bearer, job="other") == 403
    groups = [{"labels": {"job": job}, "metrics": "b 1"} for job in ("mine2", "other")]
    assert (
        ask("POST", "/api/v1/push", json.dumps({"groups": groups}).encode(), bearer).status == 403
    )
    assert ask("PUT", "/api/v1/admin/wipe", b"", bearer).status == 403
    assert ask("DELETE", "/metrics/job/mine").status == 401
    assert [app["app"] for app in running.apps_json()["apps"]] == ['{instance="",job="mine"}']
    assert ask("DELETE", "/metrics/job/mine", b"", bearer).status == 202


def test_turned_off_and_on_by_a_reload(proxy: StartProxy) -> None:
    """Groups stay, and so does what keeps others from clashing with them."""
    running = proxy(exporter={"enable_lifecycle": True}, push={"pushgateway_api": True})
    text = running.config_file.read_text()
    reload = gateway(running).ask
    assert put(running, b"# TYPE a gauge\na 1\n") == 200

    running.config_file.write_text(
        text.replace("pushgateway_api = true", "pushgateway_api = false")
    )
    assert reload("POST", "/-/reload").status == 200
    assert put(running) == 404
    assert 'a{instance="",job="x"} 1\n' in running.metrics()
    running.config_file.write_text(text)
    assert reload("POST", "/-/reload").status == 200
    assert put(running, b"# TYPE a counter\na 1\n", job="y") == 400
    assert put(running, b"# TYPE a gauge\na 2\n") == 200
    assert 'a{instance="",job="x"} 2\n' in running.metrics()


def test_groups_survive_a_restart(proxy: StartProxy, tmp_path: Path) -> None:
    running = proxy(exporter={"state_file": str(tmp_path / "state")})
    assert put(running, b"# TYPE a gauge\na 1\n") == 200
    answer = gateway(running).ask("POST", "/metrics/job/x", b"b 2\n")
    assert answer.status == 200
    before = gateway(running).series()
    running.stop()
    running.start()
    running.wait_ready()

    assert until(lambda: gateway(running).series() == before, "the groups")
    assert put(running, b"# TYPE a counter\na 1\n", job="y") == 400
    assert gateway(running).ask("POST", "/metrics/job/x", b"b 3\n").status == 200
    assert gateway(running).series()["b{instance=,job=x}"] == 3
    assert gateway(running).series()["a{instance=,job=x}"] == 1


def test_page_passes_promtool(proxy: StartProxy, promtool) -> None:
    running = proxy()
    for job in ("x", "y"):
        assert (
            put(running, b"# HELP a_total A.\n# TYPE a_total counter\na_total 1\n", job=job) == 200
        )
    assert put(running, b"b x\n", job="z") == 400

    assert promtool(running.metrics()) in {0, 3}

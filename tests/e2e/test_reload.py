"""Reloads of a proxy that works: by signal and over HTTP."""

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartProxy
from tests.ports import free_port
from tests.proxy_process import ProxyProcess, Response, until

ON = {"enable_lifecycle": True}


def reload(running: ProxyProcess) -> Response:
    return running.get("/-/reload", method="POST")


def done(running: ProxyProcess, answer: Response) -> str:
    """Return what a reload that went well told."""
    assert answer.status == 200, answer
    return answer.body.decode().removeprefix(f"reloaded: {running.config_file}: ")


def messages(running: ProxyProcess) -> list[str]:
    return [record["message"] for record in running.log_records()]


def own_metric(running: ProxyProcess, name: str) -> float:
    page = running.get("/metrics/self").body.decode()
    [line] = [line for line in page.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def test_signal(proxy: StartProxy):
    """A log line tells what changed, and the metrics are labelled at once."""
    running = proxy(exporter={"self_metrics_interval": 0})
    assert running.push_tcp(b'{"a":"x 1"}') == ""
    assert "x 1\n" in running.metrics()
    running.write_config(exporter={"app_label": "app", "self_metrics_interval": 0})
    running.process.send_signal(signal.SIGHUP)
    line = f"configuration reloaded: {running.config_file}: changed: exporter.app_label"
    until(lambda: line in messages(running), "the log line")
    assert 'x{app="a"} 1\n' in running.metrics()
    name = "exporter_proxy_config_last_reload_success"
    assert own_metric(running, f"{name}ful") == 1
    assert abs(own_metric(running, f"{name}_timestamp_seconds") - time.time()) < 60


def test_over_http(proxy: StartProxy):
    """POST or PUT, and what needs a restart is said."""
    running = proxy(exporter=ON)
    assert done(running, reload(running)) == "nothing changed\n"
    running.write_config(
        exporter=ON | {"worker_threads": 2, "max_apps": 7}, receiver={"format": "json"}
    )
    assert done(running, running.get("/-/reload", method="PUT")) == (
        "changed: exporter.worker_threads, exporter.max_apps, receiver.format\n"
        "warning: exporter.worker_threads: needs a restart, until then it is what it was\n"
    )
    until(lambda: "exporter_proxy_max_apps 7.0\n" in running.metrics(), "the limit")
    assert "warning: exporter.worker_threads: needs" in done(running, reload(running))
    answer = running.get("/-/reload")
    assert (answer.status, answer.headers["allow"]) == (405, "POST, PUT")


def test_ages_of_apps_that_are_there(proxy: StartProxy):
    """Another life holds for them at once, from their last update on, but for those who said it."""
    exporter = {"expire_after": "1h", "self_metrics_interval": 0, **ON}
    running = proxy(exporter=exporter, app=[{"match": "kept", "on_expire": "mark"}])
    own = b'{"own":{"metrics":"own 1","ttl":3000}}'
    for message in (b'{"gone":"gone 1"}', b'{"kept":"kept 1"}', own):
        assert running.push_tcp(message) == ""
    pushed = running.get("/push/pushed", {"Content-Length": "0"}, method="PUT")
    assert pushed.status == 200, pushed
    before = running.get("/apps/gone?format=json")
    assert json.loads(before.body)["expire_after_seconds"] == 3600

    exporter["expire_after"] = 0.1
    running.write_config(exporter=exporter, app=[{"match": "kept", "on_expire": "mark"}])
    assert done(running, reload(running)) == "changed: exporter.expire_after\n"
    page = until(
        lambda: page if "gone 1\n" not in (page := running.metrics()) else "", "it to be gone"
    )
    page = running.wait_metrics('exporter_proxy_app_up{app="kept"} 0\n')
    assert "kept 1\n" in page
    assert "own 1\n" in page
    for app, up in {"gone": 0, "kept": 0, "pushed": 0, "own": 1}.items():
        running.wait_metrics(f'exporter_proxy_app_up{{app="{app}"}} {up}\n')

    exporter["expire_after"] = 0
    running.write_config(exporter=exporter)
    done(running, reload(running))
    assert 'exporter_proxy_app_up{app="kept"} 1\n' in running.metrics()
    for app, seconds in {"kept": None, "own": 3000}.items():
        answer = running.get(f"/apps/{app}?format=json")
        assert json.loads(answer.body)["expire_after_seconds"] == seconds


def test_turned_off(proxy: StartProxy):
    """Which is the default; a reload can turn it on and off."""
    running = proxy()
    for path in ("/-/reload", "/-/quit"):
        answer = running.get(path, method="POST")
        assert answer.status == 403
        assert b"exporter.enable_lifecycle" in answer.body
    running.write_config(exporter=ON)
    running.process.send_signal(signal.SIGHUP)
    until(lambda: reload(running).status == 200, "it to be turned on")
    running.write_config()
    assert reload(running).status == 200
    assert reload(running).status == 403


def test_quit(proxy: StartProxy):
    """It ends as with SIGTERM, and the one who asked gets an answer."""
    running = proxy(exporter=ON)
    answer = running.get("/-/quit", method="POST")
    assert (answer.status, answer.body) == (200, b"exporter-proxy ends.\n")
    assert running.wait() == 0
    assert messages(running)[-2:] == ["stopping", "stopped"]


def test_bad_file(proxy: StartProxy):
    """Everything stays as it was; every mistake is told, and the metric says so."""
    running = proxy(exporter=ON | {"self_metrics_interval": 0})
    before = own_metric(running, "exporter_proxy_config_last_reload_success_timestamp_seconds")
    running.config_file.write_text(
        "[exporter]\nmax_apps = -1\nnonsense = 1\n[receiver]\nformat = 3\n"
    )
    answer = reload(running)
    assert answer.status == 500
    lines = answer.body.decode().splitlines()
    assert len(lines) == 3
    for line, key in zip(lines, ("max_apps", "nonsense", "format"), strict=True):
        assert line.startswith(f"error: {running.config_file}: ")
        assert key in line
        assert "configuration not reloaded: " + line.removeprefix("error: ") in messages(running)
    assert own_metric(running, "exporter_proxy_config_last_reload_successful") == 0
    name = "exporter_proxy_config_last_reload_success_timestamp_seconds"
    assert own_metric(running, name) == before
    assert running.push_tcp(b'{"a":"x 1"}') == ""
    running.config_file.unlink()
    assert b"no such file" in reload(running).body.lower()
    running.write_config(exporter=ON | {"self_metrics_interval": 0})
    assert reload(running).status == 200
    assert own_metric(running, "exporter_proxy_config_last_reload_successful") == 1


def test_other_addresses(proxy: StartProxy):
    """All three move; the answer comes over the old port, which is gone thereafter."""
    running = proxy(exporter=ON)
    old = (running.http_port, running.tcp_port, running.unix_socket)
    running.http_port, running.tcp_port = free_port(), free_port()
    running.unix_socket = running.directory / "other.sock"
    running.write_config(exporter=ON)
    moved, running.http_port = running.http_port, old[0]
    answer = reload(running)
    assert answer.status == 200, answer
    running.http_port = moved
    assert running.push_tcp(b'{"a":"x 1"}') == ""
    assert running.push_unix(b'{"b":"y 1"}') == ""
    page = running.metrics()
    assert "x 1\n" in page
    assert "y 1\n" in page
    until(lambda: refused(old[0]) and refused(old[1]) and not old[2].exists(), "the old ones to go")


def test_there_and_back(proxy: StartProxy):
    """An address that was just left can be had again, though somebody was within a message."""
    running = proxy(exporter=ON, receiver={"receive_on_unix_socket": False})
    home, away = running.tcp_port, free_port()
    with socket.create_connection(("127.0.0.1", home), 20) as busy:
        busy.sendall(b'{"a":"x 1"}{"b":"')
        running.wait_metrics("x 1\n")
        for port in (away, home):
            address = {"receiver_tcp_socket": f"127.0.0.1:{port}"}
            running.write_config(exporter=ON, receiver={"receive_on_unix_socket": False} | address)
            if port == home:
                # The reload back waits for what the one before has left.
                threading.Timer(0.3, busy.sendall, (b'y 1"}',)).start()
            answer = reload(running)
            assert answer.status == 200, answer
        running.tcp_port = home
        assert running.push_tcp(b'{"c":"z 1"}') == ""
        page = running.metrics()
        assert "y 1\n" in page
        assert "z 1\n" in page


def test_wider_address(proxy: StartProxy):
    """From loopback to all addresses, and back, on the same ports."""
    running = proxy(exporter=ON)
    for host in ("0.0.0.0", "127.0.0.1"):
        running.write_config(
            exporter=ON | {"scrape_expose_endpoint": f"{host}:{running.http_port}"},
            receiver={"receiver_tcp_socket": f"{host}:{running.tcp_port}"},
        )
        answer = reload(running)
        assert answer.status == 200, answer
        assert running.push_tcp(b'{"a":"x 1"}') == ""
        running.wait_metrics("x 1\n")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", running.http_port))


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("which", ["scrape", "receiver", "unix"])
def test_address_that_is_taken(proxy: StartProxy, which: str):
    """Nothing at all changes, whatever else was written and whichever part can't have its own."""
    running = proxy(exporter=ON)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        free = free_port()
        exporter: dict[str, Any] = ON | {"app_label": "app"}
        receiver: dict[str, Any] = {"receiver_tcp_socket": f"127.0.0.1:{free}"}
        if which == "scrape":
            exporter["scrape_expose_endpoint"] = address
        elif which == "receiver":
            receiver["receiver_tcp_socket"] = address
        else:
            (running.directory / "file").write_text("precious")
            receiver["receiver_unix_socket"] = str(running.directory / "file")
        running.write_config(exporter=exporter, receiver=receiver)
        answer = reload(running)
    assert answer.status == 500
    [line] = answer.body.decode().splitlines()
    assert line.startswith(
        ("error: exporter.scrape_expose_endpoint: ", "error: receiver.receiver_")
    )
    assert running.push_tcp(b'{"a":"x 1"}') == ""
    assert running.push_unix(b'{"b":"y 1"}') == ""
    assert "x 1\n" in running.metrics()
    assert refused(free)


def test_mode_of_the_page(proxy: StartProxy):
    """From merged to verbatim and back: nothing that was pushed gets lost."""
    running = proxy(exporter=ON | {"self_metrics": False})
    text = "# HELP x Some.\n# TYPE x gauge\nx 1\ny one\n"
    assert running.push_tcp(b'{"a":["# HELP x Some.","# TYPE x gauge","x 1","y one"]}') == ""
    assert running.app_metrics().startswith(text.partition("y one")[0])
    for mode, label, shown in (
        ("verbatim", "", text),
        ("merged", "app", '# HELP x Some.\n# TYPE x gauge\nx{app="a"} 1\n'),
        ("verbatim", "", text),
    ):
        running.write_config(
            exporter=ON | {"self_metrics": False, "exposition": mode, "app_label": label}
        )
        assert reload(running).status == 200
        assert running.metrics().startswith(shown)
    assert running.push_tcp(b'{"a":"x 2"}') == ""
    assert running.metrics() == "x 2\n"


def test_self_metrics(proxy: StartProxy):
    running = proxy(exporter=ON)
    assert "exporter_proxy_apps 0.0\n" in running.metrics()
    running.write_config(exporter=ON | {"self_metrics": False})
    assert reload(running).status == 200
    assert "exporter_proxy_apps" not in running.metrics()
    assert running.get("/metrics/self").status == 404
    running.write_config(exporter=ON)
    assert reload(running).status == 200
    assert "exporter_proxy_apps 0.0\n" in running.metrics()
    assert running.get("/metrics/self").status == 200


def test_polled_endpoints(proxy: StartProxy, http_server: Callable[[Path], int], tmp_path: Path):
    """Turned on, changed, turned off: the apps come and go with their endpoints."""
    (tmp_path / "one.html").write_text("one 1\n")
    (tmp_path / "two.html").write_text("two 2\n")
    port = http_server(tmp_path)
    running = proxy(exporter=ON)

    def poll(*names: str) -> None:
        urls = [f"http://127.0.0.1:{port}/{name}.html" for name in names]
        running.write_config(
            exporter=ON,
            poll_external={
                "poll_other_scrape_endpoints": bool(names),
                "other_scrape_endpoints": urls,
            },
        )
        assert reload(running).status == 200

    poll("one")
    running.wait_metrics("one 1\n")
    poll("one", "two")
    running.wait_metrics("two 2\n")
    poll("two")
    until(lambda: "one 1\n" not in running.metrics(), "the app to go")
    running.wait_metrics("two 2\n")
    poll()
    assert "two 2\n" not in running.metrics()
    assert "app_up{" not in running.metrics()


class Pusher(threading.Thread):
    """Pushes over one connection, as fast as its metrics are shown to be there."""

    def __init__(self, running: ProxyProcess, number: int) -> None:
        super().__init__()
        self.app = f"pusher{number}"
        self.sent = 0
        self.error: str | None = None
        self._connection = socket.create_connection(("127.0.0.1", running.tcp_port), 20)
        self.goes_on = True

    def run(self) -> None:
        """Push until told otherwise."""
        try:
            with self._connection:
                while self.goes_on:
                    self._connection.sendall(b'{"%s":"v %d"}' % (self.app.encode(), self.sent))
                    self.sent += 1
                    time.sleep(0.001)
                self._connection.shutdown(socket.SHUT_WR)
                self.error = self._connection.recv(1000).decode()
        except OSError as error:
            self.error = repr(error)


@pytest.fixture
def pushers() -> Iterator[list[Pusher]]:
    some: list[Pusher] = []
    yield some
    for pusher in some:
        pusher.goes_on = False
        pusher.join(20)


def test_hundred_reloads_under_load(
    proxy: StartProxy, pushers: list[Pusher], request: pytest.FixtureRequest
):
    """No connection breaks, nothing pushed is lost, and nothing is left behind."""
    running = proxy(exporter=ON)
    pushers += [Pusher(running, number) for number in range(4)]
    for pusher in pushers:
        pusher.start()
        running.wait_metrics(f'exporter_proxy_app_up{{app="{pusher.app}"}} 1\n')
    scraper = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=20)
    request.addfinalizer(scraper.close)
    scraper.connect()
    connection = scraper.sock
    kept: list[tuple[int, int]] = []
    # Over and over from the same place, so that what is left behind adds up.
    for number in range(100):
        label = ["", "one", "two"][number % 3]
        other = {"receive_on_unix_socket": number % 2 == 1, "max_message_size": 10_000 + number}
        mode = "verbatim" if number % 10 == 5 else "merged"
        running.write_config(exporter=ON | {"app_label": label, "exposition": mode}, receiver=other)
        answer = reload(running)
        assert answer.status == 200, answer
        scraper.request("GET", "/metrics")
        page = scraper.getresponse().read().decode()
        assert scraper.sock is connection
        assert all(f'{{{label}="{p.app}"}}' in page for p in pushers if label and mode == "merged")
        if number in {39, 99}:
            descriptors = len(list(Path(f"/proc/{running.process.pid}/fd").iterdir()))
            kept.append((descriptors, running.memory_bytes()))
    for pusher in pushers:
        pusher.goes_on = False
        pusher.join(20)
        assert pusher.error == ""
    for pusher in pushers:
        rows = {row["app"]: row for row in running.apps_json()["apps"]}
        assert rows[pusher.app]["updates"] == pusher.sent
    (files, memory), (files_after, memory_after) = kept
    assert abs(files_after - files) <= 2
    assert memory_after - memory < 4 << 20
    threads = len(list(Path(f"/proc/{running.process.pid}/task").iterdir()))
    assert threads < 12


def test_signals_in_a_row(proxy: StartProxy):
    """Those that come while one is under way are one more; the last file is in force."""
    running = proxy()
    for number in range(200):
        if number == 199:
            running.write_config(exporter={"app_label": "last"})
        running.process.send_signal(signal.SIGHUP)
    assert running.push_tcp(b'{"a":"x 1"}') == ""
    running.wait_metrics('x{last="a"} 1\n')

    def told(end: str = "") -> int:
        lines = [each for each in messages(running) if each.endswith(end)]
        return sum(each.startswith("configuration reloaded") for each in lines)

    until(lambda: told("changed: exporter.app_label") == 1, "the log line")
    assert 1 <= told() <= 200


def test_signal_while_it_stops(proxy: StartProxy):
    """It ends."""
    running = proxy(receiver={"message_timeout": 60})
    with socket.create_connection(("127.0.0.1", running.tcp_port), 20) as busy:
        busy.sendall(b'{"a":"x 1"}{"b":"')
        running.wait_metrics("x 1\n")
        running.process.terminate()
        until(lambda: "stopping" in messages(running), "the stop")
        running.process.send_signal(signal.SIGHUP)
        busy.sendall(b'"}')
    assert running.wait() == 0


def test_health(proxy: StartProxy):
    """What /health tells of a proxy that works, and of one whose reload failed."""
    port = free_port()
    running = proxy(
        exporter=ON,
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [f"http://127.0.0.1:{port}/"],
        },
    )
    assert running.push_tcp(b'{"a":"x 1"}') == ""
    assert running.push_tcp(b"nonsense").startswith("error: ")

    def health() -> Any:
        answer = running.get("/health")
        assert answer.status == 200
        return json.loads(answer.body)

    shown = until(lambda: (h := health())["targets"][0]["polls"] and h, "a poll")
    tcp, unix, poll, push, app_push = shown["sources"]
    assert (push["kind"], push["name"], push["up"]) == ("push", "pushgateway", True)
    assert (app_push["kind"], app_push["name"], app_push["up"]) == ("push", "push", True)
    assert (tcp["kind"], tcp["up"], tcp["updates"]) == ("receiver", True, 1)
    assert tcp["last_success"] <= tcp["last_error"]["time"] <= shown["current_time"]
    assert tcp["rejected_messages"] == {"malformed_json": 1}
    assert (unix["name"], unix["last_success"]) == (str(running.unix_socket), None)
    assert (poll["kind"], poll["updates"]) == ("poll", 0)
    assert poll["last_error"] == shown["targets"][0]["last_error"] is not None
    assert shown["configuration"]["path"] == str(running.config_file)
    assert shown["complaints"] == ["1 of 1 polled targets can't be polled"]
    running.config_file.write_text("[nonsense]\n")
    assert reload(running).status == 500
    assert health()["complaints"][-1] == "the configuration could not be reloaded"
    assert health()["configuration"]["problems"][0].startswith(f"{running.config_file}: nonsense")

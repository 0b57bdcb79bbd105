"""The clients in python_test_clients/, run as a newcomer runs them."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.e2e.clients import CLIENTS, JSON_ARRAY, JSON_STRING, PAGES, expositions
from tests.ports import free_port

TCP = CLIENTS / "test_send_tcp_socket_capnp.py"
UNIX = CLIENTS / "test_send_unix_socket_capnp.py"


def run_client(script, address: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), address],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        cwd="/",
    )


def test_tcp_client(proxy):
    """It says what it did, and its metrics are in /metrics."""
    running = proxy(exporter={"self_metrics": False})
    address = f"127.0.0.1:{running.tcp_port}"
    done = run_client(TCP, address)

    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"sent foo_bar_app4_metrics to {address}\n",
        "",
    )
    assert 'tcp_client_orders_total{shop="south"} 207\n' in running.metrics()
    assert [row["app"] for row in running.apps_json()["apps"]] == ["foo_bar_app4_metrics"]


def test_unix_client(proxy):
    """Two apps come over its one connection."""
    running = proxy(exporter={"self_metrics": False})
    path = str(running.unix_socket)
    done = run_client(UNIX, path)

    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"sent foo_bar_app5_metrics and foo_bar_app6_metrics to {path}\n",
        "",
    )
    apps = {row["app"]: row["source"] for row in running.apps_json()["apps"]}
    assert apps == {"foo_bar_app5_metrics": path, "foo_bar_app6_metrics": path}
    page = running.metrics()
    assert "unix_client_sessions 17\n" in page
    assert 'unix_client_mails_total{kind="reminder"} 4\n' in page


def test_tcp_client_without_a_proxy():
    """It ends with 1 and a line that says what to do."""
    done = run_client(TCP, f"127.0.0.1:{free_port()}")

    assert done.returncode == 1
    assert "Is the proxy running? (make run)" in done.stderr
    assert "Traceback" not in done.stderr


def test_unix_client_without_a_proxy(tmp_path):
    """It ends with 1 and says where the socket's path is found."""
    done = run_client(UNIX, str(tmp_path / "absent.sock"))

    assert done.returncode == 1
    assert "Is the proxy running? (make run)" in done.stderr
    assert "Traceback" not in done.stderr


def test_unix_client_finds_the_socket():
    """Where a proxy puts it that can't write /var/run, as long as there is none in /var/run."""
    with tempfile.TemporaryDirectory(prefix="clients-") as directory:
        (Path(directory) / f"exporter-proxy-receiver-{os.geteuid()}.sock").touch()
        environment = dict(os.environ, TMPDIR=directory)
        environment.pop("XDG_RUNTIME_DIR", None)
        code = f"import runpy; print(*runpy.run_path({str(UNIX)!r})['PLACES'], sep='\\n')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        places = done.stdout.splitlines()

        assert places[0] == "/var/run/exporter-proxy-receiver.sock"
        assert Path(places[-1]).exists()


@pytest.mark.parametrize("script", [TCP, UNIX], ids=lambda path: path.stem)
def test_client_explains_itself(script):
    """--help says what it takes."""
    done = run_client(script, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
    assert "127.0.0.1:6554" in done.stdout or "/var/run/exporter-proxy-receiver.sock" in done.stdout


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:", ":6554", "127.0.0.1:http"])
def test_tcp_client_with_a_wrong_address(address):
    """It ends with 2 and says what is expected."""
    done = run_client(TCP, address)

    assert done.returncode == 2
    assert f"{address}: expected HOST:PORT" in done.stderr


@pytest.mark.parametrize("script", [TCP, UNIX], ids=lambda path: path.stem)
def test_client_shows_a_refusal(proxy, script):
    """It prints the proxy's error line and ends with 1."""
    running = proxy(receiver={"format": "json"})
    address = str(running.unix_socket) if script == UNIX else f"127.0.0.1:{running.tcp_port}"
    done = run_client(script, address)

    assert done.returncode == 1
    assert re.match(r"error: ", done.stderr), done.stderr


def test_pages_are_polled(proxy, http_server):
    """The three pages, each from a server of its own, are three apps named by host and port."""
    ports = [http_server(CLIENTS) for _ in PAGES]
    urls = [f"http://127.0.0.1:{port}/{page.name}" for port, page in zip(ports, PAGES, strict=True)]
    running = proxy(
        exporter={"self_metrics": False},
        poll_external={"poll_other_scrape_endpoints": True, "other_scrape_endpoints": urls},
    )
    for page in PAGES:
        running.wait_metrics(page.read_text())

    rows = {row["app"]: row["source"] for row in running.apps_json()["apps"]}
    names = [f"external_poll: 127.0.0.1:{port}" for port in ports]
    assert rows == {name: name for name in names}


@pytest.mark.parametrize(
    "text",
    [
        *(pytest.param(page.read_text(), id=page.name) for page in PAGES),
        *(
            pytest.param(text, id=app)
            for file in (JSON_STRING, JSON_ARRAY)
            for app, text in expositions(file.read_text()).items()
        ),
        *(
            pytest.param(text, id=f"{script.stem}-{number}")
            for script in (TCP, UNIX)
            for number, text in enumerate(
                re.findall(r'"""\\\n(.*?)"""', script.read_text(), re.DOTALL)
            )
        ),
    ],
)
def test_payload_is_clean_exposition(tool, text):
    """Promtool finds nothing wrong with a shipped payload, and no sample carries a timestamp."""
    done = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert samples
    for sample in samples:
        assert re.fullmatch(r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? \S+', sample), sample

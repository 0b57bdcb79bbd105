"""``exporter-proxy health``: whom it asks, what it says, and its exit code."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from exporter_proxy import cli
from tests.access.certificates import Authority
from tests.conftest import StartProxy
from tests.ports import free_port
from tests.proxy_process import ROOT, until

Serve = Callable[[bytes], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve bytes to whoever connects, without ever closing; gives the port."""
    listeners, connections = [], []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connections.append(connection)
                    connection.sendall(answer)

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for each in listeners:
        # Closing alone does not wake who accepts.
        each.shutdown(socket.SHUT_RDWR)
    for each in (*listeners, *connections):
        each.close()


def health(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporter_proxy", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_running_proxy_is_healthy(proxy: StartProxy):
    """By its URL, by its configuration, and as to whether it is ready."""
    running = proxy()
    url = f"http://127.0.0.1:{running.http_port}"

    for arguments in (
        ["health", url],
        ["health", "--ready", f"{url}/"],
        ["health", f"{url}/-/ready"],
        ["-c", str(running.config_file), "health", "--ready"],
    ):
        done = health(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
        assert len(done.stdout.splitlines()) == 1


def test_proxy_that_speaks_tls(proxy: StartProxy, tool, tmp_path: Path):
    """By its configuration, whatever name its certificate has; by its URL, only if told to."""
    cert, key = Authority(tmp_path, tool("openssl")).issue("proxy", sans="DNS:proxy.example.org")
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: {cert}, key_file: {key}}}\n")
    running = proxy(wait=False, exporter={"web_config_file": str(web)})
    by_file = ["-c", str(running.config_file), "health"]
    until(lambda: health(*by_file, "--ready").returncode == 0, "the proxy")
    url = f"https://127.0.0.1:{running.http_port}"

    assert health(*by_file).returncode == 0
    assert health("health", url, "--insecure").returncode == 0
    done = health("health", url)
    assert done.returncode == 1
    assert ": the certificate is not trusted: " in done.stderr


def test_proxy_that_is_gone_is_not(proxy: StartProxy):
    running = proxy()
    done = health("health", f"https://127.0.0.1:{running.http_port}")
    assert (done.returncode, "/-/healthy: TLS failed: " in done.stderr) == (1, True)
    running.stop()

    done = health("-c", str(running.config_file), "health")

    address = f"127.0.0.1:{running.http_port}"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"exporter-proxy health: {address}/-/healthy: connection refused\n"


def test_proxy_that_hangs_is_not(proxy: StartProxy):
    """It says so within the time that it has."""
    running = proxy()
    running.process.send_signal(signal.SIGSTOP)
    try:
        done = health("-c", str(running.config_file), "health", "--timeout", "200ms")
    finally:
        running.process.send_signal(signal.SIGCONT)

    assert (done.returncode, done.stderr) == (
        1,
        "exporter-proxy health: no answer within 0.2 s\n",
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\nstarting\n", "HTTP status 503: starting"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "HTTP status 503"),
        (
            b"HTTP/1.1 404 No\r\nContent-Length: 8\r\n\r\n\x1b[31mred",
            r"HTTP status 404: \x1b[31mred",
        ),
        (b"HTTP/1.1 302 No\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "HTTP status 302"),
        (b"error: this port takes JSON\n", "not HTTP: this port takes JSON"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 'not an HTTP answer: "SSH-2.0-OpenSSH_9.2"'),
    ],
)
def test_other_answers_are_unhealthy(serve: Serve, capsys, answer: bytes, said: str):
    port = serve(answer)

    assert cli.main(["health", f"http://127.0.0.1:{port}"]) == 1
    assert capsys.readouterr() == (
        "",
        f"exporter-proxy health: 127.0.0.1:{port}/-/healthy: {said}\n",
    )


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nO"]
)
def test_answer_that_never_ends(serve: Serve, capsys, answer: bytes):
    port = serve(answer)

    assert cli.main(["health", f"http://127.0.0.1:{port}", "--timeout", "100ms"]) == 1
    assert capsys.readouterr().err == "exporter-proxy health: no answer within 0.1 s\n"
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_first_line_is_shown(serve: Serve, capsys):
    port = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfine\nmore\n")

    assert cli.main(["health", f"http://127.0.0.1:{port}"]) == 0
    assert capsys.readouterr() == ("fine\n", "")


def test_user_info_is_sent_and_never_shown(capsys):
    port = free_port()

    assert cli.main(["health", f"http://me:secret@127.0.0.1:{port}"]) == 1
    assert "secret" not in capsys.readouterr().err
    assert cli.main(["health", "htp://me:secret@127.0.0.1"]) == 1
    assert "secret" not in capsys.readouterr().err


def test_any_port_can_not_be_asked(tmp_path, capsys):
    file = tmp_path / "config.toml"
    file.write_text('[exporter]\nscrape_expose_endpoint = "127.0.0.1:0"\n')

    assert cli.main(["-c", str(file), "health"]) == 1
    assert "has port 0: name the proxy" in capsys.readouterr().err


def test_a_mistake_in_the_configuration(tmp_path, capsys):
    file = tmp_path / "config.toml"
    file.write_text("[exporter]\nmax_apps = 0\n")

    assert cli.main(["-c", str(file), "health"]) == 2
    assert "exporter.max_apps: 0" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "x", "-1", "2h", "1e3", "nan"])
def test_timeout_must_be_a_duration(text: str, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["health", f"--timeout={text}"])
    assert end.value.code == 2
    assert "must be a duration" in capsys.readouterr().err

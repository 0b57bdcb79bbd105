"""``exporter-proxy push``: what arrives, what is said, and the exit code."""

import io
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter_proxy import cli
from exporter_proxy.commands import destination, pushing
from exporter_proxy.commands.destination import DestinationError, parse
from tests.commands.conftest import Tls
from tests.commands.listening import Asked, Listening, listening
from tests.conftest import StartProxy
from tests.ports import free_port
from tests.proxy_process import ROOT, until

GOOD = b'# HELP a A "gauge".\n# TYPE a gauge\na{b="\xc3\xa4"} 1'


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "metrics.prom"
    path.write_bytes(GOOD)
    return str(path)


@pytest.fixture
def server() -> Iterator[Listening]:
    with listening() as state:
        yield state


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't wait before trying again."""
    monkeypatch.setattr(pushing, "_FIRST_WAIT_SECONDS", 0.001)


class TestToAReceiver:
    """A real one."""

    @pytest.mark.parametrize("wire", ["json", "capnp"])
    @pytest.mark.parametrize("kind", ["tcp", "unix", "unix:"])
    def test_metrics_arrive(
        self,
        wire: str,
        kind: str,
        proxy: StartProxy,
        file: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        process = proxy()
        to = {
            "tcp": f"127.0.0.1:{process.tcp_port}",
            "unix": str(process.unix_socket),
            "unix:": f"unix:{process.unix_socket}",
        }[kind]

        argv = ["push", file, "--app", "shop / ünï", "--to", to, "--wire", wire, "--ttl", "1h"]
        assert cli.main(argv) == 0

        assert capsys.readouterr() == ("", "")
        assert GOOD.decode() in process.metrics()
        (app,) = process.apps_json()["apps"]
        assert app["app"] == "shop / ünï"

    @pytest.mark.parametrize("wire", ["json", "capnp"])
    def test_time_to_live(self, wire: str, proxy: StartProxy, file: str) -> None:
        """It is the app's, not the receiver's."""
        process = proxy()
        to = str(process.unix_socket)

        for app, ttl in (("short", "1s"), ("long", "1h"), ("ever", "never")):
            argv = ["push", file, "--app", app, "--to", to, "--wire", wire, "--ttl", ttl]
            assert cli.main(argv) == 0

        def names() -> list[str]:
            return [app["app"] for app in process.apps_json()["apps"]]

        until(lambda: names() == ["long", "ever"], "the short one to expire")

    def test_a_refusal_is_told(
        self, proxy: StartProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """In the proxy's words, and not tried again."""
        process = proxy(exporter={"self_metrics_interval": 0})
        path = tmp_path / "nul.prom"
        path.write_bytes(b"a\0 1\n")

        to = f"127.0.0.1:{process.tcp_port}"
        assert cli.main(["push", str(path), "--app", "x", "--to", to]) == 1

        said = 'exporter-proxy push: the metrics of "x" hold a NUL byte\n'
        assert capsys.readouterr() == ("", said)
        process.wait_metrics(f'reason="nul_byte",source="{to}"}} 1.0\n')

    def test_something_else_listens_there(
        self, server: Listening, file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What it says is quoted, as it may be anything."""
        to = f"127.0.0.1:{server.port}"
        assert cli.main(["push", file, "--app", "x", "--to", to]) == 1

        said = f"exporter-proxy push: {to}: not a receiver of exporter-proxy: it said "
        assert capsys.readouterr().err.startswith(said)

    def test_a_scrape_port_is_told_apart(
        self, proxy: StartProxy, file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Who leaves out the scheme is told of it."""
        to = f"127.0.0.1:{proxy().http_port}"
        assert cli.main(["push", file, "--app", "x", "--to", to]) == 1

        assert f"{to}: speaks HTTP, as scrape ports do: http://{to} " in capsys.readouterr().err

    def test_a_port_that_speaks_tls(
        self, proxy: StartProxy, tls: Tls, file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What can be done is told; the configuration leads to the Unix socket."""
        process = proxy(receiver={"tls_cert_file": str(tls.cert), "tls_key_file": str(tls.key)})
        to = f"127.0.0.1:{process.tcp_port}"

        assert cli.main(["push", file, "--app", "x", "--to", to]) == 1
        assert capsys.readouterr().err == (
            f"exporter-proxy push: {to}: speaks TLS: if it is a scrape port, push to https://{to}; "
            "if it is a receiver, to the scrape port or the Unix socket of its proxy\n"
        )
        assert cli.main(["-c", str(process.config_file), "push", file, "--app", "x"]) == 0
        assert GOOD.decode() in process.metrics()

    def test_a_large_payload_is_refused_in_words(
        self, proxy: StartProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Though the proxy stops reading long before its end."""
        process = proxy(receiver={"max_message_size": 100_000})
        path = tmp_path / "large.prom"
        path.write_bytes(b"".join(b"a%d 1\n" % number for number in range(1_000_000)))

        to = f"127.0.0.1:{process.tcp_port}"
        assert cli.main(["push", str(path), "--app", "x", "--to", to]) == 1

        assert "100000 bytes" in capsys.readouterr().err

    def test_the_configuration_says_where(
        self, proxy: StartProxy, file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """And what is spoken there."""
        process = proxy(receiver={"format": "capnp"})

        argv = ["-c", str(process.config_file), "push", "-v", "--app", "x", file]
        assert cli.main(argv) == 0

        assert capsys.readouterr().err == (
            f"pushed {len(GOOD)} bytes as x to 127.0.0.1:{process.tcp_port}\n"
        )
        assert GOOD.decode() in process.metrics()

    def test_reads_standard_input(self, proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        process = proxy()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD)))

        to = f"127.0.0.1:{process.tcp_port}"
        assert cli.main(["push", "--app", "x", "--to", to]) == 0

        assert GOOD.decode() in process.metrics()


class TestToHttp:
    """A scrape port, or what has a path of its own."""

    def test_a_scrape_port(self, server: Listening, file: str) -> None:
        """The app is part of the path."""
        argv = ["push", file, "--app", "a/b ü", "--to", server.url, "--ttl", "90s"]
        assert cli.main(argv) == 0

        (asked,) = server.asked
        assert (asked.method, asked.path) == ("POST", "/push/a%2Fb%20%C3%BC")
        assert asked.body == GOOD
        assert asked.headers["x-ttl"] == "90s"
        assert "authorization" not in asked.headers

    def test_a_path_is_taken_as_it_is(self, server: Listening, file: str) -> None:
        """It may be a Pushgateway's."""
        url = f"{server.url}/metrics/job/x%2Fy?z=1"

        assert cli.main(["push", file, "--app", "a", "--to", url]) == 0

        assert [asked.path for asked in server.asked] == ["/metrics/job/x%2Fy?z=1"]

    def test_secrets(
        self, server: Listening, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From files, the environment, or the URL; the more explicit counts."""
        secret = tmp_path / "secret"
        secret.write_text("s3cret\n")
        plain = ["push", file, "--app", "a", "--to"]
        with_user = f"http://u:p%20q@127.0.0.1:{server.port}"
        monkeypatch.setenv("EXPORTER_PROXY_TOKEN", "t0ken")

        assert cli.main([*plain, server.url]) == 0
        assert cli.main([*plain, with_user]) == 0
        assert cli.main([*plain, with_user, "--token-file", str(secret)]) == 0
        assert cli.main([*plain, server.url, "--user", "u", "--password-file", str(secret)]) == 0
        monkeypatch.setenv("EXPORTER_PROXY_PASSWORD", "p q")
        assert cli.main([*plain, server.url, "--user", "u"]) == 0

        assert [asked.headers["authorization"] for asked in server.asked] == [
            "Bearer t0ken",
            "Basic dTpwIHE=",
            "Bearer s3cret",
            "Basic dTpzM2NyZXQ=",
            "Basic dTpwIHE=",
        ]

    def test_what_may_pass_is_tried_again(self, server: Listening, file: str, quick: None) -> None:
        """As often as asked for."""
        answers = iter([503, 429, 202])
        server.answer = lambda _: (next(answers), b"busy")

        assert cli.main(["push", file, "--app", "a", "--to", server.url, "--retries", "2"]) == 0

        assert len(server.asked) == 3

    def test_what_will_not_pass_is_not(
        self, server: Listening, file: str, capsys: pytest.CaptureFixture[str], quick: None
    ) -> None:
        """With the words of whoever refuses."""

        def refuse(_: Asked) -> tuple[int, bytes]:
            return 400, b"error: no \x1b[31mmetrics\nmore"

        server.answer = refuse

        assert cli.main(["push", file, "--app", "a", "--to", server.url]) == 1

        assert len(server.asked) == 1
        said = "exporter-proxy push: HTTP status 400: no \\x1b[31mmetrics\n"
        assert capsys.readouterr().err == said

    def test_redirects_are_not_followed(self, server: Listening, file: str) -> None:
        """They could lead a secret elsewhere."""
        server.answer = lambda _: (307, b"")

        assert cli.main(["push", file, "--app", "a", "--to", server.url]) == 1

        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--app", " ", "F"], "an app's name must not be empty"),
        (["--app", "a", "--ttl", "soon", "F"], 'the ttl of "a" is "soon", expected seconds or'),
        (["--app", "a", "--to", "here", "F"], '"here": expected HOST:PORT'),
        (["--app", "a", "--to", "host:0", "F"], '"host:0": expected HOST:PORT'),
        (["--app", "a", "--to", "unix:", "F"], '"unix:": expected HOST:PORT'),
        (["--app", "a", "--to", "ftp://u:pw@h/", "F"], '"ftp://h/" is not an HTTP or HTTPS URL'),
        (["--app", "a", "--to", "http://h", "--user", "u", "F"], "--user needs --password-file"),
        (["--app", "a", "--to", "http://h", "--token-file", "F2", "F"], "F2: can't be read: No "),
        (["--app", "a", "--to", "https://h", "--ca-file", "F", "F"], "F: no certificates in PEM"),
        (["--app", "a", "none.prom"], "none.prom: can't be read: No such file or directory"),
        (["--app", "a", "latin1"], "latin1: not UTF-8 at byte 2"),
        (["--app", "a", "--watch", "1s"], "--watch needs a file: standard input comes once"),
    ],
)
def test_nothing_that_could_be_pushed(
    argv: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line says what is wrong."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXPORTER_PROXY_PASSWORD", raising=False)
    Path("F").write_bytes(GOOD)
    Path("latin1").write_bytes(b"a \xe4")

    assert cli.main(["push", *argv]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"exporter-proxy push: {said}")
    assert err.count("\n") == 1


def test_nobody_is_there(file: str, capsys: pytest.CaptureFixture[str], quick: None) -> None:
    """After the tries."""
    port = free_port()

    argv = ["push", file, "--app", "a", "--to", f"127.0.0.1:{port}", "--retries", "1"]
    assert cli.main(argv) == 1

    said = f"exporter-proxy push: 127.0.0.1:{port}: connection refused\n"
    assert capsys.readouterr().err == said


def test_somebody_who_never_answers(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Does not keep it for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        to = f"127.0.0.1:{port}"
        argv = ["push", file, "--app", "a", "--to", to, "--timeout", "0.2", "--retries", "0"]
        assert cli.main(argv) == 1

    assert capsys.readouterr().err == f"exporter-proxy push: {to}: no answer within 0.2 s\n"


def test_a_proxy_that_comes_back(
    file: str, proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The push is tried again until somebody is there."""
    process = proxy(wait=False)
    monkeypatch.setattr(pushing, "_FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(pushing, "_LONGEST_WAIT_SECONDS", 0.2)

    to = f"127.0.0.1:{process.tcp_port}"
    assert cli.main(["push", file, "--app", "a", "--to", to, "--retries", "200"]) == 0

    process.wait_ready()
    assert GOOD.decode() in process.metrics()


def test_watching_a_file(proxy: StartProxy, tmp_path: Path) -> None:
    """What changes arrives; what is missing is told once, and when it is back; a signal ends it."""
    process = proxy()
    path = tmp_path / "metrics.prom"
    path.write_text("a 1\n")
    command = [sys.executable, "-m", "exporter_proxy", "push", str(path), "--app", "x"]
    command += ["--to", f"127.0.0.1:{process.tcp_port}", "--watch", "0.05"]
    watcher = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    told: list[bytes] = []
    assert watcher.stderr is not None
    reader = threading.Thread(target=lambda: told.extend(watcher.stderr or ()))
    reader.start()
    try:
        process.wait_metrics("\na 1\n")
        path.unlink()
        until(lambda: any(b"No such file" in line for line in told), "the missing file to be told")
        new = tmp_path / "new"
        new.write_text("a 2\n")
        new.replace(path)
        process.wait_metrics("\na 2\n")
        until(lambda: told[-1].endswith(b"works again\n"), "the end of the trouble to be told")
    finally:
        watcher.send_signal(signal.SIGTERM)
        code = watcher.wait(20)
        reader.join()
        watcher.stderr.close()
    assert code == 0
    assert len(told) == 2


class TestDestination:
    """What names a place."""

    def test_kinds(self) -> None:
        assert parse("localhost:1").kind == "tcp"
        assert parse("[::1]:1").shown == "[::1]:1"
        assert parse("./x.sock").path == "./x.sock"
        assert parse("unix:x.sock").path == "x.sock"
        assert parse("https://u:p@h/push").shown == "https://h/push"

    def test_every_address_is_reached_on_loopback(self, tmp_path: Path) -> None:
        config = tmp_path / "c.toml"
        config.write_text('[receiver]\nreceiver_tcp_socket = "[::]:7001"\n')

        assert destination.default(str(config)).shown == "[::1]:7001"

    def test_a_unix_socket_where_there_is_no_port(self, tmp_path: Path) -> None:
        config = tmp_path / "c.toml"
        config.write_text(
            '[receiver]\nreceive_on_tcp_socket = false\nreceiver_unix_socket = "/x/y.sock"\n'
        )

        assert destination.default(str(config)).path == "/x/y.sock"

    def test_no_receiver_that_is_known(self, tmp_path: Path) -> None:
        config = tmp_path / "c.toml"
        config.write_text("[receiver]\nreceive_on_tcp_socket = false\n")

        with pytest.raises(DestinationError, match="say --to"):
            destination.find(None, str(config))

    def test_a_configuration_with_a_mistake(self, tmp_path: Path) -> None:
        config = tmp_path / "c.toml"
        config.write_text("[receiver]\nport = 1\n")

        with pytest.raises(DestinationError, match=r"receiver\.port: unknown key.*say --to"):
            destination.find(None, str(config))

    def test_the_scrape_port_with_a_query(self) -> None:
        assert parse("http://h:1?ttl=5s").url_for("ä") == "http://h:1/push/%C3%A4?ttl=5s"

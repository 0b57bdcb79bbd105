"""Whom ``apps``, ``health`` and ``lint --against`` ask: the same places, in the same way."""

import argparse
import json
from pathlib import Path

import pytest

from exporter_proxy import cli
from exporter_proxy.commands import credentials
from exporter_proxy.commands.asked import Asked
from tests.access.certificates import Authority
from tests.commands.conftest import Tls
from tests.commands.listening import Listening, listening
from tests.conftest import StartProxy
from tests.proxy_process import until

GOOD = "a 1\n"


def commands(proxy: str, file: str) -> list[list[str]]:
    """Return the command lines that ask a proxy."""
    return [["apps", proxy], ["health", proxy], ["lint", file, "--against", proxy]]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "metrics.prom"
    path.write_text(GOOD)
    return str(path)


def test_over_a_unix_socket(proxy: StartProxy, file: str, capsys) -> None:
    process = proxy()

    for path in (str(process.unix_socket), f"unix:{process.unix_socket}"):
        for argv in commands(path, file):
            assert cli.main(argv) == 0, argv
            assert capsys.readouterr().err == ""
    assert cli.main(["health", "--ready", str(process.unix_socket)]) == 0


def test_no_such_socket(tmp_path: Path, file: str, capsys) -> None:
    path = tmp_path / "none.sock"

    for argv in commands(str(path), file):
        assert cli.main(argv) == (2 if argv[0] == "lint" else 1)
        said = capsys.readouterr().err
        assert said.startswith(f"exporter-proxy {argv[0]}: {path}")
        assert said.lower().endswith(": no such file or directory\n")


def test_over_tls(
    proxy: StartProxy, tls: Tls, tmp_path: Path, file: str, capsys, monkeypatch
) -> None:
    """A certificate of strangers is refused with the option that helps."""
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: {tls.cert}, key_file: {tls.key}}}\n")
    process = proxy(wait=False, exporter={"web_config_file": str(web)})
    url = f"https://127.0.0.1:{process.http_port}"
    until(lambda: cli.main(["health", url, "--insecure"]) == 0, "the proxy")
    capsys.readouterr()

    push = ["push", file, "--app", "x", "--to", url, "--retries", "0"]
    for argv in (*commands(url, file), push):
        assert cli.main(argv) == (2 if argv[0] == "lint" else 1)
        said = capsys.readouterr().err
        assert ": the certificate is not trusted: " in said
        assert "; --ca-file names a file with it, or with that of its authority\n" in said
        assert cli.main([*argv, "--ca-file", str(tls.ca)]) == 0
        assert cli.main([*argv, "--insecure"]) == 0
        capsys.readouterr()
    # That of the configuration is this machine's own.
    monkeypatch.setenv("EXPORTER_PROXY_TOKEN", "t0ken")
    monkeypatch.setenv("EXPORTER_PROXY_PASSWORD", "p")
    by_file = ["-c", str(process.config_file), "health"]
    assert cli.main(by_file) == 0
    assert cli.main([*by_file, "--user", "u"]) == 0
    assert cli.main([*by_file, "--ca-file", str(tls.ca)]) == 0


@pytest.mark.parametrize(
    ("argv", "sent"),
    [
        ([], None),
        (["--insecure"], "Bearer t0ken"),
        (["--user", "u"], "Basic dTpw"),
    ],
)
def test_a_token_is_not_shown_to_just_anyone(
    argv: list[str], sent: str | None, tmp_path: Path, monkeypatch
) -> None:
    """Only to who proved who they are, or where somebody asked for it."""
    monkeypatch.setenv("EXPORTER_PROXY_TOKEN", "t0ken")
    monkeypatch.setenv("EXPORTER_PROXY_PASSWORD", "p")
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: a.crt, key_file: a.key}\n")
    config = tmp_path / "config.toml"
    config.write_text(f'[exporter]\nweb_config_file = "{tmp_path}/web.yml"\n')
    parser = argparse.ArgumentParser()
    credentials.add_options(parser)
    options = parser.parse_args(argv)
    options.config, options.web_config_file = str(config), None

    asked = Asked.of(options, None, is_trusted=True)

    assert asked.credentials.authorization == sent


@pytest.mark.parametrize("where", ["{}", "{}/metrics", "127.0.0.1:{port}/apps"])
def test_secrets(where: str, tmp_path: Path, file: str, capsys, monkeypatch) -> None:
    """From the environment or a file, to whoever is named."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    monkeypatch.setenv("EXPORTER_PROXY_TOKEN", "t0ken")
    with listening() as server:
        answer(server)
        for argv in commands(where.format(server.url, port=server.port), file):
            assert cli.main(argv) == (2 if argv[0] == "lint" else 0)
            assert cli.main([*argv, "--token-file", str(secret)]) == (2 if argv[0] == "lint" else 0)
        sent = [asked.headers["authorization"] for asked in server.asked]
        assert sent == ["Bearer t0ken", "Bearer s3cret"] * 3
    assert "no report" in capsys.readouterr().err


def answer(server: Listening) -> None:
    server.answer = lambda _: (200, json.dumps({"apps": []}).encode())


@pytest.mark.parametrize("named", ["htp://u:s3cret@h", "u:s3cret@h:x", "u:s3cret@h:1:1/x"])
def test_what_names_nobody(named: str, file: str, capsys) -> None:
    """No secret is shown."""
    for argv in commands(named, file):
        assert cli.main(argv) == (1 if argv[0] == "health" else 2)
        said = capsys.readouterr().err
        assert said.startswith(f"exporter-proxy {argv[0]}: ")
        assert "is not an HTTP or HTTPS URL" in said
        assert "s3cret" not in said


def test_a_certificate_of_our_own(
    proxy: StartProxy,
    authority: Authority,
    tls: Tls,
    tmp_path: Path,
    file: str,
) -> None:
    """Where it is asked for."""
    own = f"tls_server_config: {{cert_file: {tls.cert}, key_file: {tls.key}"
    web = tmp_path / "web.yml"
    web.write_text(
        f"{own}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: {tls.ca}}}\n"
    )
    process = proxy(wait=False, exporter={"web_config_file": str(web)})
    url = f"https://127.0.0.1:{process.http_port}"
    cert, key = authority.issue("job")
    shown = ["--cert-file", str(cert), "--key-file", str(key), "--ca-file", str(tls.ca)]
    until(lambda: cli.main(["health", url, *shown]) == 0, "the proxy")

    push = ["push", file, "--app", "x", "--to", url, "--retries", "0"]
    for argv in (*commands(url, file), push):
        assert cli.main([*argv, *shown]) == 0
        assert cli.main([*argv, *shown[-2:]]) != 0


def test_a_certificate_of_another_host(
    proxy: StartProxy, authority: Authority, tls: Tls, tmp_path: Path, file: str, capsys
) -> None:
    """What helps then is another name, not another file."""
    cert, key = authority.issue("other", sans="DNS:other.example.org")
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: {cert}, key_file: {key}}}\n")
    process = proxy(wait=False, exporter={"web_config_file": str(web)})
    url = f"https://127.0.0.1:{process.http_port}"
    until(lambda: cli.main(["health", url, "--insecure"]) == 0, "the proxy")
    capsys.readouterr()

    for argv in commands(url, file):
        assert cli.main([*argv, "--ca-file", str(tls.ca)]) != 0
        assert capsys.readouterr().err.endswith(
            ": the certificate is not trusted: IP address mismatch, certificate is not valid for "
            "'127.0.0.1'; use a name that is in it\n"
        )

"""The proxy behind TLS, passwords, tokens and rights, asked by other people's programs."""

import json
import os
import re
import socket
import ssl
import statistics
import subprocess
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tests.access.certificates import Authority
from tests.ports import free_port
from tests.proxy_process import DEADLINE_SECONDS, ProxyProcess, http_get, replace, until

PASSWORD = "open-sesame-7"
TOKEN = "tok-3f9a-read"
PUSH_TOKEN = "tok-77aa-push"
WRONG = "guess-1234"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
SECRETS = (PASSWORD, TOKEN, PUSH_TOKEN, WRONG, HASH)


@pytest.fixture
def authority(tool, tmp_path: Path) -> Authority:
    return Authority(tmp_path, tool("openssl"))


@pytest.fixture
def curl(tool) -> Callable[..., tuple[int, str]]:
    """Run curl; gives its exit code, and status and body of the answer."""

    def ask(*arguments: object) -> tuple[int, str]:
        done = subprocess.run(
            [tool("curl"), "-sS", "-g", "-m", "15", "-w", "\n%{http_code}", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if done.returncode:
            return done.returncode, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    return ask


def web_file(directory: Path, text: str) -> str:
    """Write a web configuration file; return its path."""
    path = directory / "web.yml"
    path.write_text(text)
    return str(path)


@pytest.fixture
def quiet(proxy) -> Iterator[Callable[..., ProxyProcess]]:
    """Start proxies that must say none of the secrets, neither in a log nor on a page."""
    started: list[ProxyProcess] = []

    def start(**sections: Any) -> ProxyProcess:
        wait = sections.pop("wait", True)
        running: ProxyProcess = proxy(wait=False, **sections)
        started.append(running)
        if wait:
            until(lambda: "takes metrics from" in running.log_text(), "the proxy to be ready")
        return running

    yield start
    for running in started:
        log = running.log_text()
        for secret in SECRETS:
            assert secret not in log


def test_the_format_of_other_exporters(quiet, curl, authority, tmp_path):
    """TLS, a user, a header: with curl, as for any exporter that is built on the toolkit."""
    authority.issue("server")
    running = quiet(
        exporter={
            "self_metrics_interval": 0,
            "web_config_file": web_file(
                tmp_path,
                "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
                "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
                f"basic_auth_users:\n  alice: {HASH}\n",
            ),
        }
    )
    base, ca = f"https://localhost:{running.http_port}", ("--cacert", authority.cert)
    user = ("-u", f"alice:{PASSWORD}")

    status, page = curl(*ca, *user, f"{base}/metrics")
    assert status == 200
    assert "exporter_proxy_build_info" in page
    for path in ("/metrics", "/apps", "/", "/lint", "/nothing"):
        assert curl(*ca, f"{base}{path}") == (
            401,
            "error: to read this you need a name and a password\n",
        )
        for wrong in (f"alice:{WRONG}", f"nobody:{PASSWORD}", f"{PASSWORD}:x", "alice:"):
            assert curl(*ca, "-u", wrong, f"{base}{path}") == (
                401,
                "error: the name or the password is wrong\n",
            )
    for path in ("/-/healthy", "/-/ready"):
        assert curl(*ca, f"{base}{path}")[0] == 200
    assert curl(*ca, *user, "-d", "x 1", f"{base}/lint")[0] == 200

    headers = curl(*ca, "-I", f"{base}/metrics")[1]
    assert "WWW-Authenticate: Basic" in headers
    assert "X-Frame-Options: deny" in headers
    # 60: curl does not know the authority; without TLS Go's words come.
    assert curl(*user, f"{base}/metrics")[0] == 60
    assert curl(f"http://localhost:{running.http_port}/metrics") == (
        400,
        "Client sent an HTTP request to an HTTPS server.\n",
    )
    page = curl(*ca, *user, f"{base}/metrics/self")[1]
    assert re.search(r'_refused_total\{reason="wrong_credentials"\} [1-9]', page)
    assert not any(secret in page for secret in SECRETS)


def test_client_certificates(quiet, curl, authority, tmp_path):
    """Who has none is not let in."""
    authority.issue("server")
    cert, key = authority.issue("client", sans="DNS:scraper")
    running = quiet(
        exporter={
            "web_config_file": web_file(
                tmp_path,
                "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
                "  client_auth_type: RequireAndVerifyClientCert\n"
                f"  client_ca_file: {authority.cert.name}\n"
                "  client_allowed_sans: [scraper]\n",
            )
        }
    )
    url, ca = f"https://localhost:{running.http_port}/metrics", ("--cacert", authority.cert)

    assert curl(*ca, "--cert", cert, "--key", key, url)[0] == 200
    assert curl(*ca, url)[0] not in range(100, 600)
    other, other_key = authority.issue("other", sans="DNS:other")
    assert curl(*ca, "--cert", other, "--key", other_key, url)[0] not in range(100, 600)


def test_certificates_and_users_change_while_it_runs(quiet, curl, authority, tmp_path):
    """New connections and requests go by what the files say now."""
    authority.issue("server")
    text = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
    file = web_file(tmp_path, f"{text}basic_auth_users:\n  alice: {HASH}\n")
    running = quiet(exporter={"web_config_file": file, "self_metrics_interval": 0})
    url, ca = f"https://localhost:{running.http_port}/metrics", ("--cacert", authority.cert)
    client = ssl.create_default_context(cafile=str(authority.cert))

    def serial() -> str:
        address = ("127.0.0.1", running.http_port)
        with (
            socket.create_connection(address, DEADLINE_SECONDS) as plain,
            client.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            return str((connection.getpeercert() or {})["serialNumber"])

    first = serial()
    assert curl(*ca, "-u", f"alice:{PASSWORD}", url)[0] == 200
    authority.issue("server")
    until(lambda: serial() != first, "the new certificate")
    assert curl(*ca, "-u", f"alice:{PASSWORD}", url)[0] == 200

    (tmp_path / "server.crt").write_text("rubbish")
    gauge = 'exporter_proxy_access_last_reload_successful{files="web_certificates"} 0.0'
    until(lambda: gauge in curl(*ca, "-u", f"alice:{PASSWORD}", url + "/self")[1], gauge)
    assert running.log_text().count("no certificate in PEM form") == 1

    authority.issue("server")
    replace(Path(file), f"{text}basic_auth_users:\n  bob: {HASH}\n")
    until(lambda: curl(*ca, "-u", f"bob:{PASSWORD}", url)[0] == 200, "the new user")
    assert curl(*ca, "-u", f"alice:{PASSWORD}", url)[0] == 401


def test_roles(quiet, curl, tmp_path):
    """Tokens, one of them in a file, and what each may do."""
    file = tmp_path / "token"
    file.write_text(PUSH_TOKEN + "\n")
    running = quiet(
        access=[
            {"bearer_token": TOKEN, "rights": ["scrape"]},
            {"bearer_token_file": str(file), "rights": ["push"], "apps": "batch-.*"},
        ]
    )
    url = f"http://127.0.0.1:{running.http_port}"

    def ask(token: str | None, path: str = "/metrics") -> int:
        header = () if token is None else ("-H", f"Authorization: Bearer {token}")
        return curl(*header, url + path)[0]

    assert ask(TOKEN) == 200
    assert ask(None) == 401
    assert ask(WRONG) == 401
    assert ask(PUSH_TOKEN) == 403
    assert ask(None, "/-/ready") == 200
    assert TOKEN not in curl("-H", f"Authorization: Bearer {TOKEN}", f"{url}/apps")[1]

    # The second's is another now; the first stays as it is.
    replace(file, "tok-changed")
    until(lambda: ask(PUSH_TOKEN) == 401, "the new token")
    assert ask("tok-changed") == 403
    assert ask(TOKEN) == 200


def test_unix_peers(quiet):
    """The kernel says whose they are; what they may write is asked for each app."""
    running = quiet(access=[{"peer_uid": os.geteuid(), "rights": ["push"], "apps": "mine.*"}])

    assert running.push_unix(b'{"mine-1":"x 1"}') == ""
    assert running.push_unix(b'{"mine-2":"x 1","yours":"x 1"}') == (
        f'error: uid {os.geteuid()} may not write here as "yours": no [[access]] entry for it has '
        'rights = ["push"] for this app\n'
    )
    # Over TCP who reaches the port may, as before.
    assert running.push_tcp(b'{"yours-too":"x 1"}') == ""
    assert [row["app"] for row in running.apps_json()["apps"]] == ["mine-1", "yours-too"]


def test_unix_peers_whom_no_entry_names(quiet):
    running = quiet(access=[{"peer_uid": os.geteuid() + 1, "rights": ["push"]}])

    assert running.push_unix(b'{"mine":"x 1"}').startswith(
        f'error: uid {os.geteuid()} may not write here as "mine": no [[access]] entry'
    )
    assert running.apps_json()["apps"] == []
    assert 'reason="forbidden",source="' in running.metrics()


def test_pushes_over_tls(quiet, tool, authority):
    """The openssl program is a client; who speaks without TLS, or has no certificate, is told."""
    cert, key = authority.issue("server")
    client_cert, client_key = authority.issue("client")
    running = quiet(
        receiver={
            "tls_cert_file": str(cert),
            "tls_key_file": str(key),
            "tls_client_ca_file": str(authority.cert),
        }
    )
    command = [
        tool("openssl"), "s_client", "-quiet", "-connect", f"127.0.0.1:{running.tcp_port}",
        "-CAfile", str(authority.cert), "-verify_return_error",
    ]  # fmt: skip

    def push(document: bytes, *options: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*command, *map(str, options)],
            input=document,
            capture_output=True,
            timeout=20,
            check=False,
        )

    certificate = ("-cert", client_cert, "-key", client_key)
    push(b'{"over-tls":"x 1"}\n', *certificate, "-no_ign_eof")
    until(lambda: "x 1\n" in running.metrics(), "the push")
    assert b"error: " in push(b'{"bad":7}\n', *certificate).stdout
    push(b'{"nobody":"y 1"}\n', "-no_ign_eof")
    assert running.push_tcp(b'{"plain":"z 1"}') == "error: this port speaks TLS\n"
    assert running.push_unix(b'{"over-unix":"x 1"}') == ""

    failures = "no TLS connection: listener=receiver "
    until(lambda: running.log_text().count(failures) == 2, "both to be told")
    assert [row["app"] for row in running.apps_json()["apps"]] == ["over-tls", "over-unix"]


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_large_pushes_over_tls_by_peers_that_are_gone(quiet, authority, says_goodbye):
    """What was sent counts, as without TLS, though nobody is there when it is read."""
    cert, key = authority.issue("server")
    running = quiet(
        receiver={
            "tls_cert_file": str(cert),
            "tls_key_file": str(key),
        }
    )
    context = ssl.create_default_context(cafile=str(authority.cert))
    names = [f"app-{number}" for number in range(6)]
    for name in names:
        samples = b"".join(b'x{n=\\"%d\\"} 1\\n' % number for number in range(150_000))
        document = b'{"%s":"%s"}\n' % (name.encode(), samples)
        with (
            socket.create_connection(("127.0.0.1", running.tcp_port), 20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as encrypted,
        ):
            encrypted.sendall(document)
            if says_goodbye:
                # The word that it has ended, without waiting for the answer to it.
                encrypted.setblocking(False)
                with suppress(ssl.SSLWantReadError):
                    encrypted.unwrap()

    def rows() -> list[tuple[str, int]]:
        return [(row["app"], row["samples"]) for row in running.apps_json()["apps"]]

    until(lambda: rows() == [(name, 150_000) for name in names], "all that was sent")


def test_tls_hello_on_a_plain_port(quiet, tool):
    """Without TLS the port says so, as before."""
    running = quiet()
    subprocess.run(
        [tool("openssl"), "s_client", "-connect", f"127.0.0.1:{running.tcp_port}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    line = "a TLS hello came, but this port does not speak TLS"
    until(lambda: line in running.log_text(), "the log line")


def test_access_by_a_reload(quiet, curl, tmp_path):
    """What was open is closed, for connections that were open before too; and opened again."""
    running = quiet(exporter={"enable_lifecycle": True})
    url = f"http://127.0.0.1:{running.http_port}"
    bearer = ("-H", f"Authorization: Bearer {TOKEN}")

    def reload(*arguments: object) -> tuple[int, str]:
        return curl("-X", "POST", *arguments, f"{url}/-/reload")

    with socket.socket(socket.AF_UNIX) as held:
        held.settimeout(DEADLINE_SECONDS)
        held.connect(str(running.unix_socket))
        held.sendall(b'{"before":"x 1"}')
        until(lambda: "x 1\n" in running.metrics(), "the push")
        running.write_config(
            exporter={"enable_lifecycle": True},
            access=[
                {"bearer_token": TOKEN, "rights": ["scrape", "admin"]},
                {"bearer_token": PUSH_TOKEN, "rights": ["push"]},
                {"peer_uid": os.geteuid() + 1, "rights": ["push"]},
            ],
        )
        assert reload()[0] == 200
        assert curl(f"{url}/metrics")[0] == 401
        held.sendall(b'{"after":"x 2"}')
        assert held.recv(1000).startswith(b"error: uid ")
    assert curl(*bearer, f"{url}/metrics")[0] == 200

    # Steering needs the right; a bad file changes nothing.
    assert reload()[0] == 401
    assert reload("-H", f"Authorization: Bearer {PUSH_TOKEN}")[0] == 403
    broken = web_file(tmp_path, MISTAKE.format(secret=PASSWORD, type="Any"))
    running.write_config(exporter={"enable_lifecycle": True, "web_config_file": broken})
    status, said = reload(*bearer)
    assert status == 500
    assert "basic_auth_users.alice" in said
    assert PASSWORD not in said
    assert curl(f"{url}/metrics")[0] == 401

    running.write_config(exporter={"enable_lifecycle": True})
    assert reload(*bearer)[0] == 200
    assert curl(f"{url}/metrics")[0] == 200


def test_a_flood_of_wrong_passwords(quiet, authority, tmp_path):
    """Whoever was let in before is answered at once, whatever the others try."""
    dear = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12)).decode()
    file = web_file(tmp_path, f"basic_auth_users:\n  alice: {dear}\n")
    running = quiet(exporter={"web_config_file": file})
    good = {"Authorization": "Basic " + b64encode(f"alice:{PASSWORD}".encode()).decode()}
    assert running.get("/metrics", good).status == 200
    # {status: how long who got it waited}
    waited: dict[int, list[float]] = defaultdict(list)

    def guess(number: int) -> None:
        wrong = b64encode(f"alice:{WRONG}{number}".encode()).decode()
        began = time.monotonic()
        status = running.get("/metrics", {"Authorization": f"Basic {wrong}"}).status
        waited[status].append(time.monotonic() - began)

    with ThreadPoolExecutor(20) as pool:
        guesses = [pool.submit(guess, number) for number in range(60)]
        slowest = 0.0
        while not all(each.done() for each in guesses):
            began = time.monotonic()
            assert running.get("/metrics", good).status == 200
            slowest = max(slowest, time.monotonic() - began)

    # Of one peer, four wait for their turn; a check takes a quarter of a second, or longer where
    # the machine is busy.
    assert set(waited) == {401, 503}
    assert slowest < statistics.median(waited[401])


MISTAKE = "basic_auth_users:\n  alice: {secret}\ntls_server_config:\n  client_auth_type: {type}\n"


def test_mistakes_stop_the_start(quiet, tmp_path):
    """Exit code 2, a line for each, none of which has the secret."""
    file = web_file(tmp_path, MISTAKE.format(secret=PASSWORD, type="RequireAnyClientCert"))
    running = quiet(
        wait=False,
        exporter={"web_config_file": file},
        access=[
            {"user": "bob", "rights": ["scrape"]},
            {"peer_uid": "nobody-i-know", "rights": ["push"]},
        ],
    )

    assert running.wait() == 2
    lines = [record["message"] for record in running.log_records()]
    assert [line.split(": ")[1] for line in lines] == [
        "basic_auth_users.alice",
        "tls_server_config.client_auth_type",
        "tls_server_config.cert_file",
        "tls_server_config.key_file",
        "access[1].peer_uid",
    ]


@pytest.mark.parametrize("authorization", ["basic", "bearer"])
def test_prometheus(quiet, tool, authority, tmp_path, authorization):
    """Debian's own scrapes over TLS with a name and a password, or with a token."""
    authority.issue("server")
    running = quiet(
        exporter={
            "web_config_file": web_file(
                tmp_path,
                "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
                f"basic_auth_users:\n  prometheus: {HASH}\n",
            )
        },
        access=[
            {"bearer_token": TOKEN, "rights": ["scrape"]},
            {"user": "prometheus", "rights": ["scrape"]},
        ],
    )
    port = free_port()
    credentials = {
        "basic": f"basic_auth: {{username: prometheus, password: {PASSWORD}}}",
        "bearer": f"authorization: {{credentials: {TOKEN}}}",
    }[authorization]
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs:\n"
        "  - job_name: with\n    scheme: https\n"
        f"    tls_config: {{ca_file: {authority.cert}, server_name: localhost}}\n"
        f"    {credentials}\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{running.http_port}']}}]\n"
        "  - job_name: without\n    scheme: https\n"
        f"    tls_config: {{ca_file: {authority.cert}, server_name: localhost}}\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{running.http_port}']}}]\n"
    )
    subprocess.run([tool("promtool"), "check", "config", str(config)], check=True, timeout=20)
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                tool("prometheus"), f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:

        def targets() -> dict[str, str]:
            answer = http_get(port, "/api/v1/targets")
            found = json.loads(answer.body)["data"]["activeTargets"] if answer.status == 200 else []
            return {each["scrapePool"]: f"{each['health']} {each['lastError']}" for each in found}

        until(lambda: targets().get("with", "").startswith("up"), "the scrape")
        until(lambda: targets()["without"].startswith("down"), "the other to fail")
        assert "401" in targets()["without"]
    finally:
        process.terminate()
        process.wait(20)

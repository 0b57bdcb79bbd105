"""What the configuration says of access, put to use."""

import asyncio
import base64
import os
import pwd
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from exporter_proxy.access import Access, Peer, RefusedError, peer_of
from exporter_proxy.access.tls_context import TlsError, make_context
from exporter_proxy.config import read
from exporter_proxy.errors import ConfigError
from tests.access.test_tls_gate import settings_of
from tests.views.conftest import Clock


def problems_of(**sections: Any) -> list[str]:
    """Return what is said of a configuration that can't be used."""
    with pytest.raises(ConfigError) as caught:
        Access(read(sections))
    return caught.value.problems


def test_entries_about_nobody() -> None:
    """Users that are not in the file, and accounts that the machine has not."""
    assert problems_of(
        access=[
            {"user": "alice", "rights": ["scrape"]},
            {"peer_uid": "no-such-user", "rights": ["push"]},
            {"bearer_token_file": "/missing", "rights": ["push"]},
        ],
        receiver={"tls_cert_file": "/missing", "tls_key_file": "/gone"},
    ) == [
        'access[2].bearer_token_file: "/missing": no such file or directory',
        'receiver.tls_cert_file: "/missing": no such file or directory',
        'receiver.tls_key_file: "/gone": no such file or directory',
        'access[0].user: "alice": must be one of basic_auth_users in exporter.web_config_file',
        'access[1].peer_uid: "no-such-user": there is no such user',
    ]


def test_users_of_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Nobody knows who is in it: that is not said, too."""
    (tmp_path / "web.yml").write_text("tls_server_config: 3")

    assert (
        len(
            problems_of(
                exporter={"web_config_file": str(tmp_path / "web.yml")},
                access=[{"user": "alice", "rights": ["scrape"]}],
            )
        )
        == 1
    )


def test_names_of_accounts() -> None:
    """They stand for their numbers."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    access = Access(read({"access": [{"peer_uid": name, "rights": ["push"]}]}))

    assert access.refusal(Peer(uid=os.geteuid()), "push", "x", raw=True) is None
    assert access.refusal(Peer(uid=os.geteuid() + 1), "push", "x", raw=True) is not None


def test_patterns_of_apps() -> None:
    """They match whole names."""
    entry = {"peer_uid": 7, "rights": ["push"], "apps": "batch-[0-9]"}
    access = Access(read({"access": [entry]}))
    peer = Peer(uid=7)

    assert access.refusal(peer, "push") is None
    assert access.refusal(peer, "push", "batch-1") is None
    for app in ("batch-12", "my-batch-1", "batch-", "batch-1\n", "batch-\udcff"):
        assert access.refusal(peer, "push", app) is not None, app


def test_what_failed_is_counted_over_a_reload(tmp_path: Path) -> None:
    """A counter does not go back; what is not in use any more is not said to be good."""
    (tmp_path / "token").write_text("tok-en")
    clock = Clock(0.0)
    entry = {"bearer_token_file": str(tmp_path / "token"), "rights": ["scrape"]}
    config = read({"access": [entry]})
    access = Access(config, clock)
    (tmp_path / "token").unlink()
    clock.now += 1.0
    access.refresh()
    assert access.stats.reloads.successful == {"bearer_token_files": False}
    with pytest.raises(ConfigError):
        access.read(config)
    assert access.stats.reloads.successful == {"bearer_token_files": False}

    (tmp_path / "token").write_text("another")
    access.replace(access.read(config))
    assert access.stats.reloads.successful == {"bearer_token_files": True}
    assert access.stats.reloads.failures == {"bearer_token_files": 1}
    access.replace(access.read(read({})))
    assert access.stats.reloads.successful == {}
    assert not access.active


def test_certificates_of_the_receiver(shared: dict[str, Path], tmp_path: Path) -> None:
    """They are looked at whenever the self-metrics are made."""
    cert = tmp_path / "server.crt"
    cert.write_bytes(shared["cert"].read_bytes())
    clock = Clock(0.0)
    section = {
        "tls_cert_file": str(cert),
        "tls_key_file": str(shared["key"]),
        "tls_client_ca_file": str(shared["ca"]),
        "tls_min_version": "TLS13",
    }
    access = Access(read({"receiver": section}), clock)
    contexts = access.receiver_tls()
    assert contexts is not None
    assert contexts.settings.client_auth == "RequireAndVerifyClientCert"
    assert contexts.settings.min_version == "TLS13"
    assert (
        Access(read({"receiver": section | {"receive_on_tcp_socket": False}})).receiver_tls()
        is None
    )

    cert.write_text("none")
    clock.now += 1.0
    access.refresh()
    assert access.stats.reloads.successful == {"receiver_certificates": False}


async def test_unix_peers_show_who_they_are(tmp_path: Path) -> None:
    """The kernel says it."""
    found: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.set_result(peer_of(writer.transport))
        writer.close()

    server = await asyncio.start_unix_server(connected, tmp_path / "s")
    _, writer = await asyncio.open_unix_connection(tmp_path / "s")
    assert await asyncio.wait_for(found, 15) == Peer(uid=os.geteuid())
    writer.close()
    server.close()


async def test_tcp_peers_show_their_address() -> None:
    found: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.set_result(peer_of(writer.transport))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await asyncio.wait_for(found, 15) == Peer(address="127.0.0.1")
    writer.close()
    server.close()
    assert peer_of(None) == Peer()


def test_suites_that_openssl_has_not(shared: dict[str, Path], monkeypatch) -> None:
    """They are named, each."""
    known = "exporter_proxy.access.tls_context.SUITES"
    monkeypatch.setattr(known, {"TLS_GOOD": "ECDHE-RSA-AES128-GCM-SHA256", "TLS_GONE": "GONE"})
    with pytest.raises(TlsError) as caught:
        make_context(settings_of(shared, cipher_suites=("TLS_GONE", "TLS_GOOD")))

    assert caught.value.args == ('tls.cipher_suites: "TLS_GONE": this OpenSSL does not have it',)


def test_versions_that_openssl_has_not(shared: dict[str, Path], monkeypatch) -> None:
    monkeypatch.setattr("ssl.HAS_TLSv1", False)
    with pytest.raises(TlsError) as caught:
        make_context(settings_of(shared, min_version="TLS10", max_version="TLS10"))

    assert caught.value.args == ('tls.max_version: "TLS10": this OpenSSL does not have it',)


async def test_who_is_known_at_once(tmp_path: Path) -> None:
    """As far as it agrees with what is found by waiting; never who proved nothing."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  me: {hashed}\n")
    config = {
        "exporter": {"web_config_file": str(tmp_path / "web.yml")},
        "access": [{"bearer_token": "tok-en", "rights": ["push"]}],
    }
    access, peer = Access(read(config)), Peer(address="192.0.2.1")
    basic = "Basic " + base64.b64encode(b"me:secret").decode()

    assert access.identify_at_once(peer, basic) is None, "nobody has looked at the password"
    known = await access.identify(peer, basic)
    assert known.user == "me"
    assert access.identify_at_once(peer, basic) == known
    assert access.identify_at_once(peer, basic.lower()) is None
    wrong = "Basic " + base64.b64encode(b"me:other").decode()
    with pytest.raises(RefusedError):
        await access.identify(peer, wrong)
    assert access.identify_at_once(peer, wrong) is None
    assert access.identify_at_once(peer, "Basic ?") is None
    token = "bearer  tok-en"
    assert access.identify_at_once(peer, token) == await access.identify(peer, token)
    assert access.identify_at_once(peer, "Bearer other") is None
    for nothing in (None, "Digest x", ""):
        assert access.identify_at_once(peer, nothing) == peer
    access.close()


def test_what_is_never_known_at_once(tmp_path: Path) -> None:
    """Requests that are counted, and those whose answers have headers of the operator."""
    for text in (
        "rate_limit:\n  interval: 1s\n  burst: 5\n",
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n",
    ):
        (tmp_path / "web.yml").write_text(text)
        access = Access(read({"exporter": {"web_config_file": str(tmp_path / "web.yml")}}))
        assert access.identify_at_once(Peer(uid=0), None) is None, text
        access.close()


def test_credentials_that_nobody_asks_for() -> None:
    """They prove nothing, and do no harm."""
    access, peer = Access(read({})), Peer(address="127.0.0.1")

    assert access.identify_at_once(peer, "Basic ?") is peer
    access.close()

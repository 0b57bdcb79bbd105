"""TLS on a listener, spoken to by real clients."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from exporter_proxy.access import TlsListener, answer_http, answer_push
from exporter_proxy.access.tls_context import TlsContexts, TlsError, make_context
from exporter_proxy.access.tls_gate import _is_among
from exporter_proxy.access.tls_settings import Pem, TlsSettings
from exporter_proxy.access.watched import ReloadStats
from tests.access.certificates import Authority
from tests.views.conftest import Clock

DEADLINE_SECONDS = 15.0


def settings_of(files: dict[str, Path], **more: Any) -> TlsSettings:
    """Return settings with the certificates of a test; ``client_ca`` is a file."""
    authorities = more.pop("client_ca", None)
    return TlsSettings(
        cert=Pem("cert_file", path=str(files["cert"])),
        key=Pem("key_file", path=str(files["key"])),
        client_ca=None if authorities is None else Pem("client_ca", path=str(authorities)),
        place="tls.",
        **more,
    )


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop run until ``condition`` holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what counts tells nobody
            await asyncio.sleep(0.005)


class Echo(asyncio.Protocol):
    """Says what it gets, and what it was told of the connection."""

    def __init__(self, seen: list[Any]) -> None:
        self._seen = seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport: Any = transport
        self._seen.append(transport.get_extra_info("ssl_object").version())

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self._transport.write(data.upper())

    def eof_received(self) -> bool:
        """End."""
        self._seen.append("eof")
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        """End, whoever ended it."""
        self._seen.append("lost")


class Bench:
    """A listener with TLS on a free port."""

    def __init__(self) -> None:
        self.clock = Clock(0.0)
        self.reloads = ReloadStats()
        self.seen: list[Any] = []
        self.contexts: TlsContexts | None = None
        self.listener = TlsListener("test", lambda: self.contexts, answer_http)
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, settings: TlsSettings) -> None:
        """Listen."""
        self.contexts = TlsContexts(settings, "test", self.reloads, self.clock)
        loop = asyncio.get_running_loop()
        factory = self.listener.wrap(lambda: Echo(self.seen))
        self._server = await loop.create_server(factory, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def say(self, client: ssl.SSLContext, data: bytes = b"hello") -> bytes:
        """Connect, say something, and return the answer to it; what fails, fails."""
        opened = asyncio.open_connection(
            "127.0.0.1", self.port, ssl=client, server_hostname="localhost"
        )
        reader, writer = await asyncio.wait_for(opened, DEADLINE_SECONDS)
        try:
            writer.write(data)
            # With TLS 1.3 a client learns only now that it was refused.
            return await asyncio.wait_for(reader.readexactly(len(data)), DEADLINE_SECONDS)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def say_plain(self, data: bytes) -> bytes:
        """Send bytes without TLS; return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
        writer.close()
        return answer

    async def stop(self) -> None:
        """Close everything."""
        self.listener.close()
        if self._server is not None:
            self._server.close()
        await until(lambda: self.seen.count("lost") == sum("TLS" in said for said in self.seen))
        # Transports close in the next round of the loop.
        await asyncio.sleep(0.01)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.stop()


def trusting(authority: Path, *certificate: Path) -> ssl.SSLContext:
    """Return a client's context; with a certificate and its key if they are given."""
    context = ssl.create_default_context(cafile=str(authority))
    if certificate:
        context.load_cert_chain(*map(str, certificate))
    return context


async def test_what_is_said_arrives(bench, shared):
    """The protocol sees a connection as after create_server(ssl=…)."""
    await bench.start(settings_of(shared))
    client = trusting(shared["ca"])

    assert await bench.say(client) == b"HELLO"
    assert await bench.say(client, b"x" * 3_000_000) == b"X" * 3_000_000
    assert bench.seen[0] == "TLSv1.3"
    assert not bench.listener._under_way


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_a_hello_in_pieces(bench, shared, size):
    """However the bytes of a handshake come, and whatever comes with its end."""
    await bench.start(settings_of(shared))

    def converse() -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting(shared["ca"]).wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", bench.port), DEADLINE_SECONDS) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def send(data: bytes) -> None:
                for start in range(0, len(data), size):
                    plain.send(data[start : start + size])

            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    send(outgoing.read())
                    incoming.write(plain.recv(65_536))
            # The client's last words of the handshake and its first data, in one go.
            client.write(b"hello")
            plain.sendall(outgoing.read())
            while True:
                try:
                    return client.read(100)
                except ssl.SSLWantReadError:
                    incoming.write(plain.recv(65_536))

    assert await asyncio.to_thread(converse) == b"HELLO"


async def test_the_end_is_passed_on(bench, shared):
    """A peer that says it is done is heard."""
    await bench.start(settings_of(shared))
    await bench.say(trusting(shared["ca"]))
    await until(lambda: "lost" in bench.seen)

    assert bench.seen in (["TLSv1.3", "eof", "lost"], ["TLSv1.3", "lost"])


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.0 400 Bad Request", id="http"),
        pytest.param(b'{"a":"x 1"}', "error: this port speaks TLS", id="json"),
        pytest.param(b"\0", "error: this port speaks TLS", id="byte"),
    ],
)
async def test_plain_peers_are_told(bench, shared, caplog, said, answered):
    """In what they may read; they are counted, and logged once a minute each."""
    await bench.start(settings_of(shared))
    for _ in range(3):
        answer = (await bench.say_plain(said)).decode()
        assert answer.splitlines()[0] == answered
    assert bench.listener.stats.failures["plain"] == 3
    bench.listener.close()

    first, second = caplog.messages
    assert first.startswith("no TLS connection: listener=test peer=127.0.0.1:")
    assert first.endswith(": the peer does not speak TLS")
    assert second == "2 more connections without TLS: listener=test peer=127.0.0.1 reason=plain"


async def test_plain_peers_are_told_however_much_they_send(bench, shared):
    """The answer is not lost in a reset."""
    await bench.start(settings_of(shared))
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(b'{"a":"' + b"x" * 10_000_000)
    line = await asyncio.wait_for(reader.readline(), DEADLINE_SECONDS)
    await asyncio.wait_for(writer.drain(), DEADLINE_SECONDS)
    writer.close()

    assert line == b"error: this port speaks TLS\n"
    await until(lambda: not bench.listener._under_way)


async def test_refused_peers_that_stay_are_closed(bench, shared, monkeypatch):
    """After a moment."""
    monkeypatch.setattr("exporter_proxy.access.tls_gate._LINGER_SECONDS", 0.01)
    await bench.start(settings_of(shared))
    _, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(b"{")
    await until(lambda: bench.listener.stats.failures["plain"])
    await until(lambda: not bench.listener._under_way)
    writer.close()


async def test_the_end_comes_in_the_middle_of_handshakes(bench, shared, caplog):
    """Whoever has not finished is let go, without a word."""
    await bench.start(settings_of(shared))
    peers = []
    for said in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"{"):
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
        writer.write(said)
        peers.append((reader, writer))
    await until(lambda: len(bench.listener._under_way) == len(peers))
    await until(lambda: bench.listener.stats.failures["plain"])
    bench.listener.close()
    for reader, writer in peers:
        with suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
        writer.close()

    assert not bench.listener._under_way
    assert len(caplog.messages) == 1


def test_answer_to_http():
    """It is the one of Go's servers, which those who look for it know."""
    assert answer_http(b"GET").endswith(
        b"\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    )
    assert answer_push(b"GET") == b"error: this port speaks TLS\n"


async def test_broken_handshakes(bench, shared, caplog):
    """They cost their connection and a line."""
    await bench.start(settings_of(shared))

    assert await bench.say_plain(b"\x16\x03\x01\x00\x05hello") is not None
    with pytest.raises(ssl.SSLError):
        await bench.say(ssl.create_default_context(cafile=str(shared["other_ca"])))
    await until(lambda: bench.listener.stats.failures["handshake"] >= 2)
    assert not bench.listener._under_way
    assert await bench.say(trusting(shared["ca"])) == b"HELLO"
    assert caplog.messages[0].startswith("no TLS connection: listener=test peer=127.0.0.1:")


async def test_silent_peers(bench, shared, monkeypatch, caplog):
    """They are closed after a while, which is no news."""
    monkeypatch.setattr("exporter_proxy.access.tls_gate._HANDSHAKE_SECONDS", 0.05)
    await bench.start(settings_of(shared))

    assert await bench.say_plain(b"") == b""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(b"\x16\x03\x01\x02")
    with suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
    writer.close()
    await until(lambda: bench.listener.stats.failures["timeout"] >= 2)
    assert caplog.messages == []


async def test_many_silent_peers(bench, shared):
    """The oldest makes place; nobody is kept from speaking."""
    bench.listener._most = 5
    await bench.start(settings_of(shared))
    silent = [await asyncio.open_connection("127.0.0.1", bench.port) for _ in range(8)]
    await until(lambda: bench.listener.stats.failures["evicted"] >= 3)

    assert await bench.say(trusting(shared["ca"])) == b"HELLO"
    assert await asyncio.wait_for(silent[0][0].read(), DEADLINE_SECONDS) == b""
    assert len(bench.listener._under_way) <= 5
    for _, writer in silent:
        writer.close()


async def test_peers_that_vanish_early(bench, shared):
    """In every state, nothing is left behind."""
    await bench.start(settings_of(shared))
    for said in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"):
        _, writer = await asyncio.open_connection("127.0.0.1", bench.port)
        writer.write(said)
        await asyncio.sleep(0.01)
        writer.transport.abort()
    await until(lambda: not bench.listener._under_way)


@pytest.mark.parametrize(
    ("policy", "certificate", "taken"),
    [
        ("NoClientCert", "", True),
        ("NoClientCert", "other", True),
        ("VerifyClientCertIfGiven", "", True),
        ("VerifyClientCertIfGiven", "client", True),
        ("VerifyClientCertIfGiven", "other", False),
        ("RequireAndVerifyClientCert", "", False),
        ("RequireAndVerifyClientCert", "client", True),
        ("RequireAndVerifyClientCert", "other", False),
    ],
)
async def test_client_certificates(bench, shared, policy, certificate, taken):
    """Each policy, with each kind of client."""
    authorities = {} if policy == "NoClientCert" else {"client_ca": shared["ca"]}
    await bench.start(settings_of(shared, client_auth=policy, **authorities))
    files = [shared[f"{certificate}_{part}"] for part in ("cert", "key")] if certificate else []
    client = trusting(shared["ca"], *files)
    if taken:
        assert await bench.say(client) == b"HELLO"
        return
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await bench.say(client)
    assert bench.seen == []


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("scraper",), True),
        (("nobody", "10.1.2.3"), True),
        (("spiffe://a/b",), True),
        (("nobody",), False),
        (("client",), False),
    ],
)
async def test_client_allowed_sans(bench, shared, names, taken):
    """One of them has to be there; the common name does not count."""
    await bench.start(
        settings_of(
            shared,
            client_auth="RequireAndVerifyClientCert",
            client_ca=shared["ca"],
            client_allowed_sans=names,
        )
    )
    client = trusting(shared["ca"], shared["client_cert"], shared["client_key"])
    if taken:
        assert await bench.say(client) == b"HELLO"
        return
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await bench.say(client)
    assert bench.seen == []
    assert bench.listener.stats.failures["client_allowed_sans"] == 1


def test_ipv6_addresses_are_compared_as_such():
    """However they are written."""
    assert _is_among("0:0:0:0:0:0:0:1\n", ("nobody", "::1"))
    assert not _is_among("::2", ("nobody", "::1"))


@pytest.mark.parametrize(
    ("settings", "option", "taken"),
    [
        ({}, "-tls1_2", True),
        ({}, "-tls1_1", False),
        ({"min_version": "TLS10"}, "-tls1_1", True),
        ({"min_version": "TLS10"}, "-tls1", True),
        ({"min_version": "TLS11"}, "-tls1", False),
        ({"min_version": "TLS13"}, "-tls1_2", False),
        ({"max_version": "TLS12"}, "-tls1_3", False),
        ({"max_version": "TLS12"}, "-tls1_2", True),
        ({"cipher_suites": ("TLS_AES_128_GCM_SHA256",)}, "-tls1_2", False),
        ({"cipher_suites": ("TLS_AES_128_GCM_SHA256",)}, "-tls1_3", True),
        ({"cipher_suites": ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",)},
         "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ({"cipher_suites": ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",)},
         "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384", False),
        ({"curves": ("CurveP384",)}, "-curves secp384r1", True),
        ({"curves": ("CurveP384",)}, "-curves X25519", False),
        ({"curves": ("X25519",)}, "-curves X25519", True),
    ],
)  # fmt: skip
async def test_versions_suites_and_curves(bench, shared, openssl, settings, option, taken):
    """As the openssl program finds them."""
    await bench.start(settings_of(shared, **settings))
    command = [openssl, "s_client", "-connect", f"127.0.0.1:{bench.port}", *option.split()]
    if "-cipher" not in option:
        # What is older than TLS 1.2 is not to be had from a client either, by default.
        command += ["-cipher", "DEFAULT@SECLEVEL=0"]
    done = await asyncio.to_thread(
        subprocess.run, command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20
    )

    assert (b"New, TLS" in done.stdout) is taken, done


async def test_order_of_suites(bench, shared, openssl):
    """Ours counts, unless the client's is to."""
    both = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
    theirs = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"
    for ours_counts, chosen in ((True, b"AES128"), (False, b"AES256")):
        made = Bench()
        await made.start(settings_of(shared, cipher_suites=both, prefer_server_suites=ours_counts))
        command = [openssl, "s_client", "-connect", f"127.0.0.1:{made.port}", "-tls1_2"]
        done = await asyncio.to_thread(
            subprocess.run,
            [*command, "-cipher", theirs],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
        )
        await made.stop()

        assert b"Cipher is ECDHE-ECDSA-" + chosen in done.stdout


async def test_new_certificates_count_from_the_next_handshake_on(
    bench, authority: Authority, tmp_path, caplog
):
    """Connections that are open go on; what is no good changes nothing and is logged once."""
    cert, key = authority.issue("localhost", into="server")
    await bench.start(settings_of({"cert": cert, "key": key}))
    client = trusting(authority.cert)
    held = await asyncio.open_connection(
        "127.0.0.1", bench.port, ssl=client, server_hostname="localhost"
    )

    async def serial() -> str:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", bench.port, ssl=client, server_hostname="localhost"
        )
        writer.close()
        return str(writer.get_extra_info("peercert")["serialNumber"])

    first = await serial()
    authority.issue("localhost", into="server")
    assert await serial() == first, "looked at too often"
    bench.clock.now += 1.0
    second = await serial()
    assert second != first
    assert bench.reloads.successful == {"test": True}

    cert.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    caplog.clear()
    for _ in range(3):
        bench.clock.now += 1.0
        assert await serial() == second
    assert caplog.messages == [
        f'cert_file: "{cert}": no certificate in PEM form: what was read before stays in use'
    ]
    assert (bench.reloads.successful, bench.reloads.failures) == ({"test": False}, {"test": 1})

    cert.unlink()
    bench.clock.now += 1.0
    assert await serial() == second
    authority.issue("localhost", into="server")
    bench.clock.now += 1.0
    assert await serial() not in {first, second}
    assert bench.reloads.successful == {"test": True}

    held[1].write(b"still here")
    assert await held[0].readexactly(10) == b"STILL HERE"
    held[1].close()


async def test_a_link_that_is_turned(bench, authority: Authority, openssl, tmp_path):
    """As Kubernetes replaces mounted secrets."""
    for number in ("1", "2"):
        directory = tmp_path / number
        directory.mkdir()
        cert, key = authority.issue("localhost", into=f"server{number}")
        shutil.move(cert, directory / "tls.crt")
        shutil.move(key, directory / "tls.key")
    (tmp_path / "data").symlink_to("1")
    files = {"cert": tmp_path / "data" / "tls.crt", "key": tmp_path / "data" / "tls.key"}
    await bench.start(settings_of(files))
    client = trusting(authority.cert)
    assert await bench.say(client) == b"HELLO"
    before = bench.contexts.current()
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").rename(tmp_path / "data")
    bench.clock.now += 1.0

    assert bench.contexts.current() is not before
    assert await bench.say(client) == b"HELLO"


async def test_authorities_that_change(bench, shared, tmp_path):
    """Who came in by the old ones does no more."""
    authorities = tmp_path / "clients.crt"
    authorities.write_bytes(shared["other_ca"].read_bytes())
    await bench.start(
        settings_of(shared, client_auth="RequireAndVerifyClientCert", client_ca=authorities)
    )
    mine = trusting(shared["ca"], shared["client_cert"], shared["client_key"])
    others = trusting(shared["ca"], shared["other_cert"], shared["other_key"])
    refused = (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)

    assert await bench.say(others) == b"HELLO"
    with pytest.raises(refused):
        await bench.say(mine)
    authorities.write_bytes(shared["ca"].read_bytes())
    bench.clock.now += 1.0

    assert await bench.say(mine) == b"HELLO"
    with pytest.raises(refused):
        await bench.say(others)


async def test_without_contexts_nothing_comes_between():
    """The protocol is the connection's own."""
    listener = TlsListener("test", lambda: None, answer_push)
    made = object()
    factory: Callable[[], Any] = listener.wrap(lambda: made)  # type: ignore[arg-type,return-value]

    assert factory() is made
    assert not listener.speaks_tls


def test_everything_that_is_wrong_is_said(shared):
    """Of files, versions and lists at once."""
    settings = settings_of(
        {"cert": Path("/missing/a"), "key": Path("/missing/b")},
        min_version="TLS13",
        max_version="TLS12",
        client_auth="RequireAndVerifyClientCert",
        client_ca=Path("/missing/c"),
    )
    with pytest.raises(TlsError) as caught:
        make_context(settings)

    assert len(caught.value.args) == 4


def test_no_descriptor_is_left(shared):
    """Certificates pass through memory."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        make_context(settings_of(shared))

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

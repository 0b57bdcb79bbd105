"""Scrapes of real servers, well-behaved and not."""

import asyncio
import gc
import gzip
import shutil
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from exporter_proxy.config import BasicAuth, EndpointConfig, Secret
from exporter_proxy.errors import PollError
from exporter_proxy.sources.poll.client import PollClient
from exporter_proxy.sources.poll.request import ScrapeRequest
from exporter_proxy.sources.poll.resolver import ThreadPerLookup
from exporter_proxy.table import Payload
from tests.sources.polling import (
    Connection,
    answer,
    endpoint,
    http_server,
    make_certificate,
    python_http_server,
    raw_server,
)

PAGE = b"# TYPE requests_total counter\nrequests_total 1\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"


@pytest.fixture
async def client() -> AsyncIterator[PollClient]:
    client = PollClient()
    yield client
    await client.close()


async def scrape(client: PollClient, target: EndpointConfig) -> Payload:
    return await client.scrape(target, ScrapeRequest(target))


async def refusal(client: PollClient, target: EndpointConfig) -> tuple[str, str]:
    """Return reason and sentence of a scrape that has to fail."""
    with pytest.raises(PollError) as caught:
        await scrape(client, target)
    return caught.value.reason, str(caught.value)


async def serve_page(_: web.Request) -> web.Response:
    return web.Response(body=PAGE)


async def test_scrapes_what_is_served(client: PollClient):
    """The page as it came, asked for with the scrape headers, on one connection."""
    seen: list[web.Request] = []
    peers: set[object] = set()

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=PAGE)

    async with http_server(handler) as url:
        target = endpoint(f"{url}/metrics?collect[]=cpu", client_timeout=7.5)
        payloads = [await scrape(client, target) for _ in range(2)]

    assert payloads == [(PAGE,)] * 2
    assert (seen[0].path, dict(seen[0].query)) == ("/metrics", {"collect[]": "cpu"})
    assert seen[0].headers["X-Prometheus-Scrape-Timeout-Seconds"] == "7.5"
    assert seen[0].headers["User-Agent"].startswith("exporter-proxy/")
    assert seen[0].headers.getall("Accept") == ["text/plain;version=0.0.4,*/*;q=0.1"]
    assert seen[0].headers.getall("Accept-Encoding") == ["gzip"]
    assert len(peers) == 1


async def test_scrapes_python_http_server(client: PollClient, tmp_path: Path):
    """HTTP/1.0, one connection a request, untidy lines: all of it is taken as it is."""
    page = b'"1_requests_total{a="b"}    1  1395066363000",\n"2_x 2",'
    (tmp_path / "1027.html").write_bytes(page)
    with python_http_server(tmp_path) as url:
        target = endpoint(f"{url}/1027.html")

        assert [await scrape(client, target) for _ in range(2)] == [(page,)] * 2


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", gzip.compress(PAGE), id="gzip"),
        pytest.param("X-GZIP", gzip.compress(PAGE), id="x-gzip"),
        pytest.param("identity", PAGE, id="identity"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_reads_encoded_bodies(
    client: PollClient, encoding: str, body: bytes, *, chunked: bool
):
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    head = OK + b"Content-Encoding: %s\r\n%s\r\n\r\n" % (encoding.encode(), length)

    async with raw_server(answer(head, sent)) as url:
        assert await scrape(client, endpoint(url)) == (PAGE,)


async def test_reads_a_large_body_in_pieces(client: PollClient):
    text = b"".join(b'x{number="%d"} 1\n' % number for number in range(200_000))

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=text)

    async with http_server(handler) as url:
        payload = await scrape(client, endpoint(url))

    assert len(payload) > 2
    assert b"".join(payload) == text


async def test_reads_a_body_that_ends_with_the_connection(client: PollClient):
    async with raw_server(answer(b"HTTP/1.0 200 OK\r\n\r\n", PAGE[:10], PAGE[10:])) as url:
        assert await scrape(client, endpoint(url)) == (PAGE,)


GARBLED = (
    "malformed_http",
    "the answer ends too early or is garbled",
)


@pytest.mark.parametrize(
    ("connection", "error"),
    [
        pytest.param(
            answer(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
            ("http_status", "HTTP status 503"),
            id="status",
        ),
        pytest.param(
            answer(b"HTTP/1.1 204 No Content\r\n\r\n"),
            ("http_status", "HTTP status 204"),
            id="no-content",
        ),
        pytest.param(
            answer(OK + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx"),
            ("malformed_http", 'the body\'s encoding was not asked for: "br"'),
            id="encoding",
        ),
        pytest.param(
            answer(), ("connect", "the target closed the connection unanswered"), id="nothing"
        ),
        pytest.param(
            answer(OK), ("connect", "the target closed the connection unanswered"), id="half-a-head"
        ),
        pytest.param(answer(OK + b"Content-Length: 100\r\n\r\n" + PAGE), GARBLED, id="short"),
        pytest.param(
            answer(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\na 1\n\n\r\n"),
            GARBLED,
            id="no-last-chunk",
        ),
        pytest.param(
            answer(OK + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + b"a" * 20),
            ("malformed_http", "the body is not valid gzip"),
            id="no-gzip",
        ),
        pytest.param(
            answer(OK + b"Content-Length: 5\r\n\r\na\0b 1"),
            ("nul_byte", "NUL at byte 1 of the body"),
            id="nul",
        ),
        pytest.param(
            answer(OK + b"Content-Length: 4\r\n\r\na 1\xff"),
            ("invalid_utf8", "not UTF-8 at byte 3 of the body"),
            id="utf-8",
        ),
        pytest.param(
            answer(OK + b"Content-Length: 1001\r\n\r\n"),
            ("body_too_large", "the body is larger than 1000 bytes (max_body_size)"),
            id="announced-too-large",
        ),
        pytest.param(
            answer(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
            ("malformed_http", "a redirect without a usable address"),
            id="redirect-to-nowhere",
        ),
    ],
)
async def test_names_what_is_wrong(
    client: PollClient, connection: Connection, error: tuple[str, str]
):
    async with raw_server(connection) as url:
        assert await refusal(client, endpoint(url, max_body_size=1000)) == error


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="ssh"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x50", id="tls-alert"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", id="header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", id="long-header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", id="length"),
        pytest.param(OK + b"Content-Length: 4\r\n\r\na 1\nb 2\n", id="more-than-announced"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nfive\r\na 1\n", id="chunk-size"),
    ],
)
async def test_tells_what_is_no_http(client: PollClient, sent: bytes):
    """The sentence quotes what came, and stays one short line."""
    async with raw_server(answer(sent)) as url:
        reason, message = await refusal(client, endpoint(url))

    assert reason == "malformed_http"
    assert message.startswith("not valid HTTP: ")
    assert len(message) < 200
    assert message.isprintable()
    assert "\\n " not in message


@pytest.mark.parametrize("garbled", [b"five\r\n", b"4\r\nb 2\nand more\r\n"])
async def test_a_malformed_chunk_is_told_at_once(client: PollClient, garbled: bytes):
    """Also where what came before was right: nobody waits for a connection that is closed."""
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"

    async def connection(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for sent in (head, b"4\r\na 1\n\r\n", garbled):
            writer.write(sent)
            await asyncio.sleep(0.01)

    async with raw_server(connection) as url:
        reason, message = await refusal(client, endpoint(url, client_timeout=60.0))

    assert reason == "malformed_http"
    assert message.startswith("not valid HTTP: ")


async def test_a_connection_reset_half_way_is_told(
    client: PollClient, caplog: pytest.LogCaptureFixture
):
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 100\r\n\r\na 1\n")
        await writer.drain()
        opened = writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with raw_server(reset) as url:
        reason, message = await refusal(client, endpoint(url))

    assert (reason, message) == ("connect", "the connection was lost amid the answer")
    gc.collect()
    assert not caplog.records, "nobody looked at an error"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="silent"),
        pytest.param(OK, id="head"),
        pytest.param(OK + b"Content-Length: 100\r\n\r\na 1\n", id="body"),
    ],
)
async def test_a_target_that_hangs_is_given_up(client: PollClient, sent: bytes):
    """The timeout covers the whole poll, up to the last byte of the body."""

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await asyncio.Event().wait()

    async with raw_server(hang) as url:
        error = await refusal(client, endpoint(url, client_timeout=0.05))

    assert error == ("timeout", "no complete answer within 0.05 s (client_timeout)")


async def test_an_endless_body_is_cut_off(client: PollClient):
    """Refused at the limit, and its connection closed, not read on."""
    closed = asyncio.Event()

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"1000\r\n" + b"x 12345\n" * 512 + b"\r\n")
                await writer.drain()
        closed.set()

    async with raw_server(endless) as url:
        reason, _ = await refusal(client, endpoint(url, max_body_size=1_000_000))
        await closed.wait()

    assert reason == "body_too_large"


async def test_a_gzip_bomb_is_refused(client: PollClient):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\n" * 1_000_000) for _ in range(50)) + packer.flush()
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)

    async with raw_server(answer(head, bomb)) as url:
        reason, _ = await refusal(client, endpoint(url, max_body_size=1_000_000))

    assert reason == "body_too_large"


async def test_a_closed_port_is_told(client: PollClient):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        error = await refusal(client, endpoint(f"http://127.0.0.1:{port}/?token=s3cret"))

    assert error == ("connect", f"can't connect to 127.0.0.1, port {port}: Connection refused")


async def test_an_unknown_name_is_told():
    def look_up(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client = PollClient(ThreadPerLookup(look_up))
    error = await refusal(client, endpoint("http://target.invalid:9100/metrics?token=s3cret"))
    await client.close()

    assert error == ("dns", "can't resolve target.invalid: Name or service not known")


async def test_redirects_are_followed_with_credentials_to_the_same_origin(client: PollClient):
    seen: list[tuple[str, str | None, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        headers = request.headers
        seen.append((request.path, headers.get("Authorization"), headers.get("X-Key")))
        if request.path == "/metrics":
            raise web.HTTPFound("/there")
        return web.Response(body=PAGE)

    auth = BasicAuth(username="user", password=Secret("pass"))
    async with http_server(handler) as url:
        target = endpoint(f"{url}/metrics", basic_auth=auth, headers={"X-Key": Secret("key")})
        assert await scrape(client, target) == (PAGE,)

    secrets = ("Basic dXNlcjpwYXNz", "key")
    assert seen == [("/metrics", *secrets), ("/there", *secrets)]


async def test_secrets_never_go_to_another_origin(client: PollClient, tmp_path: Path):
    """Nor back to the first one, once a redirect has led away: the way was another's choice."""
    seen: list[tuple[str, str | None, str | None, str | None]] = []
    token = tmp_path / "token"
    token.write_text("s3cret")

    def note(request: web.Request) -> None:
        headers = request.headers
        seen.append(
            (request.path, headers.get("Authorization"), headers.get("X-Key"), headers["Accept"])
        )

    async def first(request: web.Request) -> web.Response:
        note(request)
        if request.path == "/metrics":
            raise web.HTTPTemporaryRedirect(f"{other}/away")
        return web.Response(body=PAGE)

    async def second(request: web.Request) -> web.Response:
        note(request)
        raise web.HTTPTemporaryRedirect(f"{url.replace('//', '//user:pass@')}/back")

    async with http_server(first) as url, http_server(second) as other:
        target = endpoint(
            f"{url}/metrics", bearer_token_file=str(token), headers={"X-Key": Secret("key")}
        )
        assert await scrape(client, target) == (PAGE,)

    accept = "text/plain;version=0.0.4,*/*;q=0.1"
    assert seen == [
        ("/metrics", "Bearer s3cret", "key", accept),
        ("/away", None, None, accept),
        ("/back", None, None, accept),
    ]


async def test_redirects_end(client: PollClient):
    """Ten are followed, the eleventh isn't."""
    asked: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        number = int(request.path[1:])
        asked.append(number)
        if number == int(request.query["last"]):
            return web.Response(body=PAGE)
        raise web.HTTPFound(f"/{number + 1}?{request.query_string}")

    async with http_server(handler) as url:
        assert await scrape(client, endpoint(f"{url}/0?last=10")) == (PAGE,)
        error = await refusal(client, endpoint(f"{url}/0?last=11"))

    assert error == ("http_status", "more than 10 redirects")
    assert asked == [*range(11), *range(11)]


async def test_an_unreadable_token_file_stops_the_request(client: PollClient, tmp_path: Path):
    target = endpoint("http://127.0.0.1:9/", bearer_token_file=str(tmp_path / "absent"))

    reason, message = await refusal(client, target)

    assert reason == "unreadable_secret"
    assert message.startswith('bearer_token_file "')


async def test_cookies_are_not_kept(client: PollClient):
    """A target can't follow us, nor another target on its host."""
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(body=PAGE, headers={"Set-Cookie": "a=b"})

    async with http_server(handler) as url:
        target = endpoint(url.replace("127.0.0.1", "localhost"))
        await scrape(client, target)
        await scrape(client, target)

    assert seen == [None, None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.2")


@pytest.fixture
def tls(certificate: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_a_certificate_nobody_vouches_for_is_taken_only_if_allowed(
    client: PollClient, tls: ssl.SSLContext
):
    async with http_server(serve_page, ssl_context=tls) as url:
        allowed = endpoint(url, allow_invalid_certs=True, ca_file="/not/looked/at")
        assert await scrape(client, allowed) == (PAGE,)
        error = await refusal(client, endpoint(url, allow_invalid_certs=False))

    assert error == ("tls", "the certificate is not trusted: self-signed certificate")


async def test_a_ca_file_vouches(
    client: PollClient, tls: ssl.SSLContext, certificate, other_certificate
):
    """For the certificates it names, and for the name that they are made for."""
    async with http_server(serve_page, ssl_context=tls) as url:

        def trusting(file: str, url: str = url) -> EndpointConfig:
            return endpoint(url, allow_invalid_certs=False, ca_file=file)

        assert await scrape(client, trusting(certificate[0])) == (PAGE,)
        other = await refusal(client, trusting(other_certificate[0]))
        by_name = url.replace("127.0.0.1", "localhost")
        misnamed = await refusal(client, trusting(certificate[0], by_name))

    assert other == ("tls", "the certificate is not trusted: self-signed certificate")
    assert misnamed[0] == "tls"
    assert "localhost" in misnamed[1]


async def test_a_changed_ca_file_counts_at_the_next_poll(
    client: PollClient, tls: ssl.SSLContext, certificate, other_certificate, tmp_path: Path
):
    """Also for a target whose connection is still open."""
    file = tmp_path / "ca.pem"
    shutil.copyfile(certificate[0], file)
    async with http_server(serve_page, ssl_context=tls) as url:
        target = endpoint(url, allow_invalid_certs=False, ca_file=str(file))
        assert await scrape(client, target) == (PAGE,)
        shutil.copyfile(other_certificate[0], file)

        assert (await refusal(client, target))[0] == "tls"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(None, "no such file or directory", id="absent"),
        pytest.param(b"no certificate", "no certificates in PEM form", id="text"),
        pytest.param(b"\x30\x82\xff", "no certificates in PEM form", id="binary"),
    ],
)
async def test_an_unusable_ca_file_is_named(
    client: PollClient, tmp_path: Path, content: bytes | None, why: str
):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    target = endpoint("https://127.0.0.1:9/", allow_invalid_certs=False, ca_file=str(file))

    assert await refusal(client, target) == ("unreadable_secret", f'ca_file "{file}": {why}')


async def test_tls_on_a_plain_port_is_told(client: PollClient):
    async with http_server(serve_page) as url:
        reason, message = await refusal(client, endpoint(url.replace("http:", "https:")))

    assert reason == "tls"
    assert message.startswith("TLS failed: ")


async def test_the_systems_authorities_are_read_ahead(
    client: PollClient, monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext
):
    """Reading them takes longer than the event loop may be held."""
    async with http_server(serve_page, ssl_context=tls) as url:
        target = endpoint(url, allow_invalid_certs=False)
        client.prepare(target)
        monkeypatch.setattr(ssl, "create_default_context", None)

        assert (await refusal(client, target))[0] == "tls"

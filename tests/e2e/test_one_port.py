"""HTTP, JSON and Cap'n Proto over one port, sent by other people's programs."""

import json
import socket
import subprocess

import pytest

from tests.e2e.test_capnp_tool import encode
from tests.ports import free_port
from tests.proxy_process import until

QUIET = {"exposition": "verbatim", "self_metrics": False}
ONE_PORT = {"receive_on_scrape_port": True, "receive_on_tcp_socket": False}


def nc(tool, data: bytes, *arguments: object) -> bytes:
    done = subprocess.run(
        [tool("nc"), "-N", *map(str, arguments)],
        input=data,
        capture_output=True,
        timeout=20,
        check=True,
    )
    return done.stdout


def curl(tool, *arguments: object) -> str:
    done = subprocess.run(
        [tool("curl"), "-sS", "-m", "15", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return done.stdout


def test_every_wire_on_the_scrape_port(proxy, tool):
    """JSON and Cap'n Proto by nc, HTTP by curl; what is sent is shown, named by the address."""
    running = proxy(exporter=QUIET, receiver=ONE_PORT)
    address = ("127.0.0.1", running.http_port)
    assert nc(tool, b'{"a": "a 1\\n"}{"b": ["b 1"]}', *address) == b""
    assert nc(tool, encode(tool, {"appName": "c", "data": "c 1\n"}), *address) == b""
    assert curl(tool, f"http://127.0.0.1:{running.http_port}/metrics") == "a 1\nb 1\nc 1\n"
    rows = {row["app"]: row["source"] for row in running.apps_json()["apps"]}
    assert rows == dict.fromkeys("abc", f"127.0.0.1:{running.http_port}")


def test_byte_by_byte(proxy):
    """Each byte in a packet of its own, the first one alone for a while."""
    running = proxy(exporter=QUIET, receiver=ONE_PORT)
    for data in (b'{"a": "a 1\\n"}', b"GET /metrics HTTP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", running.http_port), 20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in data:
                connection.send(bytes([byte]))
            if data.startswith(b"{"):
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65_536):
                answer += part
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\na 1\n")


def test_refusals_are_those_of_a_receiver(proxy, tool):
    """One line, a counter under the source's name; the next one is served."""
    running = proxy(receiver=ONE_PORT)
    address = ("127.0.0.1", running.http_port)
    assert nc(tool, b"hello\n", *address).startswith(b"error: malformed JSON: ")
    assert nc(tool, b"{}", *address).startswith(b"error: the object is empty")
    hello = b"\x16\x03\x01\x01\x36\x01\x00"
    assert nc(tool, hello, *address).startswith(b"error: a TLS hello came, ")
    assert nc(tool, b'{"a": "a', *address).startswith(b"error: the connection ended within")
    page = running.metrics()
    for reason in ("malformed_json", "empty_message", "tls", "truncated"):
        name = "exporter_proxy_rejected_messages_total"
        assert f'{name}{{reason="{reason}",source="127.0.0.1:{running.http_port}"}} 1.0' in page


def test_off_by_default(proxy, tool):
    """Then the port takes HTTP alone, and says so in a way that anybody can read."""
    running = proxy()
    answer = nc(tool, b'{"a": "a 1\\n"}', "127.0.0.1", running.http_port)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"error: this port takes HTTP, but JSON came; with receiver.receive_on_scrape" in answer
    assert running.apps_json()["apps"] == []
    refused = 'exporter_proxy_scrape_port_connections_refused_total{reason="not_http"} 1.0'
    assert refused in running.metrics()


TOO_LONG = b"its URL, or a header, has more than 8190 bytes\n"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        pytest.param(b"GET / FTP/1.1\r\n\r\n", b"", id="protocol"),
        pytest.param(
            b"GET /metrics?" + b"app=aaaaa&" * 900 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            TOO_LONG,
            id="url",
        ),
        pytest.param(
            b"GET /apps HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9_000 + b"\r\n\r\n",
            TOO_LONG,
            id="header",
        ),
    ],
)
def test_what_is_hardly_http(proxy, request_, why):
    """A request that the server can't read gets a line of ours."""
    running = proxy()
    with socket.create_connection(("127.0.0.1", running.http_port), 20) as connection:
        connection.sendall(request_)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    assert answer.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    assert b"\r\n\r\nerror: not a request of HTTP: " + why in answer


def test_http_on_the_unix_socket(proxy, tool):
    """All views, and pushes, beside the raw wires; connections are kept and end in order."""
    running = proxy(exporter={"self_metrics": False})
    unix = ("--unix-socket", running.unix_socket)
    assert nc(tool, b'{"raw": "raw 1\\n"}', "-U", running.unix_socket) == b""
    push = curl(tool, *unix, "--data-binary", "http 1\n", "http://x/metrics/job/j")
    assert push == ""
    # Two requests on one connection.
    both = curl(tool, *unix, "http://x/apps?format=json", "http://x/metrics")
    apps, end = json.JSONDecoder().raw_decode(both)
    assert "\nraw 1\n" in both[end:]
    assert {row["app"] for row in apps["apps"]} == {
        "raw",
        '{instance="",job="j"}',
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(running.unix_socket))
        connection.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")
        # A connection that is kept holds nobody up.
        assert running.stop(4) == 0
        assert connection.recv(65_536) == b""


@pytest.mark.parametrize("rights", ['["push"]', '["scrape"]'])
def test_writing_needs_a_right(proxy, tool, rights: str):
    """With access configured a raw peer on TCP can't prove who it is, and is told so at once."""
    entry = {"bearer_token": "secret-token", "rights": json.loads(rights)}
    running = proxy(receiver=ONE_PORT, access=[entry])
    answer = nc(tool, b'{"a": "a 1\\n"}', "127.0.0.1", running.http_port)
    assert answer.startswith(b"error: this port takes metrics without HTTP only from Unix peers")
    assert nc(tool, b'{"a": "a 1\\n"}', "-U", running.unix_socket) == b""


def test_reload_turns_it_on_and_off(proxy, tool):
    """Without a restart; the port itself stays, and so does its name after it moved."""
    running = proxy(exporter=QUIET, receiver={"receive_on_scrape_port": False})
    address = ("127.0.0.1", running.http_port)

    def push(app: str) -> bytes:
        return nc(tool, json.dumps({app: f"{app} 1\n"}).encode(), *address)

    def reload(**receiver: object) -> None:
        before = len(running.log_records())
        running.write_config(
            exporter=QUIET | {"scrape_expose_endpoint": f"127.0.0.1:{address[1]}"},
            receiver=receiver,
        )
        running.process.send_signal(1)
        until(
            lambda: "configuration" in str(running.log_records()[before:]),
            "the reload",
        )

    assert push("a").startswith(b"HTTP/1.1 400")
    reload(receive_on_scrape_port=True)
    assert until(lambda: push("a") == b"", "pushes to be taken")
    address = ("127.0.0.1", free_port())
    reload(receive_on_scrape_port=True)
    assert until(lambda: push("b") == b"", "pushes to be taken on the other port")
    running.http_port = address[1]
    rows = {row["app"]: row["source"] for row in running.apps_json()["apps"]}
    assert rows["b"] == f"127.0.0.1:{address[1]}"
    reload(receive_on_scrape_port=False)
    assert until(lambda: push("c").startswith(b"HTTP/1.1 400"), "pushes to be refused")


@pytest.mark.parametrize("where", ["tcp", "unix"])
def test_pushes_and_scrapes_on_one_connection(proxy, where: str):
    """Quick pushes, a chunked one, a scrape: whoever answers, each is answered in its turn."""
    running = proxy(exporter=QUIET)
    if where == "tcp":
        connection = socket.create_connection(("127.0.0.1", running.http_port), 20)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(running.unix_socket))
    push = b"PUT /push/%b HTTP/1.1\r\nHost: x\r\n"
    with connection:
        connection.sendall(
            push % b"a"
            + b"Content-Length: 4\r\n\r\na 1\n"
            + push % b"b%2Fc"
            + b"Content-Length: 4\r\n\r\nb 1\n"
            + push % b"d"
            + b"Transfer-Encoding: chunked\r\n\r\n4\r\nd 1\n\r\n0\r\n\r\n"
            + push % b"e"
            + b"Content-Length: 4\r\n\r\ne 1\n"
            + b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 5
    assert answer.endswith(b"\r\n\r\na 1\nb 1\nd 1\ne 1\n")


def test_no_smuggling(proxy):
    """A request with two lengths is refused, and nothing within it is taken for another."""
    running = proxy(exporter=QUIET)
    inner = b"PUT /push/inner HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\ni 1\n"
    both = b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"
    two = b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(inner)
    for lengths in (both, two):
        with socket.create_connection(("127.0.0.1", running.http_port), 20) as connection:
            push = b"PUT /push/%b HTTP/1.1\r\nHost: x\r\n"
            connection.sendall(push % b"a" + b"Content-Length: 4\r\n\r\na 1\n")
            connection.sendall(push % b"outer" + lengths + b"\r\n" + inner)
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        assert b" 400 Bad Request\r\n" in answer
    assert running.metrics() == "a 1\n"

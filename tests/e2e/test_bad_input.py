"""While somebody sends what can't be taken, nobody else notices anything."""

import socket
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.conftest import StartProxy
from tests.e2e.test_refusals import BAD
from tests.proxy_process import DEADLINE_SECONDS, ProxyProcess, until


class Bystander:
    """Two connections within a message, begun before the bad input and ended after it."""

    def __init__(self, running: ProxyProcess, stack: ExitStack) -> None:
        self._running = running
        tcp = stack.enter_context(
            socket.create_connection(("127.0.0.1", running.tcp_port), DEADLINE_SECONDS)
        )
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.settimeout(DEADLINE_SECONDS)
        unix.connect(str(running.unix_socket))
        self._connections = {"tcp": tcp, "unix": unix}
        self._value = 0

    def begin(self) -> None:
        """Send the first half of a message on each connection."""
        self._value += 1
        for name, connection in self._connections.items():
            connection.sendall(b'{"bystander %s":"bystander_%s ' % ((name.encode(),) * 2))

    def end(self) -> None:
        """Send the other half, and see that it is taken."""
        for name, connection in self._connections.items():
            connection.sendall(b'%d\\n"}' % self._value)
            self._running.wait_metrics(f"bystander_{name} {self._value}\n")


@pytest.fixture(scope="module")
def surroundings() -> Iterator[tuple[ProxyProcess, Bystander]]:
    """A proxy with an app in its table and a bystander whose connections stay open all along."""
    with tempfile.TemporaryDirectory(prefix="bad-") as directory, ExitStack() as stack:
        sections = {"exporter": {"self_metrics": False}, "receiver": {"message_timeout": 60}}
        running = ProxyProcess(Path(directory), sections)
        running.start()
        stack.callback(running.stop)
        running.wait_ready()
        assert running.push_tcp(b'{"kept":"kept 1\\n"}') == ""
        bystander = Bystander(running, stack)
        yield running, bystander
        assert "Traceback" not in running.log_text()
        assert "ERROR" not in running.log_text()


@pytest.mark.parametrize(("data", "reason"), BAD)
def test_bad_input_costs_nobody_else_anything(surroundings, data: bytes, reason: str):
    """Connections that were open stay open, messages that were begun land, metrics stay."""
    running, bystander = surroundings
    bystander.begin()
    assert running.push_tcp(data).startswith("error: ")
    # There HTTP is none.
    assert running.push_unix(data).startswith("HTTP/1.1 200" if reason == "http" else "error: ")
    bystander.end()
    assert running.metrics().startswith("# TYPE kept untyped\nkept 1\n")
    assert {row["app"] for row in running.apps_json()["apps"]} == {
        "kept",
        "bystander tcp",
        "bystander unix",
    }


def test_all_of_it_at_once(surroundings):
    """Many bad senders side by side, none of which ends its connection."""
    running, bystander = surroundings
    bystander.begin()
    with ExitStack() as stack:
        senders = []
        for case in BAD:
            data = case.values[0]
            # What is refused only when its sender ends comes on the other tests' connections.
            if len(data) > 1_000_000 or case.values[1] == "truncated":
                continue
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", running.tcp_port), DEADLINE_SECONDS)
            )
            connection.sendall(data)
            senders.append(connection)
        bystander.end()
        for connection in senders:
            line = connection.makefile("rb").readline()
            assert line.startswith(b"error: ")
            assert line.endswith(b"\n")
    assert running.metrics().startswith("# TYPE kept untyped\nkept 1\n")


def vanish(connection: socket.socket) -> None:
    """Reset a connection by closing it without a goodbye."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(
    "leave", [vanish, lambda connection: connection.close()], ids=["reset", "close"]
)
def test_peer_that_reads_no_answer(surroundings, leave: Callable[[socket.socket], None]):
    """Nobody is there to read the line any more; the proxy goes on."""
    running, bystander = surroundings
    bystander.begin()
    for data in (b'{"a":"x', b"{}", b'{"a":7}' * 1000, b"\0" * 3, b"\x16\x03\x01"):
        connection = socket.create_connection(("127.0.0.1", running.tcp_port), DEADLINE_SECONDS)
        connection.sendall(data)
        leave(connection)
    bystander.end()
    assert "a" not in {row["app"] for row in running.apps_json()["apps"]}


def test_a_byte_now_and_then(proxy: StartProxy):
    """Who sends byte by byte is refused when the time for a message is over, others are served."""
    running = proxy(exporter={"self_metrics": False}, receiver={"message_timeout": 2})
    with socket.create_connection(("127.0.0.1", running.tcp_port), DEADLINE_SECONDS) as slow:
        slow.sendall(b'{"slow":"')
        slow.settimeout(0.05)
        line = b""
        pushes = 0

        def answered() -> bytes:
            nonlocal line, pushes
            pushes += 1
            assert running.push_tcp(b'{"fast":"fast %d\\n"}' % pushes) == ""
            with suppress(TimeoutError):
                line += slow.recv(1000)
            if not line:
                slow.sendall(b"x")
            return line

        until(answered, "the refusal")
    assert line == b"error: the message was not complete after 2 s (receiver.message_timeout)\n"
    assert pushes > 2
    assert running.app_metrics() == f"# TYPE fast untyped\nfast {pushes}\n"


BODY = (b"HTTP/1.1 400 ", b"is not what its headers say\n")
# A push's chunks are gathered before the server gets them: it sees all of the request at once.
WHOLE = (b"HTTP/1.0 400 ", b"error: not a request of HTTP: ")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("POST /lint", BODY),
        ("POST /api/v1/push", BODY),
        ("PUT /metrics/job/a", WHOLE),
        ("POST /push/a", WHOLE),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
@pytest.mark.parametrize("garbled", [b"soon\r\n", b"4\r\nb 2\nand more\r\n"])
def test_malformed_chunk_is_refused_at_once(
    proxy: StartProxy, path: str, told: tuple[bytes, bytes], garbled: bytes
):
    """Nobody waits for a body that can't come to its end any more."""
    running = proxy()
    head = f"{path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    # Less than the 30 s for which a body is waited for.
    address = ("127.0.0.1", running.http_port)
    with socket.create_connection(address, DEADLINE_SECONDS) as connection:
        connection.sendall(head + b"4\r\na 1\n\r\n")
        # In a packet of its own, when the request is under way.
        until(lambda: running.get("/-/ready").status == 200, "the request to be under way")
        connection.sendall(garbled)
        answer = b""
        while part := connection.recv(1000):
            answer += part
    status, why = told
    assert answer.startswith(status)
    assert why in answer

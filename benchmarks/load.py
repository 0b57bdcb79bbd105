"""The load, the same for all servers: plain blocking sockets, so that it costs them nothing."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self

TIMEOUT_SECONDS = 60.0
# Connections under way at once.
_SIDE_BY_SIDE = 16
# Linux: take the port when connecting, so that all are free again for another destination.
_IP_BIND_ADDRESS_NO_PORT = 24
_SEND_BYTES = 262_144
_BURST_SECONDS = 0.005


def connect(port: int, unix: str = "", source: str = "") -> socket.socket:
    """Connect to a port of 127.0.0.1, or to a Unix socket if a path is given."""
    if unix:
        connection = socket.socket(socket.AF_UNIX)
        # Before the time-out is set: without one it waits where the backlog is full.
        connection.connect(unix)
        connection.settimeout(TIMEOUT_SECONDS)
        return connection
    connection = socket.socket()
    connection.settimeout(TIMEOUT_SECONDS)
    if source:
        connection.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((source, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def sources() -> Iterator[str]:
    """Give loopback addresses in turn: closed connections keep their ports for a while."""
    while True:
        for number in range(2, 250):
            yield f"127.0.1.{number}"


def push_each(
    messages: Sequence[bytes], count: int, *, port: int = 0, unix: str = "", source: str = ""
) -> float:
    """Send ``count`` messages, a connection each; return the seconds until all were taken."""
    started = time.perf_counter()
    done = 0
    while done < count:
        batch = []
        for number in range(done, min(done + _SIDE_BY_SIDE, count)):
            connection = connect(port, unix, source)
            connection.sendall(messages[number % len(messages)])
            connection.shutdown(socket.SHUT_WR)
            batch.append(connection)
        for connection in batch:
            _expect_silence(connection)
        done += len(batch)
    return time.perf_counter() - started


def push_stream(data: bytes, times: int, *, port: int = 0, unix: str = "") -> float:
    """Send ``data`` so many times on one connection; return the seconds until all was taken."""
    started = time.perf_counter()
    connection = connect(port, unix)
    view = memoryview(data)
    for _ in range(times):
        for start in range(0, len(view), _SEND_BYTES):
            connection.sendall(view[start : start + _SEND_BYTES])
    connection.shutdown(socket.SHUT_WR)
    _expect_silence(connection)
    return time.perf_counter() - started


def push_times(messages: Iterator[bytes], count: int, unix: str, pause: float = 0.0) -> list[float]:
    """Send ``count`` messages, each on a connection opened before; return the seconds of each.

    A push is answered with silence. So the end of the stream is sent with it, upon which the server
    closes as soon as all is in the table: the time is that from the first byte until then.
    """
    return [push.seconds for push in paced_pushes(messages, count, unix, pause, lambda: 0)]


class PacedPush(NamedTuple):
    """How long a push took, and by how much something else has grown meanwhile."""

    seconds: float
    grown: int


def paced_pushes(
    messages: Iterator[bytes], count: int, unix: str, pause: float, read: Callable[[], int]
) -> list[PacedPush]:
    """Do as :func:`push_times`, and have ``read`` called before and after each push."""
    took = []
    connection = connect(0, unix)
    due = time.perf_counter()
    for _ in range(count):
        upcoming = connect(0, unix)
        data = next(messages)
        due += pause
        # Never two at once, to make up for a pause that was too long.
        time.sleep(max(0.0, due - time.perf_counter()))
        due = max(due, time.perf_counter())
        before = read()
        started = time.perf_counter()
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        _expect_silence(connection)
        seconds = time.perf_counter() - started
        took.append(PacedPush(seconds, read() - before))
        connection = upcoming
    connection.close()
    return took


class HttpLoad:
    """Some keep-alive connections that ask for one page in turn."""

    def __init__(self, port: int, path: str, *, gzip: bool, connections: int = 4) -> None:
        accept = "gzip" if gzip else "identity"
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "User-Agent: Prometheus/2.42.0\r\n"
            "Accept: text/plain;version=0.0.4;q=1,*/*;q=0.1\r\n"
            f"Accept-Encoding: {accept}\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
        ).encode()
        self._connections = [connect(port) for _ in range(connections)]

    def scrape(self, count: int, pause: float = 0.0) -> list[float]:
        """Ask ``count`` times, with pauses between; return the seconds that each took."""
        took = []
        for number in range(count):
            connection = self._connections[number % len(self._connections)]
            if pause:
                time.sleep(pause)
            started = time.perf_counter()
            connection.sendall(self._request)
            _read_answer(connection)
            took.append(time.perf_counter() - started)
        return took

    def size(self) -> int:
        """Ask once and return the bytes of the answer."""
        self._connections[0].sendall(self._request)
        return _read_answer(self._connections[0])

    def body(self) -> bytes:
        """Ask once and return the page, as it was sent."""
        parts: list[bytes] = []
        self._connections[0].sendall(self._request)
        _read_answer(self._connections[0], parts)
        answer = b"".join(parts)
        return answer[answer.index(b"\r\n\r\n") + 4 :]

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()


class Background:
    """Calls a function in a thread, so many times a second, until it is told to stop."""

    def __init__(self, work: Callable[[], object], rate: float) -> None:
        self._work = work
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.done = 0

    def _run(self) -> None:
        started = time.perf_counter()
        while not self._stop.wait(_BURST_SECONDS):
            due = (time.perf_counter() - started) * self._rate
            while self.done < due:
                self._work()
                self.done += 1

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and wait."""
        self._stop.set()
        self._thread.join()


def _read_answer(connection: socket.socket, parts: list[bytes] | None = None) -> int:
    """Read one answer with a known length or in chunks; return its bytes.

    ``parts`` takes all of it, headers included.
    """
    keep: Callable[[bytes], object] = _forget if parts is None else parts.append
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += _some(connection)
    keep(answer)
    head = answer[:end].lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"not the page: {head[:200]!r}")
    received = len(answer)
    at = head.find(b"content-length:")
    if at >= 0:
        length = end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        while received < length:
            data = _some(connection)
            keep(data)
            received += len(data)
        return received
    # Chunked: the pages here don't hold what ends it.
    tail = answer[-7:]
    while not tail.endswith(b"\r\n0\r\n\r\n"):
        part = _some(connection)
        keep(part)
        received += len(part)
        tail = (tail + part)[-7:]
    return received


def _forget(_: bytes) -> None:
    pass


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(262_144)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def _expect_silence(connection: socket.socket) -> None:
    """Wait for the server to close; an answer is a refusal."""
    answer = connection.recv(4096)
    connection.close()
    if answer:
        raise RuntimeError(f"refused: {answer!r}")

"""A way to a proxy that may ask for another format than its reader does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.proxy_process import http_get


class Relay(NamedTuple):
    """One that runs.

    Attributes:
        port: The one to ask.
        content_types: Of all answers.
    """

    port: int
    content_types: set[str]


@contextmanager
def relay(port: int, accept: str | None = None) -> Iterator[Relay]:
    """Pass requests on to ``port``, with another ``Accept`` if there is one."""
    content_types: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name: self.headers[name] for name in ("Accept", "Accept-Encoding")}
            if accept is not None:
                asked["Accept"] = accept
            answer = http_get(port, self.path, asked)
            content_types.add(answer.headers["content-type"])
            self.send_response(answer.status)
            for name in ("content-type", "content-encoding", "content-length"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Relay(server.server_port, content_types)
        finally:
            server.shutdown()
            thread.join()

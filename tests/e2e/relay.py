"""A way to a proxy that asks it for another format than its reader does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.proxy_process import http_get


@contextmanager
def relay(port: int, accept: str) -> Iterator[int]:
    """Pass requests on to ``port`` with another ``Accept``; gives the port to ask."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {"Accept": accept, "Accept-Encoding": self.headers["Accept-Encoding"]}
            answer = http_get(port, self.path, asked)
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
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()

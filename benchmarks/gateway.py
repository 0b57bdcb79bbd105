"""Pushes to Pushgateway, all on one kept connection."""

import http.client
from collections.abc import Iterable


class GatewayLoad:
    """A connection that puts payloads, a job each."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def push(self, payloads: Iterable[tuple[str, bytes]]) -> None:
        """Put the payload of each job, one after another."""
        for job, text in payloads:
            self._connection.request("PUT", f"/metrics/job/{job}", text)
            answer = self._connection.getresponse()
            body = answer.read()
            # 202: taken, and not checked.
            if answer.status not in (200, 202):
                raise RuntimeError(f"Pushgateway: {answer.status} {body!r}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

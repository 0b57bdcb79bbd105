"""Pushgateway and the proxy behind one interface, for cases that both are asked."""

import http.client
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.ports import free_port
from tests.proxy_process import DEADLINE_SECONDS, ProxyProcess, Response, until

OWN_PREFIXES = ("exporter_proxy_", "go_", "process_", "promhttp_", "pushgateway_")
TIMES = ("push_time_seconds", "push_failure_time_seconds")


class Push(NamedTuple):
    """A request for a group."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Gateway:
    """Something that answers Pushgateway's API.

    Args:
        port: Where.
        name: ``pushgateway`` or ``proxy``.
    """

    def __init__(self, port: int, name: str) -> None:
        self.port = port
        self.name = name

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = {}
    ) -> Response:
        """Send one request on a connection of its own; the path goes as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, names, answer.read())
        finally:
            connection.close()

    def push(self, push: Push) -> Response:
        return self.ask(*push)

    def wipe(self) -> None:
        assert self.ask("PUT", "/api/v1/admin/wipe").status == 202

    def page(self) -> str:
        answer = self.ask("GET", "/metrics", headers={"Accept": "text/plain;version=0.0.4"})
        assert answer.status == 200, answer
        return answer.body.decode()

    def series(self) -> dict[str, float | str]:
        """Return what was pushed: each series with its value.

        Of the times of groups only whether there is one: ``now`` or 0.
        """
        found: dict[str, float | str] = {}
        for family in text_string_to_metric_families(self.page()):
            for sample in family.samples:
                if sample.name.startswith(OWN_PREFIXES):
                    continue
                labels = ",".join(f"{name}={sample.labels[name]}" for name in sorted(sample.labels))
                value: float | str = sample.value
                if sample.name in TIMES and value:
                    value = "now"
                found[f"{sample.name}{{{labels}}}"] = value
        return found

    def types(self) -> dict[str, str]:
        """Return ``{family: type}`` of what was pushed."""
        families = text_string_to_metric_families(self.page())
        return {
            family.name: family.type
            for family in families
            if family.samples and not family.name.startswith((*OWN_PREFIXES, "push_"))
        }

    def api(self) -> Any:
        """Return what ``/api/v1/metrics`` has, a group a key."""
        answer = json.loads(self.ask("GET", "/api/v1/metrics").body)
        assert answer["status"] == "success"
        return {json.dumps(group["labels"], sort_keys=True): group for group in answer["data"]}


@contextmanager
def pushgateway(program: str, *options: str) -> Iterator[Gateway]:
    """Run Debian's Pushgateway, which must not write its shared file."""
    port = free_port()
    command: Sequence[str] = (
        program,
        "--persistence.file=",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-admin-api",
        *options,
    )
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    gateway = Gateway(port, "pushgateway")
    try:
        until(lambda: gateway.ask("GET", "/-/ready").status == 200, "Pushgateway")
        yield gateway
    finally:
        process.kill()
        process.wait()


@contextmanager
def proxy_gateway(**push: object) -> Iterator[Gateway]:
    """Run the proxy with Pushgateway's administration turned on."""
    with tempfile.TemporaryDirectory(prefix="proxy-") as directory:
        sections = {"push": {"enable_admin_api": True, **push}}
        process = ProxyProcess(Path(directory), sections)
        process.start()
        try:
            process.wait_ready()
            yield Gateway(process.http_port, "proxy")
        finally:
            assert process.stop() == 0
            assert "Traceback" not in process.log_text()

"""Pushes with OpenBSD's nc, typed as the README has them."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.clients import JSON_ARRAY, JSON_STRING, expositions


def one_line(document: str) -> str:
    return json.dumps(json.loads(document))


def pretty(document: str) -> str:
    return json.dumps(json.loads(document), indent=4)


def nc(tool, data: str, *arguments: str) -> str:
    """Run nc on ``data`` and return what came back."""
    done = subprocess.run(
        [tool("nc"), *arguments], input=data, capture_output=True, text=True, timeout=20, check=True
    )
    return done.stdout


@pytest.mark.parametrize("file", [JSON_STRING, JSON_ARRAY], ids=lambda path: path.stem)
@pytest.mark.parametrize("form", [str, one_line, pretty], ids=["shipped", "one_line", "pretty"])
@pytest.mark.parametrize("how", ["tcp", "unix"])
def test_nc_pushes_json(proxy, tool, how, form, file: Path):
    """What nc sends is in /metrics as it was written, whatever the white space around it."""
    running = proxy(exporter={"exposition": "verbatim", "self_metrics": False})
    document = file.read_text()
    if how == "tcp":
        address = ["-s", "127.0.0.1", "127.0.0.1", str(running.tcp_port), "-q", "0"]
    else:
        address = ["-U", str(running.unix_socket), "-q", "0"]

    assert nc(tool, form(document), *address) == ""
    expected = "".join(expositions(document).values())
    assert running.wait_metrics(expected) == expected


def test_source_is_where_it_came_in(proxy, tool):
    """/apps names the receiver's address for what came over TCP, the path for the Unix socket."""
    running = proxy(exporter={"self_metrics": False})
    nc(tool, '{"tcp_app": "a 1"}', "-N", "127.0.0.1", str(running.tcp_port))
    nc(tool, '{"unix_app": "b 1"}', "-N", "-U", str(running.unix_socket))

    rows = {row["app"]: row["source"] for row in running.apps_json()["apps"]}
    assert rows == {
        "tcp_app": f"127.0.0.1:{running.tcp_port}",
        "unix_app": str(running.unix_socket),
    }


def test_second_push_replaces_the_first(proxy, tool):
    """Metrics that are absent from an app's second push are gone."""
    running = proxy(exporter={"self_metrics": False})
    address = ["-N", "127.0.0.1", str(running.tcp_port)]
    nc(tool, '{"app": "old_metric 1\\nboth_metric 1\\n"}', *address)
    nc(tool, '{"app": "both_metric 2\\n"}', *address)

    assert running.app_metrics() == "# TYPE both_metric untyped\nboth_metric 2\n"


def test_nc_shows_why_it_was_refused(proxy, tool):
    """A refused push prints one line that begins with error, and changes nothing."""
    running = proxy(exporter={"self_metrics": False})
    address = ["-N", "127.0.0.1", str(running.tcp_port)]
    nc(tool, '{"app": "kept 1\\n"}', *address)

    answer = nc(tool, '{"app": 7}', *address)
    assert answer.startswith("error: ")
    assert answer.endswith("\n")
    assert answer.count("\n") == 1
    assert running.app_metrics() == "# TYPE kept untyped\nkept 1\n"


def test_nc_on_a_connection_that_stays_open(proxy, tool):
    """Each document counts when it is complete, not when the connection ends."""
    running = proxy(exporter={"self_metrics": False})
    with subprocess.Popen(
        [tool("nc"), "127.0.0.1", str(running.tcp_port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            for value in (1, 2):
                process.stdin.write(b'{"app": "steps %d\\n"}' % value)
                process.stdin.flush()
                running.wait_metrics(f"steps {value}\n")
        finally:
            process.kill()

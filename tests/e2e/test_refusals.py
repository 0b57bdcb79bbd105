"""Bad input costs its sender one line and the connection, and nobody else anything."""

import gzip
import json
import re
import resource
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import capnp
import pytest

from exporter_proxy.errors import RejectReason
from tests.e2e.clients import SCHEMA
from tests.proxy_process import ROOT, ProxyProcess, until

# These are of requests, which docs/pushgateway.md has.
OVER_HTTP = {
    "bad_encoding",
    "bad_grouping_key",
    "bad_request",
    "inconsistent_metrics",
    "malformed_protobuf",
    "unsupported_encoding",
}
WIRE = capnp.load(str(SCHEMA))
KEPT = "kept 1\n"
# verbatim: what is shown is what was sent
FRESH = {"exposition": "verbatim", "self_metrics_interval": 0.01}
BARE = {"exposition": "verbatim", "self_metrics": False}


def capnp_message(app: str, text: str) -> bytes:
    data: bytes = WIRE.InboundMetrics.new_message(appName=app, data=text).to_bytes()
    return data


CAPNP = capnp_message("good", "good 1\n")

BAD = [
    pytest.param(b'{"good": "good 1\\n', "truncated", id="truncated_json"),
    pytest.param(CAPNP[:-8], "truncated", id="truncated_capnp"),
    pytest.param(CAPNP[:6], "truncated", id="truncated_capnp_header"),
    pytest.param(struct.pack("<II", 0, 1 << 29), "message_too_large", id="header_of_4_GiB"),
    pytest.param(struct.pack("<II", 10**9 - 1, 1), "malformed_capnp", id="header_of_1e9_segments"),
    pytest.param(struct.pack("<II", 512, 1), "malformed_capnp", id="header_of_513_segments"),
    pytest.param(struct.pack("<IIQ", 0, 1, 0xFFFF_FFFF), "malformed_capnp", id="stray_pointer"),
    pytest.param(b'{"good":' + b"[" * 100_000, "nested_too_deep", id="nested_arrays"),
    pytest.param(b'{"good":' + b'{"a":' * 100_000, "not_text", id="nested_objects"),
    pytest.param(b'{"good": 1}', "not_text", id="number"),
    pytest.param(b'{"good": null}', "not_text", id="null"),
    pytest.param(b'{"good": ["good 1", 2]}', "not_text", id="number_among_lines"),
    pytest.param(b'{"good": {"up": 1}}', "not_text", id="object_of_another_form"),
    pytest.param(b'{"good": {"metrics": "g 1", "ttl": "soon"}}', "bad_ttl", id="ttl"),
    pytest.param(b'{"good": {"metrics": "g 1", "ttl": -1}}', "bad_ttl", id="negative_ttl"),
    pytest.param(b'{"good": {"metrics": "g 1", "ttl": true}}', "bad_ttl", id="ttl_true"),
    pytest.param(b"{}", "empty_message", id="empty_object"),
    pytest.param(b'{"": "good 1"}', "bad_name", id="empty_name"),
    pytest.param(b'{"%s": "good 1"}' % (b"x" * 257), "bad_name", id="long_name"),
    pytest.param(b'{"a\\nb": "good 1"}', "bad_name", id="line_break_in_name"),
    pytest.param(capnp_message("", "good 1\n"), "bad_name", id="empty_name_capnp"),
    pytest.param(b'{"good": "go\\u0000od 1"}', "nul_byte", id="escaped_nul"),
    pytest.param(b'{"good": "go\0od 1"}', "nul_byte", id="nul"),
    pytest.param(b'{"good": "\xff 1"}', "invalid_utf8", id="invalid_utf8"),
    pytest.param(b'{"\\ud800": "good 1"}', "invalid_utf8", id="lone_surrogate_in_name"),
    pytest.param(b'{"good": "\\ud800 1"}', "invalid_utf8", id="lone_surrogate"),
    pytest.param(b'{"good": "good 1",}', "malformed_json", id="malformed_json"),
    pytest.param(b"good 1\n", "malformed_json", id="exposition_text"),
    pytest.param(gzip.compress(b'{"good": "good 1"}'), "wrong_format", id="gzip"),
    pytest.param(b"\x28\xb5\x2f\xfd\x24\x09\x49\x00", "wrong_format", id="zstd"),
    pytest.param('{"good": "good 1"}'.encode("utf-16"), "wrong_format", id="utf16"),
    pytest.param(b"\x01\x02\x03\x04\x05\x06\x07\x08", "wrong_format", id="neither_wire"),
    pytest.param(b'{"good": "' + b"x" * 100_000_000, "message_too_large", id="100_MB"),
    pytest.param(b"}" * (64 << 20), "malformed_json", id="64_MiB_of_braces"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tls", id="tls_hello"),
    pytest.param(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "http", id="http"),
]


def rejected(running: ProxyProcess) -> dict[str, float]:
    """Return how often messages were refused, by reason, over all receivers."""
    counts: dict[str, float] = {}
    page = running.get("/metrics/self").body.decode()
    for reason, value in re.findall(
        r'^exporter_proxy_rejected_messages_total\{.*reason="(\w+)".*\} (\S+)$', page, re.MULTILINE
    ):
        counts[reason] = counts.get(reason, 0) + float(value)
    return {reason: count for reason, count in counts.items() if count}


@pytest.fixture(scope="module")
def hardened() -> Iterator[ProxyProcess]:
    """One proxy for all bad input: whatever it was sent before, it goes on."""
    with tempfile.TemporaryDirectory(prefix="bad-") as directory:
        running = ProxyProcess(Path(directory), {"exporter": FRESH})
        running.start()
        try:
            running.wait_ready()
            running.push_tcp(json.dumps({"kept": KEPT}).encode())
            yield running
        finally:
            code = running.stop()
        assert code == 0
        assert "Traceback" not in running.log_text()


@pytest.mark.parametrize(
    ("how", "data", "reason"),
    [
        pytest.param(how, *case.values, id=f"{how}-{case.id}")
        for how in ("tcp", "unix")
        for case in BAD
        # On a Unix socket HTTP is answered.
        if (how, case.id) != ("unix", "http")
    ],
)
def test_bad_input_is_refused(hardened, how, data, reason):
    """The sender reads one error line; the counter of its reason moves on; nothing else changes."""
    before = rejected(hardened)
    answer = hardened.push_tcp(data) if how == "tcp" else hardened.push_unix(data)

    assert re.fullmatch(r"error: [ -~…]+\n", answer), answer
    counted = until(lambda: after if (after := rejected(hardened)) != before else None, "a count")
    assert counted == before | {reason: before.get(reason, 0) + 1}, answer
    assert hardened.metrics().startswith(KEPT)
    assert [row["app"] for row in hardened.apps_json()["apps"] if row["app"] == "good"] == []


@pytest.mark.parametrize(
    ("form", "data"),
    [
        pytest.param("json", CAPNP, id="capnp_to_json"),
        pytest.param("capnp", b'{"good": "good 1\\n"}', id="json_to_capnp"),
    ],
)
def test_wrong_format_is_refused(proxy, form, data):
    """A receiver of one format says so to a sender of the other."""
    running = proxy(exporter=FRESH, receiver={"format": form})

    assert running.push_tcp(data).startswith("error: this receiver takes ")
    assert running.push_unix(data).startswith("error: this receiver takes ")
    until(lambda: rejected(running) == {"wrong_format": 2}, "two refusals")


@pytest.mark.parametrize("form", ["json", "capnp", "auto"])
def test_bytes_of_known_kinds(proxy, form):
    """Whatever a receiver takes, it names what came."""
    running = proxy(receiver={"format": form})

    assert running.push_tcp(gzip.compress(b"{}")).startswith("error: looks like gzip, ")
    assert running.push_tcp(b"\x28\xb5\x2f\xfd\x24").startswith("error: looks like zstd, ")
    assert running.push_tcp("{}".encode("utf-16-le")).startswith("error: looks like UTF-16, ")
    assert running.push_unix("{}".encode("utf-16")).startswith("error: looks like UTF-16, ")


def test_billion_segments_on_a_capnp_receiver(proxy):
    """A header of a billion segments is refused before anything is set aside for it."""
    running = proxy(receiver={"format": "capnp"})
    before = running.memory_bytes()

    assert running.push_tcp(struct.pack("<II", 10**9 - 1, 1)).startswith("error: ")
    assert running.memory_bytes() < before + (8 << 20)


def test_slow_sender_is_refused(proxy):
    """A message that is begun and not finished in time is refused; the next sender is served."""
    running = proxy(exporter=FRESH, receiver={"message_timeout": 0.5})
    with socket.create_connection(("127.0.0.1", running.tcp_port), 20) as connection:
        connection.sendall(b'{"slow": "')
        answer = connection.makefile().read()

    assert answer.startswith("error: ")
    until(lambda: rejected(running) == {"message_timeout": 1}, "the refusal")
    assert running.push_tcp(b'{"next": "next 1"}') == ""


def test_peer_that_vanishes(proxy):
    """A connection that is reset half way is counted and forgotten."""
    running = proxy(exporter=FRESH)
    with socket.create_connection(("127.0.0.1", running.tcp_port), 20) as connection:
        # an end without a goodbye: closing sends a reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(b'{"first": "first 1\\n"} {"half": "ha')
        running.wait_metrics("first 1\n")

    until(lambda: rejected(running) == {"truncated": 1}, "the refusal")
    apps = [row["app"] for row in running.apps_json()["apps"]]
    assert "first" in apps
    assert "half" not in apps


def test_full_table_refuses_new_apps(proxy):
    """Beyond max_apps an app that is known is updated, a new one refused with the key's name."""
    running = proxy(exporter=BARE | {"max_apps": 1})

    assert running.push_tcp(b'{"one": "one 1\\n"}') == ""
    assert "exporter.max_apps" in running.push_tcp(b'{"two": "two 1\\n"}')
    assert running.push_tcp(b'{"one": "one 2\\n"}') == ""
    assert running.metrics() == "one 2\n"


def test_two_thousand_silent_connections(proxy):
    """Others push and scrape while 2,000 connections are open and say nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    silent: list[socket.socket] = []
    try:
        running = proxy(exporter=BARE)
        address = ("127.0.0.1", running.tcp_port)
        silent += (socket.create_connection(address, 20) for _ in range(2000))

        assert running.push_tcp(b'{"heard": "heard 1\\n"}') == ""
        assert running.metrics() == "heard 1\n"
    finally:
        for connection in silent:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_real_tls_client(proxy, tool):
    """The hello of openssl is told from everything else."""
    running = proxy(exporter=FRESH)
    subprocess.run(
        [tool("openssl"), "s_client", "-connect", f"127.0.0.1:{running.tcp_port}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )

    until(lambda: rejected(running) == {"tls": 1}, "the refusal")


def test_real_http_client(proxy, tool):
    """Somebody who scrapes the wrong port reads which one is right."""
    running = proxy(exporter=FRESH)
    done = subprocess.run(
        [tool("curl"), "-sS", "--http0.9", f"http://127.0.0.1:{running.tcp_port}/metrics"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.stdout.startswith("error: an HTTP request came")
    assert "exporter.scrape_expose_endpoint" in done.stdout
    until(lambda: rejected(running) == {"http": 1}, "the refusal")


def test_reference_has_every_reason():
    """The table of refusals in docs/wire.md names each reason, and no other."""
    text = (ROOT / "docs" / "wire.md").read_text()
    table = text.partition("## Refusals")[2]
    cells = re.findall(r"^\|.*\| (`\w+`(?:, `\w+`)*) \|$", table, re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]

    assert sorted(named) == sorted(set(get_args(RejectReason)) - OVER_HTTP)

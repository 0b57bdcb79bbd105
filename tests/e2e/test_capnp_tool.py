"""Messages written and read by the capnp tool, which knows nothing of our code but the schema."""

import json
import subprocess

import pytest

from tests.e2e.clients import SCHEMA
from tests.proxy_process import until

TEXT = """\
# HELP oven_temperature_celsius As measured.
# TYPE oven_temperature_celsius gauge
oven_temperature_celsius{place="top \\"left\\""} 181.5
"""


def encode(tool, *messages: dict[str, object]) -> bytes:
    """Let ``capnp encode`` write messages in the standard stream framing."""
    encoded = b""
    for message in messages:
        # A Cap'n Proto text literal is escaped as JSON's, as far as these strings go. One run for
        # each: of several, version 0.9 of the tool takes a quote in a text for the text's end.
        values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in message.items())
        encoded += subprocess.run(
            [tool("capnp"), "encode", str(SCHEMA), "InboundMetrics"],
            input=f"({values})".encode(),
            capture_output=True,
            check=True,
            timeout=20,
        ).stdout
    return encoded


@pytest.mark.parametrize("how", ["tcp", "unix"])
@pytest.mark.parametrize("form", ["capnp", "auto"])
def test_encoded_messages_are_shown(proxy, tool, form, how):
    """Two messages of the tool on one connection of nc arrive in /metrics byte for byte."""
    running = proxy(
        exporter={"exposition": "verbatim", "self_metrics": False},
        receiver={"format": form},
    )
    messages = encode(
        tool, {"appName": "oven", "data": TEXT}, {"appName": "fridge", "data": "fridge_open 0\n"}
    )
    address = (
        ["127.0.0.1", str(running.tcp_port)] if how == "tcp" else ["-U", str(running.unix_socket)]
    )
    done = subprocess.run(
        [tool("nc"), *address, "-N"], input=messages, capture_output=True, check=True, timeout=20
    )

    assert done.stdout == b""
    assert running.metrics() == TEXT + "fridge_open 0\n"


def test_evaluated_constant_is_shown(proxy, tool, tmp_path):
    """What ``capnp eval`` writes of a constant in a schema file is a message like any other."""
    running = proxy(exporter={"self_metrics": False})
    schema = tmp_path / "constant.capnp"
    schema.write_text(
        "@0xbf5147cbbecf40c1;\n"
        f'using Wire = import "{SCHEMA}";\n'
        'const push :Wire.InboundMetrics = (appName = "constant", data = "constant_value 7\\n");\n'
    )
    done = subprocess.run(
        [tool("capnp"), "eval", "--binary", "-I/", str(schema), "push"],
        capture_output=True,
        check=True,
        timeout=20,
    )

    assert running.push_tcp(done.stdout) == ""
    assert running.app_metrics() == "# TYPE constant_value untyped\nconstant_value 7\n"


def test_time_to_live_of_a_message(proxy, tool):
    """The ttlSeconds of a message drop its app when the time has passed."""
    running = proxy(exporter={"self_metrics": False})
    running.push_tcp(
        encode(
            tool,
            {"appName": "short", "data": "short 1\n", "ttlSeconds": 3},
            {"appName": "long", "data": "long 1\n"},
        )
    )

    short = "# TYPE short untyped\nshort 1\n"
    long = "# TYPE long untyped\nlong 1\n"
    assert running.app_metrics() == short + long
    until(lambda: running.app_metrics() == long, "the app to be dropped")


def test_tool_decodes_what_the_shipped_schema_says(tool):
    """The tool reads the fields back that it was given: schema and tests speak of one wire."""
    message = encode(tool, {"appName": "oven", "data": "oven_on 1\n", "ttlSeconds": 30})
    done = subprocess.run(
        [tool("capnp"), "decode", "--short", str(SCHEMA), "InboundMetrics"],
        input=message,
        capture_output=True,
        check=True,
        timeout=20,
    )

    expected = '(appName = "oven", data = "oven_on 1\\n", ttlSeconds = 30)'
    assert done.stdout.decode().strip() == expected


def test_truncated_message_is_refused(proxy, tool):
    """A message that ends early costs its sender an error line, and the app keeps what it had."""
    running = proxy(exporter={"self_metrics": False})
    message = encode(tool, {"appName": "oven", "data": TEXT})
    assert running.push_tcp(message) == ""

    assert running.push_tcp(message[:-8]).startswith("error: ")
    assert running.app_metrics() == TEXT

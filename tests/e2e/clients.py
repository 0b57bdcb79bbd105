"""What the shipped test clients send, for the tests that send it."""

import json

from tests.proxy_process import ROOT

CLIENTS = ROOT / "python_test_clients"
SCHEMA = ROOT / "schemas" / "metric_data.capnp"

JSON_STRING = CLIENTS / "json_string.json"
JSON_ARRAY = CLIENTS / "json_array.json"
PAGES = [CLIENTS / name for name in ("1025.html", "1026.html", "1027.html")]


def expositions(document: str) -> dict[str, str]:
    """Return the exposition text of each app of a JSON document, as /metrics has to show it."""
    return {
        app: value if isinstance(value, str) else "\n".join(value) + "\n"
        for app, value in json.loads(document).items()
    }

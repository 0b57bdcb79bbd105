"""Which requests a browser sends for a page of another site."""

import pytest

from exporter_proxy.access import is_of_another_site


@pytest.mark.parametrize(
    ("origin", "host", "by_address", "foreign"),
    [
        (None, "evil.example", True, False),
        ("null", "127.0.0.1:6555", True, True),
        ("http://evil.example", "127.0.0.1:6555", True, True),
        ("http://127.0.0.1:6555", "127.0.0.1:6555", True, False),
        ("http://127.0.0.1:6556", "127.0.0.1:6555", True, True),
        ("http://[::1]:6555", "[::1]:6555", True, False),
        ("http://localhost:6555", "LocalHost:6555", True, False),
        ("http://sidecar.localhost", "sidecar.localhost", True, False),
        ("http://localhost.evil.example", "localhost.evil.example", True, True),
        # A name of theirs that leads to this machine.
        ("http://evil.example:6555", "evil.example:6555", True, True),
        ("https://sidecar.example", "sidecar.example", False, False),
        ("https://evil.example", "sidecar.example", False, True),
        ("http://[", "[", True, True),
        ("", "", True, True),
    ],
)
def test_sites(origin: str | None, host: str, *, by_address: bool, foreign: bool) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})

    assert is_of_another_site(headers, by_address=by_address) is foreign

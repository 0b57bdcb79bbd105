"""What is said of a configuration that gives access in a way that is hardly meant."""

from pathlib import Path
from typing import Any

import pytest

from exporter_proxy.access.doubts import warnings
from exporter_proxy.config import read

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
TOKEN = {"bearer_token": "tok-en", "rights": ["scrape"]}
PUSH = {"bearer_token": "tok-en", "rights": ["push"]}
UID = {"peer_uid": 0, "rights": ["scrape"]}
LOCAL, ANY, SIX = "127.0.0.1:6555", "0.0.0.0:6555", "[::]:6555"


def clear(address: str, what: str) -> str:
    """Return the warning about secrets on an address."""
    return (
        f'exporter.scrape_expose_endpoint: "{address}": {what} can be read by whoever is in '
        "between: give exporter.web_config_file a tls_server_config, or listen on 127.0.0.1"
    )


OPEN = 'access: no entry has rights = ["scrape"]: whoever reaches the scrape port can read it'
WITHOUT = (
    "push.allow_from: without effect while there are [[access]] entries or basic_auth_users: who "
    "writes has to prove who they are"
)


@pytest.mark.parametrize(
    ("address", "users", "sections", "lines"),
    [
        pytest.param(LOCAL, True, {}, [], id="local"),
        pytest.param("localhost:6555", True, {}, [], id="localhost"),
        pytest.param("[::1]:6555", True, {}, [], id="local6"),
        pytest.param(ANY, False, {}, [], id="nothing"),
        pytest.param(ANY, True, {}, [clear(ANY, "passwords")], id="passwords"),
        pytest.param(SIX, False, {"access": [TOKEN]}, [clear(SIX, "bearer tokens")], id="tokens"),
        pytest.param(
            ANY, True, {"access": [TOKEN]}, [clear(ANY, "passwords and bearer tokens")], id="both"
        ),
        pytest.param(ANY, False, {"access": [UID]}, [], id="uids"),
        pytest.param(LOCAL, False, {"access": [PUSH]}, [OPEN], id="push-alone"),
        pytest.param(LOCAL, True, {"access": [PUSH]}, [], id="push-and-users"),
        pytest.param(LOCAL, False, {"push": {"allow_from": ["10.0.0.0/8"]}}, [], id="networks"),
        pytest.param(
            LOCAL,
            False,
            {"access": [TOKEN], "push": {"allow_from": ["10.0.0.0/8"]}},
            [WITHOUT],
            id="networks-and-entries",
        ),
    ],
)
def test_warnings(
    tmp_path: Path,
    address: str,
    users: bool,  # noqa: FBT001
    sections: dict[str, Any],
    lines: list[str],
) -> None:
    exporter = {"scrape_expose_endpoint": address}
    if users:
        (tmp_path / "web.yml").write_text(f"basic_auth_users: {{alice: {HASH}}}")
        exporter["web_config_file"] = str(tmp_path / "web.yml")

    assert warnings(read({"exporter": exporter, **sections})) == lines


def test_with_tls_nobody_is_in_between(tmp_path: Path, shared: dict[str, Path]) -> None:
    (tmp_path / "web.yml").write_text(
        f"basic_auth_users: {{alice: {HASH}}}\n"
        f"tls_server_config: {{cert_file: {shared['cert']}, key_file: {shared['key']}}}"
    )

    assert warnings(read({"exporter": {"web_config_file": str(tmp_path / "web.yml")}})) == []

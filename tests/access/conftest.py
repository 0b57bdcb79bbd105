"""Certificates for tests, made once. What is asynchronous runs on asyncio's own loop and uvloop."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from tests.access.certificates import Authority


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name the loops; their TLS differs."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def openssl(tool) -> str:
    return tool("openssl")


@pytest.fixture
def authority(openssl: str, tmp_path: Path) -> Authority:
    """An authority whose certificates lie in ``tmp_path``."""
    return Authority(tmp_path, openssl)


@pytest.fixture(scope="session")
def shared(openssl: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Certificates that no test changes: ``ca``, ``cert``, ``key``, and others that are no good."""
    directory = tmp_path_factory.mktemp("certificates")
    made = Authority(directory, openssl)
    cert, key = made.issue("server")
    client_cert, client_key = made.issue("client", sans="DNS:scraper,IP:10.1.2.3,URI:spiffe://a/b")
    other = Authority(directory, openssl, "another authority")
    other_cert, other_key = other.issue("stranger")
    encrypted = directory / "encrypted.key"
    subprocess.run(
        [openssl, "pkey", "-in", key, "-out", encrypted, "-aes256", "-passout", "pass:x"],
        check=True,
        timeout=20,
    )
    (directory / "empty").write_bytes(b"")
    os.mkfifo(directory / "fifo")
    (directory / "garbage").write_bytes(b"\xff\x00-----BEGIN CERTIFICATE-----\nno\n")
    return {
        "directory": directory,
        "ca": made.cert,
        "cert": cert,
        "key": key,
        "client_cert": client_cert,
        "client_key": client_key,
        "other_ca": other.cert,
        "other_cert": other_cert,
        "other_key": other_key,
        "encrypted_key": encrypted,
    }

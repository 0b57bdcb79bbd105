"""A certificate for those whom commands ask and push to."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.access.certificates import Authority


class Tls(NamedTuple):
    """Files: an authority's certificate, one of 127.0.0.1 that it issued, and its key."""

    ca: Path
    cert: Path
    key: Path


@pytest.fixture
def authority(tmp_path: Path, tool: Callable[[str], str]) -> Authority:
    return Authority(tmp_path, tool("openssl"))


@pytest.fixture
def tls(authority: Authority) -> Tls:
    return Tls(authority.cert, *authority.issue("proxy"))

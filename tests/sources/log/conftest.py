"""A log, and who reads it."""

import pytest

from exporter_proxy.sources.log.follower import Following
from tests.sources.log.writing import Log, Reader


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "x.log")


@pytest.fixture
def reader(log):
    found = Reader(Following(str(log.path), from_end=False))
    yield found
    found.follower.close()

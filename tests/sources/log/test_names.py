"""Which names rotation gives."""

import pytest

from exporter_proxy.sources.log.names import rotated_names


@pytest.mark.parametrize(
    "name",
    [
        "x.log.1",
        "x.log.12.gz",
        "x.log-20261122",
        "x.log-20261122-1700000000.zst",
        "x.log.2026-11-22T10:00:00Z",
        "x-20261122.log",
        "x.1.log.xz",
        "x.log.old",
        "x.log-old",
        "x.log-2026112213.backup",
    ],
)
def test_rotated(name):
    assert rotated_names("x.log").fullmatch(name)


@pytest.mark.parametrize(
    "name",
    [
        "x.log",
        "x.log.gz",
        "x-error.log",
        "xx.log.1",
        "x.log.1.tmp",
        "x.log.offset",
        "y.log.1",
        "x.1",
    ],
)
def test_others(name):
    assert not rotated_names("x.log").fullmatch(name)


def test_names_without_an_extension():
    assert rotated_names("messages").fullmatch("messages.1")
    assert rotated_names("messages").fullmatch("messages-20261122.gz")
    assert not rotated_names("messages").fullmatch("messages2")

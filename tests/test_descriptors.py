"""Counting file descriptors."""

import os
import resource

import pytest

from exporter_proxy import descriptors
from exporter_proxy.descriptors import RESERVE, Descriptors, raise_limit


@pytest.fixture
def own_limit():
    """Put the process's limit back after the test."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_soft_limit_becomes_the_hard_one(own_limit: tuple[int, int]):
    hard = own_limit[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    assert raise_limit() == hard
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    assert raise_limit() == hard


def test_limit_that_can_not_be_raised(own_limit: tuple[int, int], monkeypatch):
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    resource.setrlimit(resource.RLIMIT_NOFILE, (200, own_limit[1]))
    with monkeypatch.context() as patch:
        patch.setattr(resource, "setrlimit", refuse)
        assert raise_limit() == 200


def test_counts_what_is_open():
    """Opened files are found by counting, connections are told."""
    counted = Descriptors(10_000)
    before = counted._used
    pipes = os.pipe()
    try:
        counted.count()
        assert counted._used == before + 2
    finally:
        for descriptor in pipes:
            os.close(descriptor)
    counted.count()
    assert counted._used == before


@pytest.mark.parametrize(
    ("limit", "used", "tight", "short"),
    [
        (10_000, 100, False, False),
        (10_000, 10_000 * 3 // 4 + 1, True, False),
        (10_000, 10_000 - RESERVE, True, False),
        (10_000, 10_000 - RESERVE + 1, True, True),
        (256, 1, True, False),
        (256, 192, True, False),
        (256, 193, True, True),
    ],
)
def test_reserve(limit: int, used: int, tight: bool, short: bool):  # noqa: FBT001
    """Short is when fewer than the reserve are left; tight well before that."""
    counted = Descriptors(limit)
    counted._used = used
    assert (counted.tight, counted.short) == (tight, short)


def test_first_connection_is_counted_with_all_that_was_opened_since():
    """Listeners and the loop's own descriptors come after the first count."""
    counted = Descriptors(1000)
    before = counted._used
    pipes = os.pipe()
    try:
        counted.opened()
        assert counted._used == before + 2
        counted.opened()
        assert counted._used == before + 3
    finally:
        for descriptor in pipes:
            os.close(descriptor)


def test_connections_correct_the_count():
    counted = Descriptors(1000)
    counted.opened()
    counted._used = 1000 - RESERVE
    counted.opened()
    assert counted.short
    counted.closed()
    assert not counted.short


def test_count_without_a_descriptor_to_look_with(monkeypatch):
    """What is known stays."""
    counted = Descriptors(1000)
    counted._used = 77
    monkeypatch.setattr(descriptors, "_FOLDER", "/no/such/folder")
    counted.count()
    assert counted._used == 77

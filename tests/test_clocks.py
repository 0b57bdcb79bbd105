"""The clock of ages."""

import time
from pathlib import Path

import pytest

from exporter_proxy import clocks


def test_goes_on_while_the_machine_sleeps():
    """It is the kernel's clock that does, not the monotonic one."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = clocks.boot_seconds()
    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_monotonic_where_there_is_no_such_clock(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clocks, "_BOOT_CLOCK", None)
    before = time.monotonic()
    assert before <= clocks.boot_seconds() <= time.monotonic()


def test_a_kernel_without_it(monkeypatch: pytest.MonkeyPatch):
    """The library names a clock that the kernel doesn't have; or doesn't name it."""
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 1_000_000)
    assert clocks._find_boot_clock() is None
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert clocks._find_boot_clock() is None


def test_each_start_of_the_machine_has_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is one; what has none is never taken for another."""
    assert clocks.boot_id() == clocks.boot_id() != ""
    monkeypatch.setattr(clocks, "_BOOT_ID", tmp_path / "missing")
    assert clocks.boot_id() == ""

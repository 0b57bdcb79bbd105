"""Targets that hang, reset, redirect for ever or send without end: each costs its own app alone."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import StartProxy
from tests.proxy_process import until
from tests.soak.ledger import Ledger
from tests.soak.targets import FAULTS, Targets

MIB = 1 << 20


@contextmanager
def served(targets: Targets) -> Iterator[int]:
    """Serve targets from a thread with a loop of its own; gives the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(targets.start(), loop).result(20)
    finally:
        asyncio.run_coroutine_threadsafe(targets.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Always(random.Random):
    """A chance that always falls on one fault."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def random(self) -> float:
        """Never good luck."""
        return 1.0

    def choice(self, seq):
        """Choose that one."""
        return seq[self._number]


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[name for name, _ in FAULTS])
def test_fault_costs_its_own_app_alone(proxy: StartProxy, number: int):
    """Its poll fails with a reason, again and again; the others, and memory, are as before."""
    bad = Targets(Ledger(), Always(number))
    good = Targets(Ledger(), random.Random(1))
    good.heal()
    with served(bad) as bad_port, served(good) as good_port:
        running = proxy(
            exporter={"self_metrics_interval": 0},
            poll_external={
                "poll_other_scrape_endpoints": True,
                "other_scrape_endpoints": [
                    {"url": f"http://127.0.0.1:{bad_port}/bad", "name": "bad"},
                    {"url": f"http://127.0.0.1:{good_port}/good", "name": "good"},
                ],
                "poll_interval": 0.2,
                "client_timeout": 0.5,
                "max_body_size": "1MiB",
            },
        )
        polls = until(lambda: bad.faults.total() >= 3 and good.good >= 3, "some polls")
        assert polls
        page = running.wait_metrics('exporter_proxy_app_up{app="good"} 1\n')
        assert 'exporter_proxy_app_up{app="bad"} 0\n' in page
        assert 'soak_value{soak="good",part="0"}' in page
        assert "soak_half" not in page
        assert "soak_endless" not in page
        before = good.good
        until(lambda: good.good > before + 2, "polls of the good one to go on")
        assert running.memory_bytes() < 120 * MIB

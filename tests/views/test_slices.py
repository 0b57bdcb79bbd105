"""Long work serves the loop; callers share it."""

import asyncio
from collections.abc import Generator

import pytest

from exporter_proxy.views.slices import HOLD_SECONDS, Flight, in_slices
from tests.views.conftest import Clock


async def test_serves_the_loop_when_steps_took_long(clock: Clock) -> None:
    """And goes on with the next step after that."""
    seen: list[str] = []

    def steps() -> Generator[None, None, str]:
        for number in range(4):
            seen.append(f"step {number}")
            clock.now += HOLD_SECONDS * 0.6
            yield
        return "done"

    def other() -> None:
        seen.append("other")

    asyncio.get_running_loop().call_soon(other)

    assert await in_slices(steps(), clock=clock) == "done"
    assert seen == ["step 0", "step 1", "other", "step 2", "step 3"]


class Runs:
    """Counts runs, each of which ends when told."""

    def __init__(self) -> None:
        self.begun = 0
        self.end = asyncio.Event()

    async def __call__(self) -> int:
        """Return the number of the run."""
        self.begun += 1
        number = self.begun
        await self.end.wait()
        return number


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_callers_with_the_same_key_share_a_run() -> None:
    flight, runs = Flight[int](), Runs()
    callers = [asyncio.create_task(flight.join("key", runs)) for _ in range(3)]
    await turns()
    runs.end.set()

    assert await asyncio.gather(*callers) == [1, 1, 1]


async def test_a_caller_that_knows_more_shares_the_next_run() -> None:
    """What began before it came may lack what it has to see."""
    flight, runs = Flight[int](), Runs()
    first = asyncio.create_task(flight.join("old", runs))
    await turns()
    later = [asyncio.create_task(flight.join(key, runs)) for key in ("new", "newer", "newest")]
    await turns()

    assert runs.begun == 1

    runs.end.set()

    assert await first == 1
    assert await asyncio.gather(*later) == [2, 2, 2]


async def test_a_caller_that_leaves_does_not_end_the_run() -> None:
    flight, runs = Flight[int](), Runs()
    leaving = asyncio.create_task(flight.join("key", runs))
    staying = asyncio.create_task(flight.join("key", runs))
    await turns()
    leaving.cancel()
    await turns()
    runs.end.set()

    assert await staying == 1
    assert leaving.cancelled()


async def test_a_failure_is_that_of_its_callers_alone() -> None:
    """The next run begins anew."""

    async def fail() -> int:
        raise ValueError("no")

    async def succeed() -> int:
        return 1

    flight = Flight[int]()
    with pytest.raises(ValueError, match="no"):
        await flight.join("key", fail)

    assert await flight.join("key", succeed) == 1


async def test_a_failure_that_nobody_waits_for_is_not_a_warning() -> None:
    """Warnings are errors here, and asyncio's report of a lost exception goes to the log."""
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    flight, end = Flight[int](), asyncio.Event()

    async def fail() -> int:
        await end.wait()
        raise ValueError("no")

    caller = asyncio.create_task(flight.join("key", fail))
    await turns()
    caller.cancel()
    await turns()
    end.set()
    await turns()

    assert flight._task is None
    assert reports == []


async def test_a_run_that_is_cancelled_ends_for_its_callers() -> None:
    """As when the proxy stops."""
    flight, runs = Flight[int](), Runs()
    caller = asyncio.create_task(flight.join("key", runs))
    await turns()
    assert flight._task is not None
    flight._task.cancel()
    await turns()

    assert caller.cancelled()
    assert flight._task is None

"""Turns of the loop for long work: in order, a few at a time, and after peers with little to do."""

import asyncio
import itertools

import pytest

from exporter_proxy.turns import TURN_SECONDS, Turns, turns_of_loop


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now


async def test_loop_is_served_after_some_milliseconds():
    """However many wait, and each in its order."""
    clock = Clock()
    turns = Turns(clock)
    done: list[int] = []

    def take(number: int) -> None:
        done.append(number)
        clock.now += TURN_SECONDS * 0.75

    for number in range(5):
        turns.wait(lambda number=number: take(number))
    assert done == []
    await asyncio.sleep(0)
    assert done == [0, 1]
    await asyncio.sleep(0)
    assert done == [0, 1, 2, 3]
    await asyncio.sleep(0)
    assert done == [0, 1, 2, 3, 4]


async def test_who_waits_again_comes_after_the_others():
    """And after the loop was served, even if no time has passed."""
    turns = Turns(Clock())
    done: list[str] = []

    def again() -> None:
        done.append("again")
        if len(done) < 5:
            turns.wait(again)

    turns.wait(again)
    turns.wait(lambda: done.append("once"))
    await asyncio.sleep(0)
    assert done == ["again", "once"]
    await asyncio.sleep(0)
    assert done == ["again", "once", "again"]


async def test_failure_costs_no_other_its_turn():
    turns = Turns(Clock())
    done: list[int] = []
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def fail() -> None:
        raise RuntimeError("on purpose")

    turns.wait(fail)
    turns.wait(lambda: done.append(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == [1]
    assert len(told) == 1


async def test_coroutine_has_its_turn_alone():
    """In the round after it was given one, nobody else has any."""
    turns = Turns(Clock())
    done: list[str] = []

    async def work(name: str) -> None:
        for number in range(2):
            await turns.turn()
            done.append(f"{name} {number}")

    tasks = [asyncio.create_task(work(name)) for name in "ab"]
    turns.wait(lambda: done.append("call"))
    rounds = []
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        rounds.append(len(done))
    assert done == ["call", "a 0", "b 0", "a 1", "b 1"]
    assert max(after - before for before, after in itertools.pairwise(rounds)) == 1


async def test_who_was_given_a_turn_and_is_gone():
    """It is passed on at once."""
    turns = Turns(Clock())
    task = asyncio.create_task(turns.turn())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(turns.turn(), 20)


@pytest.mark.parametrize(("served", "rounds"), [(0, 1), (1, 2), (3, 4), (100, 4)])
async def test_stands_back_while_peers_are_served(served: int, rounds: int):
    """For some rounds, not for ever."""
    turns = Turns(Clock())
    done: list[int] = []
    turns.wait(lambda: done.append(1))
    count = 0
    while not done:
        if count < served:
            turns.note_served()
        await asyncio.sleep(0)
        count += 1
    assert count == rounds
    again = asyncio.create_task(turns.turn())
    for _ in range(3):
        await asyncio.sleep(0)
    assert again.done()


async def test_all_long_work_of_a_loop_waits_for_the_same():
    assert turns_of_loop() is turns_of_loop()

"""The thread that waits for the disk."""

import asyncio
import threading

import pytest

from exporter_proxy.state.thread import DiskThread


async def test_calls_follow_one_another():
    """In one thread, which is not the loop's; results and errors come back."""
    thread = DiskThread()
    threads: list[int] = []

    def note(number: int) -> int:
        threads.append(threading.get_ident())
        if number == 2:
            raise OSError("full")
        return number

    calls = [thread.call(lambda number=number: note(number)) for number in range(4)]  # type: ignore[misc]
    results = await asyncio.gather(*calls, return_exceptions=True)
    thread.close()
    thread.close()
    assert [repr(each) for each in results] == ["0", "1", "OSError('full')", "3"]
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_who_does_not_wait_any_more_harms_nobody():
    thread = DiskThread()
    release = threading.Event()
    given_up = thread.call(release.wait)
    given_up.cancel()
    after = thread.call(lambda: "after")
    release.set()
    assert await after == "after"
    thread.close()


def test_loop_may_be_gone_before_the_disk_answers():
    """The process ends without it."""
    release = threading.Event()
    thread = DiskThread()

    async def begin() -> None:
        thread.call(release.wait)
        await asyncio.sleep(0)

    asyncio.run(begin())
    worker = thread._thread
    assert worker is not None
    assert worker.daemon
    thread.close()
    release.set()
    worker.join(10)
    assert not worker.is_alive()


async def test_an_error_that_nobody_awaits_stays_with_its_future():
    thread = DiskThread()
    failing = thread.call(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await failing
    thread.close()

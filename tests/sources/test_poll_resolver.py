import asyncio
import socket
import threading
from typing import Any

import pytest

from exporter_proxy.sources.poll.resolver import ThreadPerLookup

IPV4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 9100))
IPV6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 9100, 0, 0))
LINK_LOCAL = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 9100, 0, 1))


async def test_gives_numeric_addresses():
    """A link-local address carries its interface, without which it leads nowhere."""
    resolver = ThreadPerLookup(lambda *_: [IPV4, IPV6, LINK_LOCAL])

    results = await resolver.resolve("host", 9100)

    loopback = socket.if_indextoname(1)
    assert [result["host"] for result in results] == [
        "192.0.2.1",
        "2001:db8::1",
        f"fe80::1%{loopback}",
    ]
    assert {(result["hostname"], result["port"]) for result in results} == {("host", 9100)}
    await resolver.close()


async def test_asks_the_system():
    results = await ThreadPerLookup().resolve("localhost", 80)

    assert {result["host"] for result in results} <= {"127.0.0.1", "::1"}
    assert results


async def test_hands_on_the_error():
    def look_up(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(socket.gaierror, match="Name or service not known"):
        await ThreadPerLookup(look_up).resolve("host")


async def test_silent_name_servers_hold_up_nobody_else():
    """Twenty names without an answer leave the next one as quick as ever."""
    released = threading.Event()

    def look_up(host: str, *_: Any) -> Any:
        if host.startswith("dead"):
            released.wait()
        return [IPV4]

    resolver = ThreadPerLookup(look_up)
    dead = [asyncio.ensure_future(resolver.resolve(f"dead{number}")) for number in range(20)]
    try:
        assert (await resolver.resolve("alive"))[0]["host"] == "192.0.2.1"
        assert not any(task.done() for task in dead)
    finally:
        released.set()
    await asyncio.gather(*dead)


async def test_an_answer_that_nobody_waits_for_is_dropped():
    released = threading.Event()
    answered = threading.Event()

    def look_up(*_: Any) -> Any:
        released.wait()
        answered.set()
        return [IPV4]

    task = asyncio.ensure_future(ThreadPerLookup(look_up).resolve("host"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    released.set()
    await asyncio.to_thread(answered.wait)
    # A second look-up's answer comes after the first's, which by then had no effect.
    assert await ThreadPerLookup(lambda *_: [IPV4]).resolve("host")


def test_an_answer_after_the_end_of_the_loop_is_dropped():
    """At shutdown a question may still be open; its thread ends without a traceback."""
    asked, released = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def look_up(*_: Any) -> Any:
        threads.append(threading.current_thread())
        asked.set()
        released.wait()
        return [IPV4]

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ThreadPerLookup(look_up).resolve("host"), 0.01)

    asyncio.run(ask())
    asked.wait()
    released.set()
    threads[0].join()

    assert threads[0].daemon

"""Host names to addresses, one dead name server at a time."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

# As aiohttp's own: what comes back are numbers, not to be looked up again.
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
LookUp = Callable[..., Sequence[AddressInfo]]


class ThreadPerLookup(AbstractResolver):
    """Ask the system's resolver, in a thread of its own for each name.

    The event loop's own look-ups share two threads, which two names whose servers don't answer
    would keep from all others. aiohttp asks for a name once at a time and remembers the answer,
    so there are few. Daemon threads: an unanswered question must not delay the process's end.

    Args:
        look_up: ``socket.getaddrinfo``, or a stand-in.
    """

    def __init__(self, look_up: LookUp = socket.getaddrinfo) -> None:
        self._look_up = look_up

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``.

        Raises:
            OSError: It has none, or nobody knows.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[AddressInfo]] = loop.create_future()

        def work() -> None:
            try:
                found = self._look_up(host, port, family, socket.SOCK_STREAM)
            except Exception as exc:  # noqa: BLE001, handed to the one who waits
                _tell(loop, answer, answer.set_exception, exc)
            else:
                _tell(loop, answer, answer.set_result, found)

        threading.Thread(target=work, name=f"resolve {host}", daemon=True).start()
        return [_result(host, port, info) for info in await answer]

    async def close(self) -> None:
        """Nothing to close: the threads end on their own."""


def _tell(
    loop: asyncio.AbstractEventLoop,
    answer: asyncio.Future[Any],
    setter: Callable[[Any], None],
    value: object,
) -> None:
    def settle() -> None:
        if not answer.done():
            setter(value)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        # The loop was closed while the question was open: nobody waits any more.
        return


def _result(host: str, port: int, info: AddressInfo) -> ResolveResult:
    family, _, protocol, _, address = info
    literal = str(address[0])
    if family == socket.AF_INET6 and address[3]:
        # A link-local address is only complete with its interface.
        literal = f"{literal.partition('%')[0]}%{socket.if_indextoname(address[3])}"
    return ResolveResult(
        hostname=host, host=literal, port=port, family=family, proto=protocol, flags=_NUMERIC
    )

"""Parts of the proxy in this process, for targets that speak with them over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NoReturn

from exporter_proxy import config
from exporter_proxy.process.notify import Notifier
from exporter_proxy.proxy import Proxy
from tests.ports import free_port

DEADLINE_SECONDS = 20.0
"""For what should take some milliseconds."""


@contextmanager
def loop() -> Iterator[asyncio.Runner]:
    """Give an event loop of the kind that the proxy runs on."""
    import uvloop  # noqa: PLC0415 - only targets with sockets need it

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@asynccontextmanager
async def running_proxy() -> AsyncIterator[tuple[Proxy, int]]:
    """Run a whole proxy that has one port for everything; gives that, too."""
    port = free_port()
    settings = config.read(
        {
            "exporter": {"scrape_expose_endpoint": f"127.0.0.1:{port}", "scrape_timeout": 5},
            "receiver": {
                "format": "auto",
                "receive_on_tcp_socket": False,
                "receive_on_unix_socket": False,
                "receive_on_scrape_port": True,
                "max_message_size": 4096,
            },
            "push": {"max_body_size": 4096, "enable_admin_api": True},
        }
    )
    proxy = Proxy(settings, path=None, read=_unread, end=_unasked, notifier=Notifier(None))
    await proxy.start()
    try:
        yield proxy, port
    finally:
        await proxy.stop(0)


def _unread() -> NoReturn:
    raise AssertionError("nobody may have it read its file")


def _unasked() -> NoReturn:
    raise AssertionError("nobody may end it")


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the other side has closed, in whichever way."""
    received = b""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while part := await reader.read(65_536):
                received += part
    except ConnectionError:
        pass
    return received

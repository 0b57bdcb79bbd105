"""Peers wait in the backlog while accepting is paused."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from exporter_proxy.config import Address, ReceiverConfig
from exporter_proxy.sources.receiver.listener import PausableListener
from exporter_proxy.sources.receiver.sockets import listen_on_tcp, listen_on_unix

PEERS = 300


def tcp(_directory: Path) -> socket.socket:
    return listen_on_tcp(Address("127.0.0.1", 0))


def unix(directory: Path) -> socket.socket:
    return listen_on_unix(str(directory / "s"), ReceiverConfig())


@pytest.mark.parametrize("make", [tcp, unix])
def test_more_peers_wait_than_a_server_takes_by_default(
    make: Callable[[Path], socket.socket], tmp_path: Path
) -> None:
    """A server on a socket listens anew; uvloop's backlog of 100 must not replace ours."""
    waiting = []

    async def connect_to_a_paused_listener() -> None:
        listener = make(tmp_path)
        paused = PausableListener(listener, asyncio.Protocol, on_waiting=lambda: None)
        await paused.start()
        paused.pause()
        for _ in range(PEERS):
            peer = socket.socket(listener.family)
            waiting.append(peer)
            peer.settimeout(1.0)
            # A Unix socket refuses at once if the backlog is full, TCP doesn't answer.
            peer.connect(listener.getsockname())
        paused.close()

    try:
        uvloop.run(connect_to_a_paused_listener())

        assert len(waiting) == PEERS
    finally:
        for peer in waiting:
            peer.close()

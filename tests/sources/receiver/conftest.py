"""Receivers on real sockets, and peers that talk to them."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sources.receiver.peers import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Start receivers on one table; nothing of them is left behind."""
    # Not pytest's directory: the path of a Unix socket may have 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="receiver-"))
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    made = Bench(directory)
    try:
        yield made
    finally:
        await made.close()
        shutil.rmtree(directory)
    assert not failures

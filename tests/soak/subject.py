"""The process that is tried: started, asked, reloaded, paused, killed."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.proxy_process import ProxyProcess
from tests.soak.ledger import Ledger
from tests.soak.plan import Plan, sections

# An update is on disk a second after it was taken; time in which the machine stood still comes on
# top.
_ON_DISK_SECONDS = 1.0


class Subject:
    """A proxy in a process of its own, with a state file.

    Args:
        directory: For its files; short.
        plan: What it is configured for.
        target_port: Where its targets are.
        ledger: Told when it is killed.

    Attributes:
        is_up: Whether it runs and is not paused.
        disturbed: The times from when to when it was not, in seconds of the monotonic clock.
        disturbances: What was done to it, and how often.
        stalled: The longest that this process, the tester, or the disk stood still lately.
    """

    def __init__(self, directory: Path, plan: Plan, target_port: int, ledger: Ledger) -> None:
        self._plan = plan
        self._ledger = ledger
        self._state = directory / "state.db"
        self._target_port = target_port
        self._variant = 0
        self.process = ProxyProcess(directory, self._sections())
        self.is_up = False
        self.disturbed: list[tuple[float, float]] = []
        self.disturbances: Counter[str] = Counter()
        self.stalled = 0.0

    def _sections(self) -> Any:
        return sections(self._plan, self._state, self._target_port, self._variant)

    @property
    def url(self) -> str:
        """Where its scrape port is."""
        return f"http://127.0.0.1:{self.process.http_port}"

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        await asyncio.to_thread(self.process.start)
        await asyncio.to_thread(self.process.wait_ready)
        self.is_up = True

    async def connect(self, place: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a receiver (``tcp`` or ``unix``) or to the scrape port (``http``)."""
        if place == "unix":
            return await asyncio.open_unix_connection(str(self.process.unix_socket))
        port = self.process.http_port if place == "http" else self.process.tcp_port
        return await asyncio.open_connection("127.0.0.1", port)

    async def push(self, place: str, data: bytes, patience: float) -> str:
        """Send on a connection of its own; return the answer, which is empty if all is well."""
        async with asyncio.timeout(patience):
            reader, writer = await self.connect(place)
            try:
                writer.write(data)
                writer.write_eof()
                return (await reader.read()).decode()
            finally:
                writer.close()

    def was_disturbed(self, since: float) -> bool:
        """Tell whether it was paused or gone at some time since a moment, or is now."""
        return not self.is_up or any(end >= since for _, end in self.disturbed)

    # What is done to it.

    async def reload(self, *, usable: bool) -> None:
        """Have it read another configuration; see that it says how that went."""
        self._variant += 1
        before = self.process.config_file.read_text(encoding="utf-8")
        if usable:
            self.process.write_config(**self._sections())
        else:
            self.process.config_file.write_text("[exporter]\nscrape_timeout = 'soon'\n")
        self.disturbances["reload" if usable else "reload of a bad file"] += 1
        life = self._ledger.life
        self.process.process.send_signal(signal.SIGHUP)
        wanted = f"exporter_proxy_config_last_reload_successful {int(usable)}"
        end = time.monotonic() + 20
        while time.monotonic() < end:
            await asyncio.sleep(0.25)
            if life != self._ledger.life:
                break
            try:
                page = (await asyncio.to_thread(self.process.get, "/metrics/self")).body.decode()
            except OSError:
                continue
            if wanted in page:
                break
        else:
            self._ledger.complain("reload", f"{wanted!r} did not come to be")
        if not usable:
            self.process.config_file.write_text(before, encoding="utf-8")

    async def pause(self, seconds: float) -> None:
        """Stop it (SIGSTOP), and let it go on."""
        self.disturbances["pause"] += 1
        began = time.monotonic()
        self.is_up = False
        self.process.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.process.process.send_signal(signal.SIGCONT)
        self.is_up = True
        self.disturbed.append((began, time.monotonic()))

    async def kill(self) -> None:
        """Kill it (SIGKILL) and start it again on the same files."""
        self.disturbances["kill -9"] += 1
        began = time.monotonic()
        self.is_up = False
        self._ledger.killed(began - _ON_DISK_SECONDS - self.stalled)
        self.process.process.kill()
        await asyncio.to_thread(self.process.wait)
        await self.start()
        # Who asked one of the two asked the other, too.
        self._ledger.life += 1
        self.disturbed.append((began, time.monotonic()))

    # What it takes.

    def memory(self) -> int:
        """Return its resident memory, in bytes."""
        return self.process.memory_bytes()

    def descriptors(self) -> int:
        """Return how many file descriptors it has."""
        return len(os.listdir(f"/proc/{self.process.process.pid}/fd"))  # noqa: PTH208

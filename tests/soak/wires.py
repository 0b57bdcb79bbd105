"""Apps that behave: each pushes over its wire, and believes what it is told."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import aiohttp

from tests.payload.reading import raw_capnp_message
from tests.soak.connections import GONE
from tests.soak.ledger import Ledger, payload
from tests.soak.plan import Plan
from tests.soak.subject import Subject

_PATIENCE_SECONDS = 60.0
_DOCUMENTS = 20
_APPS_A_DOCUMENT = 10
_RETRY_SECONDS = 0.2

Push = Callable[[str, int], Awaitable[str]]


class Wires:
    """All apps that push.

    Args:
        plan: How many, and how often.
        subject: Where to.
        ledger: Where it is written down.

    Attributes:
        retries: How often a push was made again because the process was gone meanwhile.
    """

    def __init__(self, plan: Plan, subject: Subject, ledger: Ledger) -> None:
        self._plan = plan
        self._subject = subject
        self._ledger = ledger
        self._stopping = False
        # Apps with a push under way: of two at once nobody could say which comes first.
        self._pushing: set[str] = set()
        self.retries = 0

    def start(self) -> list[asyncio.Task[None]]:
        """Begin; the tasks end some time after :meth:`stop`."""
        tasks = []
        for wire, apps in self._plan.names().items():
            rate = self._plan.rate * len(apps) / self._plan.apps
            if wire == "stream/tcp":
                work = self._stream(wire, apps, rate)
            elif wire in {"group", "push"}:
                work = self._http(wire, apps, rate)
            else:
                work = self._each(wire, apps, rate, self._pusher(wire))
            tasks.append(asyncio.create_task(work))
        return tasks

    def stop(self) -> None:
        """Begin no more pushes."""
        self._stopping = True

    def _pusher(self, wire: str) -> Push:
        made, _, place = wire.partition("/")

        async def push(app: str, number: int) -> str:
            text = payload(app, number)
            if made == "capnp":
                data = raw_capnp_message(app.encode() + b"\0", text.encode() + b"\0")
            else:
                data = json.dumps({app: text}).encode()
            return await self._subject.push(place, data, _PATIENCE_SECONDS)

        return push

    async def _each(self, wire: str, apps: Sequence[str], rate: float, push: Push) -> None:
        """Push app after app, a connection or a request each, some of them side by side."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        under_way: set[asyncio.Task[None]] = set()
        turn = 0
        while not self._stopping:
            under_way = {task for task in under_way if not task.done()}
            if len(under_way) < 32:
                app = apps[turn % len(apps)]
                turn += 1
                if app not in self._pushing:
                    under_way.add(asyncio.create_task(self._one(wire, app, push)))
            due = max(due + 1 / rate, loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))
        if under_way:
            await asyncio.wait(under_way)

    async def _one(self, wire: str, app: str, push: Push) -> None:
        """Push one payload, again until a process has taken it."""
        self._pushing.add(app)
        try:
            await self._until_taken(wire, app, push)
        finally:
            self._pushing.discard(app)

    async def _until_taken(self, wire: str, app: str, push: Push) -> None:
        number = self._ledger.begin(app)
        while True:
            life = self._ledger.life
            try:
                answer = await push(app, number)
            except (*GONE, aiohttp.ClientError, TimeoutError) as error:
                self._failed(wire, app, life, error)
            else:
                if answer and life == self._ledger.life:
                    self._ledger.complain("refused", f"{app} over {wire}: {answer!r}")
                if answer or self._ledger.taken(app, number, wire, life):
                    return
            self.retries += 1
            await asyncio.sleep(_RETRY_SECONDS)

    def _failed(self, wire: str, app: str, life: int, error: Exception) -> None:
        if life == self._ledger.life and self._subject.is_up:
            self._ledger.complain("connection", f"{app} over {wire}: {error!r}")

    async def _stream(self, wire: str, apps: Sequence[str], rate: float) -> None:
        """Push documents of some apps each, many on one connection, on some connections at once."""
        groups = [apps[at : at + _APPS_A_DOCUMENT] for at in range(0, len(apps), _APPS_A_DOCUMENT)]
        pause = len(apps) / rate
        await asyncio.gather(*(self._one_stream(wire, group, pause) for group in groups))

    async def _one_stream(self, wire: str, apps: Sequence[str], pause: float) -> None:
        while not self._stopping:
            life = self._ledger.life
            numbers: dict[str, int] = {}
            try:
                reader, writer = await self._subject.connect("tcp")
            except OSError as error:
                self._failed(wire, apps[0], life, error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                for _ in range(_DOCUMENTS):
                    numbers = {app: self._ledger.begin(app) for app in apps}
                    document = {app: payload(app, number) for app, number in numbers.items()}
                    writer.write(json.dumps(document).encode())
                    await writer.drain()
                    await asyncio.sleep(pause)
                    if self._stopping or life != self._ledger.life:
                        break
                writer.write_eof()
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    answer = await reader.read()
            except (*GONE, TimeoutError) as error:
                self._failed(wire, apps[0], life, error)
                answer = b""
                numbers = {}
            finally:
                writer.close()
            if answer and life == self._ledger.life:
                self._ledger.complain("refused", f"{apps[0]} over {wire}: {answer!r}")
            elif not answer:
                for app, number in numbers.items():
                    self._ledger.taken(app, number, wire, life)
        await self._last_of_stream(wire, apps)

    async def _last_of_stream(self, wire: str, apps: Sequence[str]) -> None:
        """Push once more, so that the books are closed with something that has arrived."""
        for app in apps:
            await self._one(wire, app, self._pusher("json/tcp"))

    async def _http(self, wire: str, apps: Sequence[str], rate: float) -> None:
        """Push over HTTP, on connections that are kept."""
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
        connector = aiohttp.TCPConnector(limit=8)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

            async def push(app: str, number: int) -> str:
                text = payload(app, number).encode()
                if wire == "group":
                    asked = session.put(f"{self._subject.url}/metrics/job/{app}", data=text)
                else:
                    asked = session.post(f"{self._subject.url}/push/{app}", data=text)
                async with asked as answer:
                    body = await answer.text()
                    return "" if answer.status == 200 else f"{answer.status} {body}"

            with suppress(asyncio.CancelledError):
                await self._each(wire, apps, rate, push)

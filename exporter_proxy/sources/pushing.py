"""What is pushed over the scrape port, from one configuration to the next."""

from collections.abc import Mapping, Sequence
from functools import partial

from aiohttp import web

from exporter_proxy.access import Access, Peer
from exporter_proxy.changes import Change
from exporter_proxy.config import Config
from exporter_proxy.exposition.given import Given
from exporter_proxy.payload.grouping import PREFIX
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.answers import Answer
from exporter_proxy.sources.app_push import PATH, AppPush
from exporter_proxy.sources.base import Source
from exporter_proxy.sources.lives import push_life
from exporter_proxy.sources.pushgateway import Api, Gateway, GatewayRoutes, Store
from exporter_proxy.sources.requests import Requests
from exporter_proxy.table import Row, Table

_APPS = f"{PATH}/"
_PUSHES = (_APPS, f"{PREFIX}/", f"{PREFIX}@base64/")


class Pushing:
    """Pushgateway's API and ``/push/<app>``, as ``[push]`` has them.

    Args:
        config: The configuration.
        table: Where groups are.
        admission: Lets updates into it.
        access: Knows who may push.
    """

    def __init__(self, config: Config, table: Table, admission: Admission, access: Access) -> None:
        self._store = Store(table, admission)
        self._gateway = Gateway(self._store)
        self._api = Api(self._gateway)
        self._requests = Requests(access)
        self._routes = GatewayRoutes(self._gateway, self._api, self._requests)
        self._apps = AppPush(admission, self._requests.permit)
        # For front/pushes.py, as what is below: called for each push.
        self.sender = self._requests.sender
        self._configure(config)

    @property
    def sources(self) -> Sequence[Source]:
        """The gateway, if it is turned on, and what takes pushes to apps."""
        gateway = [self._gateway] if self._routes.is_on else []
        apps = [self._apps] if self._apps.is_on else []
        return [*gateway, *apps]

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Have a router lead here."""
        self._routes.add_to(router)
        # Not a mere dot, which leaves out paths with a line break (%0A).
        for path in (PATH, PATH + r"/{app:[\s\S]*}"):
            router.add_route("*", path, self._push)

    # What front/pushes.py asks for.

    def wants(self, target: str, length: int) -> bool:
        """Tell whether a PUT or POST there is a push, and may have so many bytes."""
        return length <= self._requests.max_bytes and target.startswith(_PUSHES)

    def take(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer
    ) -> Answer:
        """Take a small push, and return what its sender is told; at once."""
        handle = self._apps.handle if target.startswith(_APPS) else self._routes.handle
        return self._requests.answer_small(handle, method, target, headers, body, peer)

    async def _push(self, request: web.Request) -> web.StreamResponse:
        return await self._requests.answer(request, self._apps.handle, "push", self._apps)

    def restore(self) -> None:
        """Take over the groups that the table has of an earlier run.

        Before anybody reads rows, which let go of their payloads then; also where the gateway is
        turned off, as it may be turned on later.
        """
        self._store.restore()

    def given(self, row: Row) -> Given | None:
        """Return what the samples of a row get that its payload doesn't show."""
        return self._store.given(row)

    async def prepare(self, new: Config) -> Change:
        """Get ready to take pushes as ``new`` has it. Groups stay, and so do requests under way."""
        wanted: dict[Gateway | AppPush, tuple[bool, bool]] = {
            self._gateway: (self._routes.is_on, new.push.pushgateway_api),
            self._apps: (self._apps.is_on, new.push.app_api),
        }
        turned_on = [source for source, (was, will) in wanted.items() if will and not was]
        turned_off = [source for source, (was, will) in wanted.items() if was and not will]
        for source in turned_on:
            await source.start()
        return Change(
            lambda: self._configure(new),
            partial(_stop, turned_on, 0),
            partial(_stop, turned_off) if turned_off else None,
        )

    def _configure(self, config: Config) -> None:
        push, exporter = config.push, config.exporter
        life = push_life(config)
        self._store.configure(life=life, render=exporter.exposition == "verbatim")
        self._gateway.configure(push, self._requests.permit)
        self._api.configure(push)
        self._routes.is_on = push.pushgateway_api
        self._requests.configure(push.max_body_size)
        self._apps.configure(push, life)


async def _stop(sources: Sequence[Gateway | AppPush], grace_seconds: float) -> None:
    for source in sources:
        await source.stop(grace_seconds)

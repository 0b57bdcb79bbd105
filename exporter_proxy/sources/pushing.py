"""What is pushed over the scrape port, from one configuration to the next."""

from collections.abc import Sequence

from aiohttp import web

from exporter_proxy.access import Access
from exporter_proxy.changes import Change
from exporter_proxy.config import Config
from exporter_proxy.exposition.given import Given
from exporter_proxy.sources.admission import Admission, Life
from exporter_proxy.sources.pushgateway import Api, Gateway, GatewayRoutes, Store
from exporter_proxy.table import Row, Table


class Pushing:
    """Pushgateway's API, as ``[push]`` has it.

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
        self._routes = GatewayRoutes(self._gateway, self._api, access)
        self._configure(config)

    @property
    def sources(self) -> Sequence[Gateway]:
        """The gateway, if it is turned on."""
        return [self._gateway] if self._routes.is_on else []

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Have a router lead to the gateway."""
        self._routes.add_to(router)

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
        was_on = self._routes.is_on
        turns_on = new.push.pushgateway_api and not was_on
        turns_off = was_on and not new.push.pushgateway_api
        if turns_on:
            await self._gateway.start()
        return Change(
            lambda: self._configure(new),
            self._stop if turns_on else _nothing,
            self._gateway.stop if turns_off else None,
        )

    async def _stop(self) -> None:
        await self._gateway.stop(0)

    def _configure(self, config: Config) -> None:
        push, exporter = config.push, config.exporter
        expire_after = exporter.expire_after if push.expire_after is None else push.expire_after
        life = Life(expire_after, push.on_expire or exporter.on_expire)
        self._store.configure(life=life, render=exporter.exposition == "verbatim")
        self._gateway.configure(push, self._routes.permit)
        self._api.configure(push)
        self._routes.configure(push)


async def _nothing() -> None:
    pass

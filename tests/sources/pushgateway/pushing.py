"""A gateway without a transport, and the page that comes of it."""

from collections.abc import Generator, Mapping

from exporter_proxy.access import Peer, Refusal
from exporter_proxy.catalog import Catalog
from exporter_proxy.config import PushConfig
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.sources.admission import Admission, Terms
from exporter_proxy.sources.answers import Answer, ForbiddenError
from exporter_proxy.sources.pushgateway import Api, Gateway, Store
from exporter_proxy.steps import all_at_once
from exporter_proxy.table import FOR_EVER, Life, Table

LOCAL = Peer(address="127.0.0.1")
NOW = 1_700_000_000.0


class Clock:
    """Seconds since the epoch, and for ages."""

    now = NOW

    def __call__(self) -> float:
        return self.now


class Pushing:
    """A gateway, its table, and what is asked of them."""

    def __init__(
        self,
        config: PushConfig | None = None,
        *,
        life: Life = FOR_EVER,
        terms: Terms | None = None,
        render: bool = False,
        table: Table | None = None,
        max_apps: int = 1000,
    ) -> None:
        self.clock = Clock()
        self.table = table or Table(max_apps=max_apps, monotonic=self.clock)
        find = None if terms is None else lambda _app: terms
        self.admission = Admission(self.table, terms=find, clock=self.clock)
        self.store = Store(self.table, self.admission, wall=self.clock)
        self.store.configure(life=life, render=render)
        self.gateway = Gateway(self.store)
        self.api = Api(self.gateway, wall=self.clock)
        self.forbidden: set[str] = set()
        self.gateway.configure(config or PushConfig(), self.permit)
        self.api.configure(config or PushConfig())
        self.store.restore()
        self.catalog = Catalog(
            self.table,
            rules=None if render else lambda _app: Rules(),
            wall_ns=lambda: int(self.clock.now * 1e9),
            given=self.store.given,
        )

    def permit(self, peer: Peer, app: str) -> None:
        if app in self.forbidden:
            raise ForbiddenError(Refusal("forbidden", f"{peer} may not", 403))

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask for a group: what follows ``/metrics/job``."""
        return finish(
            self.gateway.handle(method, "/metrics/job" + path, headers or {}, body, LOCAL)
        )

    def put(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        return self.ask("PUT", path, body, headers).status

    def post(self, path: str, body: bytes) -> int:
        return self.ask("POST", path, body).status

    def ask_api(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Ask for what is below ``/api/v1``."""
        return finish(self.api.handle(method, "/api/v1" + path, {}, body, LOCAL))

    def lines(self) -> list[str]:
        """Return the samples that are on the page, sorted, without the times of groups."""
        for _ in self.catalog.refresh():
            pass
        samples = b"".join(
            cell.samples
            for family in self.catalog.index.families.values()
            for number, cell in sorted(family.cells.items())
            if not family.name.startswith((b"push_", b"exporter_proxy_"))
        )
        return sorted(samples.decode().splitlines())

    def times(self, path_labels: Mapping[str, str]) -> tuple[float, float]:
        """Return when a group was pushed to, and when in vain."""
        group = self.store.group(path_labels)
        return group.push_time, group.failure_time

    def findings(self, app: str) -> dict[str, int]:
        """Return what was found in an app's metrics."""
        self.lines()
        reading = self.catalog.readings[app]
        return dict(reading.findings)


def finish(answer: Answer | Generator[None, None, Answer]) -> Answer:
    """Go through the steps to an answer."""
    return answer if isinstance(answer, Answer) else all_at_once(answer)

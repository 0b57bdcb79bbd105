"""Who follows the table, and is told of each change."""

from collections.abc import Iterable

from exporter_proxy.table.payload_feed import PayloadFeed
from exporter_proxy.table.rows import Payload


class Feeds:
    """The feeds of one table, of names and of payloads."""

    def __init__(self) -> None:
        self._names: list[dict[str, None]] = []
        self._payloads: list[PayloadFeed] = []

    def of_names(self, known: Iterable[str]) -> dict[str, None]:
        """Return a collection of names that has those ``known``, and gets those of each change."""
        changes = dict.fromkeys(known)
        self._names.append(changes)
        return changes

    def of_payloads(self) -> PayloadFeed:
        """Return a feed that holds the payload of each update."""
        feed = PayloadFeed()
        self._payloads.append(feed)
        return feed

    def end(self, changes: dict[str, None]) -> None:
        """Tell a collection of names nothing more. Idempotent."""
        self._names = [each for each in self._names if each is not changes]

    def tell(self, app: str) -> None:
        """Tell that something of ``app`` has changed, and its payload is the same."""
        for changes in self._names:
            changes[app] = None
        for feed in self._payloads:
            feed.note(app)

    def tell_payload(self, app: str, payload: Payload) -> None:
        """Tell that ``app`` has another payload; an empty one: it has none any more."""
        for changes in self._names:
            changes[app] = None
        for feed in self._payloads:
            feed.hold(app, payload)

"""What changed in the table, with the payloads that it brought, until someone takes them."""

from collections.abc import Iterator

from exporter_proxy.table.rows import Payload


class PayloadFeed:
    """Apps that changed, in the order of their first change, each with its latest payload.

    A row of the table lets go of its payload as soon as that was read. Who needs it as it came
    follows this feed, which holds it from the moment of the update until it is taken: of each app
    the latest, and nothing else.

    Attributes:
        bytes: Of the payloads that are held.
    """

    __slots__ = ("_changes", "bytes")

    def __init__(self) -> None:
        self._changes: dict[str, Payload | None] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._changes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._changes)

    def hold(self, app: str, payload: Payload) -> None:
        """Take note that ``app`` has another payload; that before it is let go of."""
        if held := self._changes.get(app):
            self.bytes -= _size(held)
        self._changes[app] = payload
        self.bytes += _size(payload)

    def note(self, app: str) -> None:
        """Take note that something else of ``app`` changed; a payload that is held stays."""
        self._changes.setdefault(app, None)

    def take(self, most_apps: int, most_bytes: int) -> dict[str, Payload | None]:
        """Return the oldest changes and forget them; at least one, if there is any.

        None as a payload: it is the one that was taken before. Of an app that is gone it is empty.

        Args:
            most_apps: How many at most.
            most_bytes: How many bytes of payloads at most, but for the first.
        """
        taken: dict[str, Payload | None] = {}
        room = most_bytes
        for app, payload in self._changes.items():
            size = _size(payload) if payload else 0
            if taken and (len(taken) >= most_apps or size > room):
                break
            taken[app] = payload
            room -= size
        for app in taken:
            del self._changes[app]
        self.bytes -= most_bytes - room
        return taken

    def give_back(self, taken: dict[str, Payload | None]) -> None:
        """Put back what was taken in vain, unless something newer came meanwhile."""
        for app, payload in taken.items():
            if payload is None:
                self.note(app)
            elif self._changes.get(app) is None:
                self.hold(app, payload)


def _size(payload: Payload) -> int:
    return len(payload[0]) if len(payload) == 1 else sum(map(len, payload))

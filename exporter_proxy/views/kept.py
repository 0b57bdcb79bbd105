"""Pages of one app alone, compressed, kept from one scrape to the next.

Where Prometheus has every app as a target of its own, most of them may not have changed since the
scrape before: then their pages need not be laid out again.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter_proxy.exposition.page import Encoding
from exporter_proxy.views.page import Kind
from exporter_proxy.workers import Workers

MOST_BYTES = 16 << 20
"""What they may take together: some ten thousand pages of a hundred samples."""

# What one takes beside its bytes, about.
_ENTRY_BYTES = 600

State = tuple[Mapping[bytes, int] | None, Mapping[bytes, int] | None]
"""What the index has of an app, and of what the proxy tells of it: other objects whenever that is
replaced."""


class KeptKey(NamedTuple):
    """Which page: of an app, in an encoding."""

    kind: Kind
    app: str
    encoding: Encoding


class KeptPage(NamedTuple):
    """A page as it was sent.

    Attributes:
        kind: Which page it is.
        generation: That of the page.
        tag: That of the page.
        raw: It, compressed.
        state: What it was made of.
    """

    kind: Kind
    generation: int
    tag: str
    raw: bytes
    state: State

    async def body(self, _encoding: Encoding, _workers: Workers) -> tuple[Iterable[bytes], int]:
        """Return the page, and its size; in the encoding that it was asked for in."""
        return (self.raw,), len(self.raw)


class KeptPages:
    """Keeps pages as long as there is room.

    Who scrapes all apps comes to each in turn: if the oldest made room, nothing would be found.

    Args:
        most_bytes: What they may take.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        # With the times at which they were last asked for.
        self._pages: dict[KeptKey, tuple[KeptPage, float]] = {}

    def __len__(self) -> int:
        return len(self._pages)

    def find(self, key: KeptKey, state: State, now: float) -> KeptPage | None:
        """Return a page, if it was made of this state."""
        found = self._pages.get(key)
        if found is None:
            return None
        page = found[0]
        if page.state[0] is not state[0] or page.state[1] is not state[1]:
            self._drop(key)
            return None
        self._pages[key] = page, now
        return page

    def put(self, key: KeptKey, page: KeptPage, now: float) -> None:
        """Keep a page, if there is room."""
        if key in self._pages:
            self._drop(key)
        size = len(page.raw) + _ENTRY_BYTES
        if self._bytes + size <= self._most_bytes:
            self._bytes += size
            self._pages[key] = page, now

    def forget(self, before: float) -> None:
        """Let go of those that nobody has asked for since a moment."""
        for key in [key for key, (_, asked) in self._pages.items() if asked < before]:
            self._drop(key)

    def _drop(self, key: KeptKey) -> None:
        page, _ = self._pages.pop(key)
        self._bytes -= len(page.raw) + _ENTRY_BYTES

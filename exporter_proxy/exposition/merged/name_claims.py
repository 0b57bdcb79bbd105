"""Names that escapes make: who has one where apps would get the same for different families."""

from collections.abc import Sequence
from typing import NamedTuple

from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.model import Family

# What the proxy tells of itself is there always.
_SELF_PREFIX = b"exporter_proxy_"


class Lost(NamedTuple):
    """A family that can't be shown, and the first app that has its name."""

    family: Family
    app: int


class Settled(NamedTuple):
    """What of an app's families has a place.

    Attributes:
        shown: Those that do, in their order.
        lost: Those that don't.
        others: Apps about whose families it must be decided again.
    """

    shown: Sequence[Family]
    lost: Sequence[Lost]
    others: set[int]


class NameClaims:
    """The names that families of all apps get by one scheme.

    A name belongs to the apps that have it without an escape, if there are any: their series keep
    their names. Else it belongs to the family of the first app that claims it, and to the same
    family of other apps.
    """

    def __init__(self, index: MergedIndex) -> None:
        self._index = index
        # {escaped name: {number of an app: the family's own name}}
        self._claims: dict[bytes, dict[int, bytes]] = {}
        # Of these names: apps that have them without an escape.
        self._plain: dict[bytes, set[int]] = {}
        self._names: dict[int, set[bytes]] = {}

    def settle(self, app: int, families: Sequence[Family]) -> Settled:
        """Take in what an app has now, before the index does.

        Args:
            app: Its number.
            families: All that it has, escaped, no name twice.
        """
        claims = {each.name: each.origin for each in families if each.origin is not None}
        before = self._names.pop(app, set())
        if not (claims or self._claims):
            return Settled(families, (), set())
        plain = {each.name for each in families if each.origin is None}
        touched = before | claims.keys() | {*filter(self._claims.__contains__, plain)}
        touched |= {name for name in self._index.apps.get(app, ()) if name in self._claims}
        holders = {name: self._holder(name) for name in touched}
        for name in touched:
            self._claim(name, app, claims.get(name), plain)
        if claims:
            self._names[app] = {*claims}
        others: set[int] = set()
        for name, holder in holders.items():
            if self._holder(name) != holder:
                others.update(self._claims[name])
        shown: list[Family] = []
        lost: list[Lost] = []
        for each in families:
            if each.origin is None or self._owner(each.name) == each.origin:
                shown.append(each)
            else:
                lost.append(Lost(each, self._first(each.name)))
        for name in touched:
            if not self._claims[name]:
                del self._claims[name], self._plain[name]
        return Settled(shown, lost, others - {app})

    def _claim(self, name: bytes, app: int, origin: bytes | None, plain: set[bytes]) -> None:
        if name not in self._claims:
            self._claims[name] = {}
            family = self._index.families.get(name)
            cells = {} if family is None else family.cells
            self._plain[name] = {other for other, cell in cells.items() if cell.origin is None}
        if origin is None:
            self._claims[name].pop(app, None)
        else:
            self._claims[name][app] = origin
        if name in plain:
            self._plain[name].add(app)
        else:
            self._plain[name].discard(app)

    def _owner(self, name: bytes) -> bytes | None:
        """Return the own name of the family that has a name; None: it needs no escape."""
        claims = self._claims.get(name)
        if not claims or self._plain[name] or name.startswith(_SELF_PREFIX):
            return None
        return claims[min(claims)]

    def _first(self, name: bytes) -> int:
        """Return the first app of those whose family has a name."""
        return min(self._plain[name] or self._claims[name])

    def _holder(self, name: bytes) -> tuple[bytes | None, int] | None:
        """Return which family has a name, and the first of its apps; None: nobody claims it."""
        return (self._owner(name), self._first(name)) if self._claims.get(name) else None

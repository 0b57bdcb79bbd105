"""All groups, and whether what is pushed goes together with them.

What a check costs follows what is pushed. It doesn't follow the number of groups: of a family it is
known which type it has in all of them; and two groups can have the same series only if their keys
have labels of different names, so that of all groups with the same names in their keys there is one
at most to be compared with a sample, which is found by its key.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

from exporter_proxy.errors import PayloadError
from exporter_proxy.exposition.grammar import unescape
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.payload.grouping import app_name
from exporter_proxy.sources.pushgateway.group import Group, Segment
from exporter_proxy.sources.pushgateway.series import Series, series_in, shown

Families = Mapping[bytes, FamilyType]
Read = Callable[[Segment], Sequence[Family]]

# Series of a family of one of these types have the family's name and one of these.
_SUFFIXES: dict[FamilyType, tuple[bytes, ...]] = {
    "histogram": (b"_bucket", b"_sum", b"_count"),
    "gaugehistogram": (b"_bucket", b"_gsum", b"_gcount"),
    "summary": (b"_sum", b"_count"),
}
_SERIES_A_STEP = 256
_ALL_SUFFIXES = (b"_bucket", b"_sum", b"_count", b"_gsum", b"_gcount")


class _Carriers:
    """The groups that have a family.

    Attributes:
        type: Its type, in all of them.
        groups: Which.
        kinds: ``{kind of key: how many of them}``.
    """

    __slots__ = ("groups", "kinds", "type")

    def __init__(self, kind: FamilyType) -> None:
        self.type = kind
        self.groups: dict[Group, None] = {}
        self.kinds: Counter[tuple[frozenset[bytes], frozenset[bytes]]] = Counter()

    def other_than(self, group: Group) -> Group | None:
        return next((each for each in self.groups if each is not group), None)


class Index:
    """All groups by their apps, and the groups of each family.

    Args:
        read: Reads what a segment holds.

    Attributes:
        groups: By the names of their apps.
        version: Another one whenever other families are there.
    """

    def __init__(self, read: Read) -> None:
        self.groups: dict[str, Group] = {}
        self.version = 0
        self._carriers: dict[bytes, _Carriers] = {}
        self._read = read

    def check(self, group: Group, families: Families, pushed: Segment) -> None:
        """Look for types and names that keep a group from having families; nothing is changed.

        Args:
            group: It may be new.
            families: All that it would have.
            pushed: The part of them that is new.

        Raises:
            InconsistentError: Which other group is in the way, and why.
        """
        for name, kind in pushed.shape.families.items():
            carriers = self._carriers.get(name)
            if carriers is not None and carriers.type != kind:
                other = carriers.other_than(group)
                if other is not None:
                    raise InconsistentError(
                        f'metric family "{name.decode()}" has the type {kind}, '
                        f"but {carriers.type} in the group {other.app}",
                        other,
                    )
            self._check_suffixes(group, families, name, kind)

    def _check_suffixes(
        self, group: Group, families: Families, name: bytes, kind: FamilyType
    ) -> None:
        for suffix in _ALL_SUFFIXES:
            if name.endswith(suffix):
                base = name[: -len(suffix)]
                for found, holder in self._types(group, families, base):
                    if suffix in _SUFFIXES.get(found, ()):
                        raise _collision(name, base, found, holder)
        for suffix in _SUFFIXES.get(kind, ()):
            for _, holder in self._types(group, families, name + suffix):
                raise _collision(name + suffix, name, kind, holder)

    def _types(
        self, group: Group, families: Families, name: bytes
    ) -> Iterator[tuple[FamilyType, Group]]:
        """Yield the types that a family has in the group as it would be, and in another."""
        if name in families:
            yield families[name], group
        carriers = self._carriers.get(name)
        if carriers is not None:
            other = carriers.other_than(group)
            if other is not None:
                yield carriers.type, other

    def check_series(self, group: Group, pushed: Segment) -> Generator[None, None, None]:
        """Look for series that another group has too, in steps of a millisecond or two.

        What was found holds as long as :attr:`version` is what it was before the first step.

        Raises:
            InconsistentError: Which other group has one.
        """
        own = group.kind
        known = own.names | pushed.shape.label_names
        suspects: dict[bytes, list[tuple[frozenset[bytes], frozenset[bytes]]]] = {}
        for name in pushed.shape.families:
            carriers = self._carriers.get(name)
            if carriers is None or (len(carriers.kinds) == 1 and own.key in carriers.kinds):
                continue
            # A sample must have all labels of the other's key.
            kinds = [key for key in carriers.kinds if key != own.key and key[0] <= known]
            if kinds:
                suspects[name] = kinds
        if not suspects:
            return
        for family in self._read(pushed):
            for kind in suspects.get(family.name, ()):
                yield from self._compare(group, family, *kind)

    def _compare(
        self, group: Group, family: Family, names: frozenset[bytes], empty: frozenset[bytes]
    ) -> Generator[None, None, None]:
        """Look for a series of ``family`` in groups with certain names in their keys."""
        theirs: dict[Group, frozenset[Series]] = {}
        found: dict[tuple[bytes, ...], Group | None] = {}
        order = sorted(names)
        for count, series in enumerate(series_in(family.samples, group.written), 1):
            if count % _SERIES_A_STEP == 0:
                yield
            labels = dict(series[1])
            if not names <= labels.keys() or not empty.isdisjoint(labels):
                continue
            key = tuple(labels[name] for name in order)
            if key not in found:
                found[key] = self._find(dict(zip(order, key, strict=True)), empty)
            other = found[key]
            if other is None or other is group or family.name not in other.families:
                continue
            if other not in theirs:
                theirs[other] = self._series(other, family.name)
            if series in theirs[other]:
                raise InconsistentError(
                    f"the series {shown(series)} is also in the group {other.app}", other
                )

    def _find(self, labels: Mapping[bytes, bytes], empty: frozenset[bytes]) -> Group | None:
        """Return the group with a key, which is given as it stands in a line."""
        meant = {_meant(name): _meant(value) for name, value in labels.items()}
        meant |= {_meant(name): "" for name in empty}
        return self.groups.get(app_name(meant))

    def _series(self, group: Group, name: bytes) -> frozenset[Series]:
        for segment in group.segments:
            if name in segment.shape.families:
                for family in self._read(segment):
                    if family.name == name:
                        return frozenset(series_in(family.samples, group.written))
        return frozenset()

    def put(self, group: Group, families: Families) -> None:
        """Take note of the families that a group has now, which were checked."""
        known = self.groups.setdefault(group.app, group)
        assert known is group
        before = group.families
        group.families = families
        self.version += 1
        for name in before:
            if name not in families:
                self._remove(name, group)
        for name, kind in families.items():
            if before.get(name) == kind:
                continue
            carriers = self._carriers.get(name)
            if carriers is None:
                carriers = self._carriers[name] = _Carriers(kind)
            # The type is another only if nobody else has the family.
            carriers.type = kind
            if group not in carriers.groups:
                carriers.groups[group] = None
                carriers.kinds[group.kind.key] += 1

    def drop(self, group: Group) -> None:
        """Forget a group."""
        for name in group.families:
            self._remove(name, group)
        group.families = {}
        # Who remembers the group's path must not keep all that it held.
        group.segments = []
        self.version += 1
        self.groups.pop(group.app, None)

    def _remove(self, name: bytes, group: Group) -> None:
        carriers = self._carriers[name]
        del carriers.groups[group]
        carriers.kinds[group.kind.key] -= 1
        if not carriers.kinds[group.kind.key]:
            del carriers.kinds[group.kind.key]
        if not carriers.groups:
            del self._carriers[name]


class InconsistentError(PayloadError):
    """What is pushed does not go together with a group.

    Attributes:
        group: Which.
    """

    def __init__(self, message: str, group: Group) -> None:
        super().__init__(
            f"pushed metrics are invalid or inconsistent with existing metrics: {message}",
            reason="inconsistent_metrics",
        )
        self.group = group


def _collision(name: bytes, base: bytes, kind: FamilyType, holder: Group) -> InconsistentError:
    return InconsistentError(
        f'metric "{name.decode()}" collides with the {kind} "{base.decode()}", '
        f"one of which is in the group {holder.app}",
        holder,
    )


def _meant(text: bytes) -> str:
    """Return what a name or value stands for, as it stands in a line."""
    if text.startswith(b'"'):
        text = text[1:-1]
    return unescape(text).decode()

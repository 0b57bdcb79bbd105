"""All groups, and whether what is pushed goes together with them.

What a check costs follows what is pushed. It doesn't follow the number of groups: of a family it is
known which type it has in all of them; and two groups can have the same series only if their keys
have labels of different names, so that of all groups with the same names in their keys there is one
at most to be compared with a sample, which is found by its key.
"""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence

from exporter_proxy.errors import PayloadError
from exporter_proxy.exposition.grammar import unescape
from exporter_proxy.exposition.lines import windows
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.payload.grouping import app_name
from exporter_proxy.sources.pushgateway.group import Group, Segment
from exporter_proxy.sources.pushgateway.series import SeriesSet, series_in, shown

Families = Mapping[bytes, FamilyType]
Key = tuple[frozenset[bytes], frozenset[bytes]]
"""What the keys of groups are alike in: see :class:`~.group.Kind`."""
Read = Callable[[Segment], Generator[None, None, Sequence[Family]]]

# Series of a family of one of these types have the family's name and one of these.
_SUFFIXES: dict[FamilyType, tuple[bytes, ...]] = {
    "histogram": (b"_bucket", b"_sum", b"_count"),
    "gaugehistogram": (b"_bucket", b"_gsum", b"_gcount"),
    "summary": (b"_sum", b"_count"),
}
# Bytes of samples that are compared in one step.
_WINDOW = 8_192
_FAMILIES_A_STEP = 1_000
_ALL_SUFFIXES = (b"_bucket", b"_sum", b"_count", b"_gsum", b"_gcount")


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


class _Many:
    """The groups that have a family, where they are more than a few.

    Attributes:
        type: Its type, in all of them.
        groups: Which.
        kinds: ``{kind of key: how many of them}``.
    """

    __slots__ = ("groups", "kinds", "type")

    def __init__(self, kind: FamilyType, groups: Iterable[Group]) -> None:
        self.type = kind
        self.groups = dict.fromkeys(groups)
        self.kinds = Counter(group.kind.key for group in self.groups)

    def add(self, group: Group) -> None:
        if group not in self.groups:
            self.groups[group] = None
            self.kinds[group.kind.key] += 1

    def remove(self, group: Group) -> None:
        del self.groups[group]
        self.kinds[group.kind.key] -= 1
        if not self.kinds[group.kind.key]:
            del self.kinds[group.kind.key]


# A tuple that thousands of families share is next to nothing for each of them.
_Carriers = tuple[Group, ...] | _Many
_FEW = 8


def _type_in(carriers: _Carriers, name: bytes) -> FamilyType:
    return carriers[0].families[name] if isinstance(carriers, tuple) else carriers.type


def _other_than(carriers: _Carriers, group: Group) -> Group | None:
    groups = carriers if isinstance(carriers, tuple) else carriers.groups
    return next((each for each in groups if each is not group), None)


def _kinds_in(carriers: _Carriers) -> Collection[Key]:
    if isinstance(carriers, tuple):
        return {group.kind.key for group in carriers}
    return carriers.kinds


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

    def check(
        self, group: Group, families: Families, pushed: Segment
    ) -> Generator[None, None, None]:
        """Look for what keeps a group from having families, in steps of a millisecond or two.

        These are types, names, and series that another group has. Nothing is changed, and what was
        found holds as long as :attr:`version` is what it was before the first step.

        Args:
            group: It may be new.
            families: All that it would have.
            pushed: The part of them that is new.

        Raises:
            InconsistentError: Which other group is in the way, and why.
        """
        yield from self._check_series(group, pushed)
        for count, (name, kind) in enumerate(pushed.shape.families.items(), 1):
            if count % _FAMILIES_A_STEP == 0:
                yield
            carriers = self._carriers.get(name)
            if carriers is not None and (known := _type_in(carriers, name)) != kind:
                other = _other_than(carriers, group)
                if other is not None:
                    raise InconsistentError(
                        f'metric family "{name.decode()}" has the type {kind}, '
                        f"but {known} in the group {other.app}",
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
            other = _other_than(carriers, group)
            if other is not None:
                yield _type_in(carriers, name), other

    def _check_series(self, group: Group, pushed: Segment) -> Generator[None, None, None]:
        """Look for series that another group has too."""
        own = group.kind
        shape = pushed.shape
        suspects: dict[bytes, list[Key]] = {}
        for count, name in enumerate(shape.families, 1):
            if count % _FAMILIES_A_STEP == 0:
                yield
            carriers = self._carriers.get(name)
            if carriers is None:
                continue
            # A sample must have all labels of the other's key.
            kinds = [
                key
                for key in _kinds_in(carriers)
                if key != own.key and shape.may_have_all(key[0] - own.names)
            ]
            if kinds:
                suspects[name] = kinds
        if not suspects:
            return
        for family in (yield from self._read(pushed)):
            for kind in suspects.get(family.name, ()):
                yield from self._compare(group, family, kind)

    def _compare(self, group: Group, family: Family, key: Key) -> Generator[None, None, None]:
        """Look for a series of ``family`` in groups with certain names in their keys."""
        theirs: dict[Group, SeriesSet] = {}
        clash: InconsistentError | None = None
        for window in windows(family.samples, _WINDOW):
            yield
            clash = yield from self._compare_some(group, family.name, window, key, theirs)
            if clash is not None:
                break
        while theirs:
            _, series = theirs.popitem()
            yield from series.let_go()
        if clash is not None:
            raise clash

    def _compare_some(
        self,
        group: Group,
        name: bytes,
        samples: bytes,
        key: Key,
        theirs: dict[Group, SeriesSet],
    ) -> Generator[None, None, InconsistentError | None]:
        """Look for a series of some samples; return the error if there is one."""
        names, empty = key
        found: dict[tuple[bytes, ...], Group | None] = {}
        order = sorted(names)
        for series in series_in(samples, group.written):
            labels = dict(series[1])
            if not names <= labels.keys() or not empty.isdisjoint(labels):
                continue
            values = tuple(labels[each] for each in order)
            if values not in found:
                found[values] = self._find(dict(zip(order, values, strict=True)), empty)
            other = found[values]
            if other is None or other is group or name not in other.families:
                continue
            if other not in theirs:
                theirs[other] = yield from self._series(other, name)
            if series in theirs[other]:
                return InconsistentError(
                    f"the series {shown(series)} is also in the group {other.app}", other
                )
        return None

    def _find(self, labels: Mapping[bytes, bytes], empty: frozenset[bytes]) -> Group | None:
        """Return the group with a key, which is given as it stands in a line."""
        meant = {_meant(name): _meant(value) for name, value in labels.items()}
        meant |= {_meant(name): "" for name in empty}
        return self.groups.get(app_name(meant))

    def _series(self, group: Group, name: bytes) -> Generator[None, None, SeriesSet]:
        found = SeriesSet()
        for segment in [each for each in group.segments if name in each.shape.families]:
            for family in (yield from self._read(segment)):
                if family.name == name:
                    yield from found.add_in_steps(family.samples, group.written)
        return found

    def put(self, group: Group, families: Families) -> None:
        """Take note of the families that a group has now, which were checked."""
        known = self.groups.setdefault(group.app, group)
        assert known is group
        before = group.families
        group.families = families
        self.version += 1
        if before is families:
            return
        self._remove([name for name in before if name not in families], group)
        carriers = self._carriers
        # Nearly all, where there are very many.
        new = dict.fromkeys([name for name in families if name not in carriers], (group,))
        for name, kind in families.items():
            if name not in new and before.get(name) != kind:
                self._add(name, kind, group)
        carriers.update(new)

    def _add(self, name: bytes, kind: FamilyType, group: Group) -> None:
        """Take note that a group has a family of others, or as another type: of itself alone."""
        carriers = self._carriers[name]
        if isinstance(carriers, _Many):
            carriers.type = kind
            carriers.add(group)
        elif group not in carriers:
            several = (*carriers, group)
            self._carriers[name] = several if len(several) <= _FEW else _Many(kind, several)

    def drop(self, group: Group) -> None:
        """Forget a group."""
        self._remove(group.families, group)
        group.families = {}
        # Who remembers the group's path must not keep all that it held.
        group.segments = []
        self.version += 1
        self.groups.pop(group.app, None)

    def _remove(self, names: Iterable[bytes], group: Group) -> None:
        every = self._carriers
        for name in names:
            carriers = every[name]
            if isinstance(carriers, _Many):
                carriers.remove(group)
                left: Collection[Group] = carriers.groups
            else:
                left = tuple([each for each in carriers if each is not group])
                every[name] = left
            if not left:
                del every[name]


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

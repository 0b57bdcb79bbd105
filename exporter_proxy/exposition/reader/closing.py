"""From what was read of a payload to its families: those to show, and those to hold back."""

from collections.abc import Generator
from operator import itemgetter
from typing import NamedTuple

from exporter_proxy.exposition.grammar import shown
from exporter_proxy.exposition.model import Family, FamilyType, Quarantined
from exporter_proxy.exposition.reader.drafts import (
    Book,
    Chunk,
    Draft,
    Place,
    join_chunks,
)

MOST_QUARANTINED = 1_000
"""Entries kept apart; further ones are put together, as each costs many times its line."""
_STEP = 500
_STEP_BYTES = 262_144

# Names that samples of a type have in the text format, beside the family's.
_TAKEN: dict[FamilyType, tuple[bytes, ...]] = {
    "histogram": (b"_bucket", b"_sum", b"_count"),
    "gaugehistogram": (b"_bucket", b"_gsum", b"_gcount"),
    "summary": (b"_sum", b"_count"),
}
_TAKEN_SUFFIXES = (*_TAKEN["histogram"], b"_gsum", b"_gcount")


class Apart:
    """Lists of families that were found not to clash; applications send the same over and over.

    Args:
        most: Names that are kept, of all lists together.
    """

    def __init__(self, most: int = 16_384) -> None:
        self._most = most
        self._size = 0
        self._known: set[tuple[tuple[bytes, ...], ...]] = set()

    def has(self, names: tuple[bytes, ...], special: list[bytes]) -> bool:
        """Tell whether families of these names are known not to clash.

        Args:
            names: Of all families.
            special: Of those whose samples have suffixes.
        """
        return (names, tuple(special)) in self._known

    def add(self, names: tuple[bytes, ...], special: list[bytes]) -> None:
        """Take note that families of these names don't clash."""
        size = len(names) + len(special)
        if size > self._most // 4:
            return
        if self._size + size > self._most:
            self._known.clear()
            self._size = 0
        self._known.add((names, tuple(special)))
        self._size += size


# shared by all readers
_APART = Apart()


class _Place(NamedTuple):
    """A family, and where it goes: by its first line, ``_created`` after its parent."""

    line: int
    number: int
    family: Family
    owner: Draft | Place


def close(book: Book) -> Generator[None, None, tuple[list[Family], list[Quarantined]]]:
    """Return all families that can be shown, by their first line, and those that can't."""
    places: list[_Place] = []
    bad: list[tuple[int, Quarantined]] = []
    joined = 0
    for number, draft in enumerate(book.drafts.values()):
        if number % _STEP == 0 or joined > _STEP_BYTES:
            joined = 0
            yield
        yield from book.count_findings(draft)
        size = sum([len(chunk.text) for chunk in draft.chunks])
        joined += size
        if draft.failure is not None:
            yield from draft.join_raw()
        elif size > _STEP_BYTES:
            yield from draft.join_chunks()
        if draft.failure is None:
            places += _complete(book, draft)
        else:
            bad.append((draft.line, _quarantine(draft)))
    places.sort(key=_by_line)
    families = yield from _merged(book, places)
    if (yield from _may_clash(book, families, places)):
        places += _fast_places(book)
        places.sort(key=_by_line)
        clashes = yield from _clashes(places)
        held_back = {id(place.owner) for place, _ in clashes}
        bad += [
            (place.line, _clashing(place, other)) for place, other in clashes if place.family.count
        ]
        families = [place.family for place in places if id(place.owner) not in held_back]
    bad.sort(key=lambda entry: entry[0])
    return families, _bounded([entry for _, entry in bad])


_by_line = itemgetter(0, 1)


def _merged(book: Book, places: list[_Place]) -> Generator[None, None, list[Family]]:
    """Return all families by their first line; fast ones, nearly all, are so already."""
    if not places and not book.births:
        return list(book.fast.values())
    families: list[Family] = []
    waiting = iter(places)
    place = next(waiting, None)
    for number, entry in enumerate(book.places):
        if number % _STEP == 0:
            yield
        name = entry[0]
        if name not in book.fast:
            continue
        while place is not None and place.line < entry[1]:
            families.append(place.family)
            place = next(waiting, None)
        families.append(book.fast[name])
        if name in book.births:
            families.append(book.births[name])
    if place is not None:
        families.append(place.family)
        families += [place.family for place in waiting]
    return families


def _fast_places(book: Book) -> list[_Place]:
    places = []
    for entry in book.places:
        owner = Place._make(entry)
        if owner.name in book.fast:
            places.append(_Place(owner.line, 0, book.fast[owner.name], owner))
            if owner.name in book.births:
                places.append(_Place(owner.line, 1, book.births[owner.name], owner))
    return places


def _may_clash(
    book: Book, families: list[Family], places: list[_Place]
) -> Generator[None, None, bool]:
    """Tell whether a name is there twice, or is one that a histogram or summary has taken."""
    if not book.dialect.seconds and not book.special and not places:
        return False
    listed = tuple([family.name for family in families])
    if not places and _APART.has(listed, book.special):
        return False
    names = set(listed)
    yield
    if len(names) != len(families):
        return True
    special = [place.family for place in places if place.family.type in _TAKEN]
    yield
    special += [book.fast[name] for name in book.special if name in book.fast]
    for start in range(0, len(special), _STEP):
        yield
        some = special[start : start + _STEP]
        # any suffix of any of the types: it is only about whether to look more closely
        for suffix in _TAKEN_SUFFIXES:
            if not names.isdisjoint([family.name + suffix for family in some]):
                return True
    if not places:
        _APART.add(listed, book.special)
    return False


def _complete(book: Book, draft: Draft) -> list[_Place]:
    by_name: dict[bytes, list[Chunk]] = {}
    for chunk in sorted(draft.chunks, key=lambda chunk: chunk.line):
        by_name.setdefault(chunk.name, []).append(chunk)
    if not by_name:
        if draft.type is None:
            return []
        by_name[book.dialect.empty_name(draft.name, draft.type)] = []
    _check_unit(book, draft)
    births = draft.name + b"_created" if book.dialect.seconds else None
    line = draft.line
    # the family proper before that of its times of creation, as on the fast path
    names = sorted(by_name, key=lambda name: name == births)
    return [
        _Place(line, number, _family(draft, name, by_name[name], births=births), draft)
        for number, name in enumerate(names)
    ]


def _check_unit(book: Book, draft: Draft) -> None:
    if draft.unit and (
        not draft.name.endswith(b"_" + draft.unit) or draft.type in {"info", "stateset"}
    ):
        book.tally.add("bad_unit", draft.unit_line)
        draft.unit = b""


def _family(draft: Draft, name: bytes, chunks: list[Chunk], *, births: bytes | None) -> Family:
    whole = join_chunks(chunks) if chunks else Chunk(0, name, b"", None, 0)
    _, _, samples, openmetrics, count = whole
    if name == births and name != draft.name:
        return Family(
            name,
            "gauge",
            samples,
            count,
            help=draft.help,
            openmetrics=openmetrics,
            quoted=draft.quoted,
        )
    return Family(
        name,
        draft.type or "untyped",
        samples,
        count,
        help=draft.help,
        typed=draft.type is not None,
        unit=draft.unit,
        openmetrics=openmetrics,
        quoted=draft.quoted,
    )


def _clashes(
    places: list[_Place],
) -> Generator[None, None, list[tuple[_Place, bytes]]]:
    """Return the families whose name an earlier one has taken, with that one's name.

    Families without samples give way to those that have some.
    """
    taken: dict[bytes, Family] = {}
    clashes: list[tuple[_Place, bytes]] = []
    gone: set[int] = set()
    for number, place in enumerate(sorted(places, key=lambda place: not place.family.count)):
        if number % _STEP == 0:
            yield
        if id(place.owner) in gone:
            continue
        family = place.family
        other = _other(family, taken)
        if other is None:
            taken[family.name] = family
        else:
            clashes.append((place, other))
            gone.add(id(place.owner))
    return clashes


def _other(family: Family, taken: dict[bytes, Family]) -> bytes | None:
    name = family.name
    if name in taken:
        return name
    if name.endswith(_TAKEN_SUFFIXES):
        for suffix in _TAKEN_SUFFIXES:
            if name.endswith(suffix):
                other = taken.get(name[: -len(suffix)])
                if other is not None and suffix in _TAKEN.get(other.type, ()):
                    return other.name
    for suffix in _TAKEN.get(family.type, ()):
        if name + suffix in taken:
            return name + suffix
    return None


def _raw(owner: Draft | Place) -> bytes:
    lines = owner.raw if isinstance(owner, Draft) else owner.raw()
    return b"".join([text for _, text in sorted(lines, key=lambda entry: entry[0])])


def _quarantine(draft: Draft) -> Quarantined:
    failure = draft.failure
    assert failure is not None
    return Quarantined(draft.name, failure.line, failure.reason, failure.message, _raw(draft))


def _clashing(place: _Place, other: bytes) -> Quarantined:
    name = place.family.name
    message = (
        f"{shown(name)} comes twice"
        if name == other
        else f"{shown(name)} can't be told from series of {shown(other)}, or the other way round"
    )
    return Quarantined(name, place.line, "suffix_clash", message, _raw(place.owner))


def _bounded(entries: list[Quarantined]) -> list[Quarantined]:
    if len(entries) <= MOST_QUARANTINED:
        return entries
    rest = entries[MOST_QUARANTINED:]
    return [
        *entries[:MOST_QUARANTINED],
        Quarantined(
            b"",
            rest[0].line,
            "too_many",
            f"{len(rest)} more families can't be read; the first: {rest[0].message}",
            b"".join([entry.text for entry in rest]),
        ),
    ]

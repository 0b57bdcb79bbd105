"""Kinds made of other kinds: lists, tables, and sections, which are dataclasses.

A field of a section that is a key carries its kind: ``idle_timeout: Annotated[float, Duration()]``.
A field without one is computed and can't be written in a file.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, NamedTuple, TypeVar

from exporter_proxy.config.kinds import Kind, UnfitError, join, type_name
from exporter_proxy.errors import ConfigError

K = TypeVar("K")
T = TypeVar("T")

# {key: where it can be written}, for hints; sections enter theirs when they are made.
_places: dict[str, list[str]] = {}


def kinds_of(cls: type) -> dict[str, Kind[Any]]:
    """Return the keys of the section ``cls`` and what each takes, in the order of its fields."""
    found: dict[str, Kind[Any]] = {}
    for field in fields(cls):
        for extra in getattr(field.type, "__metadata__", ()):
            if isinstance(extra, Kind):
                found[field.name] = extra
    return found


def read_all(
    read: Callable[[K, object], T], items: Iterable[tuple[K, object]]
) -> tuple[list[T], list[str]]:
    """Read every item; return what came out, and the problems of those that failed."""
    values: list[T] = []
    problems: list[str] = []
    for name, item in items:
        try:
            values.append(read(name, item))
        except ConfigError as exc:
            problems += exc.problems
    return values, problems


class Written(NamedTuple):
    """What a file says in a section.

    Attributes:
        raw: Every key as TOML gave it, also one with a mistake in it.
        values: The keys that could be read, as the program uses them.
    """

    raw: Mapping[str, object]
    values: Mapping[str, Any]


Check = Callable[[Written, str], list[str]]
"""Given what is written and the section's name, returns what is wrong between its keys."""


def no_check(_written: Written, _key: str) -> list[str]:
    """Find nothing wrong: no key of the section depends on another."""
    return []


class ListOf(Kind[tuple[T, ...]]):
    """A list whose items are all of one kind."""

    def __init__(self, item: Kind[T], expected: str) -> None:
        self._item = item
        self.expected = expected

    def read(self, value: object, key: str) -> tuple[T, ...]:
        """See :meth:`Kind.read`."""
        if not isinstance(value, list):
            raise ConfigError([f"{key}: {self._item.show(value)}: must be {self.expected}"])
        values, problems = read_all(
            lambda index, item: self._item.read(item, f"{key}[{index}]"), enumerate(value)
        )
        if problems:
            raise ConfigError(problems)
        return tuple(values)


class TableOf(Kind[dict[str, T]]):
    """A table with names of the operator's choosing and values of one kind.

    Args:
        item: The kind of the values.
        expected: For messages.
        check_name: Raises UnfitError, with a remedy, if a name can't be used.
    """

    def __init__(self, item: Kind[T], expected: str, check_name: Callable[[str], None]) -> None:
        self._item = item
        self.expected = expected
        self._check_name = check_name

    def read(self, value: object, key: str) -> dict[str, T]:
        """See :meth:`Kind.read`."""
        if not isinstance(value, dict):
            raise ConfigError([f"{key}: {type_name(value)}: must be {self.expected}"])
        values, problems = read_all(
            lambda name, item: self._read_item(name, item, join(key, name)), value.items()
        )
        if problems:
            raise ConfigError(problems)
        return dict(values)

    def _read_item(self, name: str, value: object, key: str) -> tuple[str, T]:
        try:
            self._check_name(name)
        except UnfitError as exc:
            raise ConfigError([f"{key}: {exc}"]) from None
        return name, self._item.read(value, key)


class Section(Kind[T]):
    """A table with fixed keys.

    Args:
        cls: The dataclass that holds it.
        check: Looks at keys that depend on each other.
        expected: For messages.
        place: How the section is called in hints about keys that belong in it.
        optional: Keys that may be missing though their fields have no default.
    """

    def __init__(
        self,
        cls: type[T],
        check: Check = no_check,
        expected: str = "a table",
        place: str = "",
        optional: frozenset[str] = frozenset(),
    ) -> None:
        self._cls = cls
        self._check = check
        self.expected = expected
        self._kinds = kinds_of(cls)
        for name in self._kinds if place else ():
            _places.setdefault(name, []).append(place)
        self._required = [
            field.name
            for field in fields(cls)  # type: ignore[arg-type]  # T is always a dataclass
            if field.name in self._kinds.keys() - optional
            and field.default is MISSING
            and field.default_factory is MISSING
        ]

    def read(self, value: object, key: str) -> T:
        """See :meth:`Kind.read`."""
        return self._cls(**self.read_keys(value, key))

    def read_keys(self, value: object, key: str) -> dict[str, Any]:
        """Return the keys that ``value`` has, each as the program uses it.

        Raises:
            ConfigError: Any of them is unknown, wrong, or missing.
        """
        if not isinstance(value, dict):
            raise ConfigError([f"{key}: {type_name(value)}: must be {self.expected}"])
        values, problems = read_all(
            lambda name, item: (name, self._read_key(name, item, join(key, name))), value.items()
        )
        problems += [
            f"{join(key, name)}: missing: must be {self._kinds[name].expected}"
            for name in self._required
            if name not in value
        ]
        problems += self._check(Written(value, dict(values)), key)
        if problems:
            raise ConfigError(problems)
        return dict(values)

    def _read_key(self, name: str, value: object, key: str) -> Any:
        kind = self._kinds.get(name)
        if kind is None:
            hint = belongs(name) or suggest(name, self._kinds)
            raise ConfigError([f"{key}: unknown key{hint}"])
        return kind.read(value, key)


def belongs(name: str) -> str:
    """Return in which sections the key ``name`` can be written, or nothing if in none."""
    *first, last = _places.get(name, [""])
    shown = f"{', '.join(first)} or {last}" if first else last
    return f" (it belongs in {shown})" if shown else ""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the known name that was probably meant, as a question, or nothing."""
    if len(name) > 64:  # the search takes quadratic time
        return ""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    near = get_close_matches(name, list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""

"""The kinds of values that configuration keys take.

A kind says what it expects and reads what TOML gives. There are three outcomes and no fourth: the
value as the program uses it, or a :class:`~exporter_proxy.errors.ConfigError` with one line for
each mistake in it. A kind of many values reads all of them before it raises.
"""

import re
from typing import Generic, TypeVar

from exporter_proxy.config.units import parse_duration, parse_size
from exporter_proxy.config.urls import hide_user_info
from exporter_proxy.errors import ConfigError, quote

T = TypeVar("T")

NEVER = float("inf")
_YEAR_SECONDS = 365 * 86400
_LONGEST_SECONDS = 100 * _YEAR_SECONDS
_MOST_A_SECOND = 1_000_000
_LEAST_A_SECOND = 0.000_001
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


class UnfitError(Exception):
    """A value is not of the kind; the text says what is wrong where ``expected`` would not."""


def join(key: str, name: str) -> str:
    """Return the full name of the key ``name`` in the section or table ``key``."""
    shown = name if _BARE_KEY.fullmatch(name) else quote(name)
    return f"{key}.{shown}" if key else shown


def type_name(value: object) -> str:
    """Return what ``value`` is, without showing it."""
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "a string"}
    names |= {list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def show(value: object) -> str:
    """Return ``value`` for a message: bounded, on one line, without user info of an URL.

    Lists and tables are not shown: a secret may be in them.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(hide_user_info(value))
    # An integer beyond 64 bits, which TOML doesn't promise, may have too many digits to print.
    if isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= 64):
        return repr(value)
    return type_name(value)


class Kind(Generic[T]):
    """What a key takes.

    Attributes:
        expected: What to write, for messages: ``must be <expected>``.
    """

    expected: str

    def read(self, value: object, key: str) -> T:
        """Return ``value`` as the program uses it.

        Args:
            value: What TOML gave.
            key: The full name of its key, for messages.

        Raises:
            ConfigError: It is something else.
        """
        try:
            return self.convert(value)
        except UnfitError as exc:
            remedy = str(exc) or f"must be {self.expected}"
            raise ConfigError([f"{key}: {self.show(value)}: {remedy}"]) from None

    def show(self, value: object) -> str:
        """Return a wrong ``value`` for the message about it."""
        return show(value)

    def convert(self, value: object) -> T:
        """Return ``value`` as the program uses it.

        Raises:
            UnfitError: It is something else.
        """
        raise NotImplementedError


class Boolean(Kind[bool]):
    """``true`` or ``false``."""

    expected = "true or false"

    def convert(self, value: object) -> bool:
        """See :meth:`Kind.convert`."""
        if isinstance(value, bool):
            return value
        raise UnfitError


class Integer(Kind[int]):
    """An integer within bounds."""

    def __init__(self, minimum: int, maximum: int) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self.expected = f"an integer from {minimum} to {maximum}"

    def convert(self, value: object) -> int:
        """See :meth:`Kind.convert`; a boolean is no integer."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise UnfitError
        if self._minimum <= value <= self._maximum:
            return value
        raise UnfitError


class Duration(Kind[float]):
    """A number of seconds, or a string such as ``"5m"``; read as seconds.

    Args:
        minimum: The fewest seconds.
        example: Shown in messages, as TOML.
    """

    def __init__(self, minimum: float, example: str) -> None:
        self._minimum = minimum
        unit = "second" if minimum == 1 else "seconds"
        self.expected = f"a duration of at least {minimum:g} {unit}, such as {example}"

    def convert(self, value: object) -> float:
        """See :meth:`Kind.convert`."""
        seconds = parse_duration(value) if isinstance(value, str) else value
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise UnfitError
        # also refuses not-a-number, of which no comparison is true
        if not seconds >= self._minimum:
            raise UnfitError
        if seconds > _LONGEST_SECONDS:
            raise UnfitError("must be at most 100 years")
        return float(seconds)


class Age(Duration):
    """A duration after which something is dropped; 0 and ``"never"`` are read as infinity."""

    def __init__(self) -> None:
        super().__init__(0, '300 or "5m", or "never"')

    def convert(self, value: object) -> float:
        """See :meth:`Kind.convert`."""
        return NEVER if value == "never" else super().convert(value) or NEVER


class Rate(Kind[float]):
    """How often a second something may happen; 0 means without limit."""

    expected = "a number of at least 0, such as 2 or 0.1"

    def convert(self, value: object) -> float:
        """See :meth:`Kind.convert`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnfitError
        # also refuses not-a-number, of which no comparison is true
        if not value >= 0:
            raise UnfitError
        if value > _MOST_A_SECOND:
            raise UnfitError("must be at most 1000000")
        if 0 < value < _LEAST_A_SECOND:
            raise UnfitError("must be at least 0.000001, or 0 for no limit")
        return float(value)


class Size(Kind[int]):
    """A number of bytes, or a string such as ``"64MiB"``; read as bytes."""

    expected = 'a size of at least 1 byte, such as 1048576 or "64MiB"'

    def convert(self, value: object) -> int:
        """See :meth:`Kind.convert`."""
        size = parse_size(value) if isinstance(value, str) else value
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise UnfitError
        if size > 2**40:
            raise UnfitError("must be at most 1TiB")
        return size


class SizeLimit(Size):
    """A size that something may have; 0 means without limit."""

    expected = 'a size such as 1048576 or "64MiB", or 0 for no limit'

    def convert(self, value: object) -> int:
        """See :meth:`Kind.convert`."""
        if value == 0 and not isinstance(value, bool):
            return 0
        return super().convert(value)

"""Numbers as people's programs write them."""

import re
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, localcontext
from operator import mul
from typing import Any

import msgspec

_GROUPED = re.compile(r"[0-9]{1,3}+(?:([.,'])[0-9]{3})(?:\1[0-9]{3})*+")
_SCALED = re.compile(r"([0-9]{1,18}+)(?:[.,]([0-9]{1,18}+))?+([KMGTPE]?+)")
_UNITS: dict[str, int] = {
    letter: 1000**power for power, letter in enumerate(("", "K", "M", "G", "T", "P", "E"))
}

# Numbers of so many digits, and what uses them, are whole numbers of 64 bits.
_TOO_LARGE = 10**18
# Digits enough for sums of any that are read.
_EXACT = Context(prec=100)
_decode = msgspec.json.Decoder(list[int | float]).decode


def read_integers(texts: Sequence[str | None]) -> list[int] | None:
    """Return what ``texts`` are if all of them are digits, at most 18.

    None: some of them aren't, or it takes a closer look to tell.
    """
    return _read(texts, b"0123456789,")


def read_decimals(texts: Sequence[str | None]) -> list[int | float] | None:
    """Return what ``texts`` are if each is a number without sign and exponent, below 10**18.

    None: some of them aren't, or it takes a closer look to tell.
    """
    return _read(texts, b"0123456789.,")


def _read(texts: Sequence[str | None], allowed: bytes) -> list[Any] | None:
    """Read numbers as JSON, whose grammar is stricter than that of ``int`` and ``float``."""
    try:
        listed = ",".join(texts).encode()  # type: ignore[arg-type]  # told by what is raised
    except TypeError:
        return None
    if listed.translate(None, allowed):
        return None
    try:
        numbers = _decode(b"[%b]" % listed)
    except msgspec.DecodeError:
        return None
    # one with a comma in it was taken for two
    return numbers if len(numbers) == len(texts) and sum(numbers) < _TOO_LARGE else None


def exact_sum(
    numbers: Sequence[int | float], texts: Sequence[str | None], times: Sequence[int] | None
) -> int | Decimal:
    """Return the sum of numbers.

    Args:
        numbers: Whole ones, or what ``texts`` are about.
        texts: What they were read from.
        times: How often each counts; None: once.
    """
    amounts: Iterable[Any] = numbers
    with localcontext(_EXACT):
        if float in map(type, numbers):
            amounts = map(Decimal, map(str, texts))
        total: int | Decimal = sum(amounts if times is None else map(mul, amounts, times))
    return total


def add_exactly(total: float | Decimal, more: int | Decimal) -> int | Decimal:
    """Return the sum of two; one that was kept as a float stands for the decimal that it shows."""
    if isinstance(total, int) and isinstance(more, int):
        return total + more
    with localcontext(_EXACT):
        return Decimal(str(total)) + more


def read_count(text: str) -> int:
    """Return a number of bytes as rsync prints it (``do_big_num`` in its lib/compat.c).

    ``1234567``; in groups of three by the locale: ``1,234,567`` or ``1.234.567``; with ``-h`` in
    units of 1000, rounded: ``1.23M`` or ``1,23M``. Units of 1024 (``-hh``) look the same and are
    read as units of 1000. Without a letter, three digits after a separator are a group.

    Raises:
        ValueError: It is none of these.
    """
    if len(text) <= 18 and text.isascii() and text.isdigit():
        return int(text)
    grouped = _GROUPED.fullmatch(text)
    if grouped and len(text) < 30:
        return int(text.replace(grouped[1], ""))
    scaled = _SCALED.fullmatch(text)
    if scaled is None:
        raise ValueError(text[:40])
    whole, fraction, letter = scaled[1], scaled[2] or "", scaled[3]
    # exactly: 1.23M is 1230000, which no float arithmetic is needed for
    return int(whole + fraction) * _UNITS[letter] // int("1" + "0" * len(fraction))

"""Durations and sizes as people write them: ``"5m"``, ``"1h30m"``, ``"64MiB"``."""

import re

_SECONDS = {
    "y": 365 * 86400.0,
    "w": 7 * 86400.0,
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 0.001,
}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
# Digits are bounded, so that no text makes a number that a float can't hold.
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_DURATION = re.compile("".join(f"(?:({_NUMBER}){unit})?" for unit in _SECONDS))
_SIZE = re.compile(f"({_NUMBER}) ?({'|'.join(_BYTES)})")


def parse_duration(text: str) -> float | None:
    """Return the seconds that ``text`` stands for, or None if it is no duration.

    Units are ``y w d h m s ms``, the larger before the smaller, each at most once: ``"1h30m"``.
    A year has 365 days.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    parts = zip(match.groups(), _SECONDS.values(), strict=True)
    return sum(float(number) * seconds for number, seconds in parts if number)


def parse_size(text: str) -> int | None:
    """Return the bytes that ``text`` stands for, or None if it is no size.

    ``kB`` is 1000 bytes, ``KiB`` is 1024.
    """
    match = _SIZE.fullmatch(text)
    return int(float(match[1]) * _BYTES[match[2]]) if match else None

"""Times to live as senders write them."""

import math
import re

from exporter_proxy.errors import PayloadError, quote

NEVER = math.inf
MAX_SECONDS = 0xFFFF_FFFE
"""About 136 years: Cap'n Proto's field has 32 bits, of which one value means never."""

_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
# Prometheus's form of a duration: each unit at most once, the largest first.
_DURATION = re.compile(
    r"(?=\d)(?:(\d{1,9})y)?(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?"
    r"(?:(\d{1,9})s)?(?:(\d{1,12})ms)?",
    re.ASCII,
)
_UNITS = ("y", "w", "d", "h", "m", "s", "ms")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)


def parse_ttl(app: str, value: str | float | None) -> float | None:
    """Return a time to live in seconds.

    Args:
        app: Whose, for the error.
        value: Seconds, or text: seconds, a duration in Prometheus's form (``"30s"``,
            ``"1h30m"``) or ``"never"``.

    Returns:
        None where nothing is asked for (None, 0, ``""``); infinite for ``"never"``.

    Raises:
        PayloadError: ``bad_ttl``.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        seconds = _from_text(value)
    else:
        seconds = None if math.isnan(value) or value < 0 else float(value)
    if seconds is None or MAX_SECONDS < seconds < NEVER:
        # A number as it is usually written, no text in quotes.
        raise bad_ttl(app, quote(value) if isinstance(value, str) else f"{value:.15g}")
    return seconds or None


def bad_ttl(app: str, shown: str) -> PayloadError:
    """Return the error for a time to live that is none, whatever it is shown as."""
    return PayloadError(
        f"the ttl of {quote(app)} is {shown}, "
        'expected seconds or a duration such as "30s", or "never"',
        reason="bad_ttl",
    )


def _from_text(text: str) -> float | None:
    if text == "never":
        return NEVER
    if _NUMBER.fullmatch(text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    return sum(
        int(count) * _UNIT_SECONDS[unit]
        for count, unit in zip(match.groups(), _UNITS, strict=True)
        if count
    )

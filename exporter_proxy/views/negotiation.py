"""What a reader accepts, from its request headers (RFC 9110 section 12.5). Pure."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

Format = Literal["text", "html", "json"]

FORMATS: dict[Format, str] = {
    "text": "text/plain",
    "html": "text/html",
    "json": "application/json",
}
"""The media type of each format; the first is for readers that don't care."""

# Real readers send a handful of values; a long one is parsed each time instead of kept.
_LONGEST_KEPT = 200


def accepts_gzip(header: str) -> bool:
    """Tell whether a response may be compressed with gzip, and the reader doesn't like it less."""
    if header == "gzip":
        return True
    if len(header) > _LONGEST_KEPT:
        return _accepts_gzip(header)
    return _accepts_gzip_kept(header)


def _accepts_gzip(header: str) -> bool:
    weights = dict(_weights(header))
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


_accepts_gzip_kept = lru_cache(maxsize=64)(_accepts_gzip)


def choose_format(header: str) -> Format:
    """Return the format that the ``Accept`` header asks for.

    Of formats with the same weight the one that is named more exactly wins, then the one named
    first, then text. A reader that accepts none of them gets text: better than nothing.
    """
    ranges = list(_weights(header))
    best: Format = "text"
    best_rank = (0.0, 0, 0)
    for name, media_type in FORMATS.items():
        rank = _rank(media_type, ranges)
        if rank[0] > 0 and rank > best_rank:
            best, best_rank = name, rank
    return best


def _rank(media_type: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int, int]:
    """Return weight, exactness and closeness to the header's beginning of the range that counts."""
    patterns = ("*/*", media_type.partition("/")[0] + "/*", media_type)
    found = (0.0, 0, 0)
    exactness = -1
    for place, (name, weight) in enumerate(ranges):
        if name in patterns and patterns.index(name) > exactness:
            exactness = patterns.index(name)
            # A position counts only among types that are named.
            found = (weight, exactness, -place if exactness == 2 else 0)
    return found


def _weights(header: str) -> Iterator[tuple[str, float]]:
    """Yield the items of a header in lower case with their ``q``; 0 for one that can't be read."""
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if not name:
            continue
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                weight = _weight(value.strip())
        yield name, weight


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0

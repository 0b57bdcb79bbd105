"""What a reader accepts, from its request headers (RFC 9110 section 12.5). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from exporter_proxy.exposition.escaping import SCHEMES, Scheme
from exporter_proxy.exposition.model import Format as ExpositionFormat
from exporter_proxy.exposition.page import Encoding

Format = Literal["text", "html", "json"]

FORMATS: dict[Format, str] = {
    "text": "text/plain",
    "html": "text/html",
    "json": "application/json",
}
"""The media type of each format; the first is for readers that don't care."""

# Real readers send a handful of values; a long one is parsed each time instead of kept.
_LONGEST_KEPT = 500


class Wanted(NamedTuple):
    """Which page a scraper wants.

    Attributes:
        format: In which format.
        named: Whether it names any format at all, as scrapers do and people don't.
        escaping: What it wants done to UTF-8 names; None: it doesn't say.
    """

    format: ExpositionFormat
    named: bool
    escaping: Scheme | None = None


def choose_exposition(header: str) -> Wanted:
    """Return what an ``Accept`` header says about a page of metrics.

    OpenMetrics 1.0 has to be named, and liked no less than text. A reader that takes but another
    version of it gets this one, if it takes no text; one that takes neither gets text. The
    delimited protobuf format is not offered, however well it is liked.
    """
    if len(header) > _LONGEST_KEPT:
        return _choose_exposition(header)
    return _choose_exposition_kept(header)


def _choose_exposition(header: str) -> Wanted:
    text, text_exactness = 0.0, -1
    openmetrics = {True: 0.0, False: 0.0}
    named = False
    # How much it likes the format that an escaping comes with, and the escaping.
    escapings: dict[ExpositionFormat, tuple[float, Scheme]] = {}
    for name, parameters, weight in _items(header):
        named = named or name != "*/*"
        version = parameters.get("version", "")
        escaping = _SCHEMES.get(parameters.get("escaping", ""))
        form: ExpositionFormat = "text" if name == "text/plain" else "openmetrics"
        if escaping is not None and weight > escapings.get(form, (0.0, escaping))[0]:
            escapings[form] = weight, escaping
        if name == "application/openmetrics-text":
            ours = version in {"", "1.0.0", "1.0"}
            openmetrics[ours] = max(openmetrics[ours], weight)
        elif name == "text/plain" and version not in {"", "0.0.4", "1.0.0"}:
            continue
        elif name in _TEXT_RANGES:
            # The range that says most about our format counts.
            exactness = _TEXT_RANGES.index(name)
            if exactness > text_exactness:
                text, text_exactness = weight, exactness
            elif exactness == text_exactness:
                text = max(text, weight)
    chosen: ExpositionFormat = "text"
    if (openmetrics[True] > 0 and openmetrics[True] >= text) or (openmetrics[False] and not text):
        chosen = "openmetrics"
    return Wanted(chosen, named, escapings[chosen][1] if chosen in escapings else None)


_SCHEMES: dict[str, Scheme] = {scheme: scheme for scheme in SCHEMES}
_TEXT_RANGES = ("*/*", "text/*", "text/plain")
_choose_exposition_kept = lru_cache(maxsize=64)(_choose_exposition)


def choose_encoding(header: str) -> Encoding:
    """Return the coding that an ``Accept-Encoding`` header asks for.

    Of those that the reader likes equally, zstd comes first: it takes as long as gzip and leaves
    half as much. A reader that says nothing gets none, though any could be sent.
    """
    if header == "gzip":
        return "gzip"
    if len(header) > _LONGEST_KEPT:
        return _choose_encoding(header)
    return _choose_encoding_kept(header)


def _choose_encoding(header: str) -> Encoding:
    weights = dict(_weights(header))
    # What is not named means gzip, as more readers can take that.
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    zstd = weights.get("zstd", 0.0)
    best = max(gzip, zstd)
    if best <= 0 or best < weights.get("identity", 0.0):
        return "identity"
    return "zstd" if zstd == best else "gzip"


_choose_encoding_kept = lru_cache(maxsize=64)(_choose_encoding)


def has_tag(header: str, tag: str) -> bool:
    """Tell whether an ``If-None-Match`` header names an entity tag (RFC 9110 section 13.1.2).

    Args:
        header: Tags, weak ones too, or ``*``.
        tag: A strong one, with its quotes; there is no comma in it.
    """
    if header.strip() == "*":
        return True
    return any(each.strip().removeprefix("W/") == tag for each in header.split(","))


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
    return ((name, weight) for name, _, weight in _items(header))


def _items(header: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Yield the items of a header in lower case, with their parameters and their ``q``."""
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if not name:
            continue
        found = {}
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            found[key.strip()] = value.strip().strip('"')
        yield name, found, _weight(found.pop("q", "1"))


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0

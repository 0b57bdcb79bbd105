"""Names of UTF-8 for readers that can't take them.

The schemes are those that Prometheus's content negotiation names (``escaping=…`` of ``Accept``):
``underscores``, ``dots`` and ``values`` make names of letters, digits, underscores and, for
metrics, colons; ``allow-utf-8`` leaves them as they are, in quotes. Names that are plain already
stay as they are in every scheme, as in the pages of Prometheus's own libraries
(``EscapeMetricFamily`` of github.com/prometheus/common): also in ``dots``, though what is escaped
has its underscores doubled. ``aliases`` is ours: what the OpenMetrics page with names in quotes is
made of (``aliases.py``).
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from exporter_proxy.errors import quote
from exporter_proxy.exposition.aliases import alias
from exporter_proxy.exposition.model import Family, FamilyType, Quarantined

Scheme = Literal["allow-utf-8", "underscores", "dots", "values", "aliases"]
SCHEMES: tuple[Scheme, ...] = ("allow-utf-8", "underscores", "dots", "values")
"""Those that readers may ask for."""
DEFAULT_SCHEME: Scheme = "underscores"
"""For readers that name none: that takes every name, and leaves plain ones as they are."""

# Lines after which the event loop may be served: some milliseconds.
_LINES_A_STEP = 200
# Names whose escapes are remembered, as they come again and again; and how long these may be.
_MOST_KEPT = 4096
_LONGEST_KEPT = 256

_PLAIN_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*+", re.ASCII)
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*+", re.ASCII)
# A name in quotes, or a label with its value, as canonical sample lines have them.
_ITEM = re.compile(
    rb'(?:"((?:[^"\\]++|\\.)*+)"|([a-zA-Z_][a-zA-Z0-9_]*+))(?:="((?:[^"\\]++|\\.)*+)")?+,?+',
    re.DOTALL,
)
_HEAD = re.compile(
    rb'([a-zA-Z_:][a-zA-Z0-9_:]*+)?+(?:\{((?:[^"}]++|"(?:[^"\\]++|\\.)*+")*+)\})?+', re.DOTALL
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_UNESCAPED = {b"n": b"\n", b"\\": b"\\", b'"': b'"'}

# What the names of their samples have beyond the family's.
_SUFFIXES: dict[FamilyType, tuple[bytes, ...]] = {
    "histogram": (b"_bucket", b"_sum", b"_count"),
    "summary": (b"_sum", b"_count"),
    "gaugehistogram": (b"_bucket", b"_gsum", b"_gcount"),
}


class ClashError(Exception):
    """Two names are the same once they are escaped."""


class Escaped(NamedTuple):
    """An app's families for readers of one scheme, and those that no longer have a place."""

    families: Sequence[Family]
    quarantined: Sequence[Quarantined]


def quoted_name(name: bytes) -> bytes:
    """Return a metric's name as HELP and TYPE have it: in quotes if it isn't a plain one."""
    if _PLAIN_METRIC.fullmatch(name.decode(errors="replace")):
        return name
    return b'"%s"' % name.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


def escape_metric(name: bytes, scheme: Scheme) -> bytes:
    """Return a metric's name, escaped."""
    escape = _escape_kept if len(name) <= _LONGEST_KEPT else _escape
    return escape(name, scheme, _PLAIN_METRIC, colon=True)


def escape_label(name: bytes, scheme: Scheme) -> bytes:
    """Return a label's name, escaped."""
    escape = _escape_kept if len(name) <= _LONGEST_KEPT else _escape
    return escape(name, scheme, _PLAIN_LABEL, colon=False)


def escape_in_steps(families: Sequence[Family], scheme: Scheme) -> Generator[None, None, Escaped]:
    """Return an app's families with names that readers of ``scheme`` take, in steps.

    Where no name changes the families are the same objects. Where two names become one, of metrics
    or of the labels of a sample, the later family is held back.
    """
    changes = _changes(scheme)
    if not any(map(changes, families)):
        return Escaped(families, ())
    shown: list[Family] = []
    # Names that need no escape are taken first, wherever they stand: their series keep their names.
    taken = {family.name for family in families if not changes(family)}
    quarantined: list[Quarantined] = []
    for family in families:
        if not changes(family):
            shown.append(family)
            continue
        try:
            escaped = yield from _escape_family(family, scheme, taken)
        except ClashError as clash:
            quarantined.append(
                Quarantined(
                    family.name,
                    0,
                    "name_clash",
                    f"{quote(family.name.decode(errors='replace'))}: {clash}",
                    family.samples,
                )
            )
        else:
            taken.add(escaped.name)
            shown.append(escaped)
    return Escaped(shown, quarantined)


def _changes(scheme: Scheme) -> Callable[[Family], bool]:
    if scheme == "allow-utf-8":
        return lambda _family: False
    return lambda family: family.quoted


def _name_of_samples(family: Family, scheme: Scheme) -> Callable[[bytes], bytes]:
    """Return what escapes the names of a family's samples.

    What a histogram's or summary's have beyond the family's name stays: parsers look for it.
    """
    suffixes = _SUFFIXES.get(family.type, ())
    start = len(family.name)

    def escape(name: bytes) -> bytes:
        if name[start:] in suffixes and name.startswith(family.name):
            return escape_metric(family.name, scheme) + name[start:]
        return escape_metric(name, scheme)

    return escape


def _escape_family(
    family: Family, scheme: Scheme, taken: set[bytes]
) -> Generator[None, None, Family]:
    name = escape_metric(family.name, scheme)
    if name in taken:
        raise ClashError(
            f"its name becomes {quote(name.decode())} for readers that don't take UTF-8 names, "
            "as that of another family is"
        )
    lines = family.openmetrics
    of_samples = _name_of_samples(family, scheme)
    samples = yield from _escape_lines(family.samples, scheme, of_samples)
    if lines is not None:
        lines = yield from _escape_lines(lines, scheme, of_samples)
    return Family(
        name,
        family.type,
        samples,
        family.count,
        help=family.help,
        typed=family.typed,
        unit=family.unit,
        openmetrics=lines,
        aliased=scheme == "aliases",
        origin=None if name == family.name else family.name,
    )


def _escape_lines(
    lines: bytes, scheme: Scheme, of_samples: Callable[[bytes], bytes]
) -> Generator[None, None, bytes]:
    escaped = []
    for count, line in enumerate(lines.split(b"\n"), 1):
        if line:
            escaped.append(_escape_line(line, scheme, of_samples))
        if count % _LINES_A_STEP == 0:
            yield
    yield
    return b"".join(escaped)


def _escape_line(line: bytes, scheme: Scheme, of_samples: Callable[[bytes], bytes]) -> bytes:
    """Return a canonical sample line with its newline; value and timestamp stay."""
    match = _HEAD.match(line)
    assert match is not None
    name, inner = match.groups()
    in_quotes, labels = _escape_labels(inner or b"", scheme)
    braces = b"{%s}" % labels if labels else b""
    tail = line[match.end() :]
    if b" # {" in tail:
        tail = _escape_exemplar(tail, scheme)
    return of_samples(name or in_quotes) + braces + tail + b"\n"


def _escape_exemplar(tail: bytes, scheme: Scheme) -> bytes:
    """Return what follows a sample's labels, without the exemplar if that has no place."""
    values, _, exemplar = tail.partition(b" # ")
    match = _HEAD.match(exemplar)
    assert match is not None
    try:
        _, labels = _escape_labels(match[2] or b"", scheme)
    except ClashError:
        return values
    return b"%s # {%s}%s" % (values, labels, exemplar[match.end() :])


def _escape_labels(inner: bytes, scheme: Scheme) -> tuple[bytes, bytes]:
    """Return the metric's name, if it is within the braces, and the labels, escaped."""
    name = b""
    labels: list[tuple[bytes, bytes]] = []
    for item, value in _items(inner):
        if value is None:
            name = item
        else:
            labels.append((escape_label(item, scheme), value))
    if len({label for label, _ in labels}) < len(labels):
        raise ClashError("two labels of a sample become one")
    for label, _ in labels:
        if label.startswith(b"__"):
            raise ClashError(f"a label's name becomes {quote(label.decode())}, which is reserved")
    return name, b",".join(b'%s="%s"' % pair for pair in labels)


def _items(inner: bytes) -> Iterable[tuple[bytes, bytes | None]]:
    for match in _ITEM.finditer(inner):
        quoted, plain, value = match.groups()
        yield (plain if quoted is None else _unescape(quoted)), value


def _unescape(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _UNESCAPED.get(match[1], match[0]), text)


def _escape(name: bytes, scheme: Scheme, plain: re.Pattern[str], *, colon: bool) -> bytes:
    text = name.decode(errors="replace")
    if scheme == "allow-utf-8" or plain.fullmatch(text):
        return name
    if scheme == "aliases":
        return alias(name)
    start = "U__" if scheme == "values" else ""
    return (start + "".join(_characters(text, scheme, colon=colon))).encode()


_escape_kept = lru_cache(maxsize=_MOST_KEPT)(_escape)


def _characters(text: str, scheme: Scheme, *, colon: bool) -> Iterator[str]:
    for place, character in enumerate(text):
        fits = (
            character.isascii()
            and (character.isalpha() or character == "_" or (character.isdigit() and place > 0))
        ) or (colon and character == ":")
        if scheme == "underscores":
            yield character if fits else "_"
        elif character == "_":
            yield "__"
        elif scheme == "dots" and character == ".":
            yield "_dot_"
        elif fits:
            yield character
        else:
            yield "__" if scheme == "dots" else f"_{ord(character):x}_"

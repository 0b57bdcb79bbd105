"""Which samples are of the same series: name and labels, in whatever order the labels stand.

Nearly always the samples of a family that have the same labels have them in the same order. Then
two are of the same series if they begin with the same text, and nothing takes a step of Python for
each sample.
"""

import re
from collections.abc import Iterable, Iterator

from exporter_proxy.exposition.lines import HEAD, ITEM
from exporter_proxy.exposition.model import FamilyType

# A value, and a timestamp where there is one: what a sample has behind its series. Neither has a
# quote or a brace, so that blanks in a label's value are not taken for those before them.
_VALUES = re.compile(rb' [^ \n"}]++(?: -?[0-9]++)?+$', re.MULTILINE)
_ESCAPES = re.compile(rb"\\.")
_TIME = re.compile(rb' [^ \n"}]++ (-?[0-9]++)$')

_SUMS = (b"_sum", b"_count")

GROUPED: frozenset[FamilyType] = frozenset({"summary", "stateset"})
"""Types of which OpenMetrics' parsers want all samples together that differ in name, ``quantile``
or state alone, and of which two apps may have some each."""


def text_of_series(samples: bytes) -> bytes:
    """Return samples of the text format without values and timestamps."""
    return _VALUES.sub(b"", samples)


def series_of(samples: bytes) -> list[bytes]:
    """Return name and labels of each sample, in their order."""
    return text_of_series(samples).split(b"\n")[:-1]


def times_of(lines: Iterable[bytes]) -> list[int | None]:
    """Return the timestamps of samples of the text format, in milliseconds."""
    found = (_TIME.search(line) for line in lines)
    return [None if each is None else int(each[1]) for each in found]


class Orders:
    """The orders in which the samples of a family have their labels.

    Args:
        quoted: Whether names may stand in quotes: they are not told from values here.
        drop: If given, names of samples and this label don't count.

    Attributes:
        differ: Whether the same labels (of the same name) were seen in two orders.
    """

    __slots__ = ("_drop", "_orders", "_shapes", "differ")

    def __init__(self, *, quoted: bool = False, drop: bytes | None = None) -> None:
        self.differ = quoted
        self._drop = None if drop is None else drop + b"="
        self._shapes: set[bytes] = set()
        self._orders: dict[tuple[bytes, ...], list[bytes]] = {}

    def add(self, series: bytes) -> None:
        """Take note of the orders in lines of series."""
        if self.differ or b'",' not in series:
            return
        if b"\\" in series:
            series = _ESCAPES.sub(b"", series)
        # Every other part is between quotes.
        shapes = set(b"".join(series.split(b'"')[::2]).split(b"\n"))
        for shape in shapes - self._shapes:
            self._shapes.add(shape)
            name, _, inner = shape.partition(b"{")
            labels = inner.rstrip(b"}").split(b",")
            if self._drop is not None:
                name = b""
                labels = [label for label in labels if label != self._drop]
            if self._orders.setdefault((name, *sorted(labels)), labels) != labels:
                self.differ = True


def keys_of(series: Iterable[bytes], drop: bytes | None = None) -> Iterator[bytes]:
    """Yield a key for each of some series that is the same for the same one.

    Args:
        series: Names and labels.
        drop: If given, series have the same key that differ in name or in this label alone; not
            those that have neither the label nor the suffix of a sum or count.
    """
    for each in series:
        head = HEAD.match(each)
        assert head is not None
        name, inner = head.groups()
        items = sorted(label + (value or b"") for label, value in ITEM.findall(inner or b""))
        if drop is not None:
            start = drop + b"="
            others = [item for item in items if not item.startswith(start)]
            if len(others) < len(items) or name.endswith(_SUMS):
                name, items = b"", others
        # A newline, as none is in a name or label.
        yield b"\n".join((name, *items))


def dropped_label(name: bytes, kind: FamilyType) -> bytes:
    """Return the label that tells apart the samples of a metric, for a type of ``GROUPED``."""
    return b"quantile" if kind == "summary" else name

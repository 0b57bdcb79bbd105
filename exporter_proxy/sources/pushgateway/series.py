"""Series as Prometheus tells them apart: a name and labels, whatever their order; none is empty."""

import re
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping

from exporter_proxy.exposition.lines import HEAD, ITEM, windows
from exporter_proxy.exposition.model import Family
from exporter_proxy.exposition.series import escape_label

Labels = Mapping[bytes, bytes]
"""``{name: value}``, both as they stand in a line, without the value's quotes."""
Series = tuple[bytes, frozenset[tuple[bytes, bytes]]]
"""A metric's name and its labels."""

# What a sample has behind its series: a value, and a timestamp where there is one.
_VALUES = re.compile(rb' [^ \n"}]++(?: [0-9]++)?+$', re.MULTILINE)
_STRINGS = re.compile(rb'"(?:[^"\\\n]|\\.)*+"')
_LABEL_NAMES = re.compile(rb'[{,]([^{},="\s]++)=$', re.MULTILINE)
_QUOTED_NAMES = re.compile(rb'[{,]("(?:[^"\\\n]|\\.)*+")=')
_EMPTY = b'=""'
_WINDOW = 131_072
_SERIES_WINDOW = 8_192
# Series of more samples are spread over sets of so many, as a large set holds the loop when it
# grows, and when it is let go of.
_MANY = 32_768
_IN_A_PART = 4_096
_PARTS = 64
_LET_GO_A_STEP = 1_000
MOST_LABEL_NAMES = 10_000
"""Of the samples of a body; of more none is known."""


def written(labels: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return labels of a group as they stand in a line."""
    return {
        (
            name if name.isidentifier() and name.isascii() else f'"{escape_label(name)}"'
        ).encode(): escape_label(value).encode()
        for name, value in labels.items()
    }


def series_in(samples: bytes, own: Labels) -> Iterator[Series]:
    """Yield the series of each sample.

    Args:
        samples: Lines as the reader writes them.
        own: Labels that win over those of a sample.
    """
    for line in samples.split(b"\n")[:-1]:
        found = HEAD.match(line)
        assert found is not None
        name, braces = found.groups()
        labels: dict[bytes, bytes] = {}
        for item in ITEM.finditer(braces or b""):
            label, value = item.groups()
            if value is None:
                name = label
            else:
                labels[label] = value[2:-1]
        labels.update(own)
        yield name, frozenset([pair for pair in labels.items() if pair[1]])


def label_names(samples: bytes) -> frozenset[bytes]:
    """Return the names of all labels in ``samples``; maybe some that none has."""
    # Each string's beginning is where a line ends now: a name is what is before it.
    names = frozenset(_LABEL_NAMES.findall(_STRINGS.sub(b"\n", samples)))
    return names.union(_QUOTED_NAMES.findall(samples)) if b'"=' in samples else names


def with_label_names(names: set[bytes] | None, samples: bytes) -> set[bytes] | None:
    """Return ``names`` with those of all labels in ``samples``; None: too many to know them."""
    if names is not None:
        names |= label_names(samples)
        if len(names) > MOST_LABEL_NAMES:
            return None
    return names


class SeriesSet:
    """A set of series that may be very many.

    It grows in parts, and is let go of in steps: a set of a million holds the loop at both.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: defaultdict[int, set[Series]] = defaultdict(set)

    def __contains__(self, series: Series) -> bool:
        """Tell whether a series is in it."""
        return series in self._parts.get(hash(series) % _PARTS, ())

    def add(self, series: Series) -> bool:
        """Add a series; tell whether it was not there."""
        part = self._parts[hash(series) % _PARTS]
        before = len(part)
        part.add(series)
        return len(part) > before

    def add_in_steps(self, samples: bytes, own: Labels) -> Generator[None, None, Series | None]:
        """Add the series of samples; return the first that was there already, or None.

        Args:
            samples: Lines as the reader writes them.
            own: Labels that win over those of a sample.
        """
        twice: Series | None = None
        for window in windows(samples, _SERIES_WINDOW):
            for series in series_in(window, own):
                if not self.add(series) and twice is None:
                    twice = series
            yield
        return twice

    def let_go(self) -> Generator[None, None, None]:
        """Forget all series."""
        while self._parts:
            _, part = self._parts.popitem()
            while len(part) > _LET_GO_A_STEP:
                for _ in range(_LET_GO_A_STEP):
                    part.pop()
                yield
        yield


def repeated_in_steps(family: Family, own: Labels) -> Generator[None, None, Series | None]:
    """Return a series that two samples of a family have, or None if there is none.

    Args:
        family: As the reader gives it.
        own: Labels that win over those of the samples.

    Yields:
        Nothing, after a millisecond or two.
    """
    if family.count < 2 or not (yield from _may_repeat(family, own)):
        return None
    seen = SeriesSet()
    twice = yield from seen.add_in_steps(family.samples, own)
    yield from seen.let_go()
    return twice


def _may_repeat(family: Family, own: Labels) -> Generator[None, None, bool]:
    """Tell whether two samples may have the same series: else their texts show that none have."""
    # Series are as many texts. What they differ in is in the values of labels alone, lest two be
    # the same with their labels in another order.
    many = family.count > _MANY
    parts: list[set[bytes]] = [set() for _ in range(family.count // _IN_A_PART if many else 1)]
    orders: set[bytes] = set()
    distinct = 0
    given = [name + b'="' for name in own]
    for window in windows(family.samples, _WINDOW):
        text = _VALUES.sub(b"", window)
        orders.update(_STRINGS.sub(b"", text).split(b"\n"))
        # What is behind the last newline is one more.
        alike = len(orders) == 2 and _EMPTY not in window
        if not alike or any(name in window for name in given):
            distinct = -family.count
            break
        series = text.split(b"\n")[:-1]
        if len(parts) == 1:
            parts[0].update(series)
        else:
            for each in series:
                parts[hash(each) % len(parts)].add(each)
        yield
    while parts:
        distinct += len(parts.pop())
        yield
    return distinct < family.count


def shown(series: Series) -> str:
    """Return a series for a message."""
    name, labels = series
    pairs = ",".join(f'{label.decode()}="{value.decode()}"' for label, value in sorted(labels))
    return f"{name.decode()}{{{pairs}}}"

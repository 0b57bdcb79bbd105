"""Series as Prometheus tells them apart: a name and labels, whatever their order; none is empty."""

import re
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


def repeated_in_steps(family: Family, own: Labels) -> Generator[None, None, Series | None]:
    """Return a series that two samples of a family have, or None if there is none.

    Args:
        family: As the reader gives it.
        own: Labels that win over those of the samples.

    Yields:
        Nothing, after a millisecond or two.
    """
    if family.count < 2:
        return None
    heads: set[bytes] = set()
    orders: set[bytes] = set()
    alike = True
    for window in windows(family.samples, _WINDOW):
        series = _VALUES.sub(b"", window)
        heads.update(series.split(b"\n"))
        # Where texts differ, two can be the same only with their labels in another order.
        orders.update(_STRINGS.sub(b"", series).split(b"\n"))
        alike = alike and _EMPTY not in window and not any(name + b'="' in window for name in own)
        yield
    # What is behind the last newline is one more.
    if alike and len(orders) == 2 and len(heads) == family.count + 1:
        return None
    seen: set[Series] = set()
    for window in windows(family.samples, _WINDOW // 16):
        for each in series_in(window, own):
            if each in seen:
                return each
            seen.add(each)
        yield
    return None


def shown(series: Series) -> str:
    """Return a series for a message."""
    name, labels = series
    pairs = ",".join(f'{label.decode()}="{value.decode()}"' for label, value in sorted(labels))
    return f"{name.decode()}{{{pairs}}}"

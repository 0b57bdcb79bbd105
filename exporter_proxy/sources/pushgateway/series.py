"""Series as Prometheus tells them apart: a name and labels, whatever their order; none is empty."""

import re
from collections.abc import Iterator, Mapping

from exporter_proxy.exposition.lines import HEAD, ITEM
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


def repeated_in(family: Family, own: Labels) -> Series | None:
    """Return a series that two samples of a family have, or None if there is none.

    Args:
        family: As the reader gives it.
        own: Labels that win over those of the samples.
    """
    samples = family.samples
    if family.count < 2:
        return None
    heads = _VALUES.sub(b"", samples).split(b"\n")[:-1]
    if (
        len(set(heads)) == len(heads)
        and _EMPTY not in samples
        and not any(name + b'="' in samples for name in own)
        # As their texts differ, two can be the same only with their labels in another order.
        and len(set(_STRINGS.sub(b"", b"\n".join(heads)).split(b"\n"))) == 1
    ):
        return None
    seen: set[Series] = set()
    for series in series_in(samples, own):
        if series in seen:
            return series
        seen.add(series)
    return None


def shown(series: Series) -> str:
    """Return a series for a message."""
    name, labels = series
    pairs = ",".join(f'{label.decode()}="{value.decode()}"' for label, value in sorted(labels))
    return f"{name.decode()}{{{pairs}}}"

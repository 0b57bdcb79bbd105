"""Metrics in OpenMetrics' sense: all samples of a family that have the same labels.

OpenMetrics wants the samples of a metric next to one another, and a histogram or summary whole and
in order; the text format does not care. A metric is known here by its labels as they are written,
without braces, ``le`` and ``quantile`` left out.
"""

from collections.abc import Callable, Collection, Container, Generator
from itertools import chain
from typing import NamedTuple

from exporter_proxy.exposition.lines import ITEM, windows
from exporter_proxy.exposition.merged.cells import (
    SAMPLE,
    SERIES,
    openmetrics_lines,
    split_lines,
    without_exemplars,
)
from exporter_proxy.exposition.merged.series import Orders, text_of_series
from exporter_proxy.exposition.model import Family, FamilyType

# Lines, or bytes of them, looked at before the event loop is served.
_STEP = 1024
_STEP_BYTES = 65_536


class _Shape(NamedTuple):
    """Suffixes of the samples of a type: those told apart by a label, that label, sum and count."""

    bounded: bytes
    label: bytes
    total: bytes
    counted: bytes


_SHAPES: dict[FamilyType, _Shape] = {
    "histogram": _Shape(b"_bucket", b'le="', b"_sum", b"_count"),
    "gaugehistogram": _Shape(b"_bucket", b'le="', b"_gsum", b"_gcount"),
    "summary": _Shape(b"", b'quantile="', b"_sum", b"_count"),
}


# A sample of a histogram or summary: its metric, suffix, bound (of a bucket or quantile), value and
# timestamp. No named tuple: there is one for each line.
_Line = tuple[bytes, bytes, bytes, bytes, bytes | None]
_Reader = Callable[[bytes], _Line | None]
_MetricReader = Callable[[bytes], tuple[bytes, bytes | None]]


def _reader(name: bytes, shape: _Shape, *, plain: bool) -> _Reader:
    """Return what reads a line; ``plain`` ones have neither timestamps nor exemplars."""
    head = name + shape.bounded + b"{"
    start, bounded = len(head), shape.bounded
    label, skip = shape.label, len(shape.label)
    roles = {name + shape.total: shape.total, name + shape.counted: shape.counted}

    def read(line: bytes) -> _Line | None:
        if plain:
            series, _, value = line.rpartition(b" ")
            time = None
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample is not None  # readers write nothing else
            series = sample[1] if sample[2] is None else sample[1] + b"{" + sample[2] + b"}"
            value, time = sample[3], sample[4]
        if series.startswith(head):
            if series[-1] != 0x7D:
                # a timestamp of zero, which is the same in both formats, so that this seemed plain
                return None
            # What looks like the label but is a value's end is followed by no number: the quote
            # after its "=" closes the value.
            at = series.rfind(label, start)
            if at == start or (at > start and series[at - 1] == 0x2C):
                end = series.find(b'"', at + skip)
                metric = series[start : at - 1]
                if end + 2 < len(series):
                    rest = series[end + 2 : -1]
                    metric = metric + b"," + rest if metric else rest
                return metric, bounded, series[at + skip : end], value, time
            return None
        named, _, labels = series.partition(b"{")
        role = roles.get(named)
        if role is None or (labels and labels[-1] != 0x7D):
            return None
        return labels[:-1], role, b"", value, time

    return read


def _orders_differ(*cells: Family) -> Generator[None, None, bool]:
    """Tell, in steps, whether cells have the labels of a metric in two orders."""
    shape = _SHAPES.get(cells[0].type)
    orders = Orders(drop=b"" if shape is None else shape.label[:-2])
    for cell in cells:
        for window in windows(cell.samples, _STEP_BYTES):
            orders.add(text_of_series(window))
            if len(window) < len(cell.samples):
                yield
    return orders.differ


def _sorted(metric: bytes) -> bytes:
    return b",".join(sorted(b"".join(item) for item in ITEM.findall(metric)))


def _in_any_order(read: _Reader) -> _Reader:
    def sorting(line: bytes) -> _Line | None:
        sample = read(line)
        return None if sample is None else (_sorted(sample[0]), *sample[1:])

    return sorting


class _Metric:
    """Checks the samples of one metric, as parsers do."""

    __slots__ = ("_bound", "_bounds", "_kind", "_negative", "_value", "count", "time", "total")

    def __init__(self, kind: FamilyType, time: bytes | None) -> None:
        self._kind = kind
        self.time = time
        self._bound = float("-inf")
        self._bounds: set[float] = set()
        self._value: float = 0
        self._negative = False
        self.count: float | None = None
        self.total: float | None = None

    def bucket(self, bound: float, value: float) -> bool:
        """Take a bucket; tell whether it is in order."""
        if not (bound > self._bound and value >= self._value) or value % 1:
            return False
        self._bound, self._value = bound, value
        if bound < 0:
            self._negative = True
        return value != float("inf")

    def quantile(self, bound: float, value: float) -> bool:
        """Take a quantile; tell whether it can be one, and is the only one."""
        if not 0 <= bound <= 1 or value < 0 or bound in self._bounds:
            return False
        self._bounds.add(bound)
        return True

    def add(self, value: float, *, is_count: bool) -> bool:
        """Take sum or count; tell whether it is the only one, and can be one."""
        if is_count:
            if self.count is not None:
                return False
            self.count = value
            return 0 <= value < float("inf") and not value % 1
        if self.total is not None:
            return False
        self.total = value
        return value >= 0 or (self._kind == "gaugehistogram" and value < 0)

    def is_whole(self) -> bool:
        """Tell whether nothing is missing once all samples were taken."""
        if self._kind == "summary":
            return True
        if self._bound != float("inf") or (self.count is None) != (self.total is None):
            return False
        if self.count is not None and self.count != self._value:
            return False
        if self._kind == "histogram":
            return not (self._negative and self.total is not None)
        return self._negative or self.total is None or self.total >= 0


def arrange(cell: Family) -> Generator[None, None, bytes | None]:
    """Write a histogram, gaugehistogram or summary as OpenMetrics has it, in steps.

    The value of the generator is the samples, the same object where nothing had to be moved; None
    if they are not valid for their type.
    """
    text = openmetrics_lines(cell)
    kind, shape = cell.type, _SHAPES[cell.type]
    read = _reader(cell.name, shape, plain=cell.openmetrics is None)
    if (yield from _orders_differ(cell)):
        read = _in_any_order(read)
    lines = split_lines(text)
    if b" # {" in text:
        bucket = cell.name + b"_bucket{"
        allowed = kind != "summary"
        lines = [
            line if allowed and line.startswith(bucket) else without_exemplars(line)
            for line in lines
        ]
    scattered = yield from _check(kind, shape, lines, read)
    if scattered is None:
        return None
    if scattered:
        metrics: dict[bytes, list[bytes]] = {}
        for count, line in enumerate(lines, 1):
            sample = read(line)
            if sample is None:
                return None
            metrics.setdefault(sample[0], []).append(line)
            if not count % _STEP:
                yield
        lines = [line for metric in metrics.values() for line in metric]
        if (yield from _check(kind, shape, lines, read)) is None:
            return None
    elif b" # {" not in text:
        return text
    written = b"\n".join((*lines, b""))
    return text if written == text else written


def _check(
    kind: FamilyType, shape: _Shape, lines: list[bytes], read: _Reader
) -> Generator[None, None, bool | None]:
    """Check lines in steps; tell whether metrics are scattered. None: they are not valid."""
    seen: set[bytes] = set()
    current: bytes | None = None
    metric = _Metric(kind, None)
    take = metric.bucket
    whole = True
    for start in range(0, len(lines), _STEP):
        for line in lines[start : start + _STEP]:
            sample = read(line)
            if sample is None:
                return None
            key, role, bound, value, time = sample
            if key != current:
                if key in seen:
                    return True
                whole = whole and (current is None or metric.is_whole())
                seen.add(key)
                current = key
                metric = _Metric(kind, time)
                take = metric.quantile if kind == "summary" else metric.bucket
            elif time != metric.time:
                return None
            number = int(value) if value.isdigit() else float(value)
            if role == shape.bounded:
                good = take(_bound(bound), number)
            else:
                good = metric.add(number, is_count=role == shape.counted)
            if not good:
                return None
        yield
    return False if whole and (current is None or metric.is_whole()) else None


def _bound(text: bytes) -> float:
    """Return a bucket's or quantile's number; that of no other if it is not written as it must."""
    try:
        number = float(text)
    except ValueError:
        return float("nan")
    return number if number != float("inf") or text == b"+Inf" else float("nan")


def fold(cell: Family, text: bytes, created: Family) -> Generator[None, None, tuple[bytes, int]]:
    """Put each ``_created`` sample behind the metric that it belongs to, in steps.

    Args:
        cell: A counter, histogram or summary.
        text: Its samples, arranged.
        created: The gauge of the same app that has the times at which the metrics were created.

    Returns:
        The samples, the same object if there was nothing to put between them, and how many of
        ``created`` belong to none of the metrics.
    """
    together = _interleave(cell, created)
    if together is not None:
        return together, 0
    differ = yield from _orders_differ(cell, created)
    times = yield from _times(created, _sorted if differ else bytes)
    left = created.samples.count(b"\n")
    read = _metric_reader(cell, differ=differ)
    written: list[bytes] = []
    current: bytes | None = None
    time: bytes | None = None
    for count, line in enumerate(split_lines(text), 1):
        key, its_time = read(line)
        if key != current or its_time != time:
            if current is not None and (current, time) in times:
                written.append(times.pop((current, time)))
            current, time = key, its_time
        written.append(line)
        if not count % _STEP:
            yield
    if current is not None and (current, time) in times:
        written.append(times.pop((current, time)))
    folded = len(written) - text.count(b"\n")
    return (b"\n".join((*written, b"")) if folded else text), left - folded


def _interleave(cell: Family, created: Family) -> bytes | None:
    """Fold where a counter and its times have the same metrics in the same order, nearly always.

    None: it is not so, or there are too many of them for one step.
    """
    count = cell.samples.count(b"\n")
    plain = cell.type not in _SHAPES and cell.openmetrics is None and created.openmetrics is None
    if not plain or count > _STEP or created.samples.count(b"\n") != count:
        return None
    counters, times = split_lines(cell.samples), split_lines(created.samples)
    start = len(cell.name)
    metrics = [line[start : line.rfind(b" ")] for line in counters]
    start = len(created.name)
    if metrics != [line[start : line.rfind(b" ")] for line in times]:
        return None
    return b"\n".join((*chain.from_iterable(zip(counters, times, strict=True)), b""))


def _times(
    created: Family, key: Callable[[bytes], bytes]
) -> Generator[None, None, dict[tuple[bytes, bytes | None], bytes]]:
    """Return the lines of a ``_created`` family by metric and timestamp, without exemplars."""
    times: dict[tuple[bytes, bytes | None], bytes] = {}
    for count, line in enumerate(split_lines(without_exemplars(openmetrics_lines(created))), 1):
        sample = SAMPLE.fullmatch(line)
        assert sample is not None  # readers write nothing else
        times.setdefault((key(sample[2] or b""), sample[4]), line)
        if not count % _STEP:
            yield
    return times


def _metric_reader(cell: Family, *, differ: bool, plain: bool | None = None) -> _MetricReader:
    """Return what tells which metric a line is of, and its timestamp.

    Args:
        cell: Whose lines.
        differ: Whether labels stand in different orders.
        plain: Whether lines have neither timestamps nor exemplars; None: as OpenMetrics has them.
    """
    if plain is None:
        plain = cell.openmetrics is None
    shape = _SHAPES.get(cell.type)
    if shape is not None:
        read = _reader(cell.name, shape, plain=plain)
        if differ:
            read = _in_any_order(read)

        def metric(line: bytes) -> tuple[bytes, bytes | None]:
            sample = read(line)
            if sample is None:
                # None of its type's samples: a metric of its own, as no labels look like it.
                series = SERIES.match(line)
                assert series is not None  # readers write nothing else
                return series[0], None
            return sample[0], sample[4]

        return metric
    start = len(cell.name) + 1
    if plain and not differ:
        return lambda line: (line.rpartition(b" ")[0][start:-1], None)

    def counter(line: bytes) -> tuple[bytes, bytes | None]:
        sample = SAMPLE.fullmatch(line)
        assert sample is not None  # readers write nothing else
        labels = sample[2] or b""
        return _sorted(labels) if differ else labels, sample[4]

    return counter


def without(cell: Family, series: Collection[bytes]) -> Generator[None, None, Family]:
    """Return a cell, in steps, without the metrics of some series: what others have already.

    Args:
        cell: What an app has of a family.
        series: Names and labels, as they stand in its samples.
    """
    differ = yield from _orders_differ(cell)
    read = _metric_reader(cell, differ=differ)
    metrics: set[bytes] = set()
    for count, each in enumerate(series, 1):
        metrics.add(read(each + b" 0")[0])
        if not count % _STEP:
            yield
    openmetrics = cell.openmetrics
    of_text = _metric_reader(cell, differ=differ, plain=False)
    samples = yield from _leave_out(cell.samples, metrics, of_text)
    if openmetrics is not None:
        openmetrics = yield from _leave_out(openmetrics, metrics, read)
    return Family(
        cell.name,
        cell.type,
        samples,
        samples.count(b"\n"),
        help=cell.help,
        typed=cell.typed,
        unit=cell.unit,
        openmetrics=openmetrics,
        quoted=cell.quoted,
    )


def _leave_out(
    text: bytes, metrics: Container[bytes], read: _MetricReader
) -> Generator[None, None, bytes]:
    parts = []
    for window in windows(text, _STEP_BYTES):
        parts += [line for line in split_lines(window) if read(line)[0] not in metrics]
        if len(window) < len(text):
            yield
    return b"\n".join((*parts, b""))

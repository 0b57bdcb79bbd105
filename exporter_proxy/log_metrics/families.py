"""Metric families that count: a bounded number of series, written as text format 0.0.4."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any, Generic, TypeVar

from exporter_proxy.exposition.grammar import escape, escape_help
from exporter_proxy.log_metrics.numbers import add_exactly
from exporter_proxy.log_metrics.settings import Action, MetricType

Labels = tuple[str, ...]
Number = int | float
V = TypeVar("V")

OVERFLOW = "__overflow__"
"""The value of every label of the series for what has no place of its own."""
LONGEST_LABEL = 1_024
"""Characters of a label's value; more are cut."""


class Family(Generic[V]):
    """One metric family.

    Amounts are kept in the log's unit, whole numbers as such, so that sums don't depend on how
    lines came in blocks; ``scale`` makes the metric's unit of them when they are written.

    Args:
        name: The family's name.
        help_text: What it tells.
        label_names: The labels that every series has.
        max_series: Label sets that get a series; the overflow series is one more.
        scale: From the log's unit to the metric's; above 0.
    """

    type: MetricType

    def __init__(
        self,
        name: str,
        help_text: str,
        label_names: Sequence[str] = (),
        max_series: int = 1000,
        scale: float = 1.0,
    ) -> None:
        self.name = name
        self.label_names = tuple(label_names)
        self.overflowed = 0
        self._head = b"# HELP %s %s\n# TYPE %s %s\n" % (
            name.encode(),
            escape_help(help_text.encode(errors="replace")),
            name.encode(),
            self.type.encode(),
        )
        self._max_series = max_series
        self._scale = scale
        self._overflow: Labels = (OVERFLOW,) * len(self.label_names)
        self._series: dict[Labels, V] = {}
        self._shown: dict[Labels, bytes] = {}
        if not self.label_names and self.type != "gauge":
            # from the start, so that rate() sees the first event
            self._series[()] = self._new()

    def _new(self) -> V:
        """Return what a new series begins with."""
        raise NotImplementedError

    def _place(self, labels: Labels, events: int = 1) -> Labels:
        """Return the labels under which ``events`` are counted; the series is there then."""
        if labels in self._series:
            return labels
        if any(len(value) > LONGEST_LABEL for value in labels):
            return self._place(tuple(value[:LONGEST_LABEL] for value in labels), events)
        if len(self._series) - (self._overflow in self._series) >= self._max_series and labels:
            self.overflowed += events
            labels = self._overflow
        self._series.setdefault(labels, self._new())
        return labels

    def exposition(self) -> bytes:
        """Return HELP, TYPE and the samples, sorted by their labels."""
        return self._head + b"".join(
            self._samples(self._label_text(labels), value)
            for labels, value in sorted(self._series.items())
        )

    def _samples(self, labels: bytes, value: V) -> bytes:
        """Return the sample lines of one series; ``labels`` without braces."""
        raise NotImplementedError

    def _line(self, suffix: bytes, labels: bytes, value: Number) -> bytes:
        braces = b"{%s}" % labels if labels else b""
        return b"%s%s%s %s\n" % (self.name.encode(), suffix, braces, show_number(value))

    def _scaled(self, value: Number | Decimal) -> Number:
        if isinstance(value, Decimal):
            value = float(value)
        return value if self._scale == 1 else value * self._scale

    def _label_text(self, labels: Labels) -> bytes:
        text = self._shown.get(labels)
        if text is None:
            text = self._shown[labels] = b",".join(
                b'%s="%s"' % (name.encode(), escape(value.encode(errors="replace")))
                for name, value in zip(self.label_names, labels, strict=True)
            )
        return text

    def state(self) -> list[tuple[Labels, Any]]:
        """Return the series, for :meth:`restore`."""
        return list(self._series.items())

    def restore(self, series: Iterable[tuple[Labels, Any]]) -> None:
        """Take the place of all series.

        Raises:
            ValueError: They are not those of such a family; nothing has changed.
        """
        restored: dict[Labels, V] = {}
        for labels, value in series:
            if len(labels) != len(self.label_names):
                raise ValueError(self.name)
            restored[labels] = self._check(value)
        self._series = restored
        self._shown = {}

    def _check(self, value: Any) -> V:
        """Return a restored series' value.

        Raises:
            ValueError: It is none.
        """
        raise NotImplementedError


class CounterFamily(Family[Number]):
    """A counter."""

    type: MetricType = "counter"

    def _new(self) -> Number:
        return 0

    def add(self, labels: Labels, amount: Number, events: int = 1) -> None:
        """Count ``amount``, which is at least 0, for ``events`` events."""
        if labels not in self._series:
            labels = self._place(labels, events)
        self._series[labels] += amount

    def _samples(self, labels: bytes, value: Number) -> bytes:
        return self._line(b"", labels, self._scaled(value))

    def _check(self, value: Any) -> Number:
        number: Number = _check_number(value)
        return number


class GaugeFamily(CounterFamily):
    """A gauge, which is set or moved."""

    type: MetricType = "gauge"

    def apply(self, labels: Labels, amount: Number, action: Action) -> None:
        """Do one event's ``action`` with ``amount``."""
        labels = self._place(labels)
        if action == "set":
            self._series[labels] = amount
        else:
            self._series[labels] += amount if action == "add" else -amount


class HistogramFamily(Family[list[Any]]):
    """A histogram.

    Args:
        buckets: Upper bounds in the metric's unit, ascending, without ``+Inf``.
    """

    type: MetricType = "histogram"

    def __init__(
        self,
        name: str,
        help_text: str,
        buckets: Sequence[float],
        label_names: Sequence[str] = (),
        max_series: int = 1000,
        scale: float = 1.0,
    ) -> None:
        # 15 digits: 0.3 / 0.001 must be 300, as the log has it
        self.bounds = [float(f"{bound / scale:.15g}") for bound in buckets]
        super().__init__(name, help_text, label_names, max_series, scale)
        self._bucket_names = [b'le="%s"' % show_number(bound) for bound in buckets] + [b'le="+Inf"']

    def _new(self) -> list[Any]:
        return [0] * (len(self.bounds) + 2)

    def observe(
        self,
        labels: Labels,
        amounts: Sequence[Number],
        times: Sequence[int] | None,
        total: int | Decimal,
    ) -> None:
        """Count ``amounts``, in the log's unit.

        Args:
            labels: Of the series.
            amounts: At least one.
            times: How often each of them is counted; None: once.
            total: The sum of all, exactly: it doesn't depend on how they came in blocks.
        """
        # sorted: three times as fast as looking for the bucket of each
        ascending: Sequence[Number]
        upto: Sequence[int]
        if times is None:
            ascending, upto = sorted(amounts), range(len(amounts) + 1)
        else:
            order = sorted(range(len(amounts)), key=amounts.__getitem__)
            ascending = [amounts[place] for place in order]
            upto = [0, *accumulate(times[place] for place in order)]
        series = self._series[self._place(labels, upto[-1])]
        before = 0
        for place, bound in enumerate(self.bounds):
            if before == len(ascending):
                break
            after = bisect_right(ascending, bound, before)
            series[place] += upto[after] - upto[before]
            before = after
        series[-2] += upto[-1] - upto[before]
        series[-1] = add_exactly(series[-1], total)

    def _samples(self, labels: bytes, value: list[Any]) -> bytes:
        front = labels + b"," if labels else b""
        *counts, total = value
        cumulative = list(accumulate(counts))
        lines = [
            self._line(b"_bucket", front + bound, count)
            for bound, count in zip(self._bucket_names, cumulative, strict=True)
        ]
        lines.append(self._line(b"_sum", labels, self._scaled(total)))
        lines.append(self._line(b"_count", labels, cumulative[-1]))
        return b"".join(lines)

    def _check(self, value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) != len(self.bounds) + 2:
            raise ValueError(self.name)
        return [_check_number(number) for number in value]


def _check_number(value: object) -> Any:
    if isinstance(value, str):  # a whole number of more than 64 bits, or an exact sum
        return int(value) if value.isdigit() else _decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")  # noqa: TRY004  # one error for all that is damaged
    return value


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite():
        raise ValueError("not a number")
    return number


def show_number(value: Number) -> bytes:
    """Return ``value`` as the text format has it; one beyond a float as infinite."""
    if isinstance(value, int) and value.bit_length() <= 1000:
        return b"%d" % value
    try:
        number = float(value)
    except OverflowError:
        return b"+Inf"
    if number.is_integer() and abs(number) < 1e15:
        return b"%d" % int(number)
    return repr(number).replace("inf", "Inf").replace("nan", "NaN").encode()

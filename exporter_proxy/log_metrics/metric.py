"""One metric: which events count, with which number, under which labels.

Works on columns, what a group holds in all events of a block, since a call a block is cheap where a
call an event is not.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import compress, repeat
from operator import and_
from typing import Any, NamedTuple

from exporter_proxy.log_metrics.columns import Column, Columns
from exporter_proxy.log_metrics.conditions import Condition
from exporter_proxy.log_metrics.families import (
    CounterFamily,
    Family,
    GaugeFamily,
    HistogramFamily,
    Labels,
    Number,
)
from exporter_proxy.log_metrics.line_format import LINE, Re2Format
from exporter_proxy.log_metrics.numbers import exact_sum, read_decimals
from exporter_proxy.log_metrics.settings import Action
from exporter_proxy.log_metrics.templates import Template
from exporter_proxy.log_metrics.waiting import Waiting

Key = tuple[str | None, ...]
"""What the groups in a metric's labels hold."""

_NUMBER = re.compile(r"[+-]?+[0-9]{1,18}+(?:\.[0-9]*+)?+(?:[eE][+-]?+[0-9]{1,2}+)?+")
_NOTHING = frozenset((None, "", "-"))
_MOST_REMEMBERED = 10_000
# So many may wait, of all metrics of a log: it takes two milliseconds to count them.
_MOST_NUMBERS = 4_096
_MOST_LABELS = 1_024
# So many blocks are counted at once after one of which most events were different.
_BLOCKS_IN_HURRY = 100


class Selection(NamedTuple):
    """Which events count.

    Attributes:
        conditions: Groups and what must hold for them.
        regex: Searched in the line; its groups are there for labels and value.
    """

    conditions: Sequence[tuple[str, Condition]] = ()
    regex: Re2Format | None = None


class Metric:
    """A family, and how events are counted in it.

    Args:
        family: Where they are counted.
        selection: Which of them.
        templates: The texts of the family's labels, in its order.
        value: The group that has the number; empty: 1.
        action: What the number does to a gauge.

    Attributes:
        groups: The groups of the format that are needed.
        unread: Numbers that couldn't be read.
    """

    def __init__(
        self,
        family: Family[Any],
        selection: Selection,
        templates: Sequence[Template] = (),
        value: str = "",
        action: Action = "set",
    ) -> None:
        self.family = family
        self.unread = 0
        self._selection = selection
        self._templates = templates
        self._value = value
        self._action = action
        self._sources = list(dict.fromkeys(name for each in templates for name in each.groups))
        own = set() if selection.regex is None else {*selection.regex.groups} - {LINE}
        used = {*self._sources, *(name for name, _ in selection.conditions), value} - {""}
        self.groups = (used - own) | ({LINE} if selection.regex else set())
        self._fixed: Labels = tuple(each.render({}) for each in templates if not each.groups)
        self._labels: dict[Key, Labels] = {}
        self._waiting = Waiting(_MOST_NUMBERS if value else _MOST_LABELS)
        self._hurry = 0

    def count(self, columns: Columns, events: int) -> Sequence[bool] | None:
        """Count what fits of ``events``; return for each whether it did, None: all."""
        flags = self._flags(columns)
        if self._selection.regex is not None:
            flags, columns = self._search(self._selection.regex, columns, flags, events)
        if flags is not None:
            events = sum(flags)
            if not events:
                return flags
        names = [name for name in (*self._sources, self._value) if name]
        picked = {name: self._pick(columns[name], flags) for name in names}
        if not names:
            self._add(self._fixed, events)
        elif not self._value:
            self._wait_for_labels([picked[name] for name in names], events)
        elif isinstance(self.family, HistogramFamily):
            self._wait_for_numbers(self.family, picked)
        else:
            self._count_numbers(picked)
        return flags

    def _wait_for_labels(self, columns: Sequence[Column], events: int) -> None:
        """Have events be counted together with others that have the same labels."""
        self._waiting.add((), zip(*columns, strict=True), events)
        if isinstance(self.family, GaugeFamily):
            self.settle()

    def _wait_for_numbers(self, family: HistogramFamily, picked: Columns) -> None:
        """Have events be counted together with others that have the same number and labels."""
        texts = picked[self._value]
        by_key: dict[Key, Sequence[str | None]] = {(): texts}
        if self._sources:
            keys = zip(*(picked[name] for name in self._sources), strict=True)
            lists: dict[Key, list[str | None]] = defaultdict(list)
            for key, text in zip(keys, texts, strict=True):
                lists[key].append(text)
            by_key = {**lists}
        for key, of_key in by_key.items():
            if self._hurry:
                self._observe(family, self._labels_of(key), of_key, None)
            else:
                self._waiting.add(key, of_key, len(of_key))
        self._hurry = max(0, self._hurry - 1)

    @property
    def waiting(self) -> float:
        """How much waits to be counted; 1: enough of all metrics together."""
        return self._waiting.weight

    def relieve(self) -> None:
        """Count what waits, which is too much; if numbers did in vain, have the next not wait."""
        if self._waiting.is_varied and self._value:
            self._hurry = _BLOCKS_IN_HURRY
        self.settle()

    def settle(self) -> None:
        """Count what waits to be."""
        for key, held, times in self._waiting.take():
            if isinstance(self.family, HistogramFamily):
                self._observe(self.family, self._labels_of(key), held, times)
                continue
            for of_labels, number in zip(held, times, strict=True):
                self._add(self._labels_of(of_labels), number)

    def _observe(
        self,
        family: HistogramFamily,
        labels: Labels,
        texts: Sequence[str | None],
        times: list[int] | None,
    ) -> None:
        """Count the numbers that ``texts`` are, each so many times; None: once."""
        numbers, readable = self._numbers(texts, times)
        if readable is not None:
            texts = list(compress(texts, readable))
            times = None if times is None else list(compress(times, readable))
        if numbers:
            family.observe(labels, numbers, times, exact_sum(numbers, texts, times))

    def _flags(self, columns: Columns) -> list[bool] | None:
        flags: list[bool] | None = None
        for name, condition in self._selection.conditions:
            own = [condition[value] for value in columns[name]]
            flags = own if flags is None else list(map(and_, flags, own))
        return flags

    @staticmethod
    def _search(
        regex: Re2Format, columns: Columns, flags: list[bool] | None, events: int
    ) -> tuple[list[bool], Columns]:
        """Look for a regular expression in the lines; its groups become columns, too."""
        lines = columns[LINE]
        asked = flags or [True] * events
        rows = [
            regex.row(line or "") if ask else None for line, ask in zip(lines, asked, strict=True)
        ]
        nothing = ("",) * len(regex.groups)
        own = zip(*(nothing if row is None else row for row in rows), strict=True)
        found = {**columns, **dict(zip(regex.groups, own, strict=True))}
        return [row is not None for row in rows], found

    @staticmethod
    def _pick(column: Column, flags: Sequence[bool] | None) -> Column:
        return column if flags is None else list(compress(column, flags))

    def _labels_of(self, key: Key) -> Labels:
        labels = self._labels.get(key)
        if labels is None:
            if len(self._labels) >= _MOST_REMEMBERED:
                self._labels.clear()
            values = {name: held or "" for name, held in zip(self._sources, key, strict=True)}
            labels = tuple(each.render(values) for each in self._templates)
            if sum(map(len, values.values())) <= 1_000:
                self._labels[key] = labels
        return labels

    def _count_numbers(self, picked: Columns) -> None:
        numbers, readable = self._numbers(picked[self._value])
        if not self._sources:
            if numbers:
                self._put(self._fixed, numbers)
            return
        keys: Iterable[Key] = zip(*(picked[name] for name in self._sources), strict=True)
        if readable is not None:
            keys = compress(keys, readable)
        by_key: dict[Key, list[Number]] = defaultdict(list)
        for key, number in zip(keys, numbers, strict=True):
            by_key[key].append(number)
        for key, of_key in by_key.items():
            self._put(self._labels_of(key), of_key)

    def _numbers(
        self, column: Column, times: Sequence[int] | None = None
    ) -> tuple[list[Number], list[bool] | None]:
        """Return the numbers of a column, and which of its items are some, None: all.

        Nothing and ``-`` are no numbers; anything else that isn't one is counted as unread, as
        often as ``times`` says; None: once.
        """
        numbers = read_decimals(column)
        if numbers is not None:
            return numbers, None
        some = [text not in _NOTHING for text in column]
        numbers = read_decimals(list(compress(column, some)))
        if numbers is not None:
            return numbers, some
        events = zip(column, times or repeat(1), strict=False)
        read = [self._number(text, number) for text, number in events]
        return [number for number in read if number is not None], [
            each is not None for each in read
        ]

    def _number(self, text: str | None, times: int) -> Number | None:
        if text is None or text in _NOTHING:
            return None
        if not _NUMBER.fullmatch(text) or (
            text.startswith("-") and not isinstance(self.family, GaugeFamily)
        ):
            self.unread += times
            return None
        return int(text) if text.isdigit() else float(text)

    def _add(self, labels: Labels, events: int) -> None:
        """Count events without a number."""
        family = self.family
        if isinstance(family, GaugeFamily):
            family.apply(labels, 1 if self._action == "set" else events, self._action)
        else:
            assert isinstance(family, CounterFamily)
            family.add(labels, events, events)

    def _put(self, labels: Labels, numbers: Sequence[Number]) -> None:
        """Count several numbers of one series."""
        family = self.family
        if isinstance(family, GaugeFamily):
            number = numbers[-1] if self._action == "set" else sum(numbers)
            family.apply(labels, number, self._action)
        else:
            assert isinstance(family, CounterFamily)
            family.add(labels, sum(numbers), len(numbers))

"""Events that wait to be counted: those that are the same of many lines at once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

_MOST_CHARACTERS = 2**20


class Waiting:
    """How often groups held what they did.

    Methods, classes of status and times in milliseconds are the same again and again: to count them
    costs half of what it takes to read and sort numbers, which is done once for those that are the
    same.

    Args:
        most: Different ones; as many as take some milliseconds to count.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: defaultdict[Any, Counter[Any]] = defaultdict(Counter)
        self._events = self._different = self._characters = 0

    @property
    def weight(self) -> float:
        """How much it is; 1: enough."""
        return self._different / self._most + self._characters / _MOST_CHARACTERS

    @property
    def is_varied(self) -> bool:
        """Whether most events are different, so that it takes longer than without waiting."""
        return 2 * self._different > self._events

    def add(self, key: Any, events: Iterable[Any], number: int) -> None:
        """Take in events of one kind.

        Args:
            key: Which kind.
            events: What one group held in each, or as tuples what several did.
            number: How many there are.
        """
        counts = self._counts[key]
        before = len(counts)
        counts.update(events)
        self._events += number
        if len(counts) > before:
            self._different += len(counts) - before
            for held in islice(reversed(counts), len(counts) - before):
                text = "".join(filter(None, held)) if isinstance(held, tuple) else held or ""
                self._characters += len(text)

    def take(self) -> Iterator[tuple[Any, list[Any], list[int]]]:
        """Yield of each kind what was held and how often; it waits no longer."""
        taken, self._counts = self._counts, defaultdict(Counter)
        self._events = self._different = self._characters = 0
        for key, counts in taken.items():
            yield key, list(counts), list(counts.values())

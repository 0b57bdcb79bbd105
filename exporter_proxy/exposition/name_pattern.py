"""Patterns of metric family names."""

from collections.abc import Iterable

import re2

_MOST_REMEMBERED = 10_000


class NamePattern:
    """One or more regular expressions (RE2: linear time), each of which must match a whole name."""

    __slots__ = ("_answers", "_patterns", "_regexes")

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)
        # Each on its own: one may leave open what another would then be part of, such as \Q.
        self._regexes = [re2.compile(pattern) for pattern in self._patterns]
        # A match takes a microsecond or two, and it is always the same names that are asked for.
        self._answers: dict[bytes, bool] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamePattern) and self._patterns == other._patterns

    def __hash__(self) -> int:
        return hash(self._patterns)

    def matches(self, name: bytes) -> bool:
        """Tell whether any of them matches ``name``."""
        answer = self._answers.get(name)
        if answer is None:
            if len(self._answers) >= _MOST_REMEMBERED:
                self._answers.clear()
            answer = self._answers[name] = any(
                regex.fullmatch(name) is not None for regex in self._regexes
            )
        return answer

"""Long work is a generator of steps, between which others are served; its value is the result."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def all_at_once(steps: Generator[None, None, T]) -> T:
    """Take all steps, with nobody served between them, and return what they come to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result

"""Keep the garbage collector from what is large and has no garbage in it."""

import gc
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

MANY: Final = 10_000
"""References from which on something is large: the collector takes a millisecond or two for it."""


_OFTEN = 3 * MANY
_made = 0


def note_made(references: int) -> None:
    """Take note of new objects of many references each, which the collector has to look at once.

    It comes when there are thousands of new objects, however large they are. So it is called before
    these have too many references.
    """
    global _made  # noqa: PLW0603 - there is one collector
    _made += references
    if _made >= _OFTEN:
        _made = 0
        gc.collect(0)


def aged(make: Callable[[], T]) -> T:
    """Make something of very many references that the collector doesn't look at.

    It looks twice at each reference of a new object: of a hundred thousand rows that takes 20 ms
    each time. So what was just made joins what is old, which is never looked at; but first the
    garbage of late is collected, which would become old with it.
    """
    gc.collect(1)
    made = make()
    gc.freeze()
    gc.unfreeze()
    return made

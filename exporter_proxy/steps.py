"""Long work is a generator of steps, between which others are served; its value is the result."""

from collections.abc import Generator, Iterable
from io import BytesIO
from typing import Any, Final, TypeVar

T = TypeVar("T")

JOINED_BYTES: Final = 1 << 20
"""Bytes that :func:`joined` copies in one step: a fraction of a millisecond."""
_JOINED_PARTS = 4_096
_LET_GO = 2_000


def all_at_once(steps: Generator[None, None, T]) -> T:
    """Take all steps, with nobody served between them, and return what they come to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def let_go(items: list[Any]) -> Generator[None, None, None]:
    """Empty a list, in steps: of a hundred thousand objects that takes a while."""
    while len(items) > _LET_GO:
        del items[-_LET_GO:]
        yield
    items.clear()


def joined(parts: Iterable[bytes]) -> Generator[None, None, bytes]:
    """Join texts of any size, in steps; the last of them is as short as the others."""
    # What it has grown to is handed out, and not copied.
    whole = BytesIO()
    size = count = 0
    for part in parts:
        if len(part) <= JOINED_BYTES:
            whole.write(part)
        else:
            view = memoryview(part)
            for start in range(0, len(part), JOINED_BYTES):
                if start:
                    yield
                whole.write(view[start : start + JOINED_BYTES])
        size += len(part)
        count += 1
        if size >= JOINED_BYTES or count >= _JOINED_PARTS:
            size = count = 0
            yield
    return whole.getvalue()

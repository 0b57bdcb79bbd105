"""From one configuration to the next in two steps: prepare what can fail, then put it into force.

A part of the proxy that can take a new configuration prepares a :class:`Change`. Only when all
parts have prepared theirs is any put into force; else all are cancelled, and nothing has changed.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any


async def _nothing() -> None:
    pass


class Change:
    """What a part is about to do for a new configuration.

    Args:
        commit: Puts it into force, at once; can't fail.
        cancel: Takes back what was prepared.
        finish: After ``commit``: lets go of what is not needed any more, for at most as many
            seconds as it is given.
    """

    def __init__(
        self,
        commit: Callable[[], None],
        cancel: Callable[[], Awaitable[None]] = _nothing,
        finish: Callable[[float], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self.commit = commit
        self.cancel = cancel
        self.finish = finish


async def prepare_all(prepare: Sequence[Callable[[], Awaitable[Change]]]) -> list[Change]:
    """Have all parts prepare their changes, one after another.

    Raises:
        StartError: One of them can't; those before it are cancelled. So they are at any other
            exception.
    """
    changes: list[Change] = []
    try:
        for each in prepare:
            changes.append(await each())  # noqa: PERF401  # those made are needed on an error
    except BaseException:
        for change in reversed(changes):
            await change.cancel()
        raise
    return changes

"""Apps that are polled, as views see them."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Polled:
    """Lets views have an app polled: they know no source.

    Attributes:
        apps: Which apps are polled; what it gives is looked up in often.
        poll: Polls one now, and returns when the table has what came; raises a PollError.
        describe: Tells how the polls of one fare, as ``/health`` has it; None: it is not polled.
    """

    apps: Callable[[], Collection[str]]
    poll: Callable[[str], Awaitable[None]]
    describe: Callable[[str], Mapping[str, Any] | None] = lambda _app: None


async def _poll_nothing(_app: str) -> None:
    raise AssertionError("nothing is polled")


NOTHING = Polled(tuple, _poll_nothing)
"""Where nothing is polled."""

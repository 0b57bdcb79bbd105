"""What every kind of module does."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from exporter_proxy.errors import ModuleError, PollError
from exporter_proxy.modules import Answer, Ask
from exporter_proxy.table import Payload


class Outcome(NamedTuple):
    """What a poll brought of one app.

    Attributes:
        payload: Its metrics; empty if there is an error.
        error: Why there are none.
        changed: Whether they may be others than at the last poll.
        part: What of a module it is that has several, a file's name; empty: all of it.
    """

    payload: Payload = ()
    error: ModuleError | None = None
    changed: bool = True
    part: str = ""


class Kind(Protocol):
    """A module as its kind has it."""

    async def fetch(self, ask: Ask, timeout: float) -> Answer:  # noqa: ASYNC109 - tells the target
        """Return a page, on demand.

        Raises:
            ModuleError: There is none, or not within ``timeout`` seconds.
        """

    async def poll(self) -> Mapping[str, Outcome]:
        """Return what there is now, by app.

        Raises:
            ModuleError: Nothing is known of any app, or not within the module's time.
        """

    async def close(self, grace_seconds: float) -> None:
        """End what is under way."""


def of_poll(error: PollError) -> ModuleError:
    """Return the error of a module that is behind one of a page."""
    return ModuleError(str(error), reason=error.reason)

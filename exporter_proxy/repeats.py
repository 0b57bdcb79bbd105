"""What the log says of things that happen again and again: enough to notice, never too much.

Three kinds of repetition, one for each class: a thing that is looked at again and again and fails
or works (:class:`Streak`), events that others cause as often as they like (:class:`Throttle`), and
things of which others bring along as many as they like (:class:`Crowd`). All say how many lines
they left out.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

QUIET_SECONDS = 60.0
"""A line that is like the ones before it comes once in that time."""

# Changes of one thing that are told one right after another.
_BURST = 4
_MOST_KINDS = 32

Kind = TypeVar("Kind", bound=Hashable)


class News:
    """Decides when the state of something is told: when it changed, and not too often.

    It needs no timer: it is asked whenever the state is known, so what could not be told at once is
    told later, as long as it is so. What flaps is told of four times in a row and then once a
    minute; then the line says how many changes were left out.

    Args:
        monotonic: A clock in seconds.
    """

    __slots__ = ("_allowed", "_allowed_at", "_left_out", "_monotonic", "_now", "_told")

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        # What the log says at the moment, and what is so; None: all is well.
        self._told: Hashable | None = None
        self._now: Hashable | None = None
        self._left_out = 0
        self._allowed = float(_BURST)
        self._allowed_at = monotonic()

    @property
    def is_old(self) -> bool:
        """Whether all is well, and so long ago was it told that nothing needs to be known of it."""
        self._gain()
        return self._told is self._now is None and not self._left_out and self._allowed >= _BURST

    def is_news(self, state: Hashable | None) -> bool:
        """Tell whether to log ``state``, which then counts as told.

        Args:
            state: None: all is well.
        """
        changed = state != self._now
        self._now = state
        if state == self._told and not self._left_out:
            return False
        if not self._may():
            self._left_out += changed
            return False
        self._told = state
        return True

    def left_out(self) -> str:
        """Return what to put at the end of the line that is logged: nothing, as a rule."""
        count, self._left_out = self._left_out, 0
        return f" ({count} change{'' if count == 1 else 's'} left out)" if count else ""

    def _may(self) -> bool:
        """Tell whether a line is allowed; it then counts as written."""
        self._gain()
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def _gain(self) -> None:
        now = self._monotonic()
        passed = now - self._allowed_at
        self._allowed = min(_BURST, self._allowed + passed / QUIET_SECONDS)
        self._allowed_at = now


class Streak:
    """Logs when something begins to fail, when it fails otherwise, and when it works again.

    :class:`News` has when.

    Args:
        logger: The logger of whoever tries.
        what: What is tried, such as ``poll``.
        about: Which one, as fields of the line: ``source=external_poll: 127.0.0.1:9100``.
        monotonic: A clock in seconds.
        crowd: Bounds the lines of many of them; None: this is no such one.

    Attributes:
        failures: How often it failed since it was last said to work.
    """

    def __init__(
        self,
        logger: logging.Logger,
        what: str,
        about: str = "",
        *,
        monotonic: Callable[[], float] = time.monotonic,
        crowd: "Crowd | None" = None,
    ) -> None:
        self._logger = logger
        self._crowd = crowd
        self._what = what
        self._about = f"{about} " if about else ""
        self._monotonic = monotonic
        self.failures = 0
        self._since = 0.0
        self._news = News(monotonic)

    def failed(
        self, why: str, *, level: int = logging.WARNING, bug: BaseException | None = None
    ) -> None:
        """Take note of a failure.

        Args:
            why: In one line; the same words mean the same failure.
            level: Of the line, if there is one.
            bug: An error whose traceback goes with it.
        """
        now = self._monotonic()
        before = self.failures
        if not before:
            self._since = now
        self.failures += 1
        if not self._news.is_news(why) or not self._has_room():
            self._logger.debug("%s failing: %s%s", self._what, self._about, why)
            return
        lasting = f" (failing for {span(now - self._since)}, {before} failures)" if before else ""
        self._logger.log(
            level,
            "%s failing: %s%s%s%s",
            self._what,
            self._about,
            why,
            lasting,
            self._news.left_out(),
            exc_info=bug,
        )

    def worked(self) -> None:
        """Take note that it worked."""
        if not self.failures or not self._news.is_news(None):
            return
        failures, self.failures = self.failures, 0
        if self._has_room():
            self._logger.info(
                "%s works again: %safter %d failure%s, %s%s",
                self._what,
                self._about,
                failures,
                "" if failures == 1 else "s",
                span(self._monotonic() - self._since),
                self._news.left_out(),
            )

    @property
    def is_old(self) -> bool:
        """Whether it works, and has for so long that another one would do as well."""
        return not self.failures and self._news.is_old

    def _has_room(self) -> bool:
        return self._crowd is None or self._crowd.has_room()


class Crowd:
    """Bounds the lines about things that others bring along, such as apps, however many there are.

    The first 32 have a line each, then 32 a minute. It needs no timer: a line says when it begins
    to leave some out, and another one, before the next that is allowed, how many those were.

    Args:
        logger: The logger of whoever tells of them.
        more: What is so of more of them than are named, and where they are all to be seen.
        monotonic: A clock in seconds.
    """

    def __init__(
        self, logger: logging.Logger, more: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._more = more
        self._monotonic = monotonic
        self._allowed = float(_MOST_KINDS)
        self._allowed_at = monotonic()
        self._left_out = 0

    def has_room(self) -> bool:
        """Tell whether a line is allowed; it then counts as written."""
        now = self._monotonic()
        gained = (now - self._allowed_at) * _MOST_KINDS / QUIET_SECONDS
        self._allowed = min(_MOST_KINDS, self._allowed + gained)
        self._allowed_at = now
        if self._allowed < 1:
            if not self._left_out:
                self._logger.warning("%s", self._more)
            self._left_out += 1
            return False
        self._allowed -= 1
        if self._left_out:
            count, self._left_out = self._left_out, 0
            self._logger.warning("%s (%d left out)", self._more, count)
        return True


class Timer(Protocol):
    """What :meth:`asyncio.AbstractEventLoop.call_later` returns, as far as it is used."""

    def cancel(self) -> None:
        """Call nothing."""


class Throttle(Generic[Kind]):
    """Lets the first event of each kind be logged, then tells once a minute how many there were.

    Kinds that come from outside, such as peers, have no end: beyond 32 of them at a time those that
    are new are told of together, as the kind None.

    Args:
        tell: Logs that there were so many more events of a kind.
        call_later: Calls a function after so many seconds; None: the running loop's.
    """

    def __init__(
        self,
        tell: Callable[[Kind | None, int], None],
        call_later: Callable[[float, Callable[[Kind | None], None], Kind | None], Timer]
        | None = None,
    ) -> None:
        self._tell = tell
        self._call_later = call_later
        # Kinds that were logged less than a minute ago: events since, and what ends the minute.
        self._since: dict[Kind | None, int] = {}
        self._timers: dict[Kind | None, Timer] = {}

    def is_first(self, kind: Kind) -> bool:
        """Take note of an event; tell whether to log it. Otherwise it is counted."""
        counted: Kind | None = kind
        if kind not in self._since:
            if len(self._since) < _MOST_KINDS:
                self._begin(kind)
                return True
            counted = None
            if counted not in self._since:
                self._begin(counted)
        self._since[counted] += 1
        return False

    def close(self) -> None:
        """Tell what has not been told."""
        for kind, timer in self._timers.items():
            timer.cancel()
            if self._since[kind]:
                self._tell(kind, self._since[kind])
        self._timers.clear()
        self._since.clear()

    def _begin(self, kind: Kind | None) -> None:
        self._since[kind] = 0
        call_later = self._call_later or asyncio.get_running_loop().call_later
        self._timers[kind] = call_later(QUIET_SECONDS, self._minute_is_over, kind)

    def _minute_is_over(self, kind: Kind | None) -> None:
        count = self._since[kind]
        if count:
            self._tell(kind, count)
            self._begin(kind)
        else:
            # The next one is news again.
            del self._since[kind], self._timers[kind]


def span(seconds: float) -> str:
    """Return a time as ``4m45s``: its two largest units, of days, hours, minutes and seconds."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if parts or count or unit == "s":
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])

"""Wakes sections when something happens in their directories, where the system tells (inotify)."""

import asyncio
import logging
from collections.abc import Hashable
from typing import Any, Protocol

logger = logging.getLogger(__name__)

# Of a log that is written all the time, word comes no more often than that.
_PAUSE_SECONDS = 0.05
# IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE; IN_ONLYDIR: no file in their place.
_MASK = 0x2 | 0x40 | 0x80 | 0x100 | 0x200 | 0x01000000
_OVERFLOW = 0x4000
_IGNORED = 0x8000


class Sleeper(Hashable, Protocol):
    """Who is woken."""

    def concerns(self, name: str) -> bool:
        """Tell whether what happens to a file of that name may matter."""

    def wake(self) -> None:
        """Look."""


class Watcher:
    """Watches directories; without inotify nobody is woken, and all look on their own.

    inotify-simple does what is needed and no more: watchfiles and watchdog bring threads and walk
    directories, asyncinotify a stream of events that would have to be read one by one.
    """

    def __init__(self) -> None:
        self._inotify: Any = None
        self._folders: dict[Sleeper, frozenset[str]] = {}
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin to watch, if the system can."""
        try:
            # In a thread: the C library is looked for by other programs.
            self._inotify = await asyncio.to_thread(_inotify)
        except (OSError, ImportError, AttributeError) as error:
            logger.info("directories of logs are not watched: %s", error)
            return
        asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._read)

    def watch(self, sleeper: Sleeper, folders: set[str]) -> None:
        """Wake ``sleeper`` when something happens in ``folders``, and no others."""
        wanted = frozenset(folders)
        if self._inotify is None or self._folders.get(sleeper) == wanted:
            missing = wanted - self._numbers.keys()
            if self._inotify is None or not missing:
                return
        self._folders[sleeper] = wanted
        self._follow()

    def forget(self, sleeper: Sleeper) -> None:
        """Wake ``sleeper`` no more."""
        if self._folders.pop(sleeper, None) is not None:
            self._follow()

    def close(self) -> None:
        """Watch nothing. Idempotent."""
        if self._inotify is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        asyncio.get_running_loop().remove_reader(self._inotify.fileno())
        self._inotify.close()
        self._inotify = None

    def _follow(self) -> None:
        """Have the kernel watch what somebody wants, and nothing else."""
        wanted = frozenset().union(*self._folders.values())
        for folder in wanted - self._numbers.keys():
            try:
                number = self._inotify.add_watch(folder, _MASK)
            except OSError as error:
                # It isn't there, or there are too many watches: it is looked at by time alone.
                logger.debug("not watched: %s: %s", folder, error)
                continue
            # Two names of one directory have one watch.
            self._numbers[folder] = number
            self._names[number] = folder
        for folder in self._numbers.keys() - wanted:
            number = self._numbers.pop(folder)
            if number in self._numbers.values():
                continue
            self._names.pop(number, None)
            try:
                self._inotify.rm_watch(number)
            except OSError:
                # The directory is gone, and its watch with it.
                continue

    def _read(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._inotify.fileno())
        self._timer = loop.call_later(_PAUSE_SECONDS, self._listen)
        happened: dict[int, set[str]] = {}
        for number, mask, _, name in self._inotify.read(timeout=0):
            if mask & _OVERFLOW:
                for sleeper in self._folders:
                    sleeper.wake()
                return
            if mask & _IGNORED:
                self._lose(number)
            else:
                happened.setdefault(number, set()).add(name)
        for sleeper, folders in self._folders.items():
            if any(
                sleeper.concerns(name)
                for folder in folders
                for name in happened.get(self._numbers.get(folder, -1), ())
            ):
                sleeper.wake()

    def _lose(self, number: int) -> None:
        """Take note that a directory is gone; it is watched again when it is back."""
        self._names.pop(number, None)
        for folder in [each for each, its in self._numbers.items() if its == number]:
            del self._numbers[folder]

    def _listen(self) -> None:
        self._timer = None
        asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._read)


def _inotify() -> Any:
    # ctypes is not needed by those who follow no logs.
    from inotify_simple import INotify  # noqa: PLC0415

    return INotify(nonblocking=True)

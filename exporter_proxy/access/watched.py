"""Files that are read again when they change."""

import os
import stat
from collections.abc import Callable

Signature = tuple[tuple[int, ...] | None, ...]
"""Tells states of files apart; None: a file that can't be looked at."""

# How often files are looked at, at most.
CHECK_SECONDS = 1.0
_MOST_BYTES = 1_048_576


class FileError(Exception):
    """A file can't be used; the text says why, and gives nothing of its content away."""


def read_file(path: str, most: int = _MOST_BYTES) -> bytes:
    """Return what a regular file has in it.

    Args:
        path: The file.
        most: More bytes than this are refused.

    Raises:
        FileError: It can't be read, or is another thing.
    """
    try:
        # Opening a FIFO would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no Path
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileError("not a regular file")
            content = file.read(most + 1)
    except OSError as exc:
        raise FileError((exc.strerror or "can't be read").lower()) from exc
    except ValueError as exc:  # a NUL in the path
        raise FileError("can't be read") from exc
    if len(content) > most:
        raise FileError(f"longer than {most} bytes")
    return content


def signature(paths: list[str]) -> Signature:
    """Return the present state of files, following links: a mounted secret is turned by one."""
    return tuple(map(_one, paths))


def _one(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - half the cost of a Path
    except (OSError, ValueError):
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
    )


class Watch:
    """Tells when files have changed, and looks no more often than once a second.

    Args:
        paths: The files.
        monotonic: A clock, in seconds.
    """

    __slots__ = ("_looked_at", "_monotonic", "_paths", "_seen")

    def __init__(self, paths: list[str], monotonic: Callable[[], float]) -> None:
        self._paths = paths
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._seen = signature(paths)

    def changed(self) -> bool:
        """Tell whether they are others than at the last time that this said so."""
        now = self._monotonic()
        if now - self._looked_at < CHECK_SECONDS or not self._paths:
            return False
        self._looked_at = now
        seen = signature(self._paths)
        if seen == self._seen:
            return False
        self._seen = seen
        return True


class ReloadStats:
    """How reading files again went, by what they are for; from a fixed set.

    Attributes:
        successful: Whether the last reading did.
        failures: How many failed.
    """

    __slots__ = ("failures", "successful")

    def __init__(self) -> None:
        self.successful: dict[str, bool] = {}
        self.failures: dict[str, int] = {}

    def add(self, what: str) -> None:
        """Begin to count; what is in use has been read."""
        self.successful[what] = True
        self.failures.setdefault(what, 0)

    def note(self, what: str, *, successful: bool) -> None:
        """Take note of a reading."""
        self.successful[what] = successful
        if not successful:
            self.failures[what] = self.failures.get(what, 0) + 1

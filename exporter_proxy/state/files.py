"""The state file among other files: who may use it, and where a damaged one goes."""

import contextlib
import errno
import fcntl
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from exporter_proxy.errors import StartError, quote
from exporter_proxy.state.schema import APPLICATION_ID

_KEY = "exporter.state_file"
_MODE = 0o600
# The header of a database and that of the tree of its tables: a page with rows, or one above such.
_MAGIC = b"SQLite format 3\0"
_HEAD_BYTES = 112
_LEAF, _INTERIOR = 0x0D, 0x05
# What sqlite keeps beside its file.
_COMPANIONS = ("-wal", "-shm", "-journal")


class StateFile:
    """A path that nobody else uses as long as this object holds it.

    The lock is on a file of its own, ``<path>.lock``, which stays: a lock on the database would be
    lost when that is set aside, and the kernel takes this one back when the process ends, however
    that happens.

    Args:
        path: Where the state is; links are followed.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()
        self._lock: int | None = None

    def acquire(self) -> None:
        """Take the path for this process.

        Raises:
            StartError: Another process has it, or nothing can be written there, or what is there
                belongs to another program, and is left as it is.
        """
        try:
            self.path = self.path.resolve()
            if self.path.exists() and not self.path.is_file():
                raise StartError(f"{_KEY}: {_shown(self.path)}: is not a file")
            if _is_foreign(self.path):
                raise StartError(
                    f"{_KEY}: {_shown(self.path)}: is another program's database: name another file"
                )
            if _is_mistaken(self.path):
                raise StartError(
                    f"{_KEY}: {_shown(self.path)}: is not a state file: name another file "
                    "(a damaged one of ours has mode 0600)"
                )
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to one another
            raise StartError(
                f"{_KEY}: can't write {_shown(self.path)}: {describe(error)}"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(lock)
            os.close(lock)
            if error.errno != errno.EWOULDBLOCK:
                raise StartError(
                    f"{_KEY}: can't lock {_shown(self._lock_path)}: {describe(error)}"
                ) from error
            raise StartError(
                f"{_KEY}: {_shown(self.path)}: another proxy uses it{holder}"
            ) from error
        self._lock = lock
        # For whoever finds the path taken. On a full disk there is no room even for that.
        with contextlib.suppress(OSError):
            os.truncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)

    def set_aside(self, now: datetime) -> Path:
        """Give the file, and what belongs to it, another name, and return that.

        Raises:
            OSError: That can't be done.
        """
        stem = f"{self.path.name}.damaged-{now.astimezone(UTC):%Y-%m-%dT%H%M%S.%f}"[:-3] + "Z"
        aside = self.path.with_name(stem)
        self.path.rename(aside)
        for companion in _COMPANIONS:
            # Left behind, it would be taken for a part of the next file.
            with contextlib.suppress(FileNotFoundError):
                self._beside(companion).rename(aside.with_name(stem + companion))
        return aside

    @property
    def bytes(self) -> int:
        """How large the file is, and what belongs to it."""
        total = 0
        for path in (self.path, *map(self._beside, _COMPANIONS)):
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total

    def release(self) -> None:
        """Let others have the path. Idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    @property
    def _lock_path(self) -> Path:
        return self._beside(".lock")


def _is_foreign(path: Path) -> bool:
    """Tell whether a file is surely a database of another program, by the head of its first page.

    Ours has its tables and its mark from one transaction, so that tables without the mark are
    somebody else's. What can't be told, such as a file that is torn, is not foreign. See
    https://www.sqlite.org/fileformat2.html, "The Database Header" and "B-tree Pages".

    Raises:
        OSError: It can't be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return False
    if len(head) < _HEAD_BYTES or not head.startswith(_MAGIC):
        return False
    mark = int.from_bytes(head[68:72], "big")
    kind, cells = head[100], int.from_bytes(head[103:105], "big")
    has_tables = kind == _INTERIOR or (kind == _LEAF and cells > 0)
    return mark != APPLICATION_ID and has_tables


def _is_mistaken(path: Path) -> bool:
    """Tell whether a file is no database and was surely not made here: ours are private.

    What was named by mistake must not be taken for a damaged state file, and be set aside. An empty
    file does no harm.

    Raises:
        OSError: It can't be looked at.
    """
    try:
        status = path.stat()
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError:
        return False
    is_private = status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077
    return bool(head) and head != _MAGIC and not is_private


def make_private(path: Path) -> None:
    """Make a file if there is none, and let nobody but its owner read it.

    Raises:
        OSError: It can't be read and written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != _MODE:
            os.fchmod(descriptor, _MODE)
    finally:
        os.close(descriptor)


def describe(error: Exception) -> str:
    """Return what an error of the system says, without the path, in lower case."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error).lower()


def _shown(path: Path) -> str:
    return quote(str(path), 250)


def _holder(lock: int) -> str:
    """Return who has the lock, as far as that can be read."""
    with contextlib.suppress(OSError, ValueError):
        return f" (process {int(os.pread(lock, 20, 0))})"
    return ""

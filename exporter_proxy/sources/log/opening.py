"""Log files, opened: regular files alone, never waited for; also packed ones."""

import bz2
import gzip
import lzma
import os
import stat
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from exporter_proxy.sources.log.names import is_compressed

Key = tuple[int, int]
"""Device and inode: what a file is, whatever it is called."""

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SKIP_BYTES = 2**20


class NotRegularError(OSError):
    """It is a directory, a FIFO, a socket or a device."""


class DamagedError(OSError):
    """It can't be unpacked, or not to its end yet."""


def key_of(status: os.stat_result) -> Key:
    """Return what file that is."""
    return status.st_dev, status.st_ino


def check_regular(status: os.stat_result) -> None:
    """Refuse what is no file.

    Raises:
        NotRegularError: It isn't.
    """
    if not stat.S_ISREG(status.st_mode):
        raise NotRegularError("is no regular file")


class LogFile(Protocol):
    """A file that is read at any place."""

    def read_at(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes; fewer only at the end of the file.

        Raises:
            OSError: It can't be read.
        """

    def length(self) -> int:
        """Return how many bytes can be read; a packed file is unpacked for that.

        Raises:
            OSError: It can't be read.
        """

    def status(self) -> os.stat_result:
        """Return what the system knows of it."""

    def close(self) -> None:
        """Let go of it. Idempotent."""


class PlainFile:
    """A file as its writer writes it.

    Args:
        path: Where it is.

    Raises:
        OSError: It can't be opened, or is not a file.
    """

    def __init__(self, path: str) -> None:
        # Before it is opened: opening a FIFO is noticed at its other end, a device may do anything.
        check_regular(os.stat(path))  # noqa: PTH116, a path of the system, perhaps not Unicode
        self._descriptor = os.open(path, _FLAGS)
        try:
            check_regular(os.fstat(self._descriptor))
        except OSError:
            self.close()
            raise

    def read_at(self, offset: int, count: int) -> bytes:
        """See :meth:`LogFile.read_at`."""
        # In one piece: between two the file may be truncated and written anew.
        return os.pread(self._descriptor, count, offset)

    def length(self) -> int:
        """See :meth:`LogFile.length`."""
        return self.status().st_size

    def status(self) -> os.stat_result:
        """See :meth:`LogFile.status`."""
        return os.fstat(self._descriptor)

    def detach(self) -> int:
        """Return the descriptor, which is the caller's to close from now on."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def close(self) -> None:
        """See :meth:`LogFile.close`."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class PackedFile:
    """A packed file, read as what was packed; going back means beginning anew.

    Args:
        path: Where it is; its ending says how it is packed.

    Raises:
        OSError: It can't be opened, or is not a file.
    """

    def __init__(self, path: str) -> None:
        self._unpack = _unpacker(path)
        self._raw = os.fdopen(PlainFile(path).detach(), "rb")
        self._file: BinaryIO | None = None
        self._position = 0

    def read_at(self, offset: int, count: int) -> bytes:
        """See :meth:`LogFile.read_at`.

        Raises:
            DamagedError: What is packed can't be read.
        """
        if not count:
            return b""
        try:
            return self._read_at(offset, count)
        except Exception as error:
            # Each library has its own errors for what is cut off or damaged.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DamagedError(f"can't be unpacked: {error}") from error

    def _read_at(self, offset: int, count: int) -> bytes:
        if self._file is None or offset < self._position:
            self._raw.seek(0)
            self._file = self._unpack(self._raw)
            self._position = 0
        while self._position < offset:
            if not self._read(min(_SKIP_BYTES, offset - self._position)):
                return b""
        pieces: list[bytes] = []
        while count and (data := self._read(count)):
            pieces.append(data)
            count -= len(data)
        return b"".join(pieces)

    def _read(self, count: int) -> bytes:
        assert self._file is not None
        data = self._file.read(count)
        self._position += len(data)
        return data

    def length(self) -> int:
        """See :meth:`LogFile.length`."""
        self.read_at(sys.maxsize, 1)
        return self._position

    def status(self) -> os.stat_result:
        """See :meth:`LogFile.status`."""
        return os.fstat(self._raw.fileno())

    def close(self) -> None:
        """See :meth:`LogFile.close`."""
        self._file = None
        self._raw.close()


def _unpacker(path: str) -> Callable[[BinaryIO], Any]:
    # What they return are binary files, of types that have nothing in common.
    if path.endswith(".gz"):
        return gzip.open
    if path.endswith(".bz2"):
        return bz2.open
    if path.endswith(".xz"):
        return lzma.open
    import zstandard  # noqa: PLC0415, rare

    return zstandard.open


def open_log(path: str) -> LogFile:
    """Open a file for reading; packed ones are unpacked.

    Raises:
        OSError: It can't be opened, or is not a file.
    """
    return PackedFile(path) if is_compressed(path) else PlainFile(path)


def open_known(path: str, key: Key) -> LogFile:
    """Open a file that was found, if it is still where it was.

    Raises:
        FileNotFoundError: It isn't; there may be another.
        OSError: It can't be opened, or is not a file.
    """
    file = open_log(path)
    try:
        found = key_of(file.status())
    except BaseException:
        file.close()
        raise
    if found != key:
        file.close()
        raise FileNotFoundError
    return file

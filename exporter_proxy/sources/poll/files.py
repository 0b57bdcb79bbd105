"""Files that polling needs (tokens, passwords, certificates), read again when they change."""

import os
import stat
from collections.abc import Callable
from typing import Generic, TypeVar

from exporter_proxy.errors import PollError, quote

_T = TypeVar("_T")


class WatchedFile(Generic[_T]):
    """What a file says, as of its latest change.

    Args:
        path: The file. What it contains never shows up in a message.
        key: The configuration's key that names it, for messages.
        build: Makes the value of the content; raises ValueError with a sentence that gives
            nothing of the content away.
        max_size: More bytes than this are refused.
    """

    __slots__ = ("_build", "_key", "_max_size", "_path", "_seen", "_value")

    def __init__(
        self, path: str, key: str, build: Callable[[bytes], _T], *, max_size: int = 65_536
    ) -> None:
        self._path = path
        self._key = key
        self._build = build
        self._max_size = max_size
        self._seen: tuple[int, ...] | None = None
        self._value: _T | None = None

    def value(self) -> _T:
        """Return what the file says now; read it only if it changed.

        Raises:
            PollError: ``unreadable_secret``.
        """
        try:
            # Kubernetes replaces a mounted secret by turning a symbolic link: another inode,
            # perhaps the same size and time.
            signature = _signature(os.stat(self._path))  # noqa: PTH116, half the cost of a Path
            if signature != self._seen or self._value is None:
                self._value = self._build(self._read())
                self._seen = signature
        except OSError as exc:
            raise self._error(exc.strerror or "can't be read") from exc
        except ValueError as exc:
            raise self._error(str(exc)) from exc
        return self._value

    def _read(self) -> bytes:
        # Opening a FIFO would wait for its writer.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123, a descriptor has no Path
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("not a regular file")
            content = file.read(self._max_size + 1)
        if len(content) > self._max_size:
            raise ValueError(f"longer than {self._max_size} bytes")
        return content

    def _error(self, why: str) -> PollError:
        self._seen = None
        return PollError(f"{self._key} {quote(self._path, 200)}: {why}", reason="unreadable_secret")


def header_text(content: bytes) -> str:
    """Return the one line of a token's or a password's file, without the white space around it."""
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None  # the cause would quote the secret
    if not text:
        raise ValueError("empty")
    if not text.isprintable():
        raise ValueError("more than one line, or control characters")
    return text


def _signature(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
    )

"""Files that polling needs (tokens, passwords, certificates), read again when they change."""

from collections.abc import Callable
from typing import Generic, TypeVar

from exporter_proxy.access.watched import FileError, Signature, read_file, signature
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
        self._seen: Signature | None = None
        self._value: _T | None = None

    def value(self) -> _T:
        """Return what the file says now; read it only if it changed.

        Raises:
            PollError: ``unreadable_secret``.
        """
        try:
            seen = signature([self._path])
            if seen != self._seen or self._value is None:
                self._value = self._build(read_file(self._path, self._max_size))
                self._seen = seen
        except (FileError, ValueError) as exc:
            raise self._error(str(exc)) from exc
        return self._value

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

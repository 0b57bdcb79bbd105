"""Bearer tokens: which entries a token belongs to."""

import logging
import secrets
import time
from collections.abc import Callable
from hashlib import blake2b

from exporter_proxy.access.watched import FileError, ReloadStats, Watch, read_file
from exporter_proxy.config import Secret
from exporter_proxy.config.access import is_token
from exporter_proxy.errors import quote

logger = logging.getLogger(__name__)

_WHAT = "bearer_token_files"


class Tokens:
    """Finds entries by a token that was sent.

    Tokens are compared by keyed hashes: how long that takes says nothing about them.

    Args:
        given: {place of the entry: its token}.
        files: {place of the entry: the file with its token}.
        reloads: Where it is told how reading the files went.
        monotonic: A clock, in seconds.

    Raises:
        ValueError: Files can't be used; the arguments are a line for each.
    """

    def __init__(
        self,
        given: dict[int, Secret],
        files: dict[int, str],
        reloads: ReloadStats,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = secrets.token_bytes(32)
        self._files = files
        self._reloads = reloads
        self._watch = Watch(list(files.values()), monotonic)
        self._given = {place: self._digest(token.reveal()) for place, token in given.items()}
        self._read: dict[int, bytes] = {}
        problems = self._read_files()
        if problems:
            raise ValueError(*problems)
        self._entries = self._index()
        if files:
            reloads.add(_WHAT)

    def find(self, token: str) -> frozenset[int]:
        """Return the places of the entries that ``token`` belongs to."""
        self.refresh()
        return self._entries.get(self._digest(token), frozenset())

    def refresh(self) -> None:
        """Read files again if they have changed; they are looked at once a second at most."""
        if not self._watch.changed():
            return
        problems = self._read_files()
        for problem in problems:
            logger.error("%s: the token read before stays", problem)
        self._entries = self._index()
        self._reloads.note(_WHAT, successful=not problems)

    def _read_files(self) -> list[str]:
        """Read every file that can be read; return what is wrong with the others."""
        problems = []
        for place, path in self._files.items():
            try:
                self._read[place] = self._digest(_token(read_file(path)))
            except FileError as exc:
                problems.append(f"access[{place}].bearer_token_file: {quote(path, 200)}: {exc}")
        return problems

    def _index(self) -> dict[bytes, frozenset[int]]:
        found: dict[bytes, frozenset[int]] = {}
        for place, digest in (self._given | self._read).items():
            found[digest] = found.get(digest, frozenset()) | {place}
        return found

    def _digest(self, token: str) -> bytes:
        return blake2b(token.encode(errors="surrogateescape"), key=self._key).digest()


def _token(content: bytes) -> str:
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise FileError("not ASCII") from None  # the cause would quote the secret
    if not text:
        raise FileError("empty")
    if not is_token(text):
        raise FileError("more than one line, or blanks")
    return text

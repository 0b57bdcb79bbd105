"""Names and passwords of the web configuration file, checked off the event loop."""

import asyncio
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

Check = Callable[[bytes, bytes], bool]
"""Tells whether a password, the first argument, belongs to a bcrypt hash."""

# bcrypt looks at no more: a longer password is cut, as by htpasswd and the exporter-toolkit.
_BCRYPT_BYTES = 72
# What any longer is would be no password, and would have to be hashed.
_MAX_PASSWORD_BYTES = 4096
_MAX_RIGHT = 1024
_MAX_WRONG = 4096
_MAX_WAITING = 64
# So that who tries many passwords leaves places in the line to others.
_MAX_WAITING_PER_PEER = 4
# The salt and the hash of a password that nobody has: any will do, as it is never to match.
_NOBODYS = "." * 53


class BusyError(Exception):
    """Too many passwords are being checked; nothing is said about this one."""


class Passwords:
    """Tells whether a password is right.

    A check takes a tenth of a second of one thread, the next waits for it. Verdicts are kept under
    a keyed hash of name, password and stored hash, so that a scraper is checked once; neither
    passwords nor anything that they could be found by without the key, which the process never
    shows, stays in memory. Right and wrong ones are kept apart: no flood of wrong ones makes a
    right one forgotten.

    Args:
        users: {name: bcrypt hash}.
        check: Does the work; None: bcrypt's.
    """

    def __init__(self, users: Mapping[str, str], check: Check | None = None) -> None:
        self._check = check
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[bool]] = {}
        self._waiting: Counter[str] = Counter()
        self._thread: ThreadPoolExecutor | None = None
        self._users: dict[str, str] = {}
        self._nobodys_hash = b""
        self.replace(users)

    def replace(self, users: Mapping[str, str]) -> None:
        """Take other users. A verdict under a hash that has changed is not found any more."""
        self._users = dict(users)
        # A name that nobody has must take as long as one that somebody has.
        costs = Counter(hashed[4:6] for hashed in self._users.values())
        cost = costs.most_common(1)[0][0] if costs else "10"
        self._nobodys_hash = f"$2b${cost}${_NOBODYS}".encode()

    async def verify(self, user: str, password: str, peer: str) -> bool:
        """Tell whether ``user`` has this ``password``.

        Args:
            user: The name.
            password: Not kept.
            peer: Who asks, for a fair share of the line.

        Raises:
            BusyError: There are too many before it.
        """
        secret = password.encode(errors="surrogateescape")
        if len(secret) > _MAX_PASSWORD_BYTES or len(user) > _MAX_PASSWORD_BYTES:
            return False
        known = self._users.get(user)
        hashed = self._nobodys_hash if known is None else known.encode()
        key = self._digest(user, secret, hashed)
        if key in self._right:
            self._right.move_to_end(key)
            return True
        if key in self._wrong:
            self._wrong.move_to_end(key)
            return False
        found = self._under_way.get(key)
        if found is None:
            found = self._begin(
                key, secret[:_BCRYPT_BYTES], hashed, peer, is_known=known is not None
            )
        # One who leaves doesn't end the check for the others.
        return await asyncio.shield(found)

    def is_right(self, user: str, password: str) -> bool:
        """Tell whether a password is known to be right; False: it isn't, or not yet."""
        secret = password.encode(errors="surrogateescape")
        if len(secret) > _MAX_PASSWORD_BYTES or len(user) > _MAX_PASSWORD_BYTES:
            return False
        # Looked for as that of a name that nobody has is, which takes as long.
        hashed = self._users.get(user, "").encode() or self._nobodys_hash
        key = self._digest(user, secret, hashed)
        if key not in self._right:
            return False
        self._right.move_to_end(key)
        return True

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    def _begin(
        self, key: bytes, secret: bytes, hashed: bytes, peer: str, *, is_known: bool
    ) -> asyncio.Future[bool]:
        waiting = self._waiting
        if waiting[peer] >= _MAX_WAITING_PER_PEER or waiting.total() >= _MAX_WAITING:
            raise BusyError
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        waiting[peer] += 1
        loop = asyncio.get_running_loop()
        found = loop.run_in_executor(self._thread, self._compare, secret, hashed, is_known)
        self._under_way[key] = found
        found.add_done_callback(lambda done: self._end(key, peer, done))
        return found

    def _compare(self, secret: bytes, hashed: bytes, is_known: bool) -> bool:  # noqa: FBT001
        check = self._check
        if check is None:
            import bcrypt  # noqa: PLC0415 - of the extra "web"

            check = bcrypt.checkpw
        return check(secret, hashed) and is_known

    def _end(self, key: bytes, peer: str, done: asyncio.Future[bool]) -> None:
        del self._under_way[key]
        self._waiting[peer] -= 1
        if not self._waiting[peer]:
            del self._waiting[peer]
        if done.cancelled() or done.exception() is not None:
            return
        kept, most = (self._right, _MAX_RIGHT) if done.result() else (self._wrong, _MAX_WRONG)
        kept[key] = None
        if len(kept) > most:
            kept.popitem(last=False)

    def _digest(self, user: str, secret: bytes, hashed: bytes) -> bytes:
        hashing = blake2b(key=self._key, digest_size=32)
        for part in (user.encode(errors="surrogateescape"), hashed, secret):
            hashing.update(len(part).to_bytes(8, "big"))
            hashing.update(part)
        return hashing.digest()

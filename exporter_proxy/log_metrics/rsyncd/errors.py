"""Exit codes in an rsync daemon's log: written there, or to be told from the cause.

The daemon writes ``rsync error: … (code N)`` for an execution that it breaks off. Of one that ends
with 23, 24 or 25, which only its client makes known, it writes no more than what went wrong.
"""

import re

PROTOCOL_NOT_STARTED = "5"
PARTIAL = "23"
VANISHED = "24"
MAX_DELETE = "25"

_CODE = re.compile(r"\(code ([0-9]{1,3})\) at ")
_ROLE = re.compile(r"\[[A-Za-z]{1,20}(?:=[^\]]{1,20})?\] ")
# What breaks an execution off: a line with the exit code follows.
_BREAKS_OFF = (
    "connection unexpectedly closed",
    "read error",
    "write error",
    "read_timeout",
    "safe_read",
    "safe_write",
    "writefd_unbuffered",
    "error writing",
)


def exit_code(rest: str) -> str | None:
    """Return the code in what follows ``rsync error:``, or None if it has none."""
    codes = _CODE.findall(rest)
    return codes[-1].lstrip("0") or None if codes else None


def cause_code(word: str, rest: str, *, begun: bool) -> str | None:
    """Return the exit code that a message will have led to, or None if that isn't known from it.

    Args:
        word: The message's first words.
        rest: What follows them.
        begun: Whether the execution had begun: before, a failure keeps it from starting.
    """
    if word.startswith("file has vanished"):
        return VANISHED
    if word.startswith("Deletions stopped"):
        return MAX_DELETE
    role = _ROLE.match(rest)
    message = rest[role.end() :] if role else rest
    if message.startswith(_BREAKS_OFF):
        return None
    if begun:
        return PARTIAL
    return PROTOCOL_NOT_STARTED if " failed" in message else None

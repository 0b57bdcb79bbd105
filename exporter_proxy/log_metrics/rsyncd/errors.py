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


def exit_code(message: str) -> str | None:
    """Return the code in ``rsync error: …``, or None if it has none."""
    codes = _CODE.findall(message)
    return codes[-1].lstrip("0") or None if codes else None


def cause_code(message: str, *, begun: bool) -> str | None:
    """Return the exit code that a message will have led to, or None if that isn't known from it.

    Args:
        message: ``rsync: …``, ``file has vanished: …`` or ``Deletions stopped …``.
        begun: Whether the execution had begun: before, a failure keeps it from starting.
    """
    if message.startswith("file has vanished"):
        return VANISHED
    if message.startswith("Deletions stopped"):
        return MAX_DELETE
    message = message.removeprefix("rsync: ")
    role = _ROLE.match(message)
    if role:
        message = message[role.end() :]
    if message.startswith(_BREAKS_OFF):
        return None
    if begun:
        return PARTIAL
    return PROTOCOL_NOT_STARTED if " failed" in message else None

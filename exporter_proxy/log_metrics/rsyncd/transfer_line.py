"""Lines about single files, which the daemon writes with ``transfer logging = yes``.

How they look is said by ``log format`` of rsyncd.conf(5); its escapes are listed there.
"""

import re
from typing import NamedTuple

from exporter_proxy.errors import ConfigError, quote

DEFAULT = "%o %h [%a] %m (%u) %f %l"
"""The daemon's ``log format`` when none is configured, as rsyncd.conf(5) has it."""
_ESCAPE = re.compile(r"%('*+)(-?+[0-9]*+)(.|$)", re.DOTALL)
_KNOWN = frozenset({*"aBbcCfGhiLlmMnopPtuU"})
# What an escape stands for, where that is narrower than anything up to what follows it.
_FIELDS = {
    "a": r"[0-9A-Za-z.:%]++",
    "b": r"[0-9.,KMGTPE]++",
    "c": r"[0-9.,KMGTPE]++",
    "h": r"[^ \n]++",
    "G": r"(?:[0-9]++|DEFAULT)",
    "l": r"[0-9.,KMGTPE]++",
    "M": r"[0-9/:-]++",
    "o": r"(send|recv|del\.)",
    "p": r"[0-9]++",
    "t": r"[0-9/]{10} [0-9:]{8}",
    "U": r"[0-9]++",
}


def transfer_pattern(log_format: str, key: str) -> str:
    """Return a pattern (``re``, without backtracking) for lines of rsync's ``log_format``.

    It has one group: the operation (``%o``), or if the format has none, one character. As names of
    files may hold anything, the line is looked at up to the first field of which that is true and
    which the operation doesn't follow.

    Raises:
        ConfigError: It isn't rsync's; begins with ``key``.
    """
    fields = _fields(log_format, key)
    letters = [field.letter for field in fields]
    has_operation = "o" in letters
    pattern, needed = "", letters.index("o") + 1 if has_operation else 0
    for place, field in enumerate(fields):
        pattern += re.escape(field.literal)
        narrow = _FIELDS.get(field.letter)
        if narrow is None and place >= needed:
            break
        following = fields[place + 1].literal if place + 1 < len(fields) else ""
        pattern += " *+" if field.width else ""
        pattern += narrow or rf"[^{re.escape(following[:1])}\n]*+"
        # what a width makes
        pattern += "" if following.startswith(" ") else " *+" if field.width else ""
    return ("" if has_operation else r"(?=([^\n]))") + pattern + r"[^\n]*+"


class _Field(NamedTuple):
    """An escape.

    Attributes:
        literal: The text before it.
        letter: Its letter.
        width: Its width; empty: as wide as the value.
    """

    literal: str
    letter: str
    width: str


def _fields(log_format: str, key: str) -> list[_Field]:
    """Return the escapes of ``log_format``.

    Raises:
        ConfigError: It has none, or one that rsync doesn't know.
    """
    fields: list[_Field] = []
    end = 0
    for match in _ESCAPE.finditer(log_format):
        if match[3] not in _KNOWN:
            problem = f"{quote(match[0])} is none of the escapes of rsyncd.conf(5)"
            raise ConfigError([f"{key}: {quote(log_format)}: {problem}"])
        fields.append(_Field(log_format[end : match.start()], match[3], match[2]))
        end = match.end()
    if not fields:
        raise ConfigError([f"{key}: {quote(log_format)}: has no escape such as %o or %f"])
    return fields

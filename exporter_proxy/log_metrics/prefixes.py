"""What stands before the message of a line: a program's own date and process id, or syslog's."""

from typing import Final

_CLOCK: Final = r"[0-9]{2}+:[0-9]{2}+:[0-9]{2}+"
_SYSLOG_TIME: Final = (
    # RFC 3164, which journalctl -o short has too, with -o short-precise's fraction
    r"[A-Z][a-z]{2} [0-9 ][0-9] " + _CLOCK + r"(?:\.[0-9]++)?+"
    # RFC 3339, as rsyslog and journalctl -o short-iso write it
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]" + _CLOCK + r"[0-9.,:+Z-]*+"
    # journalctl -o short-full, -o short-unix and -o short-monotonic
    r"|[A-Z][a-z]{2} [0-9]{4}-[0-9]{2}-[0-9]{2} " + _CLOCK + r"(?:\.[0-9]++)?+ [A-Za-z0-9+:-]++"
    r"|[0-9]{9,12}+\.[0-9]++|\[ *+[0-9]++\.[0-9]++\]"
)
# facility and severity, as syslog has them on the wire
_PRIORITY: Final = r"(?:<[0-9]{1,3}+>(?:1 )?+)?+"
PID: Final = r"(?:\[([0-9]{1,20}+)\])?+"
SYSLOG: Final = rf"{_PRIORITY}(?:{_SYSLOG_TIME}) [^ \n]++ "
"""Up to the program's name."""
RSYNCD: Final = (
    rf"(?:[0-9]{{4}}+/[0-9]{{2}}+/[0-9]{{2}}+ {_CLOCK} |{SYSLOG}[^ \[:\n]++)?+"
    r"(?:\[([0-9]{1,20}+)\]:?+ |: )?+"
)
"""A daemon's log file, syslog with or without process id, or nothing; one group: the process id."""

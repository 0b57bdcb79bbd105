"""How log lines look; who logs what is each module's own."""

import logging
import os
import sys
import time
from typing import Literal, TextIO

LogFormat = Literal["auto", "text", "json"]
FORMATS = ("auto", "text", "json")
LEVELS = ("debug", "info", "warning", "error")

_INDENT = "    "
# Levels as syslog(3) numbers them.
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


class _OurHandler(logging.StreamHandler):  # type: ignore[type-arg]  # not subscriptable when run
    """Tells the handler that :func:`configure` made from those of others."""


def configure(level: str, log_format: LogFormat) -> None:
    """Send log records of ``level`` and above to standard error.

    Called again, it replaces what it set up before and leaves the handlers of others alone.

    Args:
        level: One of :data:`LEVELS`.
        log_format: ``auto`` is text on a terminal, else JSON.
    """
    handler = _OurHandler(sys.stderr)
    handler.setFormatter(_formatter(log_format, sys.stderr))
    root = logging.getLogger()
    for previous in list(root.handlers):
        if isinstance(previous, _OurHandler):
            root.removeHandler(previous)
    root.addHandler(handler)
    root.setLevel(level.upper())


def is_json(log_format: LogFormat) -> bool:
    """Tell whether the log is JSON with this format."""
    return log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())


def _formatter(log_format: LogFormat, stream: TextIO) -> logging.Formatter:
    """Return what makes lines in that format for that stream."""
    form: logging.Formatter
    if is_json(log_format):
        form = JsonFormatter()
    elif stream.isatty():
        # Its library is for those alone who sit before a terminal.
        from exporter_proxy.logs_terminal import TerminalFormatter  # noqa: PLC0415

        return TerminalFormatter(stream)
    else:
        form = TextFormatter()
    return JournalFormatter(form) if _is_journal(stream) else form


def _is_journal(stream: TextIO) -> bool:
    """Tell whether a stream goes to systemd's journal; see ``$JOURNAL_STREAM`` in systemd.exec."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def one_line(text: str) -> str:
    r"""Return ``text`` with what is not printable escaped, as in ``\n``.

    Names and error texts come from peers: a line break in one must not begin a log line of its
    own, and a terminal must not obey an escape sequence.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


class UtcFormatter(logging.Formatter):
    """Times as ``2026-11-22T06:00:00.123Z``."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - the library's signature
        """Return the time of ``record`` in UTC."""
        seconds, milliseconds = divmod(int(record.created * 1000), 1000)
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{milliseconds:03d}Z"

    def formatted_exception(self, record: logging.LogRecord) -> str:
        """Return the traceback that ``record`` carries, or nothing."""
        parts = [self.formatException(record.exc_info)] if record.exc_info else []
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return "\n".join(parts)


class TextFormatter(UtcFormatter):
    """One line a record; the lines of a traceback follow, indented, so none passes for a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as text."""
        message = one_line(record.getMessage())
        line = f"{self.formatTime(record)} {record.levelname} {record.name} {message}"
        exception = self.formatted_exception(record)
        return "\n".join([line, *(_INDENT + one_line(part) for part in exception.splitlines())])


class JsonFormatter(UtcFormatter):
    """One JSON object a line: time, level, logger, message, and exception if there is one."""

    def __init__(self) -> None:
        super().__init__()
        import json  # noqa: PLC0415 - only this format needs it

        self._dumps = json.dumps

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as JSON, in ASCII."""
        fields = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        exception = self.formatted_exception(record)
        if exception:
            fields["exception"] = exception
        return self._dumps(fields)


class JournalFormatter(logging.Formatter):
    """Tells the journal each line's level, as sd-daemon(3) has it: ``<4>`` and the line.

    The journal takes the prefix off again. Without it ``journalctl --priority`` could not tell the
    levels apart.

    Args:
        form: Makes the lines.
    """

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` with its priority before each line."""
        mark = f"<{_PRIORITIES.get(record.levelname, 5)}>"
        return "\n".join(mark + line for line in self._form.format(record).split("\n"))

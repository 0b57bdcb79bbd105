"""What can go wrong, by whose fault.

::

    ExporterProxyError
    ├── ConfigError       the operator's: the configuration can't be used
    ├── StartError        the machine's: an address or a file can't be had
    ├── PayloadError      the sender's: a message is refused
    ├── PollError         the target's: a scrape brought nothing usable
    └── ModuleError       a module's, or of who asks for it: there is no page

Every error has a ``reason`` from a fixed set, which becomes a label value of a self-metric, and a
sentence for a person, which quotes the input, cut to a bounded length.
"""

from typing import Literal

RejectReason = Literal[
    "app_over_bytes",
    "app_over_rate",
    "app_over_samples",
    "bad_encoding",
    "bad_grouping_key",
    "bad_name",
    "bad_request",
    "bad_ttl",
    "empty_message",
    "forbidden",
    "http",
    "inconsistent_metrics",
    "invalid_metrics",
    "invalid_utf8",
    "malformed_capnp",
    "malformed_json",
    "malformed_protobuf",
    "message_timeout",
    "message_too_large",
    "nested_too_deep",
    "not_text",
    "nul_byte",
    "tls",
    "too_many_apps",
    "truncated",
    "unsupported_encoding",
    "wrong_format",
]

PollReason = Literal[
    "app_over_bytes",
    "app_over_samples",
    "body_too_large",
    "connect",
    "dns",
    "http_status",
    "invalid_metrics",
    "invalid_utf8",
    "malformed_http",
    "nul_byte",
    "other",
    "timeout",
    "tls",
    "too_many_apps",
    "unreadable_secret",
]

ModuleReason = Literal[
    PollReason,
    "app_over_rate",
    "bad_params",
    "busy",
    "exit_status",
    "not_started",
    "output_open",
    "stopping",
    "too_many_files",
    "too_old",
    "unknown_module",
    "unreadable_file",
]


class ExporterProxyError(Exception):
    """The base of all errors raised on purpose."""

    reason: str


class ConfigError(ExporterProxyError):
    """The configuration can't be used; ``problems`` has one line for each mistake."""

    reason = "config"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StartError(ExporterProxyError):
    """An address or a file that the configuration names can't be had."""

    reason = "start"


class PayloadError(ExporterProxyError):
    """A message is refused as a whole; the table keeps what it had."""

    reason: RejectReason

    def __init__(self, message: str, *, reason: RejectReason) -> None:
        super().__init__(message)
        self.reason = reason


class PollError(ExporterProxyError):
    """A scrape of a target brought nothing that can be shown."""

    reason: PollReason

    def __init__(self, message: str, *, reason: PollReason) -> None:
        super().__init__(message)
        self.reason = reason


class ModuleError(ExporterProxyError):
    """A module brought nothing that can be shown, or was asked in vain.

    Attributes:
        reason: Of a fixed set.
        part: Which of its parts it is about, a file's name; empty: all of it.
    """

    reason: ModuleReason

    def __init__(self, message: str, *, reason: ModuleReason, part: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.part = part


_QUOTES = ('"', "'", "`")


def table_full(max_apps: int) -> PayloadError:
    """Return the error for more apps than the table takes."""
    return PayloadError(
        f"the table is full: {max_apps} apps (exporter.max_apps)", reason="too_many_apps"
    )


def quote(value: object, limit: int = 60) -> str:
    """Return ``value`` in quotes as one printable line of at most ``limit`` characters.

    What can be shown is shown as it is. So the quotes are of a kind that the text has none of, as
    far as there is one, and names with labels can be read. Control characters and the like are
    written as Python has them, and backslashes twice then.
    """
    text = value if isinstance(value, str) else repr(value)
    # A long input is cut before it is escaped, which may make it ten times longer.
    shown = text[:limit]
    if not shown.isprintable():
        shown = "".join(each if _is_plain(each) else _escaped(each) for each in shown)
    more = len(text) > limit or len(shown) > limit
    mark = next((each for each in _QUOTES if each not in shown), _QUOTES[0])
    return f"{mark}{shown[:limit]}…{mark}" if more else f"{mark}{shown}{mark}"


def _is_plain(character: str) -> bool:
    return character.isprintable() and character != "\\"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

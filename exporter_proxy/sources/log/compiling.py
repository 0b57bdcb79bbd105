"""From a ``[[log]]`` section to what counts its lines; reads the file that a format is in."""

from collections.abc import Sequence
from typing import Protocol

from exporter_proxy.config import LogConfig
from exporter_proxy.errors import ConfigError, quote
from exporter_proxy.log_metrics.compile import compile_log

_MOST_FORMAT_BYTES = 65_536


class Counter(Protocol):
    """What counts lines: :class:`~exporter_proxy.log_metrics.counter.LineCounter`, as used here."""

    lines: int
    matched: int
    fingerprint: str

    @property
    def unmatched(self) -> int: ...  # noqa: D102  # here and below: see LineCounter

    def feed(  # noqa: D102
        self, block: bytes | memoryview, stream: str = "", lines: int | None = None
    ) -> None: ...
    def exposition(self) -> bytes: ...  # noqa: D102
    def state(self) -> bytes: ...  # noqa: D102
    def restore(self, state: bytes) -> None: ...  # noqa: D102


class Compile(Protocol):
    """Makes what counts the lines of a section."""

    def __call__(self, config: LogConfig, key: str) -> Counter:
        """Return a new counter; raise ConfigError."""


def compile_section(config: LogConfig, key: str) -> Counter:
    """Return a new counter for the lines of a section.

    Args:
        config: The section.
        key: How it is called in messages: ``log[0]``.

    Raises:
        ConfigError: It can't be used.
    """
    return compile_log(config, key, _format_text(config, key) if config.format_file else None)


def compile_all(configs: Sequence[LogConfig], make: Compile = compile_section) -> list[Counter]:
    """Return new counters for all sections.

    Args:
        configs: The sections.
        make: Makes one.

    Raises:
        ConfigError: With what is wrong with any of them.
    """
    counters: list[Counter] = []
    problems: list[str] = []
    for number, config in enumerate(configs):
        try:
            counters.append(make(config, f"log[{number}]"))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return counters


def _format_text(config: LogConfig, key: str) -> str:
    where = f"{key}.format_file: {quote(config.format_file)}"
    try:
        with open(config.format_file, "rb") as file:  # noqa: PTH123, as the system has it
            line = file.readline(_MOST_FORMAT_BYTES)
        return line.rstrip(b"\r\n").decode()
    except OSError as error:
        raise ConfigError([f"{where}: can't be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{where}: its first line is not UTF-8"]) from None

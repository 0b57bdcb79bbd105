"""What ``exporter-proxy logs --once`` does: reads logs to their end and prints the metrics."""

import argparse
import os
import sys
import time

from exporter_proxy import logs
from exporter_proxy.commands.logs_config import in_options
from exporter_proxy.commands.logs_input import Read, find, opened
from exporter_proxy.commands.logs_progress import Progress, progress
from exporter_proxy.config.logs import LogConfig
from exporter_proxy.log_metrics.counter import LineCounter
from exporter_proxy.sources.log.compiling import compile_section
from exporter_proxy.sources.log.lines import cut_lines

READ, UNREADABLE = range(2)

_BLOCK_BYTES = 2**18


class Reading:
    """Logs that are read one after another, and what came of it.

    Args:
        section: What is counted, and how.

    Attributes:
        counter: The metrics.
        bytes: How many were read.
        cut: How many lines were longer than the limit.

    Raises:
        ConfigError: The format can't be used.
    """

    def __init__(self, section: LogConfig) -> None:
        counter = compile_section(section, "log[0]")
        assert isinstance(counter, LineCounter), "what sections are compiled to"
        self.counter = counter
        self.bytes = 0
        self.cut = 0
        self._max_line = section.max_line

    def read(self, read: Read, shown: Progress) -> None:
        """Read one log to its end.

        Raises:
            OSError: It can't be read.
        """
        rest, skipping, final = b"", False, False
        while not final:
            data = read(max(_BLOCK_BYTES, 2 * self._max_line))
            final = not data
            cut = cut_lines(rest + data, self._max_line, skipping=skipping, final=final)
            self.counter.feed(cut.lines)
            rest, skipping = (rest + data)[cut.used :], cut.skipping
            self.cut += cut.cut
            self.bytes += len(data)
            shown.advance(len(data), self.counter.lines)


def read_all(section: LogConfig, options: argparse.Namespace) -> int:
    """Read what the options name, print the metrics, and return the exit code.

    Raises:
        ConfigError: The format can't be used.
    """
    reading = in_options(lambda: Reading(section))
    began = time.monotonic()
    problem = _read(reading, options)
    seconds = time.monotonic() - began
    if problem:
        _say(f"exporter-proxy {options.name}: {problem}")
        if not reading.bytes:
            return UNREADABLE
    try:
        _print(reading, options.output)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as head, has seen enough; the interpreter must not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not options.quiet:
        _say(_summary(reading, seconds))
    return UNREADABLE if problem else READ


def _read(reading: Reading, options: argparse.Namespace) -> str:
    """Read all logs; return what kept it from reading to their end, or nothing."""
    paths, name = find(options.path), ""
    try:
        with progress(paths, quiet=options.quiet) as shown:
            for name in paths:
                with opened(name) as read:
                    reading.read(read, shown)
    except OSError as error:
        return f"{name}: can't be read: {error.strerror or error}"
    except KeyboardInterrupt:
        return f"{name}: interrupted, not read to its end"
    return ""


def _print(reading: Reading, output: str | None) -> None:
    exposition = reading.counter.exposition()
    if output == "exposition" or (output is None and not sys.stdout.isatty()):
        sys.stdout.buffer.write(exposition)
        return
    from exporter_proxy.commands.logs_table import show  # noqa: PLC0415

    show(exposition.decode())


def _summary(reading: Reading, seconds: float) -> str:
    counter = reading.counter
    lines = f"{counter.lines:,} line{'' if counter.lines == 1 else 's'}"
    said = [
        f"{lines} ({_size(reading.bytes)}) in {seconds:.1f} s",
        f"{counter.matched:,} known, {counter.unmatched:,} not",
    ]
    if reading.cut:
        said.append(f"{reading.cut:,} too long and cut")
    if counter.unread_values:
        said.append(f"{counter.unread_values:,} numbers that can't be read")
    if counter.overflowed:
        said.append(f"{counter.overflowed:,} events beyond max_series")
    return ", ".join(said)


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1_000_000 else f"{size / 1e3:.1f} kB"


def _say(text: str) -> None:
    sys.stderr.write(logs.one_line(text) + "\n")

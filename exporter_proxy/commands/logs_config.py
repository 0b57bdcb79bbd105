"""From the options of ``exporter-proxy logs`` to a configuration with one ``[[log]]`` section."""

import argparse
import re
from collections.abc import Callable
from typing import TypeVar

from exporter_proxy.commands.logs import PORT
from exporter_proxy.config import Config, read, warnings
from exporter_proxy.config.logs import LogConfig
from exporter_proxy.errors import ConfigError, StartError, quote

_T = TypeVar("_T")

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - an exporter is there to be asked from elsewhere
_STDIN = "-"
_STDIN_PATH = "stdin"
# Options by the key whose value they give; longer keys first.
_OPTIONS = {
    "exporter.scrape_expose_endpoint": "--port",
    "exporter.web_config_file": "--web.config.file",
    "log[0].poll_interval": "--seconds",
    "log[0].checkpoint": "--checkpoint",
    "log[0].format_file": "--format-file",
    "log[0].format_type": "--format-type",
    "log[0].format": "--format",
    "log[0].metrics[0].labels": "--label",
    "log[0].metrics": "--preset or --format",
    "log[0].preset": "--preset or --format",
    "log[0].start": "--start",
    "log[0].path": "--path",
    "log[0].app": "--app",
}
_KEYS = re.compile(rf"({'|'.join(map(re.escape, _OPTIONS))})\b(?:\.\w+)?+")
_LINES = "log_lines_total"
_HELP = "Lines of the log that the format knows."


def following(options: argparse.Namespace) -> tuple[Config, list[str]]:
    """Return the configuration of a proxy that follows the log, and what is doubtful in it.

    Raises:
        ConfigError: The options can't be used; names them.
    """
    for name in ("output", "quiet"):
        if getattr(options, name):
            raise ConfigError([f"--{name}: says nothing without --once"])
    if len(options.path) > 1:
        raise ConfigError(
            ["--path: several files are followed as one pattern, in quotes: '/var/log/nginx/*.log'"]
        )
    if options.path == [_STDIN]:
        raise ConfigError(["--path: standard input is read with --once"])
    exporter = {"scrape_expose_endpoint": _endpoint(options.port)}
    if options.web_config_file is not None:
        exporter["web_config_file"] = options.web_config_file
    document = {
        "exporter": exporter,
        "receiver": {"receive_on_tcp_socket": False, "receive_on_unix_socket": False},
        "push": {"app_api": False, "pushgateway_api": False},
        "log": [_section(options, options.path[0])],
    }
    config = in_options(lambda: read(document))
    return config, [_in_options(doubt) for doubt in in_options(lambda: warnings(config))]


def once(options: argparse.Namespace) -> LogConfig:
    """Return the section for a log that is read to its end.

    Raises:
        ConfigError: The options can't be used; names them.
    """
    for name in ("checkpoint", "start", "seconds", "port"):
        if getattr(options, name) is not None:
            raise ConfigError([f"--{name}: says nothing with --once"])
    # Standard input is no path of a section's.
    path = _STDIN_PATH if options.path[0] == _STDIN else options.path[0]
    section = _section(options, path)
    config = in_options(lambda: read({"log": [section]}))
    in_options(lambda: warnings(config))
    return config.logs[0]


def in_options(make: Callable[[], _T]) -> _T:
    """Return what ``make`` returns; an error names the options, not the keys.

    Raises:
        ConfigError: Raised by ``make``.
        StartError: Likewise.
    """
    try:
        return make()
    except ConfigError as error:
        raise ConfigError([_in_options(problem) for problem in error.problems]) from None
    except StartError as error:
        raise StartError(_in_options(str(error))) from None


def _in_options(text: str) -> str:
    return _KEYS.sub(lambda key: _OPTIONS[key[1]], text)


def _endpoint(port: str | None) -> str:
    """Return the address that ``--port`` says.

    Raises:
        ConfigError: It says none, as far as can be seen here.
    """
    if port is None:
        return f"{_EVERYWHERE}:{PORT}"
    if port.isascii() and port.isdigit():
        return f"{_EVERYWHERE}:{port}"
    if ":" not in port:
        expected = 'a port, or an address and a port, such as "8080" or "127.0.0.1:8080"'
        raise ConfigError([f"--port: {quote(port)}: must be {expected}"])
    return port


def _section(options: argparse.Namespace, path: str) -> dict[str, object]:
    section: dict[str, object] = {"path": path}
    for key in ("app", "preset", "format", "format_file", "format_type", "start", "checkpoint"):
        value = getattr(options, key)
        if value is not None:
            section[key] = value
    if options.seconds is not None:
        section["poll_interval"] = _seconds(options.seconds)
    if options.preset is None:
        if options.format is None and options.format_file is None:
            raise ConfigError(["--preset or --format: one of them is needed"])
        labels = {group: f"{{{group}}}" for group in options.labels or ()}
        section["metrics"] = [{"name": _LINES, "type": "counter", "help": _HELP, "labels": labels}]
    elif options.labels:
        raise ConfigError(["--label: a preset has labels of its own"])
    return section


def _seconds(text: str) -> object:
    """Return a number where it is one; else it may be a duration such as ``500ms``."""
    if text.isdecimal():
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text

"""The command line: arguments to configuration to the running proxy.

Exit codes: 0 after a clean end, 1 if the proxy can't start, 2 if its arguments or its
configuration can't be used. Sub-commands say their own.
"""

import argparse
import logging
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from exporter_proxy import __version__, logs
from exporter_proxy.commands import apps, health, lint, push, replay
from exporter_proxy.commands import logs as log_commands
from exporter_proxy.config import Config, find_file, load, missing_accounts, warnings
from exporter_proxy.errors import ConfigError, StartError
from exporter_proxy.process.hangups import early_hangups

Command = Callable[[argparse.Namespace], int]

_EPILOG = """\
Without a command the proxy runs. Without --config the file is the one that $EXPORTER_PROXY_CONFIG
names, else ./config.toml, else /etc/exporter-proxy/config.toml; without any of them the defaults
apply."""


class _Parser(argparse.ArgumentParser):
    """Says what was meant where a configuration file stands alone, or an option in its place."""

    def error(self, message: str) -> NoReturn:
        """See :meth:`argparse.ArgumentParser.error`."""
        file = re.match(
            r"(?:unrecognized arguments: |argument COMMAND: invalid choice: ')(\S+\.toml)\b",
            message,
        )
        if file:
            super().error(f"did you mean: {self.prog} -c {file[1]}?")
        own = re.match(r"unrecognized arguments: (-c|--config|--log-level|--log-format)\b", message)
        super().error(f"{own[1]} stands before the command" if own else message)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit code.

    Args:
        argv: Arguments without the program's name; None: those of the process.

    Raises:
        SystemExit: From the parser, after ``--help``, ``--version`` or a wrong argument.
    """
    options = build_parser().parse_args(argv)
    command: Command = options.command
    if not (command is serve or log_commands.follows(options)):
        early_hangups.release()
    try:
        return command(options)
    except ConfigError as exc:
        return _fail(2, exc.problems, options)
    except StartError as exc:
        return _fail(1, [str(exc)], options, prefix="exporter-proxy: ")
    except KeyboardInterrupt:
        # before the proxy listens to signals itself
        return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; what is parsed has a ``command`` to call with the options."""
    parser: argparse.ArgumentParser = _Parser(
        prog="exporter-proxy",
        description="Take the metrics of many applications and show all of them to Prometheus "
        "on one port.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="configuration file (TOML)")
    parser.add_argument(
        "--check-config",
        dest="command",
        action="store_const",
        const=check_config,
        default=serve,
        help="read the configuration, report every mistake in it, and exit",
    )
    parser.add_argument(
        "--log-level", choices=logs.LEVELS, default="info", help="least level that is logged"
    )
    parser.add_argument(
        "--log-format",
        choices=logs.FORMATS,
        default="auto",
        help="form of a log line; auto (the default): text on a terminal, else json",
    )
    parser.add_argument("--version", action="version", version=f"exporter-proxy {__version__}")
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        metavar="FILE",
        help="the scrape port's certificates, users and headers, in the exporter-toolkit's format; "
        "takes the place of exporter.web_config_file",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    health.add_parser(commands)
    lint.add_parser(commands)
    push.add_parser(commands)
    apps.add_parser(commands)
    replay.add_parser(commands)
    log_commands.add_parsers(commands)
    return parser


def check_config(options: argparse.Namespace) -> int:
    """Read the configuration and say that nothing is wrong with it.

    Raises:
        ConfigError: Something is.
    """
    path, config = _load(options)
    shown = path or "defaults"
    missing = missing_accounts(config)
    if missing:
        raise ConfigError([f"{shown}: {problem}" for problem in missing])
    for warning in _doubts(path, config):
        sys.stderr.write(logs.one_line(f"{shown}: warning: {warning}") + "\n")
    sys.stdout.write(logs.one_line(f"{shown}: ok") + "\n")
    return 0


def serve(options: argparse.Namespace) -> int:
    """Run the proxy until it is told to stop.

    Raises:
        ConfigError: The configuration can't be used.
        StartError: An address or a file can't be had.
    """
    path, config = _load(options)
    doubts = _doubts(path, config)
    logs.configure(options.log_level, options.log_format)
    # Only now, so that --version and --check-config answer without an HTTP server in memory.
    import uvloop  # noqa: PLC0415

    from exporter_proxy.reload import ReadFile  # noqa: PLC0415
    from exporter_proxy.running import run  # noqa: PLC0415

    logger = logging.getLogger(__name__)
    logger.info("configuration: %s", path or "defaults")
    for warning in doubts:
        logger.warning("configuration: %s", warning)

    def read() -> ReadFile:
        path, config = _load(options)
        return ReadFile(path, config, _doubts(path, config))

    uvloop.run(run(config, path, read))
    return 0


def _doubts(path: Path | None, config: Config) -> list[str]:
    """Return what can be meant by a configuration, but hardly is.

    Raises:
        ConfigError: Files that it names for access, or formats of logs, can't be used.
    """
    found = warnings(config)
    _check_logs(path, config)
    web_file = config.exporter.web_config_file
    if not (web_file or config.access or config.push.allow_from or config.receiver.tls_cert_file):
        return found
    from exporter_proxy.access.doubts import warnings as access_warnings  # noqa: PLC0415

    try:
        return found + access_warnings(config)
    except ConfigError as exc:
        # What stands in the other file begins with its name.
        raise ConfigError(
            [
                problem
                if web_file and problem.startswith(f"{web_file}: ")
                else f"{path or 'defaults'}: {problem}"
                for problem in exc.problems
            ]
        ) from None


def _check_logs(path: Path | None, config: Config) -> None:
    """Refuse formats and metrics of logs that can't be used.

    Raises:
        ConfigError: Some can't.
    """
    if not config.logs:
        return
    from exporter_proxy.sources.log.compiling import compile_all  # noqa: PLC0415

    try:
        compile_all(config.logs)
    except ConfigError as exc:
        raise ConfigError([f"{path}: {problem}" for problem in exc.problems]) from None


def _load(options: argparse.Namespace) -> tuple[Path | None, Config]:
    path = find_file(options.config)
    config = load(path)
    if options.web_config_file is not None:
        exporter = replace(config.exporter, web_config_file=options.web_config_file)
        config = replace(config, exporter=exporter)
    return path, config


def _fail(code: int, lines: Sequence[str], options: argparse.Namespace, *, prefix: str = "") -> int:
    if options.command is serve and logs.is_json(options.log_format):
        # Whoever collects the log reads nothing but JSON.
        logs.configure(options.log_level, options.log_format)
        for line in lines:
            logging.getLogger(__name__).error("%s", line)
        return code
    for line in lines:
        sys.stderr.write(logs.one_line(f"{prefix}{line}") + "\n")
    return code

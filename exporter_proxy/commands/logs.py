"""``exporter-proxy logs`` and ``rsyncd``: the exporter of one log, in one command.

They run the proxy on a configuration that is made of the options: one ``[[log]]`` section, no
receivers. With ``--once`` the log is read to its end and the metrics are printed.

Exit codes: 0 after a clean end, 1 if the log can't be read or the port can't be had, 2 if the
options can't be used.
"""

import argparse
import logging

from exporter_proxy.errors import ConfigError
from exporter_proxy.log_metrics.settings import PRESETS

PORT = 8080

_RSYNCD = """\
Follow the log of an rsync daemon and serve its metrics: the whole exporter in one command. Or,
with --once, read the log to its end and print the metrics."""
_LOGS = """\
Follow a log and serve what happens in it as metrics: that of nginx, Apache, sshd or rsyncd
(--preset), or any (--format). Or, with --once, read it to its end and print the metrics."""
_EPILOG = """\
While a log is followed, /metrics is served on every address of this machine; -x 127.0.0.1:8080
serves it to this machine alone. It is the proxy with a configuration of one [[log]] section:
whoever wants more writes that section into a file and starts exporter-proxy with -c.

exit codes: 0 after a clean end, 1 if the log can't be read or the port can't be had, 2 if the
options can't be used."""


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands to those of the program."""
    rsyncd = _add(commands, "rsyncd", "serve the metrics of an rsync daemon's log", _RSYNCD)
    rsyncd.add_argument(
        "-f",
        "--format-file",
        metavar="FILE",
        help="file with the daemon's own `log format` in its first line, where it isn't rsync's "
        "default",
    )
    rsyncd.set_defaults(preset="rsyncd", format=None, format_type=None, labels=None)
    logs = _add(commands, "logs", "serve the metrics of any log", _LOGS)
    logs.add_argument("--preset", choices=PRESETS, help="a kind of log that is known")
    logs.add_argument(
        "--format",
        metavar="TEXT",
        help="how a line looks: a regular expression with named groups, a Grok pattern, or a "
        "log_format of nginx or Apache; with --preset: of the kind that it takes",
    )
    logs.add_argument(
        "-f", "--format-file", metavar="FILE", help="file with that in its first line"
    )
    logs.add_argument(
        "--format-type",
        choices=("auto", "regex", "grok", "log_format"),
        help="which of them it is; without it the text tells",
    )
    logs.add_argument(
        "--label",
        action="append",
        dest="labels",
        metavar="GROUP",
        help="without --preset: count lines by this group of the format (may be repeated)",
    )
    for parser in (rsyncd, logs):
        _add_once(parser)


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    help_text: str,
    description: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=help_text,
        description=description,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "-p",
        "--path",
        nargs="+",
        required=True,
        metavar="LOG",
        help="the log, or a pattern of several in quotes; with --once also files, packed ones, "
        "or - for standard input",
    )
    parser.add_argument("--app", metavar="NAME", help="app that has the metrics (`log: LOG`)")
    parser.add_argument(
        "-x",
        "--port",
        metavar="[HOST:]PORT",
        help=f"where /metrics is served (0.0.0.0:{PORT})",
    )
    parser.add_argument(
        "-s",
        "--seconds",
        metavar="SECONDS",
        help="how often the log is looked at where the system doesn't tell of changes (1)",
    )
    parser.add_argument(
        "--start",
        choices=("end", "beginning"),
        help="whether what the log has already is counted (end: it isn't)",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="keep here how far the log was read, so that a restart goes on with the counts",
    )
    parser.set_defaults(command=run, name=name)
    return parser


def _add_once(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("once, instead of following")
    group.add_argument(
        "--once", action="store_true", help="read to the end, print the metrics, and exit"
    )
    group.add_argument(
        "--output",
        choices=("table", "exposition"),
        help="how they are printed; without it: a table on a terminal, else exposition text",
    )
    group.add_argument("--quiet", action="store_true", help="no progress and no summary")


def follows(options: argparse.Namespace) -> bool:
    """Tell whether these options run the proxy."""
    return options.command is run and not options.once


def run(options: argparse.Namespace) -> int:
    """Follow the log until told to stop, or read it once; return the exit code.

    Raises:
        ConfigError: The options can't be used.
        StartError: The port or a file can't be had.
    """
    try:
        return _read_once(options) if options.once else _follow(options)
    except ConfigError as error:
        problems = [f"exporter-proxy {options.name}: {problem}" for problem in error.problems]
        raise ConfigError(problems) from None


def _read_once(options: argparse.Namespace) -> int:
    """Read the log to its end."""
    # What most of the program's runs have no use for.
    from exporter_proxy.commands.logs_config import once  # noqa: PLC0415
    from exporter_proxy.commands.logs_once import read_all  # noqa: PLC0415

    return read_all(once(options), options)


def _follow(options: argparse.Namespace) -> int:
    """Run the proxy until it is told to stop."""
    from exporter_proxy import logs  # noqa: PLC0415
    from exporter_proxy.commands.logs_config import following, in_options  # noqa: PLC0415

    config, doubts = following(options)
    logs.configure(options.log_level, options.log_format)
    import uvloop  # noqa: PLC0415

    from exporter_proxy.reload import ReadFile  # noqa: PLC0415
    from exporter_proxy.running import run as run_proxy  # noqa: PLC0415

    for doubt in doubts:
        logging.getLogger(__name__).warning("%s", doubt)
    read = ReadFile(None, config, doubts)
    in_options(lambda: uvloop.run(run_proxy(config, None, lambda: read)))
    return 0

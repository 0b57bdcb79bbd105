"""``exporter-proxy lint``: what would happen to a payload.

Exit codes: 0 if all of it is shown, repaired or not, 1 if something is held back, 2 if there is
nothing to look at or nobody to ask.
"""

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from exporter_proxy import logs
from exporter_proxy.commands import credentials

if TYPE_CHECKING:
    from exporter_proxy.exposition.report import Report

SHOWN, HELD_BACK, UNREADABLE = range(3)

_DESCRIPTION = """\
Say what would happen to the metrics in FILE, at URL, or on standard input: what is shown,
what is repaired, and what is held back from Prometheus, with the line and the reason."""
_EPILOG = """\
exit codes: 0 if everything is shown (repaired where need be), 1 if something is held back,
2 if there is nothing to look at: no such file, nobody at the URL."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "lint",
        help="say what would happen to a payload",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "source",
        nargs="?",
        default="-",
        metavar="FILE|URL|-",
        help="exposition text; -, the default, is standard input",
    )
    parser.add_argument(
        "--format",
        choices=("text", "openmetrics"),
        help="what it is read as; without it the content tells",
    )
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument(
        "--against",
        metavar="PROXY",
        help=(
            "compare with what a running proxy holds: the URL of its scrape port, or the path of a "
            "Unix socket"
        ),
    )
    parser.add_argument(
        "--app", metavar="NAME", help="with --against: as whose metrics the proxy looks at them"
    )
    credentials.add_options(parser, "with --against, over HTTP and TLS")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Look at what the options name, write the report, and return the exit code."""
    from exporter_proxy.commands.lint_input import UnreadableError  # noqa: PLC0415

    try:
        report = _report(options)
    except (UnreadableError, credentials.CredentialError) as error:
        sys.stderr.write(logs.one_line(f"exporter-proxy lint: {error}") + "\n")
        return UNREADABLE
    try:
        _write(report, options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as head, has seen enough; the interpreter must not complain at its end
        # about what could not be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return HELD_BACK if report.held_back else SHOWN


def _report(options: argparse.Namespace) -> "Report":
    if options.against is not None:
        return _ask(options)
    from exporter_proxy.commands.lint_input import UnreadableError, read  # noqa: PLC0415
    from exporter_proxy.exposition.report import report  # noqa: PLC0415

    if options.app is not None:
        raise UnreadableError("--app says nothing without --against")
    credentials.refuse_all(options, "without --against")
    payload = read(options.source)
    return report(payload, format=options.format, now_ms=time.time_ns() // 1_000_000)


def _ask(options: argparse.Namespace) -> "Report":
    from exporter_proxy.commands.asked import Asked  # noqa: PLC0415
    from exporter_proxy.commands.asking import AskError  # noqa: PLC0415
    from exporter_proxy.commands.destination import DestinationError  # noqa: PLC0415
    from exporter_proxy.commands.lint_http import ask  # noqa: PLC0415
    from exporter_proxy.commands.lint_input import UnreadableError, read  # noqa: PLC0415

    try:
        asked = Asked.of(options, options.against)
        return ask(asked, read(options.source), app=options.app, format=options.format)
    except (AskError, DestinationError) as error:
        raise UnreadableError(str(error)) from error


def _write(report: "Report", options: argparse.Namespace) -> None:
    from exporter_proxy.commands.lint_input import name_of  # noqa: PLC0415

    if options.json:
        from exporter_proxy.exposition.report_json import encode  # noqa: PLC0415

        sys.stdout.buffer.write(encode(report))
        return
    name = name_of(options.source)
    if sys.stdout.isatty():
        from exporter_proxy.commands.lint_tables import show  # noqa: PLC0415

        show(report, name, against=options.against is not None)
        return
    from exporter_proxy.commands.lint_plain import lines  # noqa: PLC0415

    for line in lines(report, name, against=options.against is not None):
        # A terminal or a pipe may be of any encoding.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.buffer.write(line.encode(encoding, "backslashreplace") + b"\n")

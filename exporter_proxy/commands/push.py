"""``exporter-proxy push``: push a file of metrics, once or again and again.

Exit codes: 0 if it was taken, 1 if it was refused or nobody was there, 2 if there is nothing that
could be pushed.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from exporter_proxy import logs
from exporter_proxy.commands import credentials
from exporter_proxy.config.units import parse_duration

if TYPE_CHECKING:
    from exporter_proxy.commands.pushing import Job

TAKEN, REFUSED, UNUSABLE = range(3)

_DESCRIPTION = """\
Push the metrics in FILE, or on standard input, as those of one app. They replace all that the app
had. Success is silent."""
_EPILOG = """\
TO is HOST:PORT of a receiver, the path of its Unix socket, or a URL: the scrape port's
(http://host:6555) or a Pushgateway's (http://host:9091/metrics/job/x). Without it a proxy on this
machine is meant, as its configuration says.

exit codes: 0 if the metrics were taken, 1 if they were refused or nobody was there, 2 if there is
nothing that could be pushed."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "push",
        help="push a file of metrics",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE|-",
        help="exposition text; -, the default, is standard input",
    )
    parser.add_argument("--app", metavar="NAME", required=True, help="whose metrics they are")
    add_sending_options(parser)
    parser.add_argument(
        "--ttl", metavar="TIME", help='how long they live without another push: 30s, 5m, "never"'
    )
    parser.add_argument(
        "--retries",
        type=count,
        default=3,
        metavar="N",
        help="how often it is tried again where that may help (%(default)s)",
    )
    parser.add_argument(
        "--watch", type=duration, metavar="TIME", help="push the file again each TIME, such as 15s"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what was pushed")
    credentials.add_options(parser)
    parser.set_defaults(command=run)


def add_sending_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where to and how."""
    parser.add_argument("--to", metavar="TO", help="where to; see below")
    parser.add_argument(
        "--wire",
        choices=("json", "capnp"),
        help="what a socket is spoken to in (json, where it is taken)",
    )
    parser.add_argument(
        "--timeout",
        type=duration,
        default=10.0,
        metavar="TIME",
        help="how long one push may take (10s)",
    )


def run(options: argparse.Namespace) -> int:
    """Push what the options name, and return the exit code."""
    # Most of what the program is started for needs none of these.
    import asyncio  # noqa: PLC0415

    from exporter_proxy.commands.destination import DestinationError  # noqa: PLC0415
    from exporter_proxy.commands.sending import SendError  # noqa: PLC0415
    from exporter_proxy.errors import PayloadError  # noqa: PLC0415

    try:
        job = _job(options)
        return asyncio.run(job.run())
    except (DestinationError, credentials.CredentialError, PayloadError, OSError) as error:
        return fail("push", str(error), UNUSABLE)
    except SendError as error:
        return fail("push", str(error), REFUSED)


def fail(command: str, why: str, code: int) -> int:
    """Say why a command could not do its work, and return the exit code."""
    sys.stderr.write(logs.one_line(f"exporter-proxy {command}: {why}") + "\n")
    return code


def _job(options: argparse.Namespace) -> "Job":
    from exporter_proxy.commands.destination import DestinationError  # noqa: PLC0415
    from exporter_proxy.commands.pushing import Job, read  # noqa: PLC0415
    from exporter_proxy.commands.sending import Route  # noqa: PLC0415
    from exporter_proxy.payload.names import check_name  # noqa: PLC0415
    from exporter_proxy.payload.ttl import parse_ttl  # noqa: PLC0415

    app = check_name(options.app)
    ttl = parse_ttl(app, options.ttl)
    if options.watch is not None and options.file == "-":
        raise DestinationError("--watch needs a file: standard input comes once")
    route = Route.of(options)
    # Before anybody is connected to; a file that is watched may come later.
    metrics = read(options.file) if options.watch is None else None
    return Job(
        app=app,
        file=options.file,
        first=metrics,
        ttl=ttl,
        retries=options.retries,
        every=options.watch,
        verbose=options.verbose,
        route=route,
    )


def duration(text: str) -> float:
    """Return the seconds that an option says, above 0."""
    plain = text.replace(".", "", 1)
    seconds = float(text) if plain.isascii() and plain.isdigit() else parse_duration(text)
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a duration such as 15s or 5m")
    return seconds


def count(text: str) -> int:
    """Return the number that an option says, 0 or more."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number")
    return int(text)

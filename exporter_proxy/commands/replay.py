"""``exporter-proxy replay``: load for trying out a set-up, from files of metrics.

Exit codes: 0 if every push was taken, 1 if some were not, 2 if there is nothing to push.
"""

import argparse
from typing import TYPE_CHECKING

from exporter_proxy.commands import credentials
from exporter_proxy.commands.push import add_sending_options, count, duration, fail

if TYPE_CHECKING:
    from exporter_proxy.commands.replay_load import Load

TAKEN, SOME_NOT, UNUSABLE = range(3)
_MOST_APPS = 1_000_000
_MOST_RATE = 100_000.0
_MOST_CONNECTIONS = 1_000

_DESCRIPTION = """\
Push the metrics in the files of DIR again and again, as those of many apps, and say how it went. A
load generator for trying out a set-up: never point it at a proxy that others rely on."""
_EPILOG = """\
The files are exposition text, or JSON messages (*.json) with the metrics of one or several apps.
App number i pushes file number i, and with more apps than files it begins anew with the first.
TO is HOST:PORT of a receiver, the path of its Unix socket, or a URL, as for push.

exit codes: 0 if every push was taken, 1 if some were not, 2 if there is nothing to push."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "replay",
        help="push files of metrics as those of many apps: a load for trying out a set-up",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("directory", metavar="DIR", help="where the files are")
    parser.add_argument(
        "--apps", type=count, default=10, metavar="N", help="how many apps there are (%(default)s)"
    )
    parser.add_argument(
        "--rate", type=_rate, default=10.0, metavar="R", help="pushes a second of all apps (10)"
    )
    parser.add_argument(
        "--duration", type=duration, default=30.0, metavar="TIME", help="for how long (30s)"
    )
    parser.add_argument(
        "--connections",
        type=count,
        default=16,
        metavar="N",
        help="pushes under way at once (%(default)s)",
    )
    parser.add_argument(
        "--prefix", default="replay-", help="what names of apps begin with (%(default)s)"
    )
    parser.add_argument(
        "--change",
        action="store_true",
        help="add a counter of the app's pushes, so that no push is like the one before",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only the summary")
    add_sending_options(parser)
    credentials.add_options(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Push as the options say, and return the exit code."""
    # Most of what the program is started for needs none of these.
    import asyncio  # noqa: PLC0415

    from exporter_proxy.commands.destination import DestinationError  # noqa: PLC0415
    from exporter_proxy.commands.replay_files import FilesError  # noqa: PLC0415
    from exporter_proxy.commands.replay_summary import write  # noqa: PLC0415
    from exporter_proxy.errors import PayloadError  # noqa: PLC0415

    try:
        load = _load(options)
    except (
        DestinationError,
        FilesError,
        PayloadError,
        credentials.CredentialError,
        argparse.ArgumentTypeError,
    ) as error:
        return fail("replay", str(error), UNUSABLE)
    results = asyncio.run(load.run(quiet=options.quiet))
    write(results, load)
    return SOME_NOT if results.failed else TAKEN


def _load(options: argparse.Namespace) -> "Load":
    from exporter_proxy.commands.replay_files import read_directory  # noqa: PLC0415
    from exporter_proxy.commands.replay_load import Load  # noqa: PLC0415
    from exporter_proxy.commands.sending import Route  # noqa: PLC0415
    from exporter_proxy.payload.names import check_name  # noqa: PLC0415

    for name, most in (("apps", _MOST_APPS), ("connections", _MOST_CONNECTIONS)):
        if not 1 <= getattr(options, name) <= most:
            raise argparse.ArgumentTypeError(f"--{name}: expected a number from 1 to {most}")
    width = len(str(options.apps))
    apps = [
        check_name(f"{options.prefix}{number:0{width}}") for number in range(1, options.apps + 1)
    ]
    route = Route.of(options)
    return Load(
        payloads=read_directory(options.directory),
        apps=apps,
        rate=options.rate,
        duration=options.duration,
        connections=options.connections,
        change=options.change,
        route=route,
    )


def _rate(text: str) -> float:
    """Return the rate that an option says."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _MOST_RATE:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a number above 0, up to {_MOST_RATE:.0f}"
        )
    return rate

"""``exporter-proxy apps``: which app was updated when, and by whom, as a running proxy has it.

Exit codes: 0 if the proxy answered, 1 if it didn't, 2 if it can't be asked.
"""

import argparse
import os
import sys
from typing import TYPE_CHECKING

from exporter_proxy.commands import credentials
from exporter_proxy.commands.push import duration, fail

if TYPE_CHECKING:
    from exporter_proxy.commands.apps_table import Selection
    from exporter_proxy.commands.asking import Proxy

ANSWERED, SILENT, UNUSABLE = range(3)
SORTS = ("order", "app", "age", "source", "samples", "bytes", "updates", "rate", "state")

_DESCRIPTION = """\
Show the apps of a running proxy: a table, or with --watch one that is kept up to date."""
_EPILOG = """\
PROXY is the URL of a scrape port, or the path of a receiver's Unix socket. Without it a proxy on
this machine is meant, as its configuration says.

exit codes: 0 if the proxy answered, 1 if it didn't, 2 if it can't be asked."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "apps",
        help="show the apps of a running proxy",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("proxy", nargs="?", metavar="PROXY", help="who is asked; see below")
    parser.add_argument(
        "--watch",
        type=duration,
        nargs="?",
        const=2.0,
        metavar="TIME",
        help="ask again each TIME (2s), until Ctrl-C",
    )
    parser.add_argument("--json", action="store_true", help="write JSON, as the proxy sends it")
    parser.add_argument(
        "--sort",
        choices=SORTS,
        default="order",
        help="by what; order, the default, is that of the page",
    )
    parser.add_argument("--filter", metavar="REGEX", help="only apps with this in their name")
    parser.add_argument(
        "--timeout",
        type=duration,
        default=10.0,
        metavar="TIME",
        help="how long an answer may take (10s)",
    )
    credentials.add_options(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Show what the options ask for, and return the exit code.

    Raises:
        ConfigError: The configuration is needed and can't be used.
    """
    # Most of what the program is started for needs none of these.
    import asyncio  # noqa: PLC0415

    from exporter_proxy.commands.apps_table import Selection, SelectionError  # noqa: PLC0415
    from exporter_proxy.commands.asked import Asked  # noqa: PLC0415
    from exporter_proxy.commands.asking import AskError, Proxy  # noqa: PLC0415
    from exporter_proxy.commands.destination import DestinationError  # noqa: PLC0415

    if options.watch is not None and options.json:
        return fail("apps", "--watch and --json don't go together", UNUSABLE)
    try:
        selection = Selection(options.sort, options.filter)
        proxy = Proxy(Asked.of(options, options.proxy), options.timeout)
        asyncio.run(_show(options, proxy, selection))
    except (DestinationError, credentials.CredentialError, SelectionError) as error:
        return fail("apps", str(error), UNUSABLE)
    except AskError as error:
        return fail("apps", str(error), SILENT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        # The usual end of --watch.
        return ANSWERED
    return ANSWERED


async def _show(options: argparse.Namespace, proxy: "Proxy", selection: "Selection") -> None:
    from exporter_proxy.commands import apps_live, apps_table  # noqa: PLC0415

    async with proxy:
        if options.watch is not None:
            await apps_live.watch(proxy, selection, options.watch)
            return
        body = await proxy.get("/apps", format="json")
        if options.json:
            some = options.filter is not None or options.sort != "order"
            shown = apps_table.select(body, selection, proxy.shown) if some else body
            sys.stdout.buffer.write(shown)
            sys.stdout.flush()
            return
        apps_table.write(selection.of(apps_table.read(body, proxy.shown)), proxy.shown)
        sys.stdout.flush()

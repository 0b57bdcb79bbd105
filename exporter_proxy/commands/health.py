"""``exporter-proxy health``: ask a running proxy how it is, as a container's health check does.

Exit codes: 0 if the answer is 200, 1 if there is another answer or none, 2 if the options or the
configuration can't be used.
"""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from exporter_proxy import __version__, logs
from exporter_proxy.commands import credentials, failures
from exporter_proxy.commands.push import fail
from exporter_proxy.config.units import parse_duration
from exporter_proxy.errors import quote

if TYPE_CHECKING:
    import http.client

    from exporter_proxy.commands.asked import Asked

HEALTHY, UNHEALTHY, UNUSABLE = range(3)

_MOST_SHOWN_BYTES = 1000
_SECONDS = 3.0
_MOST_SECONDS = 3600.0

_DESCRIPTION = """\
Ask a running proxy whether it is healthy, and say so by the exit code."""
_EPILOG = """\
PROXY is the URL of a scrape port (a path of its own is asked for as it is), or the path of a
receiver's Unix socket. Without it the proxy on this machine is meant, as its configuration says;
its certificate is taken as it is, unless --ca-file says otherwise.

exit codes: 0 if it is, 1 if it is not or nobody answers, 2 if the options or the configuration
can't be used."""


class UnhealthyError(Exception):
    """Why it is not, in one line."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "health",
        help="ask a running proxy whether it is healthy",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("proxy", nargs="?", metavar="PROXY", help="who is asked; see below")
    parser.add_argument(
        "--ready",
        action="store_true",
        help="ask /-/ready (metrics are taken) instead of /-/healthy",
    )
    parser.add_argument(
        "--timeout",
        type=_duration,
        default=_SECONDS,
        metavar="DURATION",
        help="for all of it, such as 3 (the default) or 500ms",
    )
    credentials.add_options(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Ask, say what was answered, and return the exit code.

    Raises:
        ConfigError: The configuration is needed and can't be used.
    """
    from exporter_proxy.commands.asked import Asked  # noqa: PLC0415 - for who asks
    from exporter_proxy.commands.destination import DestinationError  # noqa: PLC0415 - as above

    try:
        # Our own certificate has the name that others know us by, hardly that of the loopback.
        asked = Asked.of(options, options.proxy, is_trusted=True)
        with _deadline(options.timeout):
            line = _ask(asked, "/-/ready" if options.ready else "/-/healthy")
    except credentials.CredentialError as error:
        return fail("health", str(error), UNUSABLE)
    except (DestinationError, UnhealthyError) as error:
        return fail("health", str(error), UNHEALTHY)
    sys.stdout.write(logs.one_line(line) + "\n")
    return HEALTHY


def _ask(asked: "Asked", path: str) -> str:
    """Return the first line of a good answer.

    Raises:
        UnhealthyError: There is none.
    """
    import http.client  # noqa: PLC0415 - only now it is certain that there is somebody to ask

    headers = {"User-Agent": f"exporter-proxy/{__version__}"}
    if asked.credentials.authorization is not None:
        headers["Authorization"] = asked.credentials.authorization
    if asked.url is not None and asked.url.target != "/":
        path = asked.url.target
    where = asked.shown if asked.url is None else f"{asked.url.address}{path}"
    connection = _connection(asked)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(_MOST_SHOWN_BYTES).decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise UnhealthyError(f"{where}: {_no_http(str(error).strip())}") from error
    except UnicodeError as error:
        raise UnhealthyError(f"{where}: {str(error).lower()}") from error
    except OSError as error:
        raise UnhealthyError(f"{where}: {failures.of_socket(error)}") from error
    finally:
        connection.close()
    line = next(iter(body.splitlines()), "").strip()
    if answer.status != http.client.OK:
        raise UnhealthyError(f"{where}: HTTP status {answer.status}{line and f': {line}'}")
    return line or "200"


def _connection(asked: "Asked") -> "http.client.HTTPConnection":
    """Return a connection that is not opened yet."""
    import http.client  # noqa: PLC0415 - as above

    if asked.url is None:
        import socket  # noqa: PLC0415 - as above

        class OverUnix(http.client.HTTPConnection):
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.connect(asked.socket)

        return OverUnix("localhost")
    parts = urlsplit(f"//{asked.url.address}")
    assert parts.hostname is not None
    if asked.credentials.tls is None:
        return http.client.HTTPConnection(parts.hostname, parts.port)
    context = asked.credentials.tls
    return http.client.HTTPSConnection(parts.hostname, parts.port, context=context)


def _no_http(line: str) -> str:
    """Return what to say of an answer that is no HTTP; it may be a line that says so itself."""
    said = line.removeprefix("error: ")
    if said != line and said.isprintable() and len(said) <= _MOST_SHOWN_BYTES:
        return f"not HTTP: {said}"
    return f"not an HTTP answer: {quote(line)}"


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise ``UnhealthyError`` when that time is over.

    A time-out of the socket's is one for each packet: who dribbles would hold us for ever.
    """

    def late(*_: object) -> None:
        raise UnhealthyError(f"no answer within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _duration(text: str) -> float:
    """Return the seconds that an option names."""
    seconds = parse_duration(text) or parse_duration(f"{text}s")
    if not seconds or seconds > _MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text}: must be a duration of at most an hour, such as 3 or 500ms"
        )
    return seconds

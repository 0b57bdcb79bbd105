"""``exporter-proxy health``: ask a running proxy how it is, as a container's health check does.

Exit codes: 0 if the answer is 200, 1 if there is another answer or none.
"""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from exporter_proxy import __version__, logs
from exporter_proxy.commands.scrape_port import configured, scrape_port
from exporter_proxy.config.units import parse_duration
from exporter_proxy.config.urls import EndpointUrl, hide_user_info
from exporter_proxy.errors import quote

HEALTHY, UNHEALTHY = range(2)

_MOST_SHOWN_BYTES = 1000
_SECONDS = 3.0
_MOST_SECONDS = 3600.0

_DESCRIPTION = """\
Ask a running proxy whether it is healthy, and say so by the exit code. Without URL it is the
one that the configuration describes, on this machine."""
_EPILOG = "exit codes: 0 if it is, 1 if it is not or nobody answers."


class UnhealthyError(Exception):
    """Why it is not, in one line."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "health",
        help="ask a running proxy whether it is healthy",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="such as http://127.0.0.1:6555; a path of its own is asked for as it is",
    )
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
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="accept a certificate that can't be verified",
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Ask, say what was answered, and return the exit code.

    Raises:
        ConfigError: The configuration is needed and can't be used.
    """
    path = "/-/ready" if options.ready else "/-/healthy"
    try:
        url = _address(options, path)
        with _deadline(options.timeout):
            # Our own certificate has the name that others know us by, hardly that of the loopback.
            line = _ask(url, insecure=options.insecure or options.url is None)
    except UnhealthyError as error:
        sys.stderr.write(logs.one_line(f"exporter-proxy health: {error}") + "\n")
        return UNHEALTHY
    sys.stdout.write(logs.one_line(line) + "\n")
    return HEALTHY


def _address(options: argparse.Namespace, path: str) -> EndpointUrl:
    """Return the URL to ask."""
    text = options.url
    if text is None:
        text = configured(options.config, options.web_config_file)
        if text is None:
            raise UnhealthyError("exporter.scrape_expose_endpoint has port 0: name the URL")
    url = scrape_port(text)
    if url is None:
        raise UnhealthyError(
            f"{quote(hide_user_info(text))}: not a URL such as http://127.0.0.1:6555"
        )
    return url if url.target != "/" else url._replace(target=path)


def _ask(url: EndpointUrl, *, insecure: bool) -> str:
    """Return the first line of a good answer.

    Raises:
        UnhealthyError: There is none.
    """
    import http.client  # noqa: PLC0415 - only now it is certain that there is somebody to ask

    parts = urlsplit(f"//{url.address}")
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    if url.url.lower().startswith("https:"):
        import ssl  # noqa: PLC0415 - tens of milliseconds, for TLS alone

        context = ssl.create_default_context()
        if insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port)
    headers = {"User-Agent": f"exporter-proxy/{__version__}"}
    if url.username is not None:
        from base64 import b64encode  # noqa: PLC0415

        pair = f"{url.username}:{url.password or ''}".encode()
        headers["Authorization"] = f"Basic {b64encode(pair).decode('ascii')}"
    where = f"{url.address}{url.target}"
    try:
        connection.request("GET", url.target, headers=headers)
        answer = connection.getresponse()
        body = answer.read(_MOST_SHOWN_BYTES).decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise UnhealthyError(f"{where}: {_no_http(str(error).strip())}") from error
    except (OSError, UnicodeError) as error:
        raise UnhealthyError(f"{where}: {_why(error)}") from error
    finally:
        connection.close()
    line = next(iter(body.splitlines()), "").strip()
    if answer.status != http.client.OK:
        raise UnhealthyError(f"{where}: HTTP status {answer.status}{line and f': {line}'}")
    return line or "200"


def _why(error: OSError | UnicodeError) -> str:
    """Return what went wrong, in the words that other commands have for it."""
    # What errors of TLS have; it is not imported for anything else.
    if untrusted := getattr(error, "verify_message", None):
        return f"the certificate is not trusted: {untrusted}"
    if isinstance(error, OSError) and (reason := getattr(error, "reason", None)):
        return f"TLS failed: {quote(str(reason))}"
    why: str = getattr(error, "strerror", None) or str(error)
    return why.lower()


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

"""Where a command pushes to: an address, a Unix socket or a URL."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote as percent_encode

from exporter_proxy.commands.scrape_port import EVERYWHERE
from exporter_proxy.config import Address, Config, find_file, load
from exporter_proxy.config.kinds import UnfitError
from exporter_proxy.config.texts import ListenAddress
from exporter_proxy.config.urls import EndpointUrl, hide_user_info, split_url
from exporter_proxy.errors import ConfigError, quote

_EXPECTED = (
    'expected HOST:PORT, the path of a Unix socket such as "./x.sock", '
    'or a URL such as "http://host:6555"'
)
_PORT = 6554


class DestinationError(Exception):
    """There is no such place; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to push.

    Attributes:
        kind: How it is reached.
        shown: How it is called in messages, without secrets.
        address: Of a TCP receiver.
        path: Of a Unix socket.
        url: Of an HTTP endpoint.
        takes_capnp_only: Whether JSON is refused there, as far as the configuration tells.
        tls: Whether TLS is spoken there.
    """

    kind: Literal["tcp", "unix", "http"]
    shown: str
    address: Address | None = None
    path: str = ""
    url: EndpointUrl | None = None
    takes_capnp_only: bool = False
    tls: bool = False

    def url_for(self, app: str) -> str:
        """Return the URL to push the metrics of ``app`` to.

        A URL without a path is the proxy's scrape port; one with a path is taken as it is, so that
        it may be a Pushgateway's.
        """
        assert self.url is not None, "no HTTP endpoint"
        path, _, query = self.url.target.partition("?")
        if path != "/":
            return self.url.url
        base = self.url.url.partition("?")[0].rstrip("/")
        name = percent_encode(app, safe="")
        return f"{base}/push/{name}" + (f"?{query}" if query else "")


def parse(text: str) -> Destination:
    """Return the destination that ``text`` names.

    Raises:
        DestinationError: It names none.
    """
    if "://" in text:
        url = split_url(text)
        if url is None:
            shown = quote(hide_user_info(text))
            raise DestinationError(f"{shown} is not an HTTP or HTTPS URL")
        return Destination("http", url.url, url=url, tls=url.url.lower().startswith("https:"))
    path = text.removeprefix("unix:")
    if path != text or "/" in text:
        if not path:
            raise DestinationError(f"{quote(text)}: {_EXPECTED}")
        return Destination("unix", path, path=path)
    try:
        address = ListenAddress(_PORT).convert(text)
    except UnfitError as error:
        raise DestinationError(f"{quote(text)}: {str(error) or _EXPECTED}") from None
    if not address.port:
        raise DestinationError(f"{quote(text)}: {_EXPECTED}")
    return Destination("tcp", str(address), address=address)


def default(config_file: str | None, environ: Mapping[str, str] = os.environ) -> Destination:
    """Return where a proxy on this machine takes pushes, by the configuration that it would read.

    Args:
        config_file: The one named on the command line.
        environ: The environment, which may name another.

    Raises:
        ConfigError: The configuration can't be read.
        DestinationError: It has no receiver turned on.
    """
    path = find_file(config_file, environ)
    return of_config(load(path), path)


def of_config(config: Config, path: Path | None) -> Destination:
    """Return where a proxy with that configuration takes pushes.

    Raises:
        DestinationError: Nowhere that is known.
    """
    receiver = config.receiver
    capnp = receiver.format == "capnp"
    host, port = receiver.receiver_tcp_socket
    # TLS is spoken to scrape ports alone: a receiver's can't say what became of a large message.
    if receiver.receive_on_tcp_socket and port and not receiver.tls_cert_file:
        address = Address(EVERYWHERE.get(host, host), port)
        return Destination("tcp", str(address), address=address, takes_capnp_only=capnp)
    if receiver.receive_on_unix_socket and receiver.receiver_unix_socket:
        socket = receiver.receiver_unix_socket
        return Destination("unix", socket, path=socket, takes_capnp_only=capnp)
    raise DestinationError(
        f"{path or 'the defaults'}: no receiver without TLS whose address is known: say --to"
    )


def find(named: str | None, config_file: str | None) -> Destination:
    """Return the destination that the options name, or else the default.

    Raises:
        DestinationError: There is none.
    """
    if named is not None:
        return parse(named)
    try:
        return default(config_file)
    except ConfigError as error:
        raise DestinationError(f"{error.problems[0]} (or say --to)") from error

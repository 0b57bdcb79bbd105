"""Whom a command asks: a running proxy, by a URL or over a Unix socket."""

import re
from argparse import Namespace
from dataclasses import dataclass
from typing import Self

from exporter_proxy.commands import credentials
from exporter_proxy.commands.credentials import Credentials
from exporter_proxy.commands.destination import DestinationError, parse
from exporter_proxy.commands.scrape_port import configured, scrape_port, without_page
from exporter_proxy.config.urls import EndpointUrl, hide_user_info
from exporter_proxy.errors import quote

# What is no path of a Unix socket, though it has a slash, and no name of a host alone.
_URL_WITHOUT_SCHEME = re.compile(r"(?!unix:)[^/]*@|[^/]+:[0-9]+/")
# HTTP has a host within it also where the path of a socket says who is meant.
_NOBODY = "http://localhost"


@dataclass(frozen=True, slots=True)
class Asked:
    """A running proxy, and how it is asked.

    Attributes:
        shown: How it is called in messages, without secrets.
        url: What was named; None: a Unix socket.
        socket: The path of the Unix socket.
        credentials: What is shown there, and whom to trust.
    """

    shown: str
    url: EndpointUrl | None
    socket: str
    credentials: Credentials

    @classmethod
    def of(cls, options: Namespace, named: str | None, *, is_trusted: bool = False) -> Self:
        """Return the proxy that is named, or else the one that the configuration describes.

        Args:
            options: What the command line says.
            named: A URL, with or without its scheme, or the path of a Unix socket.
            is_trusted: Whether the one that the configuration describes needs to prove nothing. It
                then gets no token of the environment.

        Raises:
            ConfigError: The configuration is needed and can't be used.
            CredentialError: An option for credentials can't be used.
            DestinationError: There is no such proxy.
        """
        text = named
        if text is None:
            text = configured(options.config, options.web_config_file)
            if text is None:
                raise DestinationError("exporter.scrape_expose_endpoint has port 0: name the proxy")
        elif "://" not in text and not _URL_WITHOUT_SCHEME.match(text):
            to = parse(text)
            if to.kind == "unix":
                shown = credentials.find(options, to.shown, http=True, tls=False)
                return cls(to.shown, None, to.path, shown)
        url = scrape_port(text)
        if url is None:
            plain = hide_user_info(text) if "://" in text else text.rpartition("@")[2]
            raise DestinationError(f"{quote(plain)} is not an HTTP or HTTPS URL")
        base, tls = without_page(url), url.url.lower().startswith("https:")
        chosen = options.insecure or options.ca_file is not None
        anyone = is_trusted and named is None and tls and not chosen
        found = credentials.find(options, base, url=url, http=True, tls=tls, anyone=anyone)
        return cls(base, url, "", found)

    def page(self, path: str) -> str:
        """Return the URL of a page."""
        return (_NOBODY if self.url is None else self.shown) + path

"""How commands prove who they are, and whom they trust: options of every command that uses HTTP."""

import argparse
import os
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from exporter_proxy.config.urls import EndpointUrl

if TYPE_CHECKING:
    import ssl

TOKEN_VARIABLE = "EXPORTER_PROXY_TOKEN"  # noqa: S105 - its name
PASSWORD_VARIABLE = "EXPORTER_PROXY_PASSWORD"  # noqa: S105 - its name
_MAX_SECRET_BYTES = 65_536


class CredentialError(Exception):
    """A file of the options can't be used; the text says why, for a person."""


def add_options(parser: argparse.ArgumentParser, title: str = "over HTTP") -> None:
    """Add the options. Secrets come from files or the environment: arguments can be seen by all."""
    group = parser.add_argument_group(title)
    group.add_argument(
        "--token-file", metavar="FILE", help=f"bearer token; without it ${TOKEN_VARIABLE}"
    )
    group.add_argument("--user", metavar="NAME", help="user for basic authentication")
    group.add_argument(
        "--password-file", metavar="FILE", help=f"their password; without it ${PASSWORD_VARIABLE}"
    )
    group.add_argument(
        "--ca-file", metavar="FILE", help="certificates to trust instead of the system's (PEM)"
    )
    group.add_argument(
        "--insecure", action="store_true", help="take any certificate, of whomever it is"
    )


def authorization(
    options: argparse.Namespace,
    url: EndpointUrl | None,
    environ: Mapping[str, str] = os.environ,
) -> str | None:
    """Return the value of the header ``Authorization``; None: nobody needs to know who asks.

    The options come first, then what the URL says, then the environment.

    Raises:
        CredentialError: A file can't be read, or there is a user and no password.
    """
    if options.token_file is not None:
        return f"Bearer {_read(options.token_file)}"
    if options.user is not None:
        if options.password_file is not None:
            return _basic(options.user, _read(options.password_file))
        if environ.get(PASSWORD_VARIABLE):
            return _basic(options.user, environ[PASSWORD_VARIABLE])
        raise CredentialError(f"--user needs --password-file or ${PASSWORD_VARIABLE}")
    if url is not None and url.username is not None:
        return _basic(url.username, url.password or "")
    token = environ.get(TOKEN_VARIABLE)
    return f"Bearer {token}" if token else None


def tls_context(options: argparse.Namespace) -> "ssl.SSLContext":
    """Return whom to trust over HTTPS.

    Raises:
        CredentialError: ``--ca-file`` can't be used.
    """
    # A library that most commands have no use for.
    import ssl  # noqa: PLC0415

    if options.insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except ssl.SSLError as error:
        raise CredentialError(f"{options.ca_file}: no certificates in PEM form") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise CredentialError(f"{options.ca_file}: can't be read: {why}") from error


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_SECRET_BYTES + 1)
        text = data.decode().strip()
    except UnicodeDecodeError as error:
        raise CredentialError(f"{path}: not UTF-8") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise CredentialError(f"{path}: can't be read: {why}") from error
    if not text or len(data) > _MAX_SECRET_BYTES or not text.isprintable():
        raise CredentialError(f"{path}: expected one line with a secret")
    return text


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")

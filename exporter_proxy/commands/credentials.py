"""How commands prove who they are, and whom they trust: options of all that connect to a proxy."""

import argparse
import os
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exporter_proxy.config.urls import EndpointUrl

if TYPE_CHECKING:
    import ssl

TOKEN_VARIABLE = "EXPORTER_PROXY_TOKEN"  # noqa: S105 - its name
PASSWORD_VARIABLE = "EXPORTER_PROXY_PASSWORD"  # noqa: S105 - its name
_MAX_SECRET_BYTES = 65_536
_HTTP_OPTIONS = ("token_file", "user", "password_file")
_TLS_OPTIONS = ("ca_file", "insecure", "cert_file", "key_file")
# What an option says nothing without, and what it contradicts.
_NEEDS = (("password_file", "user"), ("key_file", "cert_file"))
_CONTRADICTIONS = (("token_file", "user"), ("ca_file", "insecure"))


class CredentialError(Exception):
    """An option can't be used, or says nothing; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is shown to a proxy, and what it has to show.

    Attributes:
        tls: Whom to trust, and our own certificate; None: TLS is not spoken.
        authorization: The header of HTTP; None: nobody needs to know who asks.
    """

    tls: "ssl.SSLContext | None" = None
    authorization: str | None = None


def add_options(parser: argparse.ArgumentParser, title: str = "over HTTP and TLS") -> None:
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
    group.add_argument("--cert-file", metavar="FILE", help="our own certificate (PEM)")
    group.add_argument("--key-file", metavar="FILE", help="its key, if it is not there, too")


def find(
    options: argparse.Namespace,
    shown: str,
    *,
    url: EndpointUrl | None = None,
    http: bool,
    tls: bool,
    anyone: bool = False,
) -> Credentials:
    """Return the credentials for a place.

    Args:
        options: What the command line says.
        shown: How the place is called.
        url: Its URL, if it has one.
        http: Whether HTTP is spoken there.
        tls: Whether TLS is.
        anyone: Whether any certificate is taken, as with ``--insecure``. Nobody asked for that, so
            that no token of the environment is shown.

    Raises:
        CredentialError: A file can't be used, there is a user and no password, or an option is
            without effect: nobody is to rely on it.
    """
    if not http:
        _refuse(options, _HTTP_OPTIONS, f"to {shown}: it is for HTTP")
    if not tls:
        _refuse(options, _TLS_OPTIONS, f"to {shown}: it is for TLS")
    for name, other in _CONTRADICTIONS:
        if _is_given(options, name) and _is_given(options, other):
            raise CredentialError(f"{_spelled(name)} and {_spelled(other)} don't go together")
    for name, other in _NEEDS:
        if not _is_given(options, other):
            _refuse(options, [name], f"without {_spelled(other)}")
    return Credentials(
        _tls_context(options, anyone=anyone or options.insecure) if tls else None,
        _authorization(options, url, with_token=not anyone) if http else None,
    )


def refuse_all(options: argparse.Namespace, where: str) -> None:
    """Refuse all of the options, which say nothing there.

    Raises:
        CredentialError: One was given.
    """
    _refuse(options, (*_HTTP_OPTIONS, *_TLS_OPTIONS), where)


def _refuse(options: argparse.Namespace, names: Iterable[str], where: str) -> None:
    for name in names:
        if _is_given(options, name):
            raise CredentialError(f"{_spelled(name)} says nothing {where}")


def _is_given(options: argparse.Namespace, name: str) -> bool:
    return getattr(options, name) not in (None, False)


def _spelled(name: str) -> str:
    return "--" + name.replace("_", "-")


def _authorization(
    options: argparse.Namespace, url: EndpointUrl | None, *, with_token: bool
) -> str | None:
    # The options come first, then what the URL says, then the environment.
    if options.token_file is not None:
        return f"Bearer {_read(options.token_file)}"
    if options.user is not None:
        if options.password_file is not None:
            return _basic(options.user, _read(options.password_file))
        if os.environ.get(PASSWORD_VARIABLE):
            return _basic(options.user, os.environ[PASSWORD_VARIABLE])
        raise CredentialError(f"--user needs --password-file or ${PASSWORD_VARIABLE}")
    if url is not None and url.username is not None:
        return _basic(url.username, url.password or "")
    token = os.environ.get(TOKEN_VARIABLE) if with_token else None
    return f"Bearer {token}" if token else None


def _tls_context(options: argparse.Namespace, *, anyone: bool) -> "ssl.SSLContext":
    # A library that most commands have no use for.
    import ssl  # noqa: PLC0415

    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except ssl.SSLError as error:
        raise CredentialError(f"{options.ca_file}: no certificates in PEM form") from error
    except (OSError, ValueError) as error:
        raise _unreadable(options.ca_file, error) from error
    if anyone:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.cert_file is not None:
        _show(context, options.cert_file, options.key_file)
    return context


def _show(context: "ssl.SSLContext", cert: str, key: str | None) -> None:
    """Have a context show a certificate of our own."""
    import ssl  # noqa: PLC0415 - as above

    for path in filter(None, (cert, key)):
        try:
            Path(path).open("rb").close()
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
    try:
        # No passphrase is asked for: a command may run where nobody is.
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        names = cert if key is None else f"{cert}, {key}"
        raise CredentialError(f"{names}: no certificate in PEM form with its key") from error


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_SECRET_BYTES + 1)
        text = data.decode().strip()
    except UnicodeDecodeError as error:
        raise CredentialError(f"{path}: not UTF-8") from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not text or len(data) > _MAX_SECRET_BYTES or not text.isprintable():
        raise CredentialError(f"{path}: expected one line with a secret")
    return text


def _unreadable(path: str, error: Exception) -> CredentialError:
    return CredentialError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}")


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")

"""From settings to a context of OpenSSL's, made anew when a file changes."""

import contextlib
import logging
import os
import ssl
import time
import warnings
from collections.abc import Callable, Iterator

from exporter_proxy.access.tls_settings import (
    CURVES,
    SUITES,
    TLS13_SUITES,
    Pem,
    TlsSettings,
    TlsVersion,
)
from exporter_proxy.access.watched import FileError, ReloadStats, Watch, read_file
from exporter_proxy.errors import quote

logger = logging.getLogger(__name__)

_VERSIONS: dict[TlsVersion, ssl.TLSVersion] = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_OLD: frozenset[TlsVersion] = frozenset({"TLS10", "TLS11"})
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class TlsError(Exception):
    """TLS can't be set up so; the arguments are a line for each reason."""


class TlsContexts:
    """The context for the next handshake.

    A connection keeps the context that it began with. When a file changes and can't be used, the
    context made before stays, and the log says so once.

    Args:
        settings: What it is to be like.
        what: What these files are for, as the self-metrics name it.
        reloads: Where it is told how reading the files again went.
        monotonic: A clock, in seconds.

    Raises:
        TlsError: It can't be had.
    """

    def __init__(
        self,
        settings: TlsSettings,
        what: str,
        reloads: ReloadStats,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._what = what
        self._reloads = reloads
        self._watch = Watch(settings.files, monotonic)
        self._context = make_context(settings)
        reloads.add(what)

    def current(self) -> ssl.SSLContext:
        """Return the context for a handshake that begins now."""
        if self._watch.changed():
            try:
                self._context = make_context(self.settings)
            except TlsError as exc:
                for problem in exc.args:
                    logger.error("%s: what was read before stays in use", problem)  # noqa: TRY400
                self._reloads.note(self._what, successful=False)
            else:
                logger.info("certificates were read again: %s", self.settings.place)
                self._reloads.note(self._what, successful=True)
        return self._context


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return a server's context.

    Raises:
        TlsError: Something can't be had or done; one line for each.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Renegotiation lets a client have us compute for nothing.
    context.options |= ssl.OP_NO_RENEGOTIATION
    # A peer that only pushes never reads: it would close with tickets unread, which resets the
    # connection and takes with it what is still on its way. Few clients use any.
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    problems = [
        *_set_versions(context, settings),
        *_set_suites(context, settings),
        *_set_curves(context, settings),
        *_set_certificate(context, settings),
        *_set_client_auth(context, settings),
    ]
    if problems:
        raise TlsError(*problems)
    return context


def _set_versions(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[str]:
    lowest, highest = settings.min_version, settings.max_version
    if lowest > highest:
        yield (
            f"{settings.place}min_version: {quote(lowest)}: must not be newer than max_version, "
            f"which is {quote(highest)}"
        )
        return
    has = {"TLS10": ssl.HAS_TLSv1, "TLS11": ssl.HAS_TLSv1_1}
    if not has.get(highest, True):
        yield f"{settings.place}max_version: {quote(highest)}: this OpenSSL does not have it"
        return
    with warnings.catch_warnings():
        # That old versions are deprecated is the operator's affair.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[lowest]
        context.maximum_version = _VERSIONS[highest]


def _set_suites(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[str]:
    if settings.prefer_server_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    # What SHA-1 signs, as TLS before 1.2 must, OpenSSL 3 speaks at this level alone.
    level = ["@SECLEVEL=0"] if settings.min_version in _OLD else []
    key = f"{settings.place}cipher_suites"
    older = [SUITES[name] for name in settings.cipher_suites if name not in TLS13_SUITES]
    if not settings.cipher_suites:
        if level:
            context.set_ciphers("DEFAULT:" + level[0])
        return
    if not older:
        # Suites of TLS 1.3 alone: nothing older can be spoken with them.
        if settings.max_version != "TLS13":
            yield f"{key}: has suites of TLS 1.3 alone, but max_version is older"
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        return
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers(":".join([*older, *level]))
    found = {suite["name"] for suite in context.get_ciphers()}
    for name in settings.cipher_suites:
        if name not in TLS13_SUITES and SUITES[name] not in found:
            yield f"{key}: {quote(name)}: this OpenSSL does not have it"


def _set_curves(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[str]:
    if not settings.curves:
        return
    key = f"{settings.place}curve_preferences"
    names = [CURVES[name] for name in settings.curves]
    try:
        if len(names) == 1:
            context.set_ecdh_curve(names[0])
        elif hasattr(context, "set_groups"):  # from Python 3.15 on
            context.set_groups(":".join(names))
        else:
            yield (
                f"{key}: {len(names)} curves: Python's ssl can be told one alone: name one, or "
                "leave the key out"
            )
    except (ValueError, ssl.SSLError):
        yield f"{key}: this OpenSSL does not have {', '.join(map(quote, settings.curves))}"


def _set_certificate(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[str]:
    read: list[bytes] = []
    for pem in (settings.cert, settings.key):
        try:
            read.append(_content(pem))
        except FileError as exc:
            yield _say(pem, str(exc))
    if len(read) < 2:
        return
    certificate, key = read
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
            cadata=certificate.decode("ascii")
        )
    except (ssl.SSLError, ValueError):
        yield _say(settings.cert, "no certificate in PEM form")
        return
    try:
        with _as_file(certificate) as first, _as_file(key) as second:
            context.load_cert_chain(first, second, password=_no_password)
    except _EncryptedError:
        yield _say(settings.key, "an encrypted key, whose password nobody could give")
    except (ssl.SSLError, OSError) as exc:
        if getattr(exc, "reason", None) == "KEY_VALUES_MISMATCH":
            yield _say(settings.key, "is not the key of the certificate")
        else:
            yield _say(settings.key, "no key in PEM form that OpenSSL takes with this certificate")


def _set_client_auth(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[str]:
    context.verify_mode = _CLIENT_AUTH[settings.client_auth]
    if settings.client_auth == "NoClientCert":
        return
    pem = settings.client_ca
    if pem is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    try:
        context.load_verify_locations(cadata=_content(pem).decode("ascii"))
    except FileError as exc:
        yield _say(pem, str(exc))
    except (ssl.SSLError, ValueError):
        yield _say(pem, "no certificates in PEM form")


def _content(pem: Pem) -> bytes:
    if pem.path is not None:
        return read_file(pem.path)
    assert pem.text is not None
    return pem.text.reveal().encode()


def _say(pem: Pem, why: str) -> str:
    shown = "" if pem.path is None else f"{quote(pem.path, 200)}: "
    return f"{pem.key}: {shown}{why}"


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Give ``content`` a path: Python has OpenSSL take certificates from files alone.

    What was written in the configuration never comes to a disk so.
    """
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


class _EncryptedError(Exception):
    """A password is needed."""


def _no_password() -> str:
    # Else OpenSSL asks whoever sits at the terminal.
    raise _EncryptedError

"""What goes wrong in an HTTP exchange, in one sentence and one of the fixed reasons."""

import os
import re
import ssl
from typing import Final

import aiohttp
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.http_exceptions import HttpProcessingError

from exporter_proxy.errors import PollError, quote

_SHOWN: Final = 120

# What aiohttp quotes of a bare line by which ports that take no HTTP say so, ours among them. It is
# short and of printable ASCII.
_REFUSAL: Final = re.compile(r"""b(['"])error: ([ -\[\]-~]{1,300}?)(?:\\r)?(?:\\n|\1)""")

HTTP_ERRORS: Final = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What an exchange raises that :func:`poll_error` can name."""


def poll_error(exc: BaseException) -> PollError:
    """Return the error of a poll that failed with ``exc``, one of ``HTTP_ERRORS``.

    The sentence names the host and what happened, never the URL: its query may hold a secret, and
    after a redirect it is not ours.
    """
    if (tls := _tls_error(exc)) is not None:
        return PollError(tls, reason="tls")
    match exc:
        case aiohttp.ClientConnectorDNSError():
            return PollError(f"can't resolve {_host(exc)}: {_os_reason(exc)}", reason="dns")
        case aiohttp.ClientConnectorError():
            return PollError(f"can't connect{_whereto(exc)}: {_os_reason(exc)}", reason="connect")
        case aiohttp.ServerDisconnectedError():
            return PollError("the target closed the connection unanswered", reason="connect")
        case aiohttp.ClientPayloadError() if _reset(exc):
            return PollError("the connection was lost amid the answer", reason="connect")
        case aiohttp.ClientPayloadError():
            return PollError("the answer ends too early or is garbled", reason="malformed_http")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            said = _REFUSAL.search(exc.message)
            if said is not None:
                return PollError(f"not HTTP: {said[2]}", reason="malformed_http")
            # Several lines, the last of which points at the character above it.
            what = " ".join(exc.message.replace("\n", " ").rstrip(" ^").split())
            return PollError(f"not valid HTTP: {quote(what, _SHOWN)}", reason="malformed_http")
        case OSError():
            return PollError(f"the connection failed: {_os_reason(exc)}", reason="connect")
    return PollError(f"{type(exc).__name__}: {quote(str(exc), _SHOWN)}", reason="other")


def untrusted(exc: BaseException) -> ssl.SSLCertVerificationError | None:
    """Return what the verification of a certificate said, if that lies behind ``exc``."""
    found = (each for each in _behind(exc) if isinstance(each, ssl.SSLCertVerificationError))
    return next(found, None)


def _whereto(exc: aiohttp.ClientConnectorError) -> str:
    # Whoever asks by the path of a Unix socket says which; HTTP has another host within it.
    if isinstance(exc, UnixClientConnectorError):
        return ""
    return f" to {_host(exc)}, port {exc.port}"


def _host(exc: aiohttp.ClientConnectorError) -> str:
    host = exc.host or "?"
    return host if len(host) <= _SHOWN else quote(host, _SHOWN)


def _os_reason(exc: OSError) -> str:
    # aiohttp hides the cause's number behind its own.
    cause = exc.os_error if isinstance(exc, aiohttp.ClientConnectorError) else exc
    number = cause.errno
    # The resolver's numbers are negative or its own; their text is in strerror.
    if number is not None and number > 0 and not isinstance(exc, aiohttp.ClientConnectorDNSError):
        return os.strerror(number)
    return quote(cause.strerror or str(cause), _SHOWN).strip('"')


def _tls_error(exc: BaseException) -> str | None:
    """Return what TLS says, if it lies behind ``exc``."""
    for error in _behind(exc):
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {error.verify_message}"
        if isinstance(error, ssl.CertificateError | ssl.SSLError):
            reason = getattr(error, "reason", None) or str(error)
            return f"TLS failed: {quote(reason, _SHOWN)}"
    return None


def _behind(exc: BaseException) -> tuple[BaseException | None, ...]:
    """Return where aiohttp has what TLS says."""
    certificate = getattr(exc, "certificate_error", None)
    return certificate, getattr(exc, "os_error", None), exc, exc.__cause__


def _reset(exc: BaseException) -> bool:
    """Tell whether the network broke, rather than the target's HTTP."""
    cause = exc.__cause__
    return isinstance(cause, OSError) or "ConnectionResetError" in str(exc)

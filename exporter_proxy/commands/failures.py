"""What went wrong in an exchange with a proxy, in one sentence, and which option would help."""

import os
from typing import TYPE_CHECKING

from exporter_proxy.errors import quote

if TYPE_CHECKING:
    import ssl

# OpenSSL's codes of verification (x509_vfy.h). Those of a certificate that nobody known signed:
_NO_ISSUER = frozenset({2, 18, 19, 20, 21})
# Those of another host's, by name, mail address or IP address:
_OTHER_NAME = frozenset({62, 63, 64})


def of_socket(error: OSError) -> str:
    """Return what went wrong on a socket, with or without TLS."""
    # What errors of TLS have; it is not imported for anything else.
    if getattr(error, "verify_message", None):
        return of_certificate(error)  # type: ignore[arg-type]  # only these have it
    if reason := getattr(error, "reason", None):
        return f"TLS failed: {quote(str(reason))}"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return (error.strerror or str(error) or "the connection was lost").lower()


def of_http(error: BaseException) -> str:
    """Return what went wrong, one of ``HTTP_ERRORS``."""
    # The HTTP client is large.
    from exporter_proxy.sources.poll.errors import poll_error, untrusted  # noqa: PLC0415

    certificate = untrusted(error)
    return str(poll_error(error)) if certificate is None else of_certificate(certificate)


def of_certificate(error: "ssl.SSLCertVerificationError") -> str:
    """Return why a certificate is not trusted, and what could be done about it."""
    why = f"the certificate is not trusted: {error.verify_message.removesuffix('.')}"
    if error.verify_code in _NO_ISSUER:
        return f"{why}; --ca-file names a file with it, or with that of its authority"
    if error.verify_code in _OTHER_NAME:
        return f"{why}; use a name that is in it"
    return why

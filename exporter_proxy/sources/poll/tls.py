"""TLS settings of polled endpoints."""

import ssl

from exporter_proxy.sources.poll.files import WatchedFile

# A bundle of all public authorities is a quarter of this.
_MAX_CA_FILE = 1_048_576


class TlsContexts:
    """Makes each context once: a connection is used again only under the context it began with."""

    def __init__(self) -> None:
        self._unverified: ssl.SSLContext | None = None
        self._system: ssl.SSLContext | None = None
        self._ca_files: dict[str, WatchedFile[ssl.SSLContext]] = {}

    def get(self, *, allow_invalid_certs: bool, ca_file: str | None) -> ssl.SSLContext:
        """Return the context for an endpoint.

        Args:
            allow_invalid_certs: Whether any certificate will do; then ``ca_file`` isn't looked at.
            ca_file: PEM file of the authorities to trust instead of the system's.

        Raises:
            PollError: ``unreadable_secret``, if ``ca_file`` can't be used.
        """
        if allow_invalid_certs:
            if self._unverified is None:
                self._unverified = _unverified()
            return self._unverified
        if ca_file is None:
            if self._system is None:
                self._system = _http(ssl.create_default_context())
            return self._system
        if ca_file not in self._ca_files:
            self._ca_files[ca_file] = WatchedFile(
                ca_file, "ca_file", _trusting, max_size=_MAX_CA_FILE
            )
        return self._ca_files[ca_file].value()


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _http(context)


def _trusting(authorities: bytes) -> ssl.SSLContext:
    try:
        return _http(ssl.create_default_context(cadata=authorities.decode("ascii")))
    except (ssl.SSLError, UnicodeDecodeError) as exc:
        raise ValueError("no certificates in PEM form") from exc


def _http(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_alpn_protocols(["http/1.1"])
    return context

"""The exporter-toolkit's web configuration file: its keys, and what each takes.

Format: docs/web-configuration.md of https://github.com/prometheus/exporter-toolkit, where it is
called experimental. What is honoured there is honoured here, or refused by name.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any

from exporter_proxy.access.tls_settings import CURVES, SUITES, TLS13_SUITES, Pem, TlsSettings
from exporter_proxy.config import Secret
from exporter_proxy.config.kinds import Boolean, Integer, Kind, UnfitError
from exporter_proxy.config.tables import ListOf, Section, TableOf, Written
from exporter_proxy.config.texts import Choice, SecretText, String
from exporter_proxy.config.units import parse_duration

_TLS = "tls_server_config"
_BCRYPT = re.compile(r"\$2[abxy]?\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
# The headers that can be set, and the values that those with a fixed set can have.
_HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_UNVERIFIED = (
    "can't be done with Python's ssl, which verifies every certificate that it asks for: use "
    "RequireAndVerifyClientCert or VerifyClientCertIfGiven with client_ca_file"
)


class _ClientAuth(Choice):
    """A policy for clients' certificates."""

    def __init__(self) -> None:
        super().__init__("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")

    def convert(self, value: object) -> str:
        """See :meth:`Kind.convert`."""
        # The third is an old name of the second.
        if value in ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert"):
            raise UnfitError(_UNVERIFIED)
        return super().convert(value or "NoClientCert")


class _Named(Kind[str]):
    """One of many names."""

    def __init__(self, expected: str, names: frozenset[str]) -> None:
        self.expected = expected
        self._names = names

    def convert(self, value: object) -> str:
        """See :meth:`Kind.convert`."""
        if isinstance(value, str) and value in self._names:
            return value
        raise UnfitError


class _Http2(Boolean):
    """Whether HTTP/2 is spoken; it is not."""

    def convert(self, value: object) -> bool:
        """See :meth:`Kind.convert`."""
        if super().convert(value):
            raise UnfitError("HTTP/2 is not spoken here: leave the key out, or set it to false")
        return False


class _GoDuration(Kind[float]):
    """A duration as Go writes it; a bare number would be nanoseconds."""

    expected = 'a duration with its unit, such as "1s" or "500ms", or 0'

    def convert(self, value: object) -> float:
        """See :meth:`Kind.convert`."""
        if value == 0 and not isinstance(value, bool):
            return 0.0
        seconds = parse_duration(value) if isinstance(value, str) else None
        if seconds is None:
            raise UnfitError
        return seconds


class _BcryptHash(SecretText):
    """A password's hash."""

    def __init__(self) -> None:
        super().__init__('a bcrypt hash, such as htpasswd -nBC 10 "" gives ($2y$10$…)')

    def convert(self, value: object) -> Secret:
        """See :meth:`Kind.convert`."""
        secret = super().convert(value)
        if not _BCRYPT.fullmatch(secret.reveal()):
            raise UnfitError
        return secret


def _check_header_name(name: str) -> None:
    if name not in _HEADERS:
        raise UnfitError(f"can't be configured: must be one of {', '.join(_HEADERS)}")


def _check_user_name(text: str) -> None:
    if not text or ":" in text:
        raise UnfitError("must be a name: not empty, and without a colon, which ends it")


def _check_san(text: str) -> str:
    if not text:
        raise UnfitError
    return text


_TEXT = String()
_VERSION = Choice("TLS10", "TLS11", "TLS12", "TLS13")
_SUITE = _Named(
    "a cipher suite by Go's name, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    TLS13_SUITES | SUITES.keys(),
)
_CURVE = _Named(f"one of {', '.join(CURVES)}", frozenset(CURVES))


@dataclass(frozen=True, slots=True)
class TlsServerConfig:
    """``tls_server_config``."""

    cert: Annotated[Secret | None, SecretText("a certificate (PEM)")] = None
    key: Annotated[Secret | None, SecretText("a key (PEM)")] = None
    client_ca: Annotated[Secret | None, SecretText("certificates (PEM)")] = None
    cert_file: Annotated[str, _TEXT] = ""
    key_file: Annotated[str, _TEXT] = ""
    client_auth_type: Annotated[Any, _ClientAuth()] = "NoClientCert"
    client_ca_file: Annotated[str, _TEXT] = ""
    client_allowed_sans: Annotated[
        tuple[str, ...], ListOf(String("a name", _check_san), "a list of names")
    ] = ()
    min_version: Annotated[Any, _VERSION] = "TLS12"
    max_version: Annotated[Any, _VERSION] = "TLS13"
    cipher_suites: Annotated[tuple[str, ...], ListOf(_SUITE, "a list of cipher suites")] = ()
    prefer_server_cipher_suites: Annotated[bool, Boolean()] = True
    curve_preferences: Annotated[tuple[str, ...], ListOf(_CURVE, "a list of curves")] = ()

    def settings(self, directory: FilePath) -> TlsSettings | None:
        """Return what is to be done; None: no TLS.

        Args:
            directory: Where the file lies; paths in it are relative to that.
        """
        if not any((self.cert, self.cert_file, self.key, self.key_file)):
            return None

        def pem(name: str) -> Pem | None:
            path, text = getattr(self, f"{name}_file"), getattr(self, name)
            if path:
                return Pem(f"{_TLS}.{name}_file", path=str(directory / path))
            return None if text is None else Pem(f"{_TLS}.{name}", text=text)

        cert, key = pem("cert"), pem("key")
        assert cert is not None
        assert key is not None
        return TlsSettings(
            cert=cert,
            key=key,
            client_auth=self.client_auth_type,
            client_ca=pem("client_ca"),
            client_allowed_sans=self.client_allowed_sans,
            cipher_suites=self.cipher_suites,
            curves=self.curve_preferences,
            min_version=self.min_version,
            max_version=self.max_version,
            prefer_server_suites=self.prefer_server_cipher_suites,
            place=f"{_TLS}.",
        )


def _check_tls(written: Written, key: str) -> list[str]:
    has = {name for name, value in written.raw.items() if value not in ("", None, [])}
    problems = [
        f"{key}.{name}: only one of {name} and {name}_file can be used"
        for name in ("cert", "key", "client_ca")
        if {name, f"{name}_file"} <= has
    ]
    # Keys without a certificate: what they promise would not be kept.
    if has:
        problems += [
            f"{key}.{name}_file: missing: TLS needs {name} or {name}_file"
            for name in ("cert", "key")
            if not {name, f"{name}_file"} & has
        ]
    auth = written.values.get("client_auth_type", "NoClientCert")
    judged = "client_auth_type" in written.values or "client_auth_type" not in written.raw
    if judged and auth == "NoClientCert":
        problems += [
            f"{key}.{name}: without effect: client_auth_type is NoClientCert"
            for name in ("client_ca", "client_ca_file")
            if name in has
        ]
    if judged and auth != "RequireAndVerifyClientCert" and "client_allowed_sans" in has:
        problems.append(
            f"{key}.client_allowed_sans: needs client_auth_type: RequireAndVerifyClientCert; with "
            f"{auth} a client can do without a certificate"
        )
    return problems


@dataclass(frozen=True, slots=True)
class HttpServerConfig:
    """``http_server_config``."""

    http2: Annotated[bool, _Http2()] = False
    headers: Annotated[
        dict[str, str], TableOf(String("text"), "a mapping of headers to text", _check_header_name)
    ] = field(default_factory=dict)


def _check_http(written: Written, key: str) -> list[str]:
    problems = []
    for name, value in written.values.get("headers", {}).items():
        allowed = _HEADERS[name]
        if not _HEADER_VALUE.fullmatch(value):
            problems.append(f"{key}.headers.{name}: must be printable ASCII, on one line")
        elif value and allowed and value not in allowed:
            problems.append(f"{key}.headers.{name}: must be {' or '.join(allowed)}")
    return problems


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``rate_limit``: a token bucket for all requests together.

    Attributes:
        interval: Seconds after which one more request may come; 0: no limit.
        burst: How many may come at once.
    """

    interval: Annotated[float, _GoDuration()] = 0.0
    burst: Annotated[int, Integer(0, 1_000_000_000)] = 0


def _check_rate(written: Written, key: str) -> list[str]:
    if written.values.get("interval") and written.values.get("burst", 0) < 1:
        return [f"{key}.burst: must be at least 1: else every request is refused"]
    return []


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The whole file."""

    tls_server_config: Annotated[
        TlsServerConfig, Section(TlsServerConfig, _check_tls, "a mapping of keys")
    ] = field(default_factory=TlsServerConfig)
    http_server_config: Annotated[
        HttpServerConfig, Section(HttpServerConfig, _check_http, "a mapping of keys")
    ] = field(default_factory=HttpServerConfig)
    basic_auth_users: Annotated[
        dict[str, Secret],
        TableOf(_BcryptHash(), "a mapping of names to bcrypt hashes", _check_user_name),
    ] = field(default_factory=dict)
    rate_limit: Annotated[
        RateLimit, Section(RateLimit, _check_rate, "a mapping of interval and burst")
    ] = field(default_factory=RateLimit)

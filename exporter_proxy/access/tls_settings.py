"""What a listener's TLS is to be like; pure."""

from dataclasses import dataclass
from typing import Literal

from exporter_proxy.config import Secret

ClientAuth = Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]
TlsVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]

# The names by which Go knows suites, and OpenSSL's for them. Those of TLS 1.3 can't be chosen from,
# there as here: they are always on.
TLS13_SUITES = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)
SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}
CURVES = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}


@dataclass(frozen=True, slots=True)
class Pem:
    """Certificates or a key, in a file or written where they are named.

    Attributes:
        key: The full name of the configuration's key, for messages.
        path: The file; None: ``text`` has it.
        text: What is written there.
    """

    key: str
    path: str | None = None
    text: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How a listener speaks TLS.

    Attributes:
        cert: Its certificate, with those between it and the authority.
        key: The certificate's key.
        client_auth: Whether clients need a certificate.
        client_ca: The authorities that it must come from; None: the system's.
        client_allowed_sans: Names of which a client's certificate must have one; none: any will do.
        cipher_suites: For TLS 1.2 and older, by Go's names, the best first; none: OpenSSL's own.
        curves: For the exchange of keys, by Go's names; none: OpenSSL's own.
        min_version: The oldest that is spoken.
        max_version: The newest.
        prefer_server_suites: Whether our order of suites counts, not the client's.
        place: What the keys of the configuration begin with, for messages.
    """

    cert: Pem
    key: Pem
    client_auth: ClientAuth = "NoClientCert"
    client_ca: Pem | None = None
    client_allowed_sans: tuple[str, ...] = ()
    cipher_suites: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"
    prefer_server_suites: bool = True
    place: str

    @property
    def files(self) -> list[str]:
        """The files that it is made of."""
        pems = (self.cert, self.key, self.client_ca)
        return [pem.path for pem in pems if pem is not None and pem.path is not None]

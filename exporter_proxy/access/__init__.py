"""Who may do what, and how they prove who they are: TLS, passwords, tokens, Unix peers."""

from exporter_proxy.access.access import Access, AccessStats, RefusedError
from exporter_proxy.access.identity import peer_of
from exporter_proxy.access.peers import Peer
from exporter_proxy.access.policy import Policy, Refusal
from exporter_proxy.access.sites import is_of_another_site
from exporter_proxy.access.tls_gate import (
    ProtocolFactory,
    TlsListener,
    TlsStats,
    answer_http,
    answer_push,
)

__all__ = [
    "Access",
    "AccessStats",
    "Peer",
    "Policy",
    "ProtocolFactory",
    "Refusal",
    "RefusedError",
    "TlsListener",
    "TlsStats",
    "answer_http",
    "answer_push",
    "is_of_another_site",
    "peer_of",
]

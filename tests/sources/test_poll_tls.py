import ssl
from pathlib import Path

from exporter_proxy.sources.poll.tls import TlsContexts
from tests.sources.polling import make_certificate


def test_a_context_is_made_once():
    """A connection is used again only under the context it began with."""
    contexts = TlsContexts()

    for allowed in (True, False):
        first = contexts.get(allow_invalid_certs=allowed, ca_file=None)
        assert contexts.get(allow_invalid_certs=allowed, ca_file=None) is first
        assert first.verify_mode is (ssl.CERT_NONE if allowed else ssl.CERT_REQUIRED)
        assert first.check_hostname is not allowed


def test_a_ca_file_takes_the_place_of_the_systems_authorities(tmp_path: Path):
    """The same file gives the same context for every endpoint, and trusts nobody else."""
    file, _ = make_certificate(tmp_path)
    contexts = TlsContexts()

    context = contexts.get(allow_invalid_certs=False, ca_file=file)

    assert contexts.get(allow_invalid_certs=False, ca_file=file) is context
    assert [dict(entry)["subject"] for entry in context.get_ca_certs()] == [
        ((("commonName", "exporter"),),)
    ]

"""The web configuration file: any bytes are rules of access, or an error a person can read."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter_proxy.access.watched import ReloadStats
from exporter_proxy.access.web_file import WebFile
from exporter_proxy.errors import ConfigError
from tests.fuzz.targets import Check

TOKENS = [
    b"tls_server_config:\n",
    b"  cert_file: server.cert\n",
    b"  key_file: server.key\n",
    b"  client_auth_type: RequireAndVerifyClientCert\n",
    b"  client_ca_file: ca.pem\n",
    b"  min_version: TLS12\n",
    b"  cipher_suites:\n  - TLS_AES_128_GCM_SHA256\n",
    b"  client_allowed_sans: [a, b]\n",
    b"http_server_config:\n",
    b"  http2: false\n",
    b"  headers:\n    Strict-Transport-Security: max-age=1\n",
    b"basic_auth_users:\n",
    b"  alice: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG\n",
    b"rate_limit:\n  interval: 1s\n  burst: 5\n",
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"!!python/object/apply:os.system ['false']",
    b"!!binary aGk=",
    b"!!set {a, b}",
    b"2022-05-22",
    b"0x1F",
    b".inf",
    b"~",
    b"|\n  x\n",
    b"? [a]\n: b\n",
    b"---\n",
    b"...\n",
    b"%YAML 1.1\n",
    b"- ",
    b"{",
    b"[[[[[[[[[[",
    b"\t",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\0",
]


@contextmanager
def target() -> Iterator[Check]:
    """Load what comes."""
    with tempfile.TemporaryDirectory(prefix="web-") as folder:
        path = Path(folder) / "web.yml"
        yield lambda data: _check(path, data)


def _check(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        web = WebFile(str(path), ReloadStats())
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.isprintable(), repr(problem)
            assert len(problem) < 1000
        return
    for user, secret in web.config.basic_auth_users.items():
        assert secret.reveal() in user or secret.reveal() not in repr(web.config)
    web.tls()

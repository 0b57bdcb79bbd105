"""The web configuration file: every key of the format is honoured, or refused by name."""

import sys
from pathlib import Path

import pytest

from exporter_proxy.access.tls_settings import SUITES, TLS13_SUITES
from exporter_proxy.access.watched import ReloadStats
from exporter_proxy.access.web_file import WebFile, read
from exporter_proxy.config import Secret
from exporter_proxy.errors import ConfigError
from tests.views.conftest import Clock

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
CERT = "tls_server_config:\n  cert_file: {cert}\n  key_file: {key}\n"


def problems_of(path: Path, text: str) -> list[str]:
    """Return the lines about a file, each without the file's name."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        WebFile(str(path), ReloadStats())
    for problem in caught.value.problems:
        assert problem.startswith(f"{path}: ")
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def loaded(path: Path, text: str) -> WebFile:
    path.write_text(text)
    return WebFile(str(path), ReloadStats())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "web.yml"


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "tls_server_config:\n", "---\n"])
def test_empty_files(file, text):
    """They ask for nothing."""
    web = loaded(file, text)

    assert web.tls() is None
    assert web.config.basic_auth_users == {}


def test_every_key(file, shared):
    """All that can be honoured, at once; inline forms have a test of their own."""
    names = sorted(TLS13_SUITES | SUITES.keys())
    text = (
        CERT.format(**shared)
        + f"""\
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: {shared["ca"]}
  client_allowed_sans: [scraper, 10.1.2.3]
  min_version: TLS10
  max_version: TLS13
  cipher_suites: [{", ".join(names)}]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: default-src 'none'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: "1"
    Strict-Transport-Security: ""
basic_auth_users:
  alice: {HASH}
  42: {HASH}
rate_limit:
  interval: 1m30s
  burst: 20
"""
    )
    web = loaded(file, text)

    contexts = web.tls()
    assert contexts is not None
    settings = contexts.settings
    assert settings.client_allowed_sans == ("scraper", "10.1.2.3")
    assert (settings.min_version, settings.max_version) == ("TLS10", "TLS13")
    assert settings.prefer_server_suites is False
    assert web.config.basic_auth_users == {"alice": Secret(HASH), "42": Secret(HASH)}
    assert (web.config.rate_limit.interval, web.config.rate_limit.burst) == (90.0, 20)
    assert web.config.http_server_config.headers["X-Frame-Options"] == "deny"


def test_paths_are_relative_to_the_file(file, shared, monkeypatch, tmp_path):
    """Not to the working directory."""
    for name in ("cert", "key"):
        (tmp_path / f"server.{name}").write_bytes(shared[name].read_bytes())
    monkeypatch.chdir("/")

    assert loaded(file, CERT.format(cert="server.cert", key="server.key")).tls() is not None


def test_inline_certificates(file, shared):
    """They are part of the file."""

    def block(name: str, path: Path) -> str:
        lines = "".join(f"    {line}\n" for line in path.read_text().splitlines())
        return f"  {name}: |\n{lines}"

    text = "tls_server_config:\n" + "".join(
        (
            block("cert", shared["cert"]),
            block("key", shared["key"]),
            block("client_ca", shared["ca"]),
            "  client_auth_type: VerifyClientCertIfGiven\n",
        )
    )

    assert loaded(file, text).tls() is not None


UNVERIFIED = (
    "can't be done with Python's ssl, which verifies every certificate that it asks for: use "
    "RequireAndVerifyClientCert or VerifyClientCertIfGiven with client_ca_file"
)
AUTH = 'must be "NoClientCert", "VerifyClientCertIfGiven" or "RequireAndVerifyClientCert"'
SUITE = "must be a cipher suite by Go's name, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
SANS = (
    "client_allowed_sans: needs client_auth_type: RequireAndVerifyClientCert; with NoClientCert a "
    "client can do without a certificate"
)
HTTP2 = "HTTP/2 is not spoken here: leave the key out, or set it to false"
EXCLUDED = "is no key of the format; /-/healthy and /-/ready are open anyway"
BCRYPT = 'must be a bcrypt hash, such as htpasswd -nBC 10 "" gives ($2y$10$…)'
VERSION = 'must be "TLS10", "TLS11", "TLS12" or "TLS13"'
NAME = "must be a name: not empty, and without a colon, which ends it"
CURVES = "CurveP256, CurveP384, CurveP521, X25519"
TLS = "tls_server_config"
HEADERS = (
    "Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, "
    "X-XSS-Protection"
)
GO = 'must be a duration with its unit, such as "1s" or "500ms", or 0'


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ("client_auth_type: RequestClientCert",
         f'client_auth_type: "RequestClientCert": {UNVERIFIED}'),
        ("client_auth_type: RequireAnyClientCert",
         f'client_auth_type: "RequireAnyClientCert": {UNVERIFIED}'),
        ("client_auth_type: RequireClientCert",
         f'client_auth_type: "RequireClientCert": {UNVERIFIED}'),
        ("client_auth_type: Maybe", f'client_auth_type: "Maybe": {AUTH}'),
        ("min_version: TLS14", f'min_version: "TLS14": {VERSION}'),
        ("max_version: 1.3", f"max_version: 1.3: {VERSION}"),
        ("min_version: TLS13\n  max_version: TLS12",
         'min_version: "TLS13": must not be newer than max_version, which is "TLS12"'),
        ("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]",
         f'cipher_suites[0]: "TLS_RSA_WITH_RC4_128_SHA": {SUITE}'),
        ("cipher_suites: TLS_AES_128_GCM_SHA256",
         'cipher_suites: "TLS_AES_128_GCM_SHA256": must be a list of cipher suites'),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]\n  max_version: TLS12",
         "cipher_suites: has suites of TLS 1.3 alone, but max_version is older"),
        ("curve_preferences: [CurveP224]",
         f'curve_preferences[0]: "CurveP224": must be one of {CURVES}'),
        ("client_allowed_sans: [a]", SANS),
        ("client_ca: x", "client_ca: without effect: client_auth_type is NoClientCert"),
        ("cert: x", "cert: only one of cert and cert_file can be used"),
        ("prefer_server_cipher_suites: 1", "prefer_server_cipher_suites: 1: must be true or false"),
        ("cert_flie: x", 'cert_flie: unknown key (did you mean "cert_file"?)'),
    ],
)  # fmt: skip
def test_mistakes_about_tls(file, shared, extra, line):
    """Each is one line, which names the key."""
    assert problems_of(file, CERT.format(**shared) + f"  {extra}\n") == [f"{TLS}.{line}"]


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="its ssl can be told a list")
def test_several_curves(file, shared):
    text = CERT.format(**shared) + "  curve_preferences: [X25519, CurveP256]\n"

    [line] = problems_of(file, text)
    assert line == (
        f"{TLS}.curve_preferences: 2 curves: Python's ssl can be told one alone: name one, or "
        "leave the key out"
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("tls_server_config: {cert_file: a}",
         [f"{TLS}.key_file: missing: TLS needs key or key_file"]),
        ("tls_server_config: {min_version: TLS13}",
         [f"{TLS}.cert_file: missing: TLS needs cert or cert_file",
          f"{TLS}.key_file: missing: TLS needs key or key_file"]),
        ("tls_server_config: 3", [f"{TLS}: an integer: must be a mapping of keys"]),
        ("http_server_config: {http2: true}",
         [f"http_server_config.http2: true: {HTTP2}"]),
        ("http_server_config: {headers: {Server: x}}",
         [f"http_server_config.headers.Server: can't be configured: must be one of {HEADERS}"]),
        ("http_server_config: {headers: {X-Frame-Options: allow}}",
         ["http_server_config.headers.X-Frame-Options: must be deny or sameorigin"]),
        ('http_server_config: {headers: {X-XSS-Protection: "a\\nb"}}',
         ["http_server_config.headers.X-XSS-Protection: must be printable ASCII, on one line"]),
        ("basic_auth_users: {alice: plain-secret}",
         [f"basic_auth_users.alice: a string: {BCRYPT}"]),
        (f"basic_auth_users: {{alice: {HASH}x}}", [f"basic_auth_users.alice: a string: {BCRYPT}"]),
        ("basic_auth_users: {alice: 7}", [f"basic_auth_users.alice: an integer: {BCRYPT}"]),
        (f'basic_auth_users: {{"a:b": {HASH}}}', [f'basic_auth_users."a:b": {NAME}']),
        (f'basic_auth_users: {{"": {HASH}}}', [f'basic_auth_users."": {NAME}']),
        ("basic_auth_users: [alice]",
         ["basic_auth_users: a list: must be a mapping of names to bcrypt hashes"]),
        ("rate_limit: {interval: 5}", [f"rate_limit.interval: 5: {GO}"]),
        ("rate_limit: {interval: 1s}",
         ["rate_limit.burst: must be at least 1: else every request is refused"]),
        ("basic_auth_excluded_paths: [/-/healthy]",
         [f"basic_auth_excluded_paths: {EXCLUDED}"]),
        ("bsic_auth_users: {}",
         ['bsic_auth_users: unknown key (did you mean "basic_auth_users"?)']),
        ("[]", ["a list: must be a mapping of keys, in YAML"]),
        ("a: 1\na: 2", ['line 2: "a" is there twice']),
        ("basic_auth_users:\n  x: secret\n  x: secret", ['line 3: "x" is there twice']),
        ("a: [1", ["line 2, column 1: not YAML: did not find expected ',' or ']'"]),
        ("a: !!python/object:os.system x", ["line 1, column 4: not YAML"]),
        ("\ttab", ["line 1, column 1: not YAML: found character that cannot start any token"]),
    ],
)  # fmt: skip
def test_mistakes(file, text, lines):
    """Each is one line, which names the key."""
    assert problems_of(file, text) == lines


def test_all_mistakes_at_once(file):
    """Of all sections."""
    assert (
        len(problems_of(file, "a: 1\nrate_limit: {interval: x, burst: y}\nhttp_server_config: 2"))
        == 4
    )


@pytest.mark.parametrize(
    ("cert", "key", "lines"),
    [
        ("missing", "key", ['{cert_key}: "{missing}": no such file or directory']),
        ("missing", "missing",
         ['{cert_key}: "{missing}": no such file or directory',
          '{key_key}: "{missing}": no such file or directory']),
        ("directory", "key", ['{cert_key}: "{directory}": is a directory']),
        ("fifo", "key", ['{cert_key}: "{fifo}": not a regular file']),
        ("empty", "key", ['{cert_key}: "{empty}": no certificate in PEM form']),
        ("garbage", "key", ['{cert_key}: "{garbage}": no certificate in PEM form']),
        ("cert", "cert",
         ['{key_key}: "{cert}": no key in PEM form that OpenSSL takes with this certificate']),
        ("cert", "other_key", ['{key_key}: "{other_key}": is not the key of the certificate']),
        ("cert", "encrypted_key",
         ['{key_key}: "{encrypted_key}": an encrypted key, whose password nobody could give']),
    ],
)  # fmt: skip
def test_files_that_are_no_good(file, shared, cert, key, lines):
    """The key is named, and the file; nothing of what is in it."""
    directory = shared["directory"]
    places = shared | {name: directory / name for name in ("missing", "empty", "garbage", "fifo")}
    text = CERT.format(cert=places[cert], key=places[key])
    keys = {"cert_key": f"{TLS}.cert_file", "key_key": f"{TLS}.key_file"}

    assert problems_of(file, text) == [line.format(**places, **keys) for line in lines]


def test_authorities_that_are_no_good(file, shared):
    text = CERT.format(**shared) + (
        f"  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: {shared['key']}\n"
    )

    assert problems_of(file, text) == [
        f'{TLS}.client_ca_file: "{shared["key"]}": no certificates in PEM form'
    ]


@pytest.mark.parametrize(
    ("missing", "named"),
    [(["yaml"], "PyYAML"), (["bcrypt"], "bcrypt"), (["yaml", "bcrypt"], "PyYAML and bcrypt")],
)
def test_without_the_extra(file, monkeypatch, missing, named):
    """It says what to install."""
    found = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in missing else found(name)
    )
    file.write_text("")
    with pytest.raises(ConfigError) as caught:
        read(str(file))

    how = "pip install 'exporter-proxy[web]' (in a clone: pip install -r requirements/web.txt)"
    assert caught.value.problems == [f"reading it needs {named}: {how}"]


def test_file_that_is_not_there(file):
    with pytest.raises(ConfigError) as caught:
        WebFile(str(file), ReloadStats())

    assert caught.value.problems == [f"{file}: can't be read: no such file or directory"]


def test_it_is_read_again(file, caplog):
    """At most once a second; what can't be used changes nothing and is logged once."""
    clock, reloads = Clock(0.0), ReloadStats()
    file.write_text("")
    web = WebFile(str(file), reloads, clock)
    assert reloads.successful == {"web_config_file": True}

    def wait_and_look(text: str | None = None) -> list[str]:
        if text is not None:
            file.write_text(text)
        clock.now += 1.0
        caplog.clear()
        web.refresh()
        return caplog.messages

    file.write_text(f"basic_auth_users: {{alice: {HASH}}}")
    web.refresh()
    assert not web.config.basic_auth_users, "looked at too often"

    assert wait_and_look() == []
    assert set(web.config.basic_auth_users) == {"alice"}
    assert web.generation == 1

    [line] = wait_and_look("basic_auth_users: {bob: secret}")
    assert line == (
        f"{file}: basic_auth_users.bob: a string: {BCRYPT}: what it said before stays in use"
    )
    assert set(web.config.basic_auth_users) == {"alice"}
    assert (reloads.successful, reloads.failures) == (
        {"web_config_file": False},
        {"web_config_file": 1},
    )
    assert wait_and_look() == []

    file.unlink()
    assert len(wait_and_look()) == 1
    assert set(web.config.basic_auth_users) == {"alice"}

    wait_and_look(f"basic_auth_users: {{carol: {HASH}}}")
    assert set(web.config.basic_auth_users) == {"carol"}
    assert reloads.successful == {"web_config_file": True}

"""Which scrape port a command asks."""

from pathlib import Path

import pytest

from exporter_proxy.commands.scrape_port import configured, scrape_port, without_page
from exporter_proxy.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("127.0.0.1:6555", "http://127.0.0.1:6555"),
        ("[::1]:6555", "http://[::1]:6555"),
        ("me:secret@host:6555", "http://host:6555"),
        ("https://host", "https://host"),
        ("https://host:6555/", "https://host:6555"),
        ("http://host:6555/metrics?app=shop", "http://host:6555"),
        ("http://host:6555/apps/", "http://host:6555"),
        ("http://host/sidecar/lint", "http://host/sidecar"),
        ("http://host/webapps", "http://host/webapps"),
        ("http://metrics", "http://metrics"),
    ],
)
def test_base(text: str, base: str) -> None:
    url = scrape_port(text)

    assert url is not None
    assert without_page(url) == base


@pytest.mark.parametrize("text", ["", "ftp://host", "host:x", "a b", "http://"])
def test_no_url(text: str) -> None:
    assert scrape_port(text) is None


@pytest.mark.parametrize(
    ("tls", "scheme"),
    [
        ("", "http"),
        ("tls_server_config: {cert_file: a, key_file: b}", "https"),
        ("tls_server_config: {cert: a, key: b}", "https"),
    ],
)
def test_configured(tls: str, scheme: str, tmp_path: Path) -> None:
    """Whether it speaks TLS says the web configuration file, be it named here or there."""
    web = tmp_path / "web.yml"
    web.write_text(tls)
    config = tmp_path / "config.toml"
    address = 'scrape_expose_endpoint = "0.0.0.0:7000"'
    config.write_text(f'[exporter]\n{address}\nweb_config_file = "{web}"\n')
    plain = tmp_path / "plain.toml"
    plain.write_text(f"[exporter]\n{address}\n")

    assert configured(str(config), None) == f"{scheme}://127.0.0.1:7000"
    assert configured(str(config), "") == "http://127.0.0.1:7000"
    assert configured(str(plain), str(web)) == f"{scheme}://127.0.0.1:7000"


def test_any_port(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[exporter]\nscrape_expose_endpoint = "127.0.0.1:0"\n')

    assert configured(str(config), None) is None


def test_mistakes_name_their_file(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    web = tmp_path / "web.yml"
    web.write_text("tls: {}")

    with pytest.raises(ConfigError) as caught:
        configured(str(config), str(web))

    assert caught.value.problems[0].startswith(f"{web}: tls")

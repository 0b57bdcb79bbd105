"""Which scrape port a command asks: one that was named, or that of the configuration."""

from exporter_proxy.config import find_file, load
from exporter_proxy.config.urls import EndpointUrl, split_url
from exporter_proxy.errors import ConfigError

# Where a socket listens that listens everywhere, seen from the same machine.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound to them
# What people copy out of a browser; the proxy itself is meant.
_PAGES = ("/metrics", "/apps", "/lint")


def scrape_port(text: str) -> EndpointUrl | None:
    """Return the URL that ``text`` names, with ``http://`` where it has no scheme.

    Returns:
        None: It names none.
    """
    return split_url(text if "://" in text else f"http://{text}")


def without_page(url: EndpointUrl) -> str:
    """Return the base of a scrape port's URLs, from the URL of it or of one of its pages."""
    base = url.url.partition("?")[0].rstrip("/")
    path = url.target.partition("?")[0].rstrip("/")
    page = next((page for page in _PAGES if path.endswith(page)), "")
    return base.removesuffix(page).rstrip("/")


def configured(config_file: str | None, web_config_file: str | None) -> str | None:
    """Return the URL of the scrape port on this machine, as the configuration has it.

    Args:
        config_file: The one named on the command line.
        web_config_file: Likewise; it takes the place of that of the configuration.

    Returns:
        None: It may have any port.

    Raises:
        ConfigError: A file can't be used.
    """
    exporter = load(find_file(config_file)).exporter
    address = exporter.scrape_expose_endpoint
    if not address.port:
        return None
    web = exporter.web_config_file if web_config_file is None else web_config_file
    scheme = "https" if _has_tls(web) else "http"
    return f"{scheme}://{address._replace(host=EVERYWHERE.get(address.host, address.host))}"


def _has_tls(web_config_file: str) -> bool:
    if not web_config_file:
        return False
    from exporter_proxy.access.web_file import read  # noqa: PLC0415 - YAML, for who has such a file

    try:
        tls = read(web_config_file).tls_server_config
    except ConfigError as error:
        raise ConfigError([f"{web_config_file}: {each}" for each in error.problems]) from error
    return bool(tls.cert_file or tls.cert)

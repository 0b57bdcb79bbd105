"""What can be meant by what is said of access, but hardly is."""

from exporter_proxy.access.access import Access
from exporter_proxy.config import Config
from exporter_proxy.config.access import is_loopback
from exporter_proxy.errors import quote


def warnings(config: Config) -> list[str]:
    """Return what can be meant, but hardly is: one line each.

    Raises:
        ConfigError: A file can't be used; one line for each mistake.
    """
    access = Access(config)
    found: list[str] = []
    address = config.exporter.scrape_expose_endpoint
    secrets = access.policy.challenges
    if secrets and access.scrape_tls() is None and not is_loopback(address.host):
        what = {"Basic": "passwords", "Bearer": "bearer tokens"}
        found.append(
            f"exporter.scrape_expose_endpoint: {quote(str(address))}: "
            f"{' and '.join(what[name] for name in secrets)} can be read by whoever is in between: "
            "give exporter.web_config_file a tls_server_config, or listen on 127.0.0.1"
        )
    if config.push.allow_from and access.policy.guarded:
        found.append(
            "push.allow_from: without effect while there are [[access]] entries or "
            "basic_auth_users: who writes has to prove who they are"
        )
    if config.access and not access.policy.guards_reading:
        found.append(
            'access: no entry has rights = ["scrape"]: whoever reaches the scrape port can read it'
        )
    return found

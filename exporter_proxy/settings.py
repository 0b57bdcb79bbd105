"""From the configuration to what parts of the proxy look at anew each time."""

from exporter_proxy.app_rules import rules_for
from exporter_proxy.config import Config
from exporter_proxy.front import FrontSettings
from exporter_proxy.serving import KEEPALIVE_SECONDS
from exporter_proxy.sources.checking import PayloadCheck, unreadable_line
from exporter_proxy.views.server import PageSettings


def payload_check(config: Config) -> PayloadCheck | None:
    """Return what looks at payloads before they count; they are read again for the page."""
    exporter = config.exporter
    rejects = exporter.exposition == "merged" and exporter.invalid_metrics == "reject"
    return unreadable_line if rejects else None


def front_settings(config: Config) -> FrontSettings:
    """Return for how long the scrape port waits, and for how many."""
    exporter = config.exporter
    return FrontSettings(
        header_timeout=exporter.header_timeout,
        connections=exporter.concurrent_requests,
        silent_timeout=KEEPALIVE_SECONDS,
    )


def page_settings(config: Config) -> PageSettings:
    """Return what is on the pages, and how."""
    exporter = config.exporter
    return PageSettings(
        rules=rules_for(config) if exporter.exposition == "merged" else None,
        expose=exporter.invalid_metrics == "expose",
        scrape_timeout=exporter.scrape_timeout,
        sd_target=exporter.sd_target,
        self_metrics=exporter.self_metrics,
    )

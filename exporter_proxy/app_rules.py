"""From the configuration to what is done to the metrics of an app."""

from collections.abc import Callable
from functools import lru_cache

from exporter_proxy.app_sections import section_finder
from exporter_proxy.config import AppConfig, Config, EndpointConfig
from exporter_proxy.exposition.name_pattern import NamePattern
from exporter_proxy.exposition.rules import Rules

# What is kept of an app's rules is about a KiB, and made again in some microseconds.
_MOST_REMEMBERED = 4096


def rules_for(config: Config) -> Callable[[str], Rules]:
    """Return what gives the rules of an app, by its name.

    An endpoint that is polled has its own, any other app those of the first ``[[app]]`` section
    that its whole name matches. Of labels with one name the more specific counts: the app's, then
    ``extra_labels``, then ``app_label``.
    """
    exporter = config.exporter
    poll = config.poll_external
    polled = {
        endpoint.name: _Settings(endpoint)
        for endpoint in (poll.other_scrape_endpoints if poll.poll_other_scrape_endpoints else ())
    }
    sections = [_Settings(app) for app in config.apps]
    find_section = section_finder(config.apps)

    def find(app: str) -> _Settings | None:
        if app in polled:
            return polled[app]
        number = find_section(app)
        return None if number is None else sections[number]

    @lru_cache(maxsize=_MOST_REMEMBERED)
    def rules(app: str) -> Rules:
        settings = find(app)
        labels = {exporter.app_label: app} if exporter.app_label else {}
        labels |= exporter.extra_labels
        if settings is None:
            return Rules(labels=labels, override_labels=exporter.override_labels)
        own = settings.config.override_labels
        return Rules(
            labels=labels | settings.config.labels,
            override_labels=exporter.override_labels if own is None else own,
            keep=settings.keep,
            drop=settings.drop,
            honor_timestamps=settings.config.honor_timestamps,
        )

    return rules


class _Settings:
    """What an endpoint or a section says; its patterns compiled once for all of its apps."""

    def __init__(self, config: AppConfig | EndpointConfig) -> None:
        self.config = config
        self.keep = _pattern(config.keep)
        self.drop = _pattern(config.drop)


def _pattern(patterns: tuple[str, ...]) -> NamePattern | None:
    """Return the patterns as one; None: there are none."""
    return NamePattern(patterns) if patterns else None

"""From the configuration to the terms on which an app's updates are taken."""

from functools import lru_cache

from exporter_proxy.app_sections import section_finder
from exporter_proxy.budgets import Budget, Limit
from exporter_proxy.config import AppConfig, Config, EndpointConfig, ExporterConfig
from exporter_proxy.sources.admission import NO_TERMS, FindTerms, Terms

# What is kept of an app's terms is its name and a pointer to those of its section.
_MOST_REMEMBERED = 16_384


def terms_for(config: Config) -> FindTerms | None:
    """Return what gives the terms of an app, by its name; None: no app has any of its own.

    An endpoint that is polled has its own, any other app those of the first ``[[app]]`` section
    that its whole name matches. What neither says is as ``[exporter]`` has it for every app.
    """
    exporter, poll = config.exporter, config.poll_external
    endpoints = poll.other_scrape_endpoints if poll.poll_other_scrape_endpoints else ()
    polled = {endpoint.name: _of_endpoint(endpoint, exporter) for endpoint in endpoints}
    sections = [_of_section(own, number, exporter) for number, own in enumerate(config.apps)]
    default = Terms(budget=_known(_limits(exporter)))
    if not any(each != NO_TERMS for each in (default, *sections, *polled.values())):
        return None
    find = section_finder(config.apps)

    @lru_cache(maxsize=_MOST_REMEMBERED)
    def terms(app: str) -> Terms:
        if app in polled:
            return polled[app]
        number = find(app)
        return default if number is None else sections[number]

    return terms


def _of_section(own: AppConfig, number: int, exporter: ExporterConfig) -> Terms:
    place = f"app[{number}]."
    default = _limits(exporter)
    return Terms(
        expire_after=own.expire_after,
        on_expire=own.on_expire,
        budget=_known(
            Budget(
                samples=_own(own.max_samples, f"{place}max_samples", default.samples),
                bytes=_own(own.max_bytes, f"{place}max_bytes", default.bytes),
                rate=_own(
                    own.max_updates_per_second,
                    f"{place}max_updates_per_second",
                    default.rate,
                ),
            )
        ),
    )


def _of_endpoint(endpoint: EndpointConfig, exporter: ExporterConfig) -> Terms:
    # How long it lives is its source's to say; how often it is updated, its poll_interval.
    default = _limits(exporter)
    return Terms(
        budget=_known(
            Budget(
                samples=_own(endpoint.max_samples, "max_samples", default.samples),
                bytes=_own(endpoint.max_bytes, "max_bytes", default.bytes),
            )
        )
    )


def _limits(exporter: ExporterConfig) -> Budget:
    """Return what any app may send that has no other limits."""
    return Budget(
        samples=_limit(exporter.app_max_samples, "exporter.app_max_samples"),
        bytes=_limit(exporter.app_max_bytes, "exporter.app_max_bytes"),
        rate=_limit(exporter.app_max_updates_per_second, "exporter.app_max_updates_per_second"),
    )


def _known(budget: Budget) -> Budget | None:
    return budget or None


def _own(value: float | None, key: str, default: Limit | None) -> Limit | None:
    return default if value is None else _limit(value, key)


def _limit(value: float, key: str) -> Limit | None:
    """Return a limit; 0 is none."""
    return Limit(value, key) if value else None

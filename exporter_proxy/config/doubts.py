"""What can be meant by a configuration, but hardly is."""

from exporter_proxy.config.endpoints import ScrapeSettings
from exporter_proxy.config.machine import missing_files
from exporter_proxy.config.sections import Config, PollConfig
from exporter_proxy.errors import quote

_ENDPOINTS = "poll_external.other_scrape_endpoints"


def warnings(config: Config) -> list[str]:
    """Return what can be meant, but hardly is: one line each."""
    receiver, poll = config.receiver, config.poll_external
    found: list[str] = []
    polls = poll.poll_other_scrape_endpoints
    if polls and not poll.other_scrape_endpoints:
        found.append(
            f"{_ENDPOINTS}: empty: nothing is polled though poll_other_scrape_endpoints is true"
        )
    receives = (
        receiver.receive_on_tcp_socket
        or receiver.receive_on_unix_socket
        or receiver.receive_on_scrape_port
    )
    pushes = config.push.pushgateway_api or config.push.app_api
    if not (receives or polls or pushes or config.modules or config.logs):
        found.append(
            "nothing is received and nothing is polled: turn on receiver.receive_on_tcp_socket, "
            "receiver.receive_on_unix_socket, push.pushgateway_api, push.app_api or "
            "poll_external.poll_other_scrape_endpoints, or add a [[log]] section"
        )
    found += [
        f"{_ENDPOINTS}: {quote(endpoint.name)}: ca_file has no effect while allow_invalid_certs "
        "is true: set allow_invalid_certs = false"
        for endpoint in poll.other_scrape_endpoints
        if endpoint.ca_file is not None and endpoint.allow_invalid_certs
    ]
    found += _overlapping(poll)
    found += _of_modules(config)
    found += missing_files(config)
    found += _without_effect(config)
    return found


def _overlapping(poll: PollConfig) -> list[str]:
    """Say which polls may last until after the next one is due; once for all as the section."""
    settings: dict[str, ScrapeSettings] = {
        f"{_ENDPOINTS}: {quote(endpoint.name)}: ": endpoint
        for endpoint in poll.other_scrape_endpoints
    }
    lines: dict[str, None] = {}
    for place, own in (settings or {"": poll}).items():
        if own.client_timeout <= own.poll_interval:
            continue
        times = (own.client_timeout, own.poll_interval)
        shared = times == (poll.client_timeout, poll.poll_interval)
        lines[
            f"{'poll_external.' if shared else place}client_timeout: {times[0]:g} s: is longer "
            f"than poll_interval, {times[1]:g} s: a slow poll takes the place of the next"
        ] = None
    return list(lines)


def _of_modules(config: Config) -> list[str]:
    """Say what modules are hardly meant to do."""
    found = [
        f"module[{number}].timeout: {module.timeout:g} s: is longer than interval, "
        f"{module.interval:g} s: a slow poll takes the place of the next"
        for number, module in enumerate(config.modules)
        if module.interval and module.timeout > module.interval
    ]
    found += [
        f"module[{number}].ca_file: has no effect while allow_invalid_certs is true: set "
        "allow_invalid_certs = false"
        for number, module in enumerate(config.modules)
        if module.ca_file is not None and module.allow_invalid_certs
    ]
    return found


def _without_effect(config: Config) -> list[str]:
    """Say which keys the page that is served has no use for."""
    exporter, found = config.exporter, []
    if exporter.app_label and exporter.app_label in exporter.extra_labels:
        found.append(
            f"exporter.extra_labels.{exporter.app_label}: takes the place of app_label, which has "
            "the same name"
        )
    if exporter.exposition != "verbatim":
        return found
    set_keys = {
        "exporter.app_label": exporter.app_label,
        "exporter.extra_labels": exporter.extra_labels,
        "exporter.invalid_metrics": exporter.invalid_metrics != "quarantine",
        "labels, keep, drop and honor_timestamps of [[app]]": any(
            app.labels or app.keep or app.drop or not app.honor_timestamps for app in config.apps
        ),
        "labels, keep, drop and honor_timestamps of endpoints": any(
            endpoint.labels or endpoint.keep or endpoint.drop or not endpoint.honor_timestamps
            for endpoint in config.poll_external.other_scrape_endpoints
        ),
    }
    named = ", ".join(key for key, is_set in set_keys.items() if is_set)
    if named:
        found.append(
            f'{named}: without effect while exporter.exposition is "verbatim": set it to "merged"'
        )
    return found

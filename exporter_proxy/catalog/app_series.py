"""What the proxy tells about each app: one cell a family, made when the app changes."""

from collections.abc import Iterator, Mapping

from exporter_proxy.exposition.model import Family
from exporter_proxy.exposition.series import sample

_HELP = {
    "exporter_proxy_app_up": "Whether the app's metrics are fresh: its last poll succeeded, "
    "or it pushed, and it has not expired since.",
    "exporter_proxy_app_last_update_timestamp_seconds": "When the app's metrics were last "
    "replaced, in Unix time.",
    "exporter_proxy_app_samples": "Samples that the app has on the page.",
    "exporter_proxy_app_findings": "Repairs, conflicts and quarantines in what the app sent last, "
    "by reason.",
}


def app_series(
    app: str,
    *,
    up: bool,
    updated_ns: int | None,
    samples: int | None = None,
    findings: Mapping[str, int] | None = None,
) -> Iterator[Family]:
    """Yield the families that an app has a series in.

    Args:
        app: Its name.
        up: Whether its metrics are fresh.
        updated_ns: When they were last replaced, in nanoseconds since the epoch; None: never.
        samples: How many it has on the page; None: payloads are not read.
        findings: ``{reason: how often}``; None: payloads are not read.
    """
    label = [("app", app)]
    name = "exporter_proxy_app_up"
    yield _family(name, [sample(name, label, int(up))])
    if updated_ns is not None:
        name = "exporter_proxy_app_last_update_timestamp_seconds"
        # Integers, as a float doesn't hold all nanoseconds: their quotient is rounded only once.
        yield _family(name, [sample(name, label, updated_ns / 1_000_000_000)])
    if samples is not None:
        name = "exporter_proxy_app_samples"
        yield _family(name, [sample(name, label, samples)])
    if findings:
        name = "exporter_proxy_app_findings"
        yield _family(
            name,
            [
                sample(name, [*label, ("reason", reason)], times)
                for reason, times in sorted(findings.items())
            ],
        )


def _family(name: str, lines: list[bytes]) -> Family:
    return Family(_NAMES[name], "gauge", b"".join(lines), len(lines), help=_HELPS[name], typed=True)


# The same objects for all apps.
_NAMES = {name: name.encode() for name in _HELP}
_HELPS = {name: text.encode() for name, text in _HELP.items()}

"""What ``/apps/<app>`` tells people of an app before its tables, whatever the form."""

from collections.abc import Iterator, Mapping
from typing import Any

from exporter_proxy.exposition.findings import kind_of
from exporter_proxy.exposition.model import Finding
from exporter_proxy.views.app_details import Details
from exporter_proxy.views.app_lines import show_time

NOT_READ = "Payloads are not read: they are exposed verbatim."

_KINDS = {"warning": "Warnings", "repair": "Repairs", "note": "Notes"}


def facts_of(details: Details) -> dict[str, str]:
    """Return what is known of an app in a line each, by title."""
    row, updated_ns = details.row, details.updated_ns
    known = {
        "State": details.state,
        "Last update": "never" if updated_ns is None else show_time(updated_ns),
        "Source": details.source or "",
        "Samples": str(details.samples),
        "Bytes": str(0 if row is None else row.size),
        "Updates": str(0 if row is None else row.updates),
    }
    if details.problem is not None:
        known["Problem since"] = show_time(details.problem.since_ns)
    if details.expire_after is not None and row is not None:
        then = "dropped" if row.on_expire == "drop" else "kept, and said to be down"
        known["Time to live"] = f"{details.expire_after:g} s; then it is {then}"
    if details.expired_ns is not None:
        known["Expired since"] = show_time(details.expired_ns)
    if details.ghost is not None:
        known["Dropped"] = show_time(details.ghost.dropped_ns)
    if details.expires_in is not None:
        known["Expires in"] = f"{details.expires_in:.1f} s"
    if details.polls is not None:
        known |= _polls(details.polls)
    return known


def _polls(polls: Mapping[str, Any]) -> dict[str, str]:
    """Return lines on how an app's polls fare."""
    failures = ", ".join(f"{reason} {times}" for reason, times in polls["failures"].items())
    known = {
        "Polls": str(polls["polls"]),
        "Failed polls": failures or "none",
        "Last poll took": f"{polls['duration_seconds']:.3f} s",
    }
    error = polls["last_error"]
    if error is not None:
        known["Last poll error"] = f"{error['message']} ({error['time']})"
    return known


def findings_by_title(details: Details) -> Iterator[tuple[str, list[Finding]]]:
    """Yield what was found in an app's payload under a title each, what matters most first.

    There is a finding a reason at most, so that all are sorted at once.
    """
    for kind, title in _KINDS.items():
        yield title, [each for each in details.findings or () if kind_of(each.reason).kind == kind]


def meaning_of(reason: str) -> str:
    """Return what a reason means, in one sentence with backquotes around what stands for itself."""
    return kind_of(reason).description

"""``/apps/<app>`` as JSON."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from msgspec import json

from exporter_proxy.exposition.model import Finding, Quarantined
from exporter_proxy.views.app_details import Details, FamilyLine
from exporter_proxy.views.app_lines import show_time, unicode_of

ITEMS_A_CHUNK = 500


def draw(details: Details, now_ns: int) -> Generator[None, None, list[bytes]]:
    """Return one object in chunks, in steps; its lists have an item a line."""
    chunks = [json.encode(_head(details, now_ns)).removesuffix(b"}")]
    lists: dict[bytes, Iterable[dict[str, Any]] | None] = {
        b"findings": _each(_finding, details.findings),
        b"quarantined": _each(_quarantined, details.quarantined),
        b"conflicts": _each(asdict, details.conflicts),
        b"families": _each(FamilyLine._asdict, details.families),
    }
    for name, items in lists.items():
        chunks.append(b',"%s":%s' % (name, b"null" if items is None else b"["))
        if items is not None:
            separator = b"\n"
            rest = iter(items)
            while some := list(islice(rest, ITEMS_A_CHUNK)):
                chunks.append(separator + b",\n".join(map(json.encode, some)))
                separator = b",\n"
                yield
            chunks.append(b"]")
    chunks.append(b"}\n")
    return chunks


def _head(details: Details, now_ns: int) -> dict[str, Any]:
    row, problem, updated_ns = details.row, details.problem, details.updated_ns
    return {
        "current_time": show_time(now_ns),
        "app": unicode_of(details.app),
        "state": unicode_of(details.state),
        "up": details.up,
        "last_update": None if updated_ns is None else show_time(updated_ns),
        "last_update_ns": updated_ns,
        "source": None if details.source is None else unicode_of(details.source),
        "problem": None
        if problem is None
        else {"message": unicode_of(problem.text), "since": show_time(problem.since_ns)},
        "samples": details.samples,
        "bytes": 0 if row is None else row.size,
        "updates": 0 if row is None else row.updates,
        "expire_after_seconds": details.expire_after,
        "on_expire": None if details.expire_after is None or row is None else row.on_expire,
        "expires_in_seconds": details.expires_in,
        "expired_since": None if details.expired_ns is None else show_time(details.expired_ns),
        "dropped": None if details.ghost is None else show_time(details.ghost.dropped_ns),
        "poll": details.polls,
    }


def _each(show: Any, items: Sequence[Any] | None) -> Iterable[dict[str, Any]] | None:
    return None if items is None else map(show, items)


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "reason": finding.reason,
        "times": finding.times,
        "line": finding.line or None,
        "what": unicode_of(finding.what) or None,
    }


def _quarantined(quarantined: Quarantined) -> dict[str, Any]:
    return {
        "family": quarantined.name.decode(errors="backslashreplace"),
        "line": quarantined.line or None,
        "reason": quarantined.reason,
        "message": unicode_of(quarantined.message),
    }

"""How the proxy is, as one document: the whole, and each source with what last went wrong."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import json

from exporter_proxy import __version__
from exporter_proxy.modules import ModuleStatus
from exporter_proxy.reload import ReloadStatus
from exporter_proxy.self_metrics import ScrapeStats
from exporter_proxy.sources.base import Failure, Source, TargetStatus
from exporter_proxy.table import Table

_TARGETS_A_STEP = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Looks at everything when it is asked.

    Attributes:
        table: Whose apps are counted.
        sources: All that write the table.
        targets: Returns how each polled target fares.
        modules: Returns how each module fares.
        logs: Returns the app of each log that is followed.
        scrapes: How scrapes went.
        reloads: Returns how the last reload went.
        ready: Whether the proxy takes metrics.
        wall_ns: The time of day, in nanoseconds since the epoch.
        monotonic: The clock for the uptime, in seconds.
        started: When that began, on that clock.
    """

    table: Table
    sources: Sequence[Source]
    targets: Callable[[], Sequence[TargetStatus]]
    scrapes: ScrapeStats
    reloads: Callable[[], ReloadStatus]
    ready: Callable[[], bool]
    modules: Callable[[], Sequence[ModuleStatus]] = tuple
    logs: Callable[[], Sequence[str]] = tuple
    wall_ns: Callable[[], int] = time.time_ns
    monotonic: Callable[[], float] = time.monotonic
    started: float = field(default_factory=time.monotonic)

    @property
    def well(self) -> bool:
        """Whether the page could be made when it was last asked for."""
        return not self.scrapes.failing

    def complaints(self) -> list[str]:
        """Return why it is not healthy, a sentence each; none: it is."""
        found: list[str] = []
        if not self.well:
            found.append("the last scrape ended in an error of the proxy, see its log")
        if not self.ready():
            found.append("metrics are not taken")
        found += [
            f"{_unicode(source.name)}: does not listen"
            for source in self.sources
            if source.stats.kind == "receiver" and not source.stats.listening
        ]
        targets = self.targets()
        down = sum(target.up is False for target in targets)
        if down:
            found.append(f"{down} of {len(targets)} polled targets can't be polled")
        polled = [module for module in self.modules() if module.interval]
        failing = sum(module.up is False for module in polled)
        if failing:
            found.append(f"{failing} of {len(polled)} polled modules fail")
        logs = self.logs()
        failing = sum(app in self.table.problems for app in logs)
        if failing:
            found.append(f"{failing} of {len(logs)} followed logs fail")
        if len(self.table) >= self.table.max_apps:
            found.append(f"the table is full: {self.table.max_apps} apps (exporter.max_apps)")
        if not self.reloads().successful:
            found.append("the configuration could not be reloaded")
        return found

    def draw(self, samples: int | None) -> Generator[None, None, list[bytes]]:
        """Return the document as JSON in chunks, in steps.

        Args:
            samples: How many all apps have; None: they are not counted.
        """
        complaints = self.complaints()
        status = "degraded" if complaints else "healthy"
        head: dict[str, Any] = {
            "status": status if self.well else "unhealthy",
            "complaints": complaints,
            "version": __version__,
            "current_time": show_time(self.wall_ns()),
            "uptime_seconds": round(self.monotonic() - self.started, 3),
            "ready": self.ready(),
            "totals": self._totals(samples),
            "configuration": _configuration(self.reloads()),
            "sources": [_source(source) for source in self.sources],
        }
        # Indented: it is small, and people look at it in a browser.
        shown = json.format(json.encode(head), indent=2)
        chunks = [shown.removesuffix(b"\n}") + b',\n  "targets": [']
        separator = b""
        targets = self.targets()
        for start in range(0, len(targets), _TARGETS_A_STEP):
            some = [describe_target(each) for each in targets[start : start + _TARGETS_A_STEP]]
            shown = json.format(json.encode(some), indent=2)
            within = shown.removeprefix(b"[").removesuffix(b"\n]")
            # Strings of JSON have no line ends.
            chunks.append(separator + within.replace(b"\n", b"\n  "))
            separator = b","
            yield
        chunks.append(b"\n  ]\n}\n" if targets else b"]\n}\n")
        return chunks

    def _totals(self, samples: int | None) -> dict[str, int | None]:
        stats = [source.stats for source in self.sources]
        return {
            "apps": len(self.table),
            "samples": samples,
            "updates": sum(each.updates for each in stats),
            "rejected_messages": sum(each.rejected.total() for each in stats),
            "open_connections": sum(each.open_connections for each in stats),
            "scrapes": self.scrapes.scrapes,
            "scrape_failures": self.scrapes.failures,
        }


def _configuration(status: ReloadStatus) -> dict[str, Any]:
    return {
        "path": None if status.path is None else _unicode(str(status.path)),
        "read": show_time(int(status.success_seconds * 1e9)),
        "last_reload_successful": status.successful,
        "last_reload": show_time(int(status.tried_seconds * 1e9)),
        "problems": [_unicode(each) for each in status.problems],
    }


def _source(source: Source) -> dict[str, Any]:
    stats = source.stats
    shown: dict[str, Any] = {
        "kind": stats.kind,
        "name": _unicode(source.name),
        "up": stats.listening,
        "last_success": _shown_time(stats.last_success_ns),
        "last_error": _failure(stats.last_error),
        "updates": stats.updates,
    }
    if stats.listens:
        shown |= {
            "rejected_messages": dict(_counted(stats.rejected.items())),
            "open_connections": stats.open_connections,
            "connections": stats.connections,
        }
    return shown


def describe_target(status: TargetStatus) -> dict[str, Any]:
    """Return how a target fares, as it is shown."""
    return {
        "name": _unicode(status.target),
        "app": _unicode(status.app),
        "up": status.up,
        "last_success": _shown_time(status.last_success_ns),
        "last_error": _failure(status.last_failure),
        "polls": status.polls,
        "failures": dict(_counted(status.failures.items())),
        "duration_seconds": status.duration_seconds,
    }


def _counted(items: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    return ((reason, count) for reason, count in sorted(items) if count)


def _failure(failure: Failure | None) -> dict[str, str] | None:
    if failure is None:
        return None
    return {"message": _unicode(failure.text), "time": show_time(failure.time_ns)}


def _shown_time(time_ns: int | None) -> str | None:
    return None if time_ns is None else show_time(time_ns)


def show_time(time_ns: int) -> str:
    """Return nanoseconds since the epoch as ``2022-05-22T23:51:47.971Z`` (RFC 3339)."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{shown}.{nanoseconds // 1_000_000:03d}Z"


def _unicode(text: str) -> str:
    """Return ``text`` with escapes for what is not Unicode, such as parts of a socket's path."""
    return text.encode(errors="backslashreplace").decode()

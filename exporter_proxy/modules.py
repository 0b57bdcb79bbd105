"""What modules are to those who ask for them: where the source and the views meet."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter_proxy.errors import ModuleError, ModuleReason
from exporter_proxy.table import Payload

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Joined(Collection[str]):
    """Names of several collections, which are looked at when they are asked for.

    Args:
        parts: Them; none has a name of another.
    """

    def __init__(self, parts: Sequence[Collection[str]]) -> None:
        self._parts = parts

    def __contains__(self, name: object) -> bool:
        return any(name in part for part in self._parts)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))


class Ask(NamedTuple):
    """What somebody wants of a module.

    Attributes:
        params: Names and values, in their order; a name may come several times.
        timeout: Seconds that the asker waits; None: as long as the module may take.
        accept: The formats that the asker takes, an ``Accept`` header; empty: any.
    """

    params: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None
    accept: str = ""


class Answer(NamedTuple):
    """What a module brought.

    Attributes:
        payload: The page.
        content_type: As what it is to be sent.
        modified: When the file behind it was last changed, in seconds since the epoch; None: there
            is none.
        errors: What is wrong with parts of it that others are shown without.
    """

    payload: Payload
    content_type: str = TEXT_TYPE
    modified: float | None = None
    errors: tuple[ModuleError, ...] = ()


@dataclass(slots=True)
class ModuleStatus:
    """How a module fares; written by its source, read by views and self-metrics.

    Attributes:
        name: As it is asked for.
        kind: What it is.
        app: The app that its metrics belong to; empty: it is not polled.
        interval: Seconds from one poll to the next; 0: it is not polled.
        params: The parameters that it takes; None: any.
        up: Whether it last brought something that can be shown; None before the first time.
        runs: How often it was tried, on demand and by polls.
        seconds: How long that took, all together.
        requests: How often it was asked for on demand.
        failures: How often it failed, by reason; also of those who asked in a wrong way.
        last_error: Why it last failed; None if it did not.
        files: When its files were last changed, by name, in seconds since the epoch.
    """

    name: str
    kind: str
    app: str = ""
    interval: float = 0.0
    params: tuple[str, ...] | None = ()
    up: bool | None = None
    runs: int = 0
    seconds: float = 0.0
    requests: int = 0
    failures: Counter[ModuleReason] = field(default_factory=Counter)
    last_error: str | None = None
    files: dict[str, float] = field(default_factory=dict)


class Modules(Protocol):
    """Answers for all modules."""

    @property
    def modules(self) -> Sequence[ModuleStatus]:
        """How each fares, in the order of the configuration."""

    async def ask(self, module: str, ask: Ask) -> Answer:
        """Return what a module brings now.

        Raises:
            ModuleError: Nothing that can be shown; ``unknown_module``: there is none.
        """


class ModuleCollector(Collector):
    """The modules as self-metrics.

    Args:
        modules: Which there are.
    """

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    def describe(self) -> list[Metric]:
        """Say nothing at registration, instead of being asked for all metrics."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return the metric families as they are now; none where there are no modules."""
        modules = self._modules.modules
        if not modules:
            return
        up = GaugeMetricFamily(
            "exporter_proxy_module_up",
            "Whether the module last brought something that can be shown.",
            labels=("module",),
        )
        duration = SummaryMetricFamily(
            "exporter_proxy_module_duration_seconds",
            "How long the module took, on demand and in polls, failures included.",
            labels=("module",),
        )
        requests = CounterMetricFamily(
            "exporter_proxy_module_requests",
            "How often the module was asked for on demand.",
            labels=("module",),
        )
        failures = CounterMetricFamily(
            "exporter_proxy_module_failures",
            "How often the module failed, or was asked in a wrong way, by reason.",
            labels=("module", "reason"),
        )
        files = GaugeMetricFamily(
            "exporter_proxy_module_file_mtime_seconds",
            "When the file of the module was last changed, in Unix time.",
            labels=("module", "file"),
        )
        for each in modules:
            label = (each.name,)
            if each.up is not None:
                up.add_metric(label, int(each.up))
            duration.add_metric(label, count_value=each.runs, sum_value=each.seconds)
            requests.add_metric(label, each.requests)
            for reason, count in sorted(each.failures.items()):
                failures.add_metric((each.name, reason), count)
            for name, modified in each.files.items():
                files.add_metric((each.name, unicode_of(name)), modified)
        yield from (up, duration, requests, failures, files)


def unicode_of(name: str) -> str:
    """Return a file's name with escapes for what is not Unicode in it."""
    return name.encode(errors="backslashreplace").decode()

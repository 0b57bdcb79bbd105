"""The proxy's own metrics, and the page that describes them."""

import logging
import platform
import re
from collections import Counter
from pathlib import Path
from typing import Never, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter_proxy import __version__
from exporter_proxy.access import AccessStats, TlsListener, answer_push
from exporter_proxy.access.metrics import AccessCollector
from exporter_proxy.access.tls_context import TlsContexts
from exporter_proxy.catalog.app_series import app_series
from exporter_proxy.errors import PollReason, RejectReason
from exporter_proxy.exposition.model import Family
from exporter_proxy.front import FrontCollector
from exporter_proxy.front.front import FrontStats
from exporter_proxy.modules import ModuleCollector, ModuleStatus
from exporter_proxy.reload import ReloadCollector, ReloadStatus
from exporter_proxy.self_metrics import SelfMetrics
from exporter_proxy.sources.base import ClosingReason, SourceStats, TargetStatus
from exporter_proxy.sources.log.metrics import LogCollector
from exporter_proxy.sources.log.status import LogStatus
from exporter_proxy.state.stats import StateCollector, StateStats
from exporter_proxy.table import Table
from tests.sources.log.counting import Lines
from tests.test_modules import Modules
from tests.views.conftest import Clock, FakeSource


class Fixture:
    """Self-metrics and all that they read."""

    def __init__(self) -> None:
        failing = ModuleStatus("m", "file", up=False, files={"f": 1.0})
        failing.failures["too_old"] = 1
        self.clock = Clock(0.0)
        self.table = Table(wall_ns=Clock(1_500_000_000_250_000_000))
        self.source = FakeSource("127.0.0.1:6554")
        self.targets: list[TargetStatus] = []
        self.logs: list[tuple[LogStatus, Lines]] = []
        self.access = AccessStats()
        self.tls = TlsListener("scrape", lambda: self.contexts, answer_push)
        self.contexts: TlsContexts | None = None
        self.metrics = SelfMetrics(
            self.table,
            [self.source],
            lambda: self.targets,
            5.0,
            self.clock,
            others=[
                StateCollector(StateStats(), lambda: (1, 2)),
                AccessCollector(self.access, {"scrape": self.tls}),
                FrontCollector(FrontStats()),
                ReloadCollector(lambda: ReloadStatus(None, 1.0, 1.0)),
                ModuleCollector(Modules(failing)),
                LogCollector(lambda: self.logs),
            ],
        )

    def lines(self) -> list[str]:
        """Return the lines of a new rendering."""
        self.clock.now += 5.0
        return self.metrics.render().decode().splitlines()


@pytest.fixture
def own() -> Fixture:
    return Fixture()


def test_build_info_and_apps(own: Fixture) -> None:
    own.table.update("a", (b"a 1\n",), source="x")
    lines = own.lines()

    version = f'python_version="{platform.python_version()}",version="{__version__}"'
    assert f"exporter_proxy_build_info{{{version}}} 1.0" in lines
    assert "exporter_proxy_apps 1.0" in lines
    assert "exporter_proxy_max_apps 100000.0" in lines


def test_counts_by_source(own: Fixture) -> None:
    stats = own.source.stats
    stats.updates, stats.connections, stats.open_connections = 7, 5, 2
    stats.closed_connections["idle_timeout"] = 3
    stats.rejected["tls"] = 4
    lines = own.lines()
    source = 'source="127.0.0.1:6554"'

    assert f"exporter_proxy_updates_total{{{source}}} 7.0" in lines
    assert f"exporter_proxy_connections_total{{{source}}} 5.0" in lines
    assert f"exporter_proxy_open_connections{{{source}}} 2.0" in lines
    assert f'exporter_proxy_closed_connections_total{{reason="idle_timeout",{source}}} 3.0' in lines
    assert f'exporter_proxy_rejected_messages_total{{reason="tls",{source}}} 4.0' in lines


def test_access(own: Fixture) -> None:
    """Refused requests, failed handshakes, and files that could not be read again."""
    own.access.refused["forbidden"] = 3
    lines = own.lines()

    assert 'exporter_proxy_http_requests_refused_total{reason="forbidden"} 3.0' in lines
    assert 'exporter_proxy_http_requests_refused_total{reason="busy"} 0.0' in lines
    # Of what is not in use there is nothing.
    assert not [line for line in lines if re.search("tls_failures|(?<!last)_reload", line)]

    own.contexts = object.__new__(TlsContexts)
    own.tls.stats.failures["handshake"] = 2
    own.access.reloads.add("web_certificates")
    own.access.reloads.note("web_certificates", successful=False)
    lines = own.lines()
    failures, files = "exporter_proxy_tls_failures_total", 'files="web_certificates"'

    assert f'{failures}{{listener="scrape",reason="handshake"}} 2.0' in lines
    assert f'{failures}{{listener="scrape",reason="plain"}} 0.0' in lines
    assert f"exporter_proxy_access_last_reload_successful{{{files}}} 0.0" in lines
    assert f"exporter_proxy_access_reload_failures_total{{{files}}} 1.0" in lines


def test_source_that_nobody_connects_to(own: Fixture) -> None:
    """It has no series that could never move."""
    own.source.stats = SourceStats(listens=False)
    own.source.stats.updates = 3

    of_source = [line for line in own.lines() if 'source="127.0.0.1:6554"' in line]
    assert of_source == ['exporter_proxy_updates_total{source="127.0.0.1:6554"} 3.0']


def test_every_reason_is_there_from_the_start(own: Fixture) -> None:
    """rate() doesn't see the step from no series to 1."""
    lines = own.lines()
    for closing in get_args(ClosingReason):
        name = "exporter_proxy_closed_connections_total"
        assert f'{name}{{reason="{closing}",source="127.0.0.1:6554"}} 0.0' in lines

    for reason in get_args(RejectReason):
        name = (
            f'exporter_proxy_rejected_messages_total{{reason="{reason}",source="127.0.0.1:6554"}}'
        )
        assert f"{name} 0.0" in lines
    assert own.source.stats.rejected == {}


def test_targets(own: Fixture) -> None:
    own.targets = [
        TargetStatus("external_poll: a:1", "a", up=True, duration_seconds=0.25, polls=3),
        TargetStatus(
            "external_poll: b:1",
            "b",
            up=False,
            duration_seconds=2.0,
            polls=4,
            failures=Counter(timeout=1, connect=3),
        ),
        TargetStatus("external_poll: c:1", "c"),
    ]
    lines = own.lines()

    assert [line for line in lines if line.startswith("exporter_proxy_poll")] == [
        'exporter_proxy_poll_up{target="external_poll: a:1"} 1',
        'exporter_proxy_poll_up{target="external_poll: b:1"} 0',
        'exporter_proxy_poll_duration_seconds{target="external_poll: a:1"} 0.25',
        'exporter_proxy_poll_duration_seconds{target="external_poll: b:1"} 2.0',
        'exporter_proxy_polls_total{target="external_poll: a:1"} 3',
        'exporter_proxy_polls_total{target="external_poll: b:1"} 4',
        'exporter_proxy_polls_total{target="external_poll: c:1"} 0',
        'exporter_proxy_poll_failures_total{target="external_poll: b:1",reason="connect"} 3',
        'exporter_proxy_poll_failures_total{target="external_poll: b:1",reason="timeout"} 1',
    ]


def test_a_target_given_twice_is_shown_once(own: Fixture) -> None:
    """A series that is there twice would spoil the page for Prometheus."""
    own.contexts = object.__new__(TlsContexts)
    own.access.reloads.add("web_certificates")
    own.logs = [(LogStatus("log: /x", "/x", lag={"/x": 1}), Lines())]
    own.targets = [TargetStatus("t", "a"), TargetStatus("t", "b", polls=2)]

    assert [line for line in own.lines() if line.startswith("exporter_proxy_polls_total")] == [
        'exporter_proxy_polls_total{target="t"} 2'
    ]


def test_renders_at_most_once_an_interval(own: Fixture) -> None:
    own.lines()
    rendered = own.metrics.render()
    own.source.stats.updates += 1
    own.clock.now = 9.999

    assert own.metrics.render() is rendered

    own.clock.now = 10.0

    assert own.metrics.render() != rendered


def test_a_failure_keeps_the_last_ones(own: Fixture, caplog: pytest.LogCaptureFixture) -> None:
    """The apps' metrics are served, whatever happens to ours."""
    own.lines()
    before = own.metrics.render()

    def fail() -> Never:
        raise RuntimeError("out of order")

    own.metrics._targets = fail
    own.clock.now += 5.0
    with caplog.at_level(logging.ERROR):
        assert own.metrics.render() is before
    assert [record.getMessage() for record in caplog.records] == [
        "rendering of the self-metrics failing: RuntimeError('out of order')"
    ]


def test_a_name_that_is_not_unicode_is_shown_with_escapes(own: Fixture) -> None:
    own.source.name = "/run/\udcff.sock"

    assert 'exporter_proxy_updates_total{source="/run/\\\\udcff.sock"} 0.0' in own.lines()


def test_process_metrics_have_our_prefix(own: Fixture) -> None:
    """Without it they would be taken for those of an app."""
    names = [line.split(" ")[0] for line in own.lines() if not line.startswith("#")]

    assert "exporter_proxy_process_resident_memory_bytes" in names
    assert all(name.startswith("exporter_proxy_") for name in names)


def _shown(family: Family) -> str:
    header = f"# HELP {family.name.decode()} {(family.help or b'').decode()}\n"
    return f"{header}# TYPE {family.name.decode()} {family.type}\n{family.samples.decode()}"


def exposed(own: Fixture) -> dict[str, tuple[str, str]]:
    """Return type and HELP of every family, with everything in them that there can be."""
    own.contexts = object.__new__(TlsContexts)
    own.access.reloads.add("web_certificates")
    own.logs = [(LogStatus("log: /x", "/x", lag={"/x": 1}), Lines())]
    own.targets = [TargetStatus("t", "a", up=True, polls=1, failures=Counter(other=1))]
    series = app_series("a", up=True, updated_ns=1, samples=1, findings={"quoted_name": 1})
    page = "\n".join(own.lines()) + "\n" + "".join(map(_shown, series))
    # The parser's names of counters lack the suffix that they are exposed with.
    return {
        family.name + "_total" * (family.type == "counter"): (family.type, family.documentation)
        for family in text_string_to_metric_families(page)
    }


DOCS = Path(__file__).parents[1] / "docs" / "metrics.md"


def test_every_metric_is_described(own: Fixture) -> None:
    """Name and type in docs/metrics.md are those of the page, in both directions."""
    described = re.findall(
        r"^\| `(exporter_proxy_\w+)` \| (\w+) \|", DOCS.read_text(), re.MULTILINE
    )

    assert dict(described) == {name: kind for name, (kind, _) in exposed(own).items()}
    assert len(described) == len(dict(described))


@pytest.mark.parametrize("reason", [*get_args(RejectReason), *get_args(PollReason)])
def test_every_reason_is_described(reason: str) -> None:
    assert f"\n| `{reason}` |" in DOCS.read_text()


def test_help_is_one_sentence(own: Fixture) -> None:
    for name, (_, documentation) in exposed(own).items():
        assert documentation.endswith(".") or name.startswith("exporter_proxy_process_"), name

"""Modules as self-metrics."""

from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from exporter_proxy.modules import ModuleCollector, ModuleStatus


class Modules:
    """Some modules, not to be asked."""

    def __init__(self, *modules: ModuleStatus) -> None:
        self.modules = modules

    async def ask(self, module, ask):
        raise NotImplementedError


def rendered(*modules: ModuleStatus) -> list[str]:
    """Return the samples, sorted."""
    registry = CollectorRegistry()
    registry.register(ModuleCollector(Modules(*modules)))
    page = generate_latest(registry).decode()
    return sorted(line for line in page.splitlines() if not line.startswith("#"))


def test_nothing_without_modules():
    assert rendered() == []


def test_metrics():
    """A failure is there once it occurred; ``up`` once there was a first time."""
    one = ModuleStatus("a", "exec", runs=3, seconds=0.5, requests=2, up=False)
    one.failures["exit_status"] = 1
    two = ModuleStatus("b", "directory", files={"x.prom": 1.5, "\udcff": 2.0})

    assert rendered(one, two) == sorted(
        [
            'exporter_proxy_module_up{module="a"} 0.0',
            'exporter_proxy_module_duration_seconds_count{module="a"} 3.0',
            'exporter_proxy_module_duration_seconds_sum{module="a"} 0.5',
            'exporter_proxy_module_duration_seconds_count{module="b"} 0.0',
            'exporter_proxy_module_duration_seconds_sum{module="b"} 0.0',
            'exporter_proxy_module_requests_total{module="a"} 2.0',
            'exporter_proxy_module_requests_total{module="b"} 0.0',
            'exporter_proxy_module_failures_total{module="a",reason="exit_status"} 1.0',
            'exporter_proxy_module_file_mtime_seconds{file="x.prom",module="b"} 1.5',
            'exporter_proxy_module_file_mtime_seconds{file="\\\\udcff",module="b"} 2.0',
        ]
    )

"""``/health``: how the proxy is, as JSON."""

import json
from collections import Counter
from typing import Any

from exporter_proxy.modules import ModuleStatus
from exporter_proxy.sources.base import Failure, TargetStatus
from tests.views.conftest import Port


async def document(port: Port, expected: int = 200) -> Any:
    status, headers, body = await port.get("/health")
    assert (status, headers["Content-Type"]) == (expected, "application/json")
    assert headers["Cache-Control"] == "no-store"
    shown = json.loads(body)
    # For people in a browser, however it is cut into chunks.
    assert body.decode() == json.dumps(shown, indent=2, ensure_ascii=False) + "\n"
    return shown


async def test_all_is_well(full_port: Port):
    port = full_port
    port.source.stats.listening = True
    port.table.update("a", (b"x 1\ny 2\n",), source="x")
    await port.page()
    shown = await document(port)
    version = shown.pop("version")
    assert version
    assert shown == {
        "status": "healthy",
        "complaints": [],
        "current_time": "2022-05-22T23:51:52.939Z",
        "uptime_seconds": 10.0,
        "ready": True,
        "totals": {
            "apps": 1,
            "samples": 2,
            "updates": 0,
            "rejected_messages": 0,
            "open_connections": 0,
            "scrapes": 1,
            "scrape_failures": 0,
        },
        "configuration": {
            "path": "/etc/x.toml",
            "read": "1970-01-01T00:00:01.500Z",
            "last_reload_successful": True,
            "last_reload": "1970-01-01T00:00:01.500Z",
            "problems": [],
        },
        "sources": [
            {
                "kind": "receiver",
                "name": "127.0.0.1:6554",
                "up": True,
                "last_success": None,
                "last_error": None,
                "updates": 0,
                "rejected_messages": {},
                "open_connections": 0,
                "connections": 0,
            }
        ],
        "targets": [],
    }


async def test_source(port: Port):
    stats = port.source.stats
    stats.listening = True
    stats.updates, stats.connections, stats.open_connections = 3, 5, 2
    stats.last_success_ns = 1_000_000_000
    stats.last_error = Failure("\ud800 it was\nodd", 2_000_000_000)
    stats.rejected["tls"] = 4
    shown = await document(port)
    [source] = shown["sources"]
    assert source["last_success"] == "1970-01-01T00:00:01.000Z"
    assert source["last_error"] == {
        "message": "\\ud800 it was\nodd",
        "time": "1970-01-01T00:00:02.000Z",
    }
    assert source["rejected_messages"] == {"tls": 4}
    assert (shown["totals"]["rejected_messages"], shown["totals"]["samples"]) == (4, None)
    # Senders that make mistakes are not the proxy's.
    assert shown["status"] == "healthy"


async def test_modules(port: Port):
    """Those that are polled; who asks on demand is told of a failure anyway."""
    port.source.stats.listening = True
    port.polled_modules = [
        ModuleStatus("a", "exec", interval=5.0, up=False),
        ModuleStatus("b", "exec", interval=5.0, up=True),
        ModuleStatus("c", "exec", up=False),
        ModuleStatus("d", "exec", interval=5.0),
    ]
    assert (await document(port))["complaints"] == ["1 of 3 polled modules fail"]


async def test_logs(port: Port):
    """Whether they can't be followed, or what they bring is refused."""
    port.source.stats.listening = True
    port.log_apps = ["a", "b", "c"]
    port.table.set_problem("a", "following failing: no such file", source="log: a")
    port.table.refuse("b", "update refused: too long", source="log: b", expected=True)
    assert (await document(port))["complaints"] == ["2 of 3 followed logs fail"]


async def test_targets(port: Port):
    """Also very many of them."""
    port.source.stats.listening = True
    up = TargetStatus("t", "a", up=True, polls=2, last_success_ns=0, duration_seconds=0.5)
    down = TargetStatus(
        "u", "b", up=False, polls=1, failures=Counter(dns=1), last_failure=Failure("no", 0)
    )
    port.targets = [up, down, *(TargetStatus(f"{n}", f"{n}") for n in range(1000))]
    shown = await document(port)
    assert shown["status"] == "degraded"
    assert shown["complaints"] == ["1 of 1002 polled targets can't be polled"]
    assert [target["name"] for target in shown["targets"]][:3] == ["t", "u", "0"]
    assert len(shown["targets"]) == 1002
    assert shown["targets"][0] == {
        "name": "t",
        "app": "a",
        "up": True,
        "last_success": "1970-01-01T00:00:00.000Z",
        "last_error": None,
        "polls": 2,
        "failures": {},
        "duration_seconds": 0.5,
    }
    assert shown["targets"][1]["failures"] == {"dns": 1}
    assert shown["targets"][1]["last_error"]["message"] == "no"
    assert shown["targets"][2]["up"] is None


async def test_degraded(port: Port):
    """Each complaint is told; the answer is still 200."""
    port.is_ready = False
    port.reloads.successful = False
    port.reloads.problems = ("receiver.format: wrong",)
    port.table.configure(max_apps=1, forget_after=60)
    port.table.update("a", (b"x 1\n",), source="x")
    shown = await document(port)
    assert shown["status"] == "degraded"
    assert shown["complaints"] == [
        "metrics are not taken",
        "127.0.0.1:6554: does not listen",
        "the table is full: 1 apps (exporter.max_apps)",
        "the configuration could not be reloaded",
    ]
    assert shown["configuration"]["problems"] == ["receiver.format: wrong"]


async def test_unhealthy(full_port: Port):
    """The page can't be made: 503 here and on /-/healthy, until it can."""
    port = full_port
    port.source.stats.listening = True
    pages = port.views._shown.pages
    take_in = pages._take_in
    pages._take_in = None  # type: ignore[assignment, method-assign]
    assert (await port.get("/metrics"))[0] == 500
    shown = await document(port, 503)
    assert shown["status"] == "unhealthy"
    assert shown["complaints"] == ["the last scrape ended in an error of the proxy, see its log"]
    assert (await port.get("/-/healthy"))[0] == 503
    pages._take_in = take_in  # type: ignore[method-assign]
    await port.page()
    assert (await document(port))["status"] == "healthy"
    assert (await port.get("/-/healthy"))[0] == 200

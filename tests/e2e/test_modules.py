"""Modules of a proxy that works: real exporters, programs, files, and Prometheus that scrapes."""

import json
import re
import signal
import subprocess
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomli
import yaml

from exporter_proxy.config import read
from tests.conftest import StartProxy
from tests.ports import free_port
from tests.proxy_process import ROOT, ProxyProcess, http_get, until
from tests.sources.module.modules import is_running, write

DOCS = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")


@pytest.fixture
def node_exporter(tool: Callable[[str], str], tmp_path: Path) -> Iterator[int]:
    """Debian's node_exporter; gives its port."""
    port = free_port()
    with (tmp_path / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [
                tool("prometheus-node-exporter"),
                f"--web.listen-address=127.0.0.1:{port}",
                "--collector.disable-defaults",
                "--collector.loadavg",
                "--collector.uname",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: http_get(port, "/metrics").status == 200, "node_exporter")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def asked(running: ProxyProcess, module: str, **params: str) -> tuple[int, str]:
    """Return status and body of a module."""
    query = urllib.parse.urlencode({"module": module, **params})
    answer = running.get(f"/proxy?{query}")
    return answer.status, answer.body.decode()


def states(running: ProxyProcess) -> dict[str, str]:
    return {each["app"]: each["state"] for each in running.apps_json()["apps"]}


def test_node_exporter(proxy: StartProxy, node_exporter: int, promtool):
    """On demand with its own parameters, and polled; its failure is a gateway's."""
    url = f"http://127.0.0.1:{node_exporter}/metrics"
    running = proxy(
        module=[
            {"name": "node", "kind": "http", "url": url, "interval": 0.2},
            {"name": "gone", "kind": "http", "url": "http://127.0.0.1:1/metrics"},
            {"name": "landing", "kind": "http", "url": f"{url}/nothing"},
        ]
    )
    status, page = asked(running, "node")
    assert status == 200
    assert "\nnode_load1 " in page
    assert promtool(page) in {0, 3}
    status, page = asked(running, "node", **{"collect[]": "uname"})
    assert status == 200
    assert "node_uname_info{" in page
    assert "node_load1" not in page
    running.wait_metrics("\nnode_load1 ")
    until(lambda: states(running)["node"] == "ok", "the app")
    assert asked(running, "gone") == (
        502,
        'error: module "gone": can\'t connect to 127.0.0.1, port 1: Connection refused\n',
    )
    status, told = asked(running, "landing")
    assert status == 502
    assert told.startswith('error: module "landing": line 1: "<html>" is not a metric name')


def test_programs(proxy: StartProxy, tmp_path: Path):
    """What is good comes, what is not says why, and after the end nothing runs on."""
    pids = tmp_path / "pids"
    pids.touch()
    scripts = {
        "good": "echo x 1",
        "three": "echo no disk >&2; exit 3",
        "html": "echo '<html>'",
        "endless": "exec yes x 1",
        "hangs": f"trap '' TERM; sleep 1000 & echo $$ $! >> {pids}; wait; exec sleep 1000",
    }
    running = proxy(
        exporter={"self_metrics_interval": 0},
        module=[
            {"name": name, "kind": "exec", "command": ["sh", "-c", text], "max_body_size": "1MiB"}
            for name, text in scripts.items()
        ],
    )
    assert asked(running, "good") == (200, "x 1\n")
    assert asked(running, "three") == (502, 'error: module "three": exit status 3: "no disk"\n')
    assert asked(running, "endless")[0] == 502
    status, told = asked(running, "html")
    assert status == 502
    assert told.startswith('error: module "html": line 1: ')
    answer = running.get("/proxy?module=hangs", {"X-Prometheus-Scrape-Timeout-Seconds": "2.1"})
    assert answer.status == 504
    listed = {
        each["module"]: each
        for each in json.loads(running.get("/proxy?format=json").body)["modules"]
    }
    assert listed["good"]["up"] is True
    assert listed["three"]["last_error"] == 'exit status 3: "no disk"'
    failures = 'exporter_proxy_module_failures_total{module="hangs",reason="timeout"} 1.0'
    assert failures in running.get("/metrics/self").body.decode()
    # One that is under way at the end is ended with it.
    before = len(pids.read_text().split())
    asking = threading.Thread(target=asked, args=(running, "hangs"))
    asking.start()
    until(lambda: len(pids.read_text().split()) == before + 2, "the second run")
    assert running.stop() == 0
    asking.join(20)
    for pid in pids.read_text().split():
        until(lambda pid=int(pid): not is_running(pid), "the end of the processes")


def test_files(proxy: StartProxy, tmp_path: Path):
    """Their ages are told, those that are too old are down, those that went away are gone."""
    directory = tmp_path / "textfiles"
    directory.mkdir()
    write(directory / "raid.prom", "raid_ok 1\n")
    write(directory / "bad.prom", "bad_metric{\n")
    write(tmp_path / "backup", "backup_bytes 5\n", age=3605)
    running = proxy(
        exporter={"self_metrics_interval": 0},
        module=[
            {"name": "textfile", "kind": "directory", "path": str(directory), "interval": 0.1},
            {
                "name": "backup",
                "kind": "file",
                "path": f"{tmp_path}/backup",
                "max_age": 60,
                "interval": 0.1,
            },
        ],
    )
    running.wait_metrics("raid_ok 1\n")
    until(lambda: "backup" in states(running), "the file")
    assert states(running)["textfile: raid.prom"] == "ok"
    assert states(running)["textfile: bad.prom"].startswith("quarantined: line 1: ")
    assert states(running)["backup"].startswith("module failing: not written since 20")
    assert 'exporter_proxy_app_up{app="backup"} 0' in running.metrics()
    age = 'exporter_proxy_module_file_mtime_seconds{file="raid.prom",module="textfile"} 1.'
    assert age in running.metrics()
    assert asked(running, "backup")[0] == 502
    write(tmp_path / "backup", "backup_bytes 6\n")
    running.wait_metrics("backup_bytes 6\n")
    (directory / "raid.prom").unlink()
    write(directory / "new.prom", "new_metric 1\n")
    assert "raid_ok" not in running.wait_metrics("new_metric 1\n")
    status, page = asked(running, "textfile")
    assert status == 200
    assert page.startswith("# TYPE new_metric untyped\nnew_metric 1\n")


def test_targets_of_modules(proxy: StartProxy, tmp_path: Path):
    """A scrape of a module's app has it looked at now, but a program runs when it is due."""
    write(tmp_path / "a.prom", "x 1\n")
    program = tmp_path / "program"
    program.write_text("echo y 1\n", encoding="utf-8")
    running = proxy(
        module=[
            {"name": "f", "kind": "file", "path": str(tmp_path / "a.prom"), "interval": 3600},
            {"name": "p", "kind": "exec", "command": ["sh", str(program)], "interval": 3600},
        ]
    )
    running.wait_metrics("\nx 1\n")
    running.wait_metrics("\ny 1\n")
    targets = json.loads(running.get("/sd").body)
    fresh = {each["labels"]["app"]: each["labels"].get("__param_fresh") for each in targets}
    assert fresh == {"f": "1", "p": None}

    write(tmp_path / "a.prom", "x 2\n")
    program.write_text("echo y 2\n", encoding="utf-8")
    assert b"\nx 2\n" in running.get("/metrics?app=f&fresh=1").body
    assert b"\ny 1\n" in running.get("/metrics?app=p&fresh=1").body
    (tmp_path / "a.prom").unlink()
    answer = running.get("/metrics?app=f&fresh=1")
    assert answer.status == 502
    assert answer.body.startswith(b'error: poll of "f" failed: ')


def test_reload_and_restart(proxy: StartProxy, tmp_path: Path):
    """SIGHUP takes modules up and away; a state file brings back those that there still are."""
    write(tmp_path / "a.prom", "a_metric 1\n")
    directory = {
        "name": "d",
        "kind": "directory",
        "path": str(tmp_path),
        "interval": 0.1,
    }
    keeps = {"state_file": str(tmp_path / "state.db")}
    running = proxy(exporter=keeps)
    assert running.get("/proxy").body == b"no modules: see [[module]]\n"
    running.write_config(exporter=keeps, module=[directory])
    running.process.send_signal(signal.SIGHUP)
    running.wait_metrics("a_metric 1\n")
    assert running.stop() == 0
    running.start()
    running.wait_ready()
    running.wait_metrics("a_metric 1\n")
    running.write_config(exporter=keeps)
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "a_metric" not in running.metrics(), "the end of the module")
    assert asked(running, "d")[0] == 404


def test_right_to_scrape(proxy: StartProxy, tmp_path: Path):
    """Who has it not makes nothing run."""
    mark = tmp_path / "mark"
    running = proxy(
        module=[{"name": "m", "kind": "exec", "command": ["touch", str(mark)]}],
        access=[{"bearer_token": "secret", "rights": ["scrape"]}],
    )
    assert running.get("/proxy?module=m").status == 401
    assert running.get("/proxy").status == 401
    assert not mark.exists()
    assert running.get("/proxy?module=m", {"Authorization": "Bearer secret"}).status == 200
    assert mark.exists()


def test_prometheus_scrapes_modules(
    proxy: StartProxy, node_exporter: int, tool: Callable[[str], str], tmp_path: Path
):
    """With the relabelling that the documentation shows: each has an ``up`` of its own."""
    mark = tmp_path / "broken"
    running = proxy(
        module=[
            {"name": "node", "kind": "http", "url": f"http://127.0.0.1:{node_exporter}/metrics"},
            {
                "name": "somescript",
                "kind": "exec",
                "command": ["sh", "-c", f"test ! -e {mark} && echo script_value 7"],
            },
            {"name": "cadvisor", "kind": "exec", "command": ["echo", "<html>"]},
        ]
    )
    (shown,) = [
        yaml.safe_load(block)
        for block in re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
        if "scrape_configs" in block
    ]
    (job,) = shown["scrape_configs"]
    assert job["relabel_configs"][-1]["replacement"] == "sidecar.example:9999"
    job["relabel_configs"][-1]["replacement"] = f"127.0.0.1:{running.http_port}"
    shown["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump(shown))
    port = free_port()
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                tool("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def query(expression: str) -> dict[str, str]:
        encoded = urllib.parse.urlencode({"query": expression})
        answer = http_get(port, f"/api/v1/query?{encoded}")
        found = json.loads(answer.body)["data"]["result"] if answer.status == 200 else []
        return {each["metric"]["job"]: each["value"][1] for each in found}

    try:
        until(
            lambda: query("up") == {"node": "1", "somescript": "1", "cadvisor": "0"},
            "the three targets",
        )
        until(lambda: query("script_value") == {"somescript": "7"}, "its sample")
        until(lambda: set(query("node_load1")) == {"node"}, "that of the exporter")
        mark.touch()
        until(
            lambda: query("up") == {"node": "1", "somescript": "0", "cadvisor": "0"},
            "the broken script",
        )
    finally:
        process.terminate()
        process.wait(20)


def test_examples_of_the_documentation():
    """Each block of TOML, of the README's sections, too, is a configuration with modules."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", DOCS + readme, re.DOTALL)
    with_modules = [block for block in blocks if "[[module]]" in block]

    assert len(with_modules) == 4
    for block in with_modules:
        assert read(tomli.loads(block)).modules

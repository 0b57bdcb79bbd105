"""Clients of Pushgateway push to the proxy by another address, and by nothing else."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Summary
from prometheus_client.exposition import (
    delete_from_gateway,
    instance_ip_grouping_key,
    push_to_gateway,
    pushadd_to_gateway,
)

from tests.e2e.gateways import Gateway, proxy_gateway, pushgateway
from tests.proxy_process import ROOT

NODE = ROOT / "tests" / "e2e" / "node"


@pytest.fixture(scope="module")
def ours() -> Iterator[Gateway]:
    with proxy_gateway() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def both(ours: Gateway, tool: Callable[[str], str]) -> Iterator[tuple[Gateway, Gateway]]:
    with pushgateway(tool("prometheus-pushgateway")) as theirs:
        yield ours, theirs


@pytest.fixture(autouse=True)
def empty(both: tuple[Gateway, Gateway]) -> None:
    for gateway in both:
        gateway.wipe()


def registry() -> CollectorRegistry:
    found = CollectorRegistry()
    Counter("c", "A counter.", ["l"], registry=found).labels('v"\n\\ü').inc(3)
    Counter("never", "Never counted.", ["l"], registry=found)
    Gauge("g", "A gauge.", registry=found).set(float("nan"))
    Histogram("h", "A histogram.", registry=found, buckets=(0.1, 1)).observe(0.5)
    Summary("s", "A summary.", registry=found).observe(2)
    Info("i", "An info.", registry=found).info({"version": "1"})
    return found


def comparable(series: dict[str, float | str]) -> dict[str, str]:
    """Return series whose values can be compared, NaN included, without birthdays.

    Pushgateway writes the bounds of buckets anew.
    """
    return {
        name.replace("le=1.0", "le=1"): value if isinstance(value, str) else str(float(value))
        for name, value in series.items()
        if "_created{" not in name
    }


def test_python_push_to_gateway(both: tuple[Gateway, Gateway]) -> None:
    for gateway in both:
        push_to_gateway(gateway.url, job="batch", registry=registry())
        push_to_gateway(
            f"127.0.0.1:{gateway.port}",
            job="a/b",
            registry=registry(),
            grouping_key={"path": "/var/tmp", "empty": "", "plain": "ü"},
        )
    ours, theirs = both

    assert comparable(ours.series()) == comparable(theirs.series())
    assert ours.types() == theirs.types()
    assert 'job="a/b"' in ours.page()


def test_python_pushadd_and_delete(both: tuple[Gateway, Gateway]) -> None:
    """PUT replaces, POST adds, DELETE deletes the one group."""
    one, other = CollectorRegistry(), CollectorRegistry()
    Gauge("first", "1", registry=one).set(1)
    Gauge("second", "2", registry=other).set(2)
    for gateway in both:
        push_to_gateway(gateway.url, job="x", registry=one)
        pushadd_to_gateway(gateway.url, job="x", registry=other)
        push_to_gateway(gateway.url, job="y", registry=one)
        push_to_gateway(gateway.url, job="y", registry=other)
        push_to_gateway(gateway.url, job="z", registry=other)
        delete_from_gateway(gateway.url, job="z")
    ours, theirs = both

    assert ours.series() == theirs.series()
    assert "first{instance=,job=x}" in ours.series()
    assert "first{instance=,job=y}" not in ours.series()


def test_python_instance_ip_grouping_key(ours: Gateway) -> None:
    key = instance_ip_grouping_key()
    one = CollectorRegistry()
    Gauge("first", "1", registry=one).set(1)
    push_to_gateway(ours.url, job="x", registry=one, grouping_key=key)

    assert f"first{{instance={key['instance']},job=x}}" in ours.series()


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the locked prom-client package where the checkout is left alone."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("this test needs npm")
    directory = tmp_path_factory.mktemp("node")
    for file in NODE.iterdir():
        if file.is_file():
            shutil.copy(file, directory)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=5"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return directory


def test_node_prom_client(both: tuple[Gateway, Gateway], modules: Path) -> None:
    answers = []
    for gateway in both:
        done = subprocess.run(
            ["node", "push.js", gateway.url],
            cwd=modules,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    ours, theirs = both

    assert answers == [[200, 200, 202], [200, 200, 202]]
    assert ours.series() == theirs.series()
    assert "requests_total{code=200,instance=,job=node batch}" in ours.series()
